"""What the readers of a dataset share: the shape of what they read, and the form of what they give.

A dataset's paths become an Arrow schema and a `msgspec` decoder; rows come back as arrays of values as sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec
import pyarrow as pa

from weathervane.source._table.column import Column
from weathervane.source._table.dataset import Dataset
from weathervane.source._table.quarantine import Misfit

__all__ = ["Sent", "Shape", "shape_of"]

Tree = dict[str, Any]
"""Member name -> a leaf's Arrow type, a Tree for an object, or `_Rows` for a list of objects."""


@dataclass(frozen=True)
class _Rows:
    tree: Tree


@dataclass(frozen=True)
class Shape:
    """How to read one dataset.

    Level 0 is the record, level n the element of the n-th list on the way to a row.
    """

    dataset: Dataset
    schema: pa.Schema
    """What Arrow reads, as its members are nested in a record: all lists, and the columns that are not
    literal."""
    decoder: msgspec.json.Decoder[Any]
    """Reads the literal columns as raw text; proves that the record is one JSON object, which Arrow's reader
    needs."""
    lists: tuple[tuple[int, ...], ...]
    """The way to each list in `schema`, as field positions."""
    ways: dict[str, tuple[int, ...]]
    """The way to each column that is not literal, from its own level."""
    raw_lists: tuple[tuple[str, ...], ...]
    """The way to each list in the decoder's structs; empty when nothing literal stands beyond."""
    raw_ways: dict[str, tuple[str, ...]]
    """The way to each literal column, from its own level."""

    def level(self, column: Column) -> int:
        """The level at which the column's path starts."""
        return len(self.dataset.lists) - column.climb


@dataclass(frozen=True)
class Sent:
    """Rows as the vendor sent them: an array of `Column.sent_type`, or of text, for each selected column."""

    arrays: dict[str, pa.Array]
    records: Sequence[bytes]
    origin: Callable[[int], tuple[int, tuple[int, ...]]]
    """Of a row: the index of its record, and its position in each list on the way; no positions for a record
    that could not be taken apart."""
    rows: int
    misfits: dict[int, dict[str, Misfit]] = field(default_factory=dict)
    """By row and column: values of the wrong JSON kind; column "" condemns the whole row."""


@lru_cache(maxsize=256)
def shape_of(dataset: Dataset) -> Shape:
    """The dataset's shape; made once, since building types costs more than reading a small page."""
    lists = dataset.lists
    typed = [column for column in dataset.selected if not column.literal]
    literal = [column for column in dataset.selected if column.literal]
    depth = max((len(lists) - column.climb for column in literal), default=0)
    trees = _trees(lists, typed, len(lists))
    raw_trees = _trees(lists[:depth], literal, len(lists))
    record = _struct(raw_trees[0])
    return Shape(
        dataset=dataset,
        schema=pa.schema(list(_arrow(trees[0]))),
        decoder=msgspec.json.Decoder(record),
        lists=tuple(_positions(trees[level], members) for level, members in enumerate(lists)),
        ways={c.name: _positions(trees[len(lists) - c.climb], c.members) for c in typed},
        raw_lists=tuple(
            _attributes(raw_trees[level], members) for level, members in enumerate(lists[:depth])
        ),
        raw_ways={c.name: _attributes(raw_trees[len(lists) - c.climb], c.members) for c in literal},
    )


def _trees(lists: tuple[tuple[str, ...], ...], columns: list[Column], depth: int) -> list[Tree]:
    trees: list[Tree] = [{} for _ in range(len(lists) + 1)]
    for level, members in enumerate(lists):
        _plant(trees[level], members, _Rows(trees[level + 1]))
    for column in columns:
        _plant(trees[depth - column.climb], column.members, column.sent_type)
    return trees


def _plant(tree: Tree, members: tuple[str, ...], leaf: Any) -> None:
    for member in members[:-1]:
        tree = tree.setdefault(member, {})
    tree[members[-1]] = leaf


def _arrow(tree: Tree) -> list[pa.Field]:
    return [pa.field(member, _arrow_type(inner)) for member, inner in tree.items()]


def _arrow_type(inner: Any) -> pa.DataType:
    if isinstance(inner, _Rows):
        return pa.list_(pa.struct(_arrow(inner.tree)))
    return pa.struct(_arrow(inner)) if isinstance(inner, dict) else inner


def _struct(tree: Tree) -> Any:
    # Members may be any text, attributes may not: they are numbered in the tree's order.
    fields: list[tuple[str, Any, Any]] = []
    for n, inner in enumerate(tree.values()):
        kind: Any = msgspec.Raw
        if isinstance(inner, _Rows):
            kind = list[_struct(inner.tree) | None] | None  # type: ignore[misc]
        elif isinstance(inner, dict):
            kind = _struct(inner) | None
        fields.append((f"f{n}", kind, None))
    return msgspec.defstruct(
        "Part", fields, rename={f"f{n}": member for n, member in enumerate(tree)}, gc=False
    )


def _positions(tree: Any, members: tuple[str, ...]) -> tuple[int, ...]:
    way = []
    for member in members:
        way.append(list(tree).index(member))
        tree = tree[member]
    return tuple(way)


def _attributes(tree: Tree, members: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"f{position}" for position in _positions(tree, members))
