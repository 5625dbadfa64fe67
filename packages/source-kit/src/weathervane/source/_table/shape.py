"""What the readers of a dataset share: the shape of what they read, and the form of what they give.

A dataset's paths become an Arrow schema and a `msgspec` decoder; rows come back as arrays of values as sent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec
import pyarrow as pa

from weathervane.source._table.column import Column
from weathervane.source._table.dataset import Dataset
from weathervane.source._table.quarantine import Misfit

__all__ = ["Sent", "Shape", "View", "shape_of", "shapes_of"]

Tree = dict[str, Any]
"""Member name -> a leaf's Arrow type, a Tree for an object, or `_Rows` for a list of objects."""


@dataclass(frozen=True)
class _Rows:
    tree: Tree


class _ConflictError(Exception):
    """Two datasets take the same member for different things, e.g. a text and an object."""


@dataclass(frozen=True)
class View:
    """Where the values of one dataset stand in records that are read for it, and perhaps for others.

    Level 0 is the record, level n the element of the n-th list on the way to a row.
    """

    dataset: Dataset
    lists: tuple[tuple[int, ...], ...]
    """The way to each list in the shape's schema, as field positions."""
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
class Shape:
    """How to read records once for some datasets."""

    schema: pa.Schema
    """What Arrow reads, as its members are nested in a record: all lists, and the columns that are not
    literal."""
    decoder: msgspec.json.Decoder[Any]
    """Reads the literal columns as raw text; proves that the record is one JSON object, which Arrow's reader
    needs."""
    views: tuple[View, ...]
    """One of each dataset."""


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

    def only(self, records: Collection[int]) -> Sent:
        """The rows of these records, by their index."""
        rows = [row for row in range(self.rows) if self.origin(row)[0] in records]
        index = pa.array(rows, pa.int64())
        return Sent(
            {name: array.take(index) for name, array in self.arrays.items()},
            self.records,
            lambda row: self.origin(rows[row]),
            len(rows),
            {new: self.misfits[row] for new, row in enumerate(rows) if row in self.misfits},
        )


@lru_cache(maxsize=256)
def shapes_of(*datasets: Dataset) -> tuple[Shape, ...]:
    """One shape for all the datasets; one of each where they take a member for different things."""
    try:
        return (shape_of(*datasets),)
    except _ConflictError:
        return tuple(map(shape_of, datasets))


@lru_cache(maxsize=256)
def shape_of(*datasets: Dataset) -> Shape:
    """The datasets' shape; made once, since building types costs more than reading a small page."""
    tree: Tree = {}
    raw_tree: Tree = {}
    levels = [_planted(dataset, tree, raw_tree) for dataset in datasets]
    return Shape(
        schema=pa.schema(list(_arrow(tree))),
        decoder=msgspec.json.Decoder(_struct(raw_tree)),
        # Positions are known once every dataset's members are in the trees.
        views=tuple(_view(dataset, *found) for dataset, found in zip(datasets, levels, strict=True)),
    )


def _planted(dataset: Dataset, tree: Tree, raw_tree: Tree) -> tuple[list[Tree], list[Tree]]:
    """Puts a dataset's members into both trees, and gives the trees of its levels."""
    lists = dataset.lists
    literal = [column for column in dataset.selected if column.literal]
    depth = max((len(lists) - column.climb for column in literal), default=0)
    trees, raw_trees = [tree], [raw_tree]
    for members in lists:
        trees.append(_list_in(trees[-1], members))
    for members in lists[:depth]:
        raw_trees.append(_list_in(raw_trees[-1], members))
    for column in dataset.selected:
        level = len(lists) - column.climb
        if column.literal:
            _plant(raw_trees[level], column.members, msgspec.Raw)
        elif column.json_kind == "list":
            _list_in(trees[level], column.members)
        else:
            _plant(trees[level], column.members, column.sent_type)
    return trees, raw_trees


def _view(dataset: Dataset, trees: list[Tree], raw_trees: list[Tree]) -> View:
    lists = dataset.lists
    return View(
        dataset=dataset,
        lists=tuple(_positions(tree, members) for tree, members in zip(trees, lists, strict=False)),
        ways={
            c.name: _positions(trees[len(lists) - c.climb], c.members)
            for c in dataset.selected
            if not c.literal
        },
        raw_lists=tuple(
            _attributes(tree, members) for tree, members in zip(raw_trees[:-1], lists, strict=False)
        ),
        raw_ways={
            c.name: _attributes(raw_trees[len(lists) - c.climb], c.members)
            for c in dataset.selected
            if c.literal
        },
    )


def _object_in(tree: Tree, members: tuple[str, ...]) -> Tree:
    for member in members:
        tree = tree.setdefault(member, {})
        if not isinstance(tree, dict):
            raise _ConflictError
    return tree


def _list_in(tree: Tree, members: tuple[str, ...]) -> Tree:
    """The tree of a list's elements, which is made where there is none."""
    rows = _object_in(tree, members[:-1]).setdefault(members[-1], _Rows({}))
    if not isinstance(rows, _Rows):
        raise _ConflictError
    return rows.tree


def _plant(tree: Tree, members: tuple[str, ...], leaf: Any) -> None:
    if _object_in(tree, members[:-1]).setdefault(members[-1], leaf) != leaf:
        raise _ConflictError


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
