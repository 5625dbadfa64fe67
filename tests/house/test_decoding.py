"""One guarded way in: no source decodes what a vendor sent by anything but the kit's `decode` and `parse_*`.

Whoever calls a decoder by itself lets its errors through (`UnicodeDecodeError`, `OverflowError`, `RecursionError`,
`ZoneInfoNotFoundError`, `InvalidOperation`), and a run that one odd byte of a vendor ends says "report this as a bug".
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from .conftest import PACKAGES

REFUSED = frozenset(
    {"loads", "json", "Decoder", "convert", "ZoneInfo"}
    | {"fromisoformat", "fromtimestamp", "strptime", "parsedate_to_datetime"}
)
"""The last names of calls: of `json`, of a response, of msgspec and of datetime. `json.decode` and `Decimal` have rules
of their own.
"""
ALLOWED: dict[str, str] = {}
"""Module and function -> why what it decodes is no vendor's, or is guarded where it stands."""


def test_a_source_decodes_by_the_kit_alone() -> None:
    """Every call of another decoder is one that has a reason, and every reason has its call."""
    found = dict(_calls())
    strange = {place: call for place, call in found.items() if place not in ALLOWED}
    assert not strange, (
        f"use `decode`, `parse_zone`, `parse_vendor_day`, `parse_time`, `parse_amount`: {strange}"
    )
    assert not (gone := sorted(set(ALLOWED) - set(found))), f"these decode no longer: {gone}"


@pytest.mark.parametrize(
    ("code", "refused"),
    [
        ("msgspec.json.decode(body, type=Page)", True),
        ("json.loads(body)", True),
        ("response.json()", True),
        ("msgspec.json.Decoder(Page)", True),
        ("Decoder(Page)", True),
        ("zoneinfo.ZoneInfo(name)", True),
        ("datetime.fromisoformat(text)", True),
        ("Decimal(text)", True),
        ("Decimal(0) + Decimal('0.01') + Decimal(-1) + Decimal(10**14)", False),
        ("decode(body, Page, 'a page')", False),
        ("body.decode()", False),
        ("source.decode(body, Page, 'a page')", False),
    ],
)
def test_the_walk_sees_what_it_shall(code: str, refused: bool) -> None:
    """A test of the test: what it refuses and what it lets through."""
    assert bool(list(_refused(ast.parse(code)))) is refused


def _calls() -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        for file in sorted((package / "src").rglob("*.py")):
            module = file.relative_to(package / "src" / "weathervane")
            if "sandbox" in module.parts or module.parts[0] in ("source", "lake", "flow", "rpc"):
                continue
            yield from ((f"{module}:{where}", call) for where, call in _refused(ast.parse(file.read_text())))


def _refused(tree: ast.AST, where: str = "") -> Iterator[tuple[str, str]]:
    for node in ast.iter_child_nodes(tree):
        inside = where
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inside = f"{where}.{node.name}".lstrip(".")
        if isinstance(node, ast.Call) and _is_refused(node):
            yield where, ast.unparse(node)
        yield from _refused(node, inside)


def _is_refused(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    last = name.rpartition(".")[2]
    if last == "decode":
        return name.endswith("json.decode")
    if last == "Decimal":
        return not all(_is_literal(argument) for argument in call.args)
    return last in REFUSED


def _is_literal(node: ast.AST) -> bool:
    return all(
        isinstance(one, ast.Constant | ast.UnaryOp | ast.BinOp | ast.operator | ast.unaryop)
        for one in ast.walk(node)
    )
