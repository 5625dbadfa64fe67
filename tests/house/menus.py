"""The menus of all packages, and a page of each made from its code: `python tests/house/menus.py` writes them anew.

A menu is what a package's version promises: the names in the `__init__.pyi` beside a lazy `__init__.py`, or in the
`__init__.py` itself. Read by its text, so nothing has to be installed.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Their modules are apart from the menu above them: a server that only its command starts, flows for Prefect, stubs.
APART = {"server", "flows", "v1"}

_HEAD = """# What does {name} promise?

The names below, from its menu{s}; everything else is private and may move in any release. A name that goes needs a new
major version, below 1 a new minor one. This page is made from the code: `python tests/house/menus.py`.
"""


def menus(package: Path) -> list[Path]:
    """A package's menus: the folders below `src/weathervane` whose `__init__` offers names."""
    folders = (path.parent for path in sorted((package / "src" / "weathervane").rglob("__init__.py")))
    return [one for one in folders if names(one) and not APART & set(one.parts) and not _private(one)]


def module(path: Path) -> str:
    """The dotted name of a module's file or folder."""
    parts = path.with_suffix("").parts
    return ".".join(parts[len(parts) - 1 - parts[::-1].index("src") + 1 :]).removesuffix(".__init__")


def names(menu: Path) -> dict[str, str]:
    """Each name of a menu, and the module that it is imported from."""
    stub = menu / "__init__.pyi"
    tree = ast.parse((stub if stub.exists() else menu / "__init__.py").read_text())
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            source = f"{module(menu)}.{node.module}" if node.level else node.module
            if source.startswith(module(menu) + "."):
                found |= {alias.asname or alias.name: source for alias in node.names}
    return dict(sorted(found.items()))


def page(package: Path) -> str:
    """A package's page, as it should be."""
    those = menus(package)
    text = _HEAD.format(name=f"weathervane-{package.name}", s="s" if len(those) > 1 else "")
    for menu in those:
        text += f"\n## {module(menu)}\n"
        for name, source in names(menu).items():
            for part in _entry(package, name, source):
                text += part + "\n" if part.startswith("- ") else f"\n{part}\n\n"
    return re.sub(r"\n{3,}", "\n\n", text).rstrip("\n") + "\n"


def gone(before: set[str], after: set[str], old: str, new: str) -> set[str]:
    """The names that left a menu, which no new version tells of; versions as `1.2.3`."""
    major, minor = (tuple(map(int, version.split(".")[:2])) for version in (old, new))
    told = minor > major if major[0] == 0 else minor[0] > major[0]
    return set() if told else before - after


def _entry(package: Path, name: str, source: str, depth: int = 0) -> Iterator[str]:
    file = package / "src" / Path(*source.split("."))
    text = file.with_suffix(".py") if file.with_suffix(".py").exists() else file / "__init__.py"
    body = ast.parse(text.read_text()).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            yield from _described(node)
            return
        targets = (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, ast.AnnAssign)
            else []
        )
        if name in map(ast.unparse, targets):
            yield f"### `{name}`"
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                yield inspect.cleandoc(str(after.value.value))
            return
        if isinstance(node, ast.ImportFrom) and depth < 3 and node.module:
            for alias in node.names:
                if (alias.asname or alias.name) == name and (
                    package / "src" / Path(*node.module.split("."))
                ).parent.exists():
                    yield from _entry(package, alias.name, node.module, depth + 1)
                    return
    yield f"### `{name}`"


def _described(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    yield f"### `{_signature(node)}`"
    if told := ast.get_docstring(node):
        yield told
    if isinstance(node, ast.ClassDef):
        for field, after in zip(node.body, [*node.body[1:], None], strict=True):
            if isinstance(field, ast.AnnAssign) and not ast.unparse(field.target).startswith("_"):
                said = after.value if isinstance(after, ast.Expr) else None
                first = _first(str(said.value)) if isinstance(said, ast.Constant) else ""
                yield f"- `{ast.unparse(field)}`" + (f": {first}" if first else "")
        methods = (one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))
        for method in methods:
            if not method.name.startswith("_"):
                yield f"- `{_signature(method)}`: {_first(ast.get_docstring(method) or '')}"


def _signature(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(map(ast.unparse, node.bases))
        return f"class {node.name}({bases})" if bases else f"class {node.name}"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{node.name}({ast.unparse(node.args)}){returns}"


def _first(docstring: str) -> str:
    return inspect.cleandoc(docstring).partition("\n\n")[0].replace("\n", " ")


def _private(folder: Path) -> bool:
    below = folder.parts[folder.parts.index("weathervane") :]
    return any(part.startswith("_") for part in below)


if __name__ == "__main__":
    for package in sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml")):
        (package / "docs").mkdir(exist_ok=True)
        (package / "docs" / "menu.md").write_text(page(package))
