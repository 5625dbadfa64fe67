"""Delta's statistics of a data file: by them we, and every other reader, know which files need not be read."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

# Longer text has no use for pruning and would bloat every commit; it is cut.
_MAX_STAT = 256
# The greatest character there is: put after a cut text, every text with that beginning is below.
_GREATEST = "\U0010ffff"


def statistics(rows: pa.Table) -> str:
    """Delta's per-file statistics: row count, and NULLs and bounds of every column that can have them.

    Bounds of all columns and not only of those we prune by: `DeltaTable.to_pyarrow_dataset` of deltalake 1.6.6 takes
    an absent bound for NULL, and then a filter on that column silently finds nothing (seen).
    """
    lower: dict[str, str] = {}
    upper: dict[str, str] = {}
    nulls: dict[str, int] = {}
    for column in rows.schema:
        values = rows.column(column.name)
        if pa.types.is_nested(column.type):
            continue
        nulls[column.name] = values.null_count
        # Binary has no place in JSON, NaN none in an order.
        if pa.types.is_binary(column.type) or (
            pa.types.is_floating(column.type) and not pc.all(pc.is_finite(values)).as_py()
        ):
            continue
        bounds = pc.min_max(values).as_py()
        if bounds["min"] is not None and not _has_no_upper(bounds["max"]):
            lower[column.name] = _stat(bounds["min"], upward=False)
            upper[column.name] = _stat(bounds["max"], upward=True)
    return (
        f'{{"numRecords": {rows.num_rows}, "minValues": {_object(lower)}, "maxValues": {_object(upper)},'
        f' "nullCount": {_json(nulls)}}}'
    )


def _stat(value: object, *, upward: bool) -> str:
    """A bound as JSON; it may lie outside the values, never inside."""
    if isinstance(value, datetime):
        # Delta keeps milliseconds here.
        cut = value.astimezone(UTC).replace(microsecond=value.microsecond // 1000 * 1000)
        if upward and cut < value:
            cut += timedelta(milliseconds=1)
        return json.dumps(f"{cut.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z")
    if isinstance(value, date):
        return json.dumps(value.isoformat())
    if isinstance(value, Decimal):
        # A JSON number with all its digits; as a float it would lose some.
        return f"{value:f}"
    if isinstance(value, float) and value == 0:
        return "0.0" if upward else "-0.0"
    if isinstance(value, str) and len(value) > _MAX_STAT:
        return _json(value[:_MAX_STAT] + _GREATEST * upward)
    return _json(value)


def _has_no_upper(value: object) -> bool:
    """Whether this is a text that `_stat` cannot bound; no honest one is."""
    return isinstance(value, str) and value[_MAX_STAT : _MAX_STAT + 1] == _GREATEST


def _json(value: object) -> str:
    """JSON whose texts stand as they are.

    Escapes beyond the first plane are pairs of surrogates, which the parsers that read a log (delta-rs' among them) do
    not put together: the bound is then another text, and filters find nothing (seen in Polars, DuckDB and deltalake).
    """
    return json.dumps(value, ensure_ascii=False)


def _object(values: dict[str, str]) -> str:
    return "{" + ", ".join(f"{_json(name)}: {value}" for name, value in values.items()) + "}"
