"""`__init__.py` is the menu of its package: what is public, and nothing else."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MENUS = sorted(ROOT.glob("packages/*/src/weathervane/**/__init__.py"))


@pytest.mark.parametrize("menu", MENUS, ids=lambda path: str(path.relative_to(ROOT / "packages").parent))
def test_a_menu_names_everything_public_and_does_nothing(menu: Path) -> None:
    """A docstring, imports and an `__all__` that lists exactly them; ruff keeps it sorted.

    What costs seconds to import may be offered lazily, by the two hooks that Python has for it (PEP 562).
    """
    docstring, *body = ast.parse(menu.read_text()).body
    assert isinstance(docstring, ast.Expr), f"{menu} has no docstring"
    imported: list[str] = []
    listed: list[str] = []
    for node in body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            listed = ast.literal_eval(node.value)
        elif isinstance(node, ast.FunctionDef):
            assert node.name in ("__getattr__", "__dir__"), f"{menu}:{node.lineno}: more than a menu"
        else:
            assert isinstance(node, ast.Import | ast.ImportFrom), f"{menu}:{node.lineno}: more than a menu"
            imported += [alias.asname or alias.name for alias in node.names]
    assert sorted(listed) == sorted(set(imported)), f"{menu}: __all__ is not what the menu imports"
