"""Every package has the same shape, and every list that names packages names all of them."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .reasons import PAGE, page

Manifest = Callable[[Path], dict[str, Any]]

NEEDED = {"CHANGELOG.md", "LICENSE", "README.md", "pyproject.toml", "src", "tests"}
NEEDED_BY_A_SOURCE = NEEDED | {"prefect.yaml"}
# What a package may have beside them.
ALLOWED = NEEDED_BY_A_SOURCE | {"benchmarks", "docs"}


def test_nothing_hides_the_other_packages(package: Path) -> None:
    """`weathervane` is a namespace: one stray `weathervane/__init__.py` would hide every other package."""
    stray = package / "src" / "weathervane" / "__init__.py"
    assert not stray.exists(), f"delete {stray}"
    beside = {path.name for path in (package / "src").iterdir()} - {"weathervane"}
    assert not beside, (
        f"{package.name}/src holds {sorted(beside)}; only the namespace `weathervane` belongs there"
    )


def test_a_package_has_the_same_files_and_only_them(package: Path, root: Path, committed: list[Path]) -> None:
    """Who has seen one package has seen all."""
    has = {path.relative_to(package).parts[0] for path in committed if path.is_relative_to(package)}
    assert NEEDED - has == set(), f"packages/{package.name} lacks {sorted(NEEDED - has)}"
    assert has - ALLOWED == set(), f"packages/{package.name} should not have {sorted(has - ALLOWED)}"
    licence = (package / "LICENSE").read_text()
    assert licence == (root / "LICENSE").read_text(), f"packages/{package.name}/LICENSE is not the house's"


def test_a_source_says_what_is_deployed(source: Path, committed: list[Path]) -> None:
    """A source also has its Prefect deployments, and is imported by its folder's name."""
    has = {path.relative_to(source).parts[0] for path in committed if path.is_relative_to(source)}
    assert NEEDED_BY_A_SOURCE - has == set(), f"packages/{source.name} lacks prefect.yaml"
    imported = [path.name for path in (source / "src" / "weathervane").iterdir() if path.is_dir()]
    assert imported == [source.name.replace("-", "_")]


def test_one_word_names_a_package(package: Path, manifest: Manifest) -> None:
    """Folder and distribution share their word, so a tag can be read back."""
    assert manifest(package)["project"]["name"] == f"weathervane-{package.name}"


def test_packages_agree_on_what_they_share(package: Path, packages: list[Path], manifest: Manifest) -> None:
    """Supported Pythons, licence and build backend are the house's, not a package's."""
    first, project = manifest(packages[0]), manifest(package)["project"]
    for key in ("requires-python", "license", "license-files", "readme", "classifiers"):
        assert project[key] == first["project"][key], (
            f"packages/{package.name}: {key} differs from the others"
        )
    assert manifest(package)["build-system"] == first["build-system"]


def test_a_package_is_typed(package: Path) -> None:
    """Each import package is a regular one, with `py.typed` beside its menu."""
    for folder in (path for path in (package / "src" / "weathervane").iterdir() if path.is_dir()):
        if folder.name != "__pycache__":
            assert (folder / "py.typed").exists(), f"{folder.relative_to(package)} lacks py.typed"
            assert (folder / "__init__.py").exists(), f"{folder.relative_to(package)} lacks __init__.py"


def test_the_changelog_is_about_this_version(package: Path, manifest: Manifest) -> None:
    """The newest version in CHANGELOG.md is the one in pyproject; `Unreleased` may stand above it."""
    headings = re.findall(r"^## (.+)$", (package / "CHANGELOG.md").read_text(), re.MULTILINE)
    versions = [heading.split()[0] for heading in headings if heading != "Unreleased"]
    version = manifest(package)["project"]["version"]
    assert versions[:1] == [version], (
        f"packages/{package.name}: pyproject says {version}, CHANGELOG {versions[:1]}"
    )


@pytest.mark.parametrize("place", ["CODEOWNERS", "README.md"])
def test_every_package_is_named(package: Path, root: Path, place: str) -> None:
    """Nobody has to know by heart which lists a new package belongs in."""
    text = (root / place).read_text() if (root / place).exists() else ""
    assert f"packages/{package.name}" in text, f"{place} does not name packages/{package.name}"


def test_every_source_runs_in_the_local_stack(source: Path, root: Path) -> None:
    """The compose file starts every source."""
    compose = root / "deploy" / "compose.yaml"
    assert compose.exists(), "deploy/compose.yaml is missing"
    assert re.search(rf"\b{source.name}\b", compose.read_text()), (
        f"deploy/compose.yaml does not start {source.name}"
    )


def test_every_import_package_has_a_floor(package: Path, root: Path) -> None:
    """The import contract says for each package who may import it."""
    contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (floors,) = (contract for contract in contracts if contract["id"] == "floors")
    named = {name for layer in floors["layers"] for name in re.findall(r"\w+", layer)}
    for folder in (package / "src" / "weathervane").iterdir():
        if folder.name != "__pycache__":
            assert folder.name in named, f"name {folder.name} in the contract `floors` of pyproject.toml"


def test_every_proto_has_one_owner(root: Path) -> None:
    """A proto's stubs are committed in one package, at the path that their name says."""
    for proto in (root / "proto").rglob("*.proto"):
        stub = proto.relative_to(root / "proto").with_name(f"{proto.stem}_pb2.py")
        owners = [path.parts[-len(stub.parts) - 2] for path in root.glob(f"packages/*/src/{stub}")]
        assert len(owners) == 1, f"{proto.name}: stubs in {owners}; they belong in exactly one package"


def test_a_readme_runs(package: Path, tmp_path: Path) -> None:
    """Every Python block of a package's README runs as it stands, in an empty folder."""
    for block in re.findall(
        r"^```python\n(.*?)^```", (package / "README.md").read_text(), re.MULTILINE | re.DOTALL
    ):
        subprocess.run([sys.executable, "-c", block], cwd=tmp_path, check=True, timeout=120)


def test_the_page_of_reasons_is_whole() -> None:
    """A program relies on them, so a reason that is new, gone or given another meaning is seen in a change."""
    assert PAGE.read_text() == page(), "run `python tests/house/reasons.py`"
