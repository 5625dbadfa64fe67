"""What is published: each package's wheel, installed without the checkout, and looked at from the outside."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MANIFESTS: dict[str, dict[str, Any]] = {
    path.parent.name: tomllib.loads(path.read_text())["project"]
    for path in sorted(ROOT.glob("packages/*/pyproject.toml"))
}
PINS = ("--constraint", ROOT / "constraints.txt", "--build-constraint", ROOT / "constraints.txt")


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """Run a program that must succeed; return what it printed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build every package; return constraints by which each of them that is needed is the wheel just built."""
    folder = tmp_path_factory.mktemp("wheels")
    lines = []
    for package, project in MANIFESTS.items():
        run("uv", "build", "--quiet", *PINS[2:], "--out-dir", folder / package, f"packages/{package}")
        (wheel,) = (folder / package).glob("*.whl")
        lines.append(f"{project['name']} @ {wheel.as_uri()}\n")
    constraints = folder / "house.txt"
    constraints.write_text("".join(lines))
    return constraints


@pytest.mark.parametrize("package", MANIFESTS)
def test_a_wheel_is_whole(package: str, house: Path, tmp_path: Path) -> None:
    """First bare, for what an extra brings must not be needed without it; then with every extra."""
    project = MANIFESTS[package]
    name = project["name"]
    python = tmp_path / "environment" / "bin" / "python"
    run("uv", "venv", "--quiet", "--python", sys.executable, tmp_path / "environment")

    def look(wanted: str, *options: str) -> None:
        run("uv", "pip", "install", "--quiet", "--python", python, "--constraint", house, *PINS, wanted)
        run(python, "-I", Path(__file__).with_name("installed.py"), name, *options, cwd=tmp_path)

    look(name)
    if extras := project.get("optional-dependencies"):
        look(f"{name}[{','.join(extras)}]", "--extras")
    run("uv", "pip", "check", "--quiet", "--python", python)
