"""What is published: each package's wheel, installed without the checkout, and looked at from the outside."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MANIFESTS: dict[str, dict[str, Any]] = {
    path.parent.name: tomllib.loads(path.read_text())["project"]
    for path in sorted(ROOT.glob("packages/*/pyproject.toml"))
}
FOLDERS = {project["name"]: folder for folder, project in MANIFESTS.items()}
PINS = ("--constraint", ROOT / "constraints.txt", "--build-constraint", ROOT / "constraints.txt")


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """Run a program that must succeed; return what it printed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"
    return done.stdout


def siblings(folder: str) -> set[str]:
    """Return the folders of all packages of this house that the package needs, itself included."""
    project = MANIFESTS[folder]
    wanted = [*project["dependencies"], *chain(*project.get("optional-dependencies", {}).values())]
    names = {match[0] for requirement in wanted if (match := re.match(r"[\w.-]+", requirement))}
    return {folder}.union(*(siblings(FOLDERS[name]) for name in names & FOLDERS.keys() - {project["name"]}))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Build a package, once for all that need it."""

    @cache
    def build(folder: str) -> Path:
        out = tmp_path_factory.mktemp(folder)
        run("uv", "build", "--quiet", *PINS[2:], "--out-dir", out, f"packages/{folder}")
        (built,) = out.glob("*.whl")
        return built

    return build


@pytest.mark.parametrize("package", MANIFESTS)
def test_a_wheel_is_whole(package: str, wheel: Callable[[str], Path], tmp_path: Path) -> None:
    """First bare, for what an extra brings must not be needed without it; then with every extra."""
    python = tmp_path / "environment" / "bin" / "python"
    run("uv", "venv", "--quiet", "--python", sys.executable, tmp_path / "environment")
    wheels = {folder: wheel(folder).as_uri() for folder in sorted(siblings(package))}

    def look(extras: str, *options: str) -> None:
        wanted = [
            f"{MANIFESTS[folder]['name']}{extras if folder == package else ''} @ {uri}"
            for folder, uri in wheels.items()
        ]
        run("uv", "pip", "install", "--quiet", "--python", python, *PINS, *wanted)
        run(
            python,
            "-I",
            Path(__file__).with_name("installed.py"),
            MANIFESTS[package]["name"],
            *options,
            cwd=tmp_path,
        )

    look("")
    if names := MANIFESTS[package].get("optional-dependencies"):
        look(f"[{','.join(names)}]", "--extras")
    run("uv", "pip", "check", "--quiet", "--python", python)
