"""A package's menus are what its version promises: they are whole, and nobody imports past them."""

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import PACKAGES, ROOT
from .menus import gone, menus, module, names, page

Manifest = Callable[[Path], dict[str, Any]]

MENUS = [menu for package in PACKAGES for menu in menus(package)]
# What is offered beside the menus: the stubs of the protos, a plugin of pytest's, what only a server's own command
# and tests start, and a command.
BESIDE = re.compile(
    r"weathervane\.(\w+\.v\d+(\.\w+)?|(source|flow)\.testing\.fixtures|lake\.testing|lake\.server|lake\.flows|rpc\.probe)"
)
# They break the lake's server at each of its steps, so they know them.
OF_THE_LAKE = ("tests/chaos",)


@pytest.mark.parametrize("menu", MENUS, ids=module)
def test_a_menu_names_everything_public_and_does_nothing(menu: Path) -> None:
    """A docstring, imports and an `__all__` that lists exactly them; ruff keeps it sorted.

    What costs seconds to import is offered lazily: the imports stand in `__init__.pyi` then.
    """
    docstring, *body = ast.parse((menu / "__init__.py").read_text()).body
    assert isinstance(docstring, ast.Expr), f"{menu} has no docstring"
    if (menu / "__init__.pyi").exists():
        assert "\n".join(map(ast.unparse, body)) == (
            "import lazy_loader\n__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)"
        )
        body = ast.parse((menu / "__init__.pyi").read_text()).body
        assert all(isinstance(one, ast.ImportFrom) for one in body)
        return
    imported: list[str] = []
    listed: list[str] = []
    for node in body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            listed = ast.literal_eval(node.value)
        else:
            assert isinstance(node, ast.Import | ast.ImportFrom), f"{menu}:{node.lineno}: more than a menu"
            imported += [alias.asname or alias.name for alias in node.names]
    assert sorted(listed) == sorted(set(imported)), f"{menu}: __all__ is not what the menu imports"


def test_all_else_is_private(package: Path) -> None:
    """A module that is no menu says so by its name."""
    known = {module(menu) for menu in menus(package)}
    open_ = {
        name
        for path in (package / "src").rglob("*.py")
        if (name := module(path)) not in known
        and "_" not in {part[:1] for part in name.split(".")}
        and not BESIDE.match(name)
    }
    assert not open_, f"name them with a leading underscore, or put them on a menu: {sorted(open_)}"


def test_nobody_imports_past_a_menu(package: Path) -> None:
    """Neither its code nor its tests import anything of another package but what a menu offers."""
    own = {path.name for path in (package / "src" / "weathervane").iterdir()}
    past = {
        f"{path.relative_to(ROOT)}: {imported}"
        for path, imported in _imports(package)
        if _past(imported, own)
    }
    assert not past, f"offer it on the menu, or do without: {sorted(past)}"


@pytest.mark.parametrize("folder", ["deploy", "tests"])
def test_the_demo_and_the_house_import_menus_too(folder: str) -> None:
    """They are users as well."""
    past = {
        f"{path.relative_to(ROOT)}: {imported}"
        for path, imported in _imports(ROOT / folder)
        if _past(imported, {"lake"} if str(path.relative_to(ROOT)).startswith(OF_THE_LAKE) else set())
    }
    assert not past, f"offer it on the menu, or do without: {sorted(past)}"


def test_the_page_of_a_menu_is_whole(package: Path) -> None:
    """A name that is new, gone or of another signature is seen in a change."""
    assert (package / "docs" / "menu.md").read_text() == page(package), "run `python tests/house/menus.py`"


def test_a_name_leaves_a_menu_with_a_new_version(package: Path, manifest: Manifest) -> None:
    """Held against the last release: its page names what it promised."""
    tags = _git("tag", "--list", "--sort=-v:refname", f"{package.name}-v*").split()
    released = _git("show", f"{tags[0]}:packages/{package.name}/docs/menu.md") if tags else ""
    old = tags[0].removeprefix(f"{package.name}-v") if tags else "0.0.0"
    left = gone(_promised(released), _promised(page(package)), old, manifest(package)["project"]["version"])
    assert not left, f"{sorted(left)} left the menu since {old}: that needs a new version"


@pytest.mark.parametrize(
    ("old", "new", "left"),
    [
        ("0.1.0", "0.1.1", {"b"}),
        ("0.1.0", "0.2.0", set()),
        ("1.1.0", "1.2.0", {"b"}),
        ("1.9.0", "2.0.0", set()),
        ("0.9.0", "1.0.0", set()),
    ],
)
def test_which_version_lets_a_name_go(old: str, new: str, left: set[str]) -> None:
    """A major one; below 1 a minor one."""
    assert gone({"a", "b"}, {"a", "c"}, old, new) == left


def test_the_walk_sees_what_it_shall() -> None:
    """A test of the test: what it refuses and what it lets through."""
    offered = next(iter(names(next(menu for menu in MENUS if module(menu) == "weathervane.source"))))
    assert _past("weathervane.source._errors.ContractError", set())
    assert _past("weathervane.source.no_such_name", set())
    assert not _past(f"weathervane.source.{offered}", set())
    assert not _past("weathervane.source.v1.source_pb2", set())
    assert not _past("weathervane.source._errors.ContractError", {"source"})


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def _promised(text: str) -> set[str]:
    found = set()
    menu = ""
    for line in text.splitlines():
        if line.startswith("## "):
            menu = line[3:]
        elif heading := re.match(r"### `(?:class )?(\w+)", line):
            found.add(f"{menu}.{heading[1]}")
    return found


def _imports(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every `weathervane` name that a module below the folder imports, as `module.name`."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("weathervane."):
                yield from ((path, f"{node.module}.{alias.name}") for alias in node.names)
            elif isinstance(node, ast.Import):
                yield from ((path, one.name) for one in node.names if one.name.startswith("weathervane."))


def _past(imported: str, own: set[str]) -> bool:
    if imported.split(".")[1] in own or BESIDE.match(imported):
        return False
    offered = {f"{module(menu)}.{name}" for menu in MENUS for name in names(menu)}
    return imported not in offered | {module(menu) for menu in MENUS}
