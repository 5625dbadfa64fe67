"""The parents of which a page is a complete account, so that a child no longer shown can vanish."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import pyarrow as pa

from weathervane.lake import row_keys
from weathervane.source._table.column import Column
from weathervane.source._table.dataset import Dataset
from weathervane.source._table.decode import replaced
from weathervane.source._table.normalise import Normalised, normalise
from weathervane.source._table.records import split_lines

__all__ = ["members_of"]

# A column of the parents' table that sets aside the parents without a list.
_LIST = "list_of_children"


def members_of(
    dataset: Dataset,
    records: Sequence[bytes] | bytes,
    page: Normalised,
    *,
    constants: Mapping[str, object] | None = None,
) -> pa.RecordBatch:
    """The parents whose rows a replacing write may replace: distinct values of ``dataset.replace_members``.

    A parent with an empty list is among them: all its rows are to go. A parent whose list is missing or null
    is not, nor is one with a child in the quarantine: rows would be removed that the vendor still shows.
    ``page`` is what `normalise` made of the same records and constants. Only for records whose lists are
    whole: drain nested pages first.

    Raises:
        ValueError: The dataset declares no ``replace_members``.
    """
    if not dataset.replace_members:
        raise ValueError(f"dataset {dataset.name!r} declares no replace_members")
    if isinstance(records, bytes):
        records = split_lines(records)
    parents = _parents(dataset)
    known = {column.name for column in parents.constants}
    mine = {name: value for name, value in (constants or {}).items() if name in known}
    read = normalise(parents, records, constants=mine)
    if read.quarantined.num_rows:
        # Half an emoji somewhere in a child makes its parent's list no null; in a parent's name it names none (below).
        read = normalise(parents, [replaced(record) or record for record in records], constants=mine)
    rows = read.rows.select(list(dataset.replace_members))
    spoilt = set()
    for key in page.quarantined.column("row_key").to_pylist():
        try:
            named = dict(zip(dataset.unique_keys, json.loads(key), strict=True))
        except ValueError:
            # A key too long to be kept whole names no parent: then nothing of this page may be replaced.
            return rows.slice(0, 0)
        spoilt.add(tuple(named[name] for name in dataset.replace_members))
    first: dict[str, int] = {}
    for row, key in enumerate(row_keys(rows, dataset.replace_members).to_pylist()):
        parts = tuple(json.loads(key))
        if parts not in spoilt and not any("\ufffd" in part for part in parts if isinstance(part, str)):
            first.setdefault(key, row)
    return rows.take(pa.array(first.values(), pa.int64()))


@lru_cache(maxsize=256)
def _parents(dataset: Dataset) -> Dataset:
    """The table of the parents, read from the same records at the level at which their names stand."""
    columns = [dataset.column(name) for name in dataset.replace_members]
    depth = len(dataset.lists)
    level = max((depth - column.climb for column in columns if column.path), default=0)
    lists = [".".join(members) for members in dataset.lists[:level]]
    lifted = [_lifted(column, column.climb - (depth - level)) for column in columns]
    if level < depth:
        path = ".".join(dataset.lists[level])
        lifted.append(Column(_LIST, pa.string(), path, nullable=False, json="raw"))
    return Dataset(
        dataset.name,
        tuple(lifted),
        dataset.replace_members,
        explode="[].".join(lists) or None,
    )


def _lifted(column: Column, climb: int) -> Column:
    if not column.path:
        return column
    path = ".".join(column.members)
    return replace(column, path="^" * climb + "." + path if climb else path)
