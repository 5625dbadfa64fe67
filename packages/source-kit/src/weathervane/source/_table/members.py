"""The parents of which a page is a complete account, so that a child no longer shown can vanish."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pyarrow as pa

from weathervane.lake import row_keys
from weathervane.source._table.dataset import Dataset, parents_of
from weathervane.source._table.normalise import Normalised, normalise
from weathervane.source._table.read import Parsed
from weathervane.source._table.records import split_lines

__all__ = ["members_of"]


def members_of(
    dataset: Dataset,
    records: Parsed | Sequence[bytes] | bytes,
    page: Normalised,
    *,
    constants: Mapping[str, object] | None = None,
) -> pa.RecordBatch:
    """The parents whose rows a replacing write may replace: distinct values of ``dataset.replace_members``.

    A parent with an empty list is among them: all its rows are to go. A parent whose list is missing or null
    is not, nor is one with a child in the quarantine: rows would be removed that the vendor still shows.
    ``page`` is what `normalise` made of the same records and constants. Only for records whose lists are
    whole: drain nested pages first. A page that is `Parsed` is not read again.

    Raises:
        ValueError: The dataset declares no ``replace_members``.
    """
    if not dataset.replace_members:
        raise ValueError(f"dataset {dataset.name!r} declares no replace_members")
    if isinstance(records, bytes):
        records = split_lines(records)
    parents = parents_of(dataset)
    known = {column.name for column in parents.constants}
    mine = {name: value for name, value in (constants or {}).items() if name in known}
    rows = normalise(parents, records, constants=mine).rows.select(list(dataset.replace_members))
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
        if parts not in spoilt:
            first.setdefault(key, row)
    return rows.take(pa.array(first.values(), pa.int64()))
