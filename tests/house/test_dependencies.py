"""A package declares what it imports, and imports what it declares."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.metadata import EntryPoint, distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

Manifest = Callable[[Path], dict[str, Any]]
Imports = Callable[[Path], Iterator[str]]


@cache
def owners() -> dict[str, str]:
    """Return the distribution that installed each module, by the module's path without its suffix."""
    found = {}
    for distribution in distributions():
        name = canonical(distribution.metadata["Name"])  # read from its file each time
        for file in distribution.files or ():
            if file.suffix in {".py", ".pyi", ".so"} and ".." not in file.parts:
                path = str(file.with_name(file.name.split(".")[0])).removesuffix("/__init__")
                found[path] = name
    return found


def canonical(name: str) -> str:
    """Return a distribution's name as the index spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def provider(imported: str, packages: list[Path]) -> str | None:
    """Return the distribution that an import needs, or None for the standard library."""
    parts = imported.split(".")
    if parts[0] in sys.stdlib_module_names or imported == "weathervane":  # the bare namespace is nobody's
        return None
    if parts[0] == "weathervane":
        (folder,) = (path for path in packages if (path / "src" / "weathervane" / parts[1]).is_dir())
        return f"weathervane-{folder.name}"
    # From the longest: `google` alone belongs to several distributions, `google.protobuf` to one.
    for end in range(len(parts), 0, -1):
        if owner := owners().get("/".join(parts[:end])):
            return owner
    inside = {owner for path, owner in owners().items() if path.startswith(f"{parts[0]}/")}
    assert len(inside) == 1, f"nothing that is installed, or too much, provides {imported}: {inside}"
    return inside.pop()


def declared(manifest: dict[str, Any]) -> list[str]:
    """Return all that a package declares: dependencies, extras and groups."""
    project = manifest["project"]
    groups = (project.get("optional-dependencies", {}), manifest.get("dependency-groups", {}))
    return [
        *project["dependencies"],
        *(line for group in groups for lines in group.values() for line in lines),
    ]


def names(requirements: Iterable[str]) -> set[str]:
    """Return the distributions that requirements name."""
    return {canonical(Requirement(requirement).name) for requirement in requirements}


def test_a_package_declares_what_it_imports(
    package: Path, packages: list[Path], manifest: Manifest, imports: Imports
) -> None:
    """An import needs a dependency, or an extra that is named like the module's own folder or file.

    So `weathervane.source.sandbox` may import what the extra `sandbox` brings, and nothing else may. What is
    declared is imported somewhere, apart from what `[tool.weathervane.not-imported]` gives a reason for.
    """
    project = manifest(package)["project"]
    base = names(project["dependencies"])
    extras = {extra: names(wanted) for extra, wanted in project.get("optional-dependencies", {}).items()}
    reasons = manifest(package).get("tool", {}).get("weathervane", {}).get("not-imported", {})
    used: set[str] = set()
    for module in (package / "src").rglob("*.py"):
        place = module.relative_to(package / "src").with_suffix("").parts
        allowed = base.union(*(wanted for extra, wanted in extras.items() if extra in place))
        for imported in imports(module):
            needed = provider(imported, packages)
            if needed and needed != project["name"]:
                used.add(needed)
                assert needed in allowed, (
                    f"{'.'.join(place)} imports {imported}, but does not declare {needed}"
                )
    unused = base.union(*extras.values()) - used - set(reasons) - {project["name"]}
    assert not unused, f"packages/{package.name} declares {sorted(unused)}, but imports nothing of them"
    assert not set(reasons) & used, f"{sorted(set(reasons) & used)} are imported: delete their reasons"


def test_tests_declare_what_they_import(
    package: Path, packages: list[Path], root: Path, manifest: Manifest, imports: Imports
) -> None:
    """A package's tests import what the package brings, its group `test` and the house's group `test`."""
    wanted = declared(manifest(package)) + manifest(root)["dependency-groups"]["test"]
    allowed = names(wanted) | {manifest(package)["project"]["name"]}
    own = {path.stem for path in (package / "tests").rglob("*")}
    for module in (package / "tests").rglob("*.py"):
        for imported in imports(module):
            if imported.split(".")[0] not in own:
                needed = provider(imported, packages)
                assert needed is None or needed in allowed, (
                    f"{module.relative_to(root)} imports {imported}; add {needed} to the group `test` of "
                    f"packages/{package.name}/pyproject.toml"
                )


@pytest.mark.parametrize("pins", ["constraints.txt", "constraints-lowest.txt"])
def test_every_dependency_is_pinned(package: Path, root: Path, manifest: Manifest, pins: str) -> None:
    """Both lists of pins hold a version, within the declared range, of everything that is declared."""
    pinned = dict(re.findall(r"^([\w.-]+)==([\w.]+)", (root / pins).read_text(), re.MULTILINE))
    for line in declared(manifest(package)) + manifest(root)["dependency-groups"]["test"]:
        requirement = Requirement(line)
        name = canonical(requirement.name)
        if not name.startswith("weathervane-"):
            assert name in pinned, f"{name} is not in {pins}: run `nox -s lock`"
            assert requirement.specifier.contains(pinned[name]), f"{line} excludes its pin: run `nox -s lock`"


def test_packages_agree_on_ranges(packages: list[Path], manifest: Manifest) -> None:
    """What two packages declare, they declare alike: then the lowest versions are the lowest for each."""
    ranges: dict[str, dict[str, str]] = {}
    for package in packages:
        for requirement in map(Requirement, declared(manifest(package))):
            if not requirement.name.startswith("weathervane-"):
                ranges.setdefault(requirement.name, {})[str(requirement.specifier)] = package.name
    differing = {name: found for name, found in ranges.items() if len(found) > 1}
    assert not differing, f"these ranges differ: {differing}"


def test_a_dependency_has_a_floor(package: Path, manifest: Manifest) -> None:
    """`nox -s lowest` tests the floor; without one it would be anybody's guess."""
    for requirement in map(Requirement, declared(manifest(package))):
        floors = [clause for clause in requirement.specifier if clause.operator in {">=", "==", "~="}]
        assert floors or requirement.name.startswith("weathervane-"), f"{requirement} has no floor"


def test_a_script_can_be_called(package: Path, manifest: Manifest) -> None:
    """Every console script names a function that is there."""
    scripts = manifest(package)["project"].get("scripts", {})
    for name, value in scripts.items():
        try:
            target = EntryPoint(name, value, "console_scripts").load()
        except (AttributeError, ModuleNotFoundError) as error:
            pytest.fail(f"{name} = {value}: {error}")
        assert callable(target), f"{name}: {value} is not a function"
