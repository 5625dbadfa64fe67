"""Which packages of this house are installed, and where each says what it deploys.

A package declares itself in its pyproject, and its `prefect.yaml` is put into its wheel beside its modules::

    [project.entry-points."weathervane.deployments"]
    shopify = "weathervane.shopify"

    [tool.hatch.build.targets.wheel.force-include]
    "prefect.yaml" = "weathervane/shopify/prefect.yaml"
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

__all__ = ["GROUP", "DeployError", "Package", "installed_packages"]


class DeployError(Exception):
    """What shall be deployed is not right; nothing was changed.

    Args:
        problems: A line for each: file, deployment and field, as far as there are such; what is wrong; what to do.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


GROUP = "weathervane.deployments"
"""The group of entry points by which packages are found."""

_FILE = "prefect.yaml"


@dataclass(frozen=True)
class Package:
    """A package that has deployments."""

    name: str
    """E.g. `meta-ads`: the name of its entry point."""
    module: str
    """E.g. `weathervane.meta_ads`."""
    file: Path
    """Its `prefect.yaml`."""

    @property
    def tag(self) -> str:
        """The tag that all its deployments carry, e.g. `meta-ads`."""
        return self.module.rpartition(".")[2].replace("_", "-")


def installed_packages(
    names: Collection[str] = (), *, found: Iterable[EntryPoint] | None = None
) -> list[Package]:
    """The packages that have deployments, by name.

    Args:
        names: Only these; none means all.
        found: Entry points to look at instead of those that are installed.

    Raises:
        DeployError: None is installed, one that is named is not, or one is without its file.
    """
    points = {point.name: point for point in (entry_points(group=GROUP) if found is None else found)}
    if not points:
        raise DeployError([f"no installed package has the entry point {GROUP}; install one, e.g. a source"])
    has = ", ".join(sorted(points))
    problems = [f"{name}: is not installed; there are: {has}" for name in names if name not in points]
    chosen: list[Package] = []
    for name in sorted(points.keys() & set(names or points)):
        module = points[name].value
        if (file := _file_of(module)) is None:
            how = "install the package anew, or add the file to its wheel"
            problems.append(f"{name}: {module} is without its {_FILE}; {how}")
        else:
            chosen.append(Package(name, module, file))
    if problems:
        raise DeployError(problems)
    return chosen


def _file_of(module: str) -> Path | None:
    try:
        spec = find_spec(module)
    except ModuleNotFoundError:
        return None
    for folder in map(Path, (spec and spec.submodule_search_locations) or ()):
        # A wheel has it beside the modules; a checkout three folders above: packages/shopify/src/weathervane/shopify.
        for file in (folder / _FILE, *(parent / _FILE for parent in folder.parents[2:3])):
            if file.is_file():
                return file
    return None
