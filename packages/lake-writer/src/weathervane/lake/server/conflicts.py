"""Finds different rows under one key in a write, of which an upsert would silently keep only one."""

from __future__ import annotations

import polars as pl
import pyarrow as pa

from weathervane.lake._keys import row_keys
from weathervane.lake._model import WriteSpec
from weathervane.lake.server.admission import invalid

__all__ = ["refuse_conflicts"]

_ROW, _LAST = "row:", "last:"
# Rows that are compared at a time, so that a slice which a vendor delivered twice is not copied as a whole.
_PAIRS = 50_000


def refuse_conflicts(spec: WriteSpec, table: pa.Table) -> None:
    """Refuses a write that has different rows under one key; with a version column, only those of the greatest version.

    Args:
        spec: The write's header.
        table: Its rows, without those of frames of changes.

    Raises:
        StatusError: INVALID_ARGUMENT, CONFLICTING_ROWS, with the first such key and the columns that differ.
    """
    unique = list(spec.unique_keys)
    version = spec.version_column if spec.version_column not in unique else None
    rows = pl.from_arrow(table, rechunk=False)
    assert isinstance(rows, pl.DataFrame)
    index = rows.select(*unique, *([version] if version else [])).with_row_index(_ROW)
    index = index.filter(index.select(unique).is_duplicated())
    last = index.sort([*([version] if version else []), _ROW], nulls_last=False).unique(unique, keep="last")
    both = index.join(last.rename({_ROW: _LAST}), on=unique, how="inner", suffix=":last")
    both = both.filter(pl.col(_ROW) != pl.col(_LAST))
    if version:
        both = both.filter(pl.col(version).eq_missing(pl.col(f"{version}:last")))
    for pairs in both.iter_slices(_PAIRS):
        one, other = rows[pairs[_ROW]], rows[pairs[_LAST]]
        differs = pl.DataFrame([one[name].ne_missing(other[name]) for name in rows.columns])
        number = differs.select(pl.any_horizontal(pl.all()).arg_max()).item()
        columns = [name for name in rows.columns if differs[name][number]]
        if columns:
            row = table.select(unique).slice(pairs[_ROW][number], 1).to_batches()[0]
            (key,) = row_keys(row, unique).to_pylist()
            listed = ", ".join(columns)
            raise invalid(
                "CONFLICTING_ROWS",
                f"{spec.table}: the write holds different rows of the key {key[:200]}, they differ in {listed[:200]};"
                " all but one would be lost, so nothing was committed",
                row_key=key,
                columns=listed,
            )
