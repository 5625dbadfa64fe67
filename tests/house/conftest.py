"""Where the house is, and its packages."""

import ast
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes `package` for each package, and one that takes `source` for each source."""
    if "package" in metafunc.fixturenames:
        metafunc.parametrize("package", PACKAGES, ids=lambda path: path.name)
    if "source" in metafunc.fixturenames:
        sources = [
            path
            for path in PACKAGES
            if "weathervane-source-kit" in str(read(path)["project"]["dependencies"])
        ]
        metafunc.parametrize("source", sources, ids=lambda path: path.name)


def read(package: Path) -> dict[str, Any]:
    """Return what a package's pyproject says."""
    return tomllib.loads((package / "pyproject.toml").read_text())


@pytest.fixture
def root() -> Path:
    """Return the folder of the checkout."""
    return ROOT


@pytest.fixture
def packages() -> list[Path]:
    """Return the folders of all packages."""
    return PACKAGES


@pytest.fixture
def manifest() -> Callable[[Path], dict[str, Any]]:
    """Return the reader of pyproject files."""
    return read


@pytest.fixture(scope="session")
def committed() -> list[Path]:
    """Return every file that git holds or would add."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return [path for name in names if name and (path := ROOT / name).is_file()]


@pytest.fixture
def imports() -> Callable[[Path], Iterator[str]]:
    """Return the reader of a module's absolute imports, wherever in the module they stand."""

    def found(module: Path) -> Iterator[str]:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)

    return found
