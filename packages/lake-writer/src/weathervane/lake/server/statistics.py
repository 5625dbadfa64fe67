"""Delta's statistics of a data file, by which this server and other readers skip files."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

# Longer bounds of text would not skip more files and would make every commit larger, so they are cut to this length.
_MAX_STAT = 256
# The greatest code point: a cut text followed by it is greater than every text with that prefix.
_GREATEST = "\U0010ffff"


def statistics(rows: pa.Table) -> str:
    """The statistics as JSON: the number of rows, and NULL counts and bounds of every column that can have them.

    Not only columns that this server prunes by have bounds, because `DeltaTable.to_pyarrow_dataset` of deltalake 1.6.6
    takes a missing bound for NULL, and a filter on that column then silently finds nothing (seen).
    """
    lower: dict[str, str] = {}
    upper: dict[str, str] = {}
    nulls: dict[str, int] = {}
    for column in rows.schema:
        values = rows.column(column.name)
        if pa.types.is_nested(column.type):
            continue
        nulls[column.name] = values.null_count
        # JSON has no binary values, and NaN and infinity cannot be bounds.
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
    """A bound as JSON. It may be wider than the values, never narrower."""
    if isinstance(value, datetime):
        # Delta's statistics have milliseconds.
        cut = value.astimezone(UTC).replace(microsecond=value.microsecond // 1000 * 1000)
        if upward and cut < value:
            cut += timedelta(milliseconds=1)
        return json.dumps(f"{cut.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z")
    if isinstance(value, date):
        return json.dumps(value.isoformat())
    if isinstance(value, Decimal):
        # A JSON number with all digits; a float would lose some.
        return f"{value:f}"
    if isinstance(value, float) and value == 0:
        return "0.0" if upward else "-0.0"
    if isinstance(value, str) and len(value) > _MAX_STAT:
        return _json(value[:_MAX_STAT] + _GREATEST * upward)
    return _json(value)


def _has_no_upper(value: object) -> bool:
    """Whether this is a text for which `_stat` has no upper bound, as its character after the cut is the greatest."""
    return isinstance(value, str) and value[_MAX_STAT : _MAX_STAT + 1] == _GREATEST


def _json(value: object) -> str:
    """JSON without escapes of characters that are not ASCII.

    Characters beyond U+FFFF would be escaped as surrogate pairs, which parsers of the log (e.g. delta-rs) do not join:
    the bound is then another text, and filters find nothing (seen in Polars, DuckDB and deltalake).
    """
    return json.dumps(value, ensure_ascii=False)


def _object(values: dict[str, str]) -> str:
    return "{" + ", ".join(f"{_json(name)}: {value}" for name, value in values.items()) + "}"
