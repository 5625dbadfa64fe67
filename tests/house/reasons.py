"""The page of all reasons, made from the code that gives them: `python tests/house/reasons.py` writes it anew.

A reason stands in a call as `reason="…"`, or as the first or second argument of a call that refuses.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reasons.md"

_REASON = re.compile(r"[A-Z][A-Z0-9_]{2,62}")
_HEAD = """# Which reasons are there?

An error's `reason` is stable across releases. Beside these stand the vendors' own codes, as they give them: Google's
(`QUOTA_ERROR.RESOURCE_EXHAUSTED` is `RESOURCE_EXHAUSTED` here), and `HTTP_<status>` for a refusal that nobody explains.
What a class asks you to do is in [the kit's errors](../packages/source-kit/src/weathervane/source/_errors.py) and
[the lake's](../packages/lake-writer/src/weathervane/lake/_errors.py). This page is made from the code:
`python tests/house/reasons.py`.

| reason | package | error | for example |
| --- | --- | --- | --- |
"""


def page() -> str:
    """The page as it should be."""
    found: dict[tuple[str, str, str], str] = {}
    for package in sorted(ROOT.glob("packages/*")):
        for module in sorted(package.rglob("src/**/*.py")):
            if not {"sandbox", "testing", "v1"} & set(module.parts):
                for reason, kind, text in _reasons(ast.parse(module.read_text())):
                    found.setdefault((reason, package.name, kind), text)
    rows = (
        f"| `{reason}` | {package} | {kind} | {text} |"
        for (reason, package, kind), text in sorted(found.items())
    )
    return _HEAD + "\n".join(rows) + "\n"


def _reasons(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and (given := _given(call)) is not None:
                reason, texts = given
                name = ast.unparse(call.func).rpartition(".")[2].lstrip("_")
                yield reason, name, next(filter(None, (_text(one, function) for one in texts)), "")


def _given(call: ast.Call) -> tuple[str, list[ast.expr]] | None:
    """The reason of a call, and the arguments that may be its message."""
    for keyword in call.keywords:
        if keyword.arg == "reason" and isinstance(keyword.value, ast.Constant):
            return str(keyword.value.value), call.args
    for position, argument in enumerate(call.args[:2]):
        refuses = "Error" in ast.unparse(call.func) or "refuse" in ast.unparse(call.func)
        if refuses and isinstance(argument, ast.Constant) and _REASON.fullmatch(str(argument.value)):
            return str(argument.value), call.args[position + 1 :]
    return None


def _text(node: ast.expr, function: ast.AST) -> str:
    """The message that an expression is, what it fills in as `…`; nothing for another expression."""
    if isinstance(node, ast.Name):
        values = [
            one.value
            for one in ast.walk(function)
            if isinstance(one, ast.Assign) and node.id in map(ast.unparse, one.targets)
        ]
        return _text(values[0], function) if values else ""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        parts = [node.value]
    elif isinstance(node, ast.JoinedStr):
        parts = [str(one.value) if isinstance(one, ast.Constant) else "…" for one in node.values]
    else:
        return ""
    text = " ".join("".join(parts).split())
    return text.replace("|", "\\|") if " " in text else ""


if __name__ == "__main__":
    PAGE.write_text(page())
