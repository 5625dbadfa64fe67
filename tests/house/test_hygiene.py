"""What is committed runs anywhere, says nothing of the machine it was written on, and waits for nothing."""

import ast
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

Imports = Callable[[Path], Iterator[str]]

# Folders of the machine on which somebody wrote this; a container's own folders are another matter.
MACHINE = re.compile(r"(?<![\w.$}/-])/(?:work|root|tmp|home|opt/dev)/")
INDEX = re.compile(
    r"(?:index|registry)[-_]?(?:url)?[=:\s]+\S*://|\b(?:pypi|pythonhosted|npmjs)[.](?:org|com)\b", re.I
)


def test_no_file_names_this_machine(committed: list[Path], root: Path) -> None:
    """No absolute path of a developer's machine is committed; deploy/ speaks of its own containers."""
    for path, number, line in lines(committed):
        if path.relative_to(root).parts[0] != "deploy" and path != Path(__file__):
            assert not MACHINE.search(line), (
                f"{path.relative_to(root)}:{number} names a path of a machine: {line}"
            )


def test_no_file_names_a_package_index(committed: list[Path], root: Path) -> None:
    """Where packages come from is for each machine to say, so none is named, not even the one in use."""
    variables = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL", "NPM_CONFIG_REGISTRY")
    hosts = {urlsplit(os.environ.get(variable, "")).hostname for variable in variables} - {None}
    for path, number, line in lines(committed):
        if path != Path(__file__):
            named = INDEX.search(line) or next((host for host in hosts if host and host in line), None)
            assert not named, f"{path.relative_to(root)}:{number} names a package index"


@pytest.mark.parametrize("pins", ["constraints.txt", "constraints-lowest.txt"])
def test_the_lock_has_hashes_and_no_address(root: Path, pins: str) -> None:
    """Each pin is followed by its hashes, and by nothing that says where it came from."""
    text = (root / pins).read_text()
    assert "://" not in text
    assert not re.search(r"^-", text, re.MULTILINE), f"{pins} holds an option"
    for pin in re.split(r"\n(?=\w)", text):
        assert "--hash=sha256:" in pin, f"no hash: {pin.splitlines()[0]}"


def test_no_test_sleeps_or_mocks(root: Path, imports: Imports, subtests: pytest.Subtests) -> None:
    """Tests wait for readiness, never for time, and meet the real thing, never a mock of it."""
    modules = [*root.glob("packages/*/tests/**/*.py"), *root.glob("tests/**/*.py")]
    for module in modules:
        with subtests.test(module=str(module.relative_to(root))):
            assert not [name for name in imports(module) if name.startswith(("unittest.mock", "mock."))]
            for node in ast.walk(ast.parse(module.read_text())):
                if isinstance(node, ast.Call):
                    assert ast.unparse(node.func) not in {"time.sleep", "sleep"}, f"line {node.lineno} sleeps"


def lines(paths: list[Path]) -> Iterator[tuple[Path, int, str]]:
    """Go through every line of every text file."""
    for path in paths:
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        yield from ((path, number, line) for number, line in enumerate(text.splitlines(), 1))
