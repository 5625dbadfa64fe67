"""Looks at an installed wheel from the outside: no checkout, no pytest, only what the wheel brings.

`python installed.py weathervane-shopify` needs the package's menus to import, its deployments to be readable and its
console scripts to say what they lack without any extra; with `--extras`, every module and every console script.
"""

import importlib
import subprocess
import sys
from importlib.metadata import Distribution, distribution
from importlib.util import find_spec
from pathlib import Path, PurePosixPath


def main(name: str, *, extras: bool) -> None:
    """Raise AssertionError or ImportError for the first thing that is wrong."""
    wheel = distribution(name)
    files = [PurePosixPath(str(file)) for file in wheel.files or []]
    modules = [file for file in files if file.parts[0] == "weathervane" and file.suffix == ".py"]
    assert modules, f"{name}: the wheel holds no module of weathervane"
    assert PurePosixPath("weathervane/__init__.py") not in files, f"{name}: would hide every other package"
    strangers = {file.parts[0] for file in files if ".." not in file.parts}
    strangers -= {"weathervane", f"{name.replace('-', '_')}-{wheel.version}.dist-info"}
    assert not strangers, f"{name}: the wheel also holds {sorted(strangers)}"
    for package in sorted({file.parts[1] for file in modules}):
        assert PurePosixPath("weathervane", package, "py.typed") in files, (
            f"weathervane.{package}: no py.typed"
        )
        menu = importlib.import_module(f"weathervane.{package}")
        missing = [word for word in menu.__all__ if not hasattr(menu, word)]
        assert not missing, f"weathervane.{package}: __all__ names {missing}, which it does not have"
    deployments = [] if extras else deployments_of(wheel)
    if not extras:
        for script in wheel.entry_points.select(group="console_scripts"):
            called(script.name, name)
    if extras:
        for file in modules:
            if file.name != "__main__.py":
                importlib.import_module(".".join(file.with_suffix("").parts).removesuffix(".__init__"))
        for script in wheel.entry_points.select(group="console_scripts"):
            assert callable(script.load()), f"{script.name}: {script.value} cannot be called"
    print(
        f"{name} {wheel.version}: {len(modules)} modules, menus complete"
        + (", scripts load" if extras else "")
        + (f", deploys {', '.join(deployments)}" if deployments else "")
    )


def called(script: str, name: str) -> None:
    """A script shows its help, or names in one line the extra that it needs."""
    done = subprocess.run(
        [Path(sys.executable).with_name(script), "--help"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = done.stderr.splitlines()
        assert done.returncode == 2, f"{script}: exit code {done.returncode}: {done.stderr}"
        assert len(lines) == 1, f"{script}: {done.stderr}"
        assert f"pip install '{name}[" in lines[0], f"{script}: {done.stderr}"


def deployments_of(wheel: Distribution) -> list[str]:
    """Return the names of what the wheel deploys, read from the file that it brings; without the kit, nothing."""
    points = wheel.entry_points.select(group="weathervane.deployments")
    if not points or find_spec("weathervane.source") is None:
        return []
    from weathervane.flow import installed_packages, read_definitions

    definitions = read_definitions(installed_packages([point.name for point in points]))
    for definition in definitions:
        file = PurePosixPath(*definition.package.module.split("."), "prefect.yaml")
        assert file in (wheel.files or []), f"{wheel.name}: the wheel lacks {file}"
        assert definition.package.file == Path(str(wheel.locate_file(file))), (
            f"read {definition.package.file}"
        )
    return [definition.entry.name for definition in definitions]


if __name__ == "__main__":
    main(sys.argv[1], extras="--extras" in sys.argv[2:])
