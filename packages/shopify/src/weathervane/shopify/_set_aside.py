"""Objects of which one part cannot be read, and what hangs on that part: set aside whole, and told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import pyarrow as pa

from weathervane.shopify._rows import normalise_required
from weathervane.source import Column, Dataset, Misfit, Normalised

__all__ = ["all_aside", "list_aside"]


def all_aside(dataset: Dataset, record: bytes, why: str, constants: Mapping[str, object]) -> Normalised:
    """Every row of a record set aside: for its own reason where it has one, else because of `why`."""
    misfit = Misfit("", None, why)
    return normalise_required(
        dataset,
        [record],
        constants=constants,
        unfit=lambda rows: dict.fromkeys(range(rows.num_rows), misfit),
    )


def list_aside(children: Dataset, record: bytes, why: str, constants: Mapping[str, object]) -> Normalised:
    """One entry for the rows of a list that nobody could read to its end: it names the object that has the list.

    Args:
        children: What the list's elements are rows of.
        record: The object as it was sent.
        why: What is wrong with the list.
        constants: As for `normalise`.
    """
    parents = _parents(children)
    known = {name: value for name, value in constants.items() if name in parents.unique_keys}
    aside = all_aside(parents, record, f"the list cannot be read to its end: {why}", known)
    return replace(aside, rows=pa.RecordBatch.from_pylist([], schema=children.schema))


@lru_cache(maxsize=16)
def _parents(children: Dataset) -> Dataset:
    keys = tuple(
        _of_the_object(column)
        for column in map(children.column, children.unique_keys)
        if column.climb or not column.path
    )
    return Dataset(children.name, keys, tuple(column.name for column in keys))


def _of_the_object(column: Column) -> Column:
    return replace(column, path=".".join(column.members)) if column.path else column
