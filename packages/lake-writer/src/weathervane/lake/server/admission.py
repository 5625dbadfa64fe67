"""Checks a write's header and commit, by themselves and against the table."""

from __future__ import annotations

import unicodedata
from decimal import Decimal, InvalidOperation

import grpc
import pyarrow as pa

from weathervane.lake._model import (
    QUARANTINE_SUFFIX,
    ColumnRange,
    CommitRequest,
    WriteMode,
    WriteSpec,
    schema_difference,
)
from weathervane.lake.server.delta import Table
from weathervane.lake.server.files import Layout
from weathervane.rpc import StatusError

# Bytes; enough for the positions of 2,000 accounts.
_MAX_CHECKPOINT = 65_536
# Control totals are kept in the commit file, which every reader of the table parses, so their size is limited.
_MAX_CONTROL_TOTALS = 100
_MAX_CONTROL_TOTAL_TEXT = 200
_MAX_DATASET = 63 - len(QUARANTINE_SUFFIX)


def invalid(reason: str, message: str, **metadata: str) -> StatusError:
    """INVALID_ARGUMENT: the request is wrong, whatever the table holds."""
    return StatusError(grpc.StatusCode.INVALID_ARGUMENT, reason, message, metadata)


def precondition(reason: str, message: str, **metadata: str) -> StatusError:
    """FAILED_PRECONDITION: the request does not fit the table or the storage."""
    return StatusError(grpc.StatusCode.FAILED_PRECONDITION, reason, message, metadata)


def layout_of(spec: WriteSpec) -> Layout:
    """Checks a write's header by itself, and returns the layout of the table that it declares.

    Raises:
        StatusError: INVALID_ARGUMENT.
    """
    dataset = spec.table.dataset
    if len(dataset) > _MAX_DATASET or dataset.endswith(QUARANTINE_SUFFIX):
        raise invalid(
            "BAD_NAME",
            f"{spec.table}: a dataset that is written has at most {_MAX_DATASET} characters and does not end in"
            f" {QUARANTINE_SUFFIX!r}; that is where the lake keeps the rows which do not fit",
        )
    columns = spec.schema.names
    keyed = spec.mode is not WriteMode.APPEND
    if keyed and not spec.unique_keys:
        raise invalid("NO_KEYS", f"{spec.table}: {spec.mode.value} needs unique_keys")
    if not keyed and (spec.unique_keys or spec.cluster_by or spec.version_column):
        raise invalid(
            "KEYS_WITH_APPEND", f"{spec.table}: append takes no keys; a keyed table is written by upsert"
        )
    if not keyed and spec.refuse_conflicting_rows:
        raise invalid("KEYS_WITH_APPEND", f"{spec.table}: append has no keys by which rows could conflict")
    if len(set(spec.unique_keys)) != len(spec.unique_keys):
        raise invalid("BAD_KEYS", f"{spec.table}: a key column is named twice")
    named = [*spec.unique_keys, *filter(None, (spec.cluster_by, spec.version_column))]
    window = spec.window
    if (window is not None) != (spec.mode is WriteMode.REPLACE_WINDOW):
        raise invalid("BAD_WINDOW", f"{spec.table}: a window belongs to replace_window and to nothing else")
    if window is not None:
        if not window.ranges and not window.member_columns:
            raise invalid("BAD_WINDOW", f"{spec.table}: an empty window would remove every row; name a range")
        named += [*(r.column for r in window.ranges), *window.member_columns]
        for column_range in window.ranges:
            if column_range.column in columns:
                lower, upper = (bound.as_py() for bound in range_bounds(column_range, spec.schema))
                if not lower <= upper:
                    raise invalid(
                        "BAD_WINDOW",
                        f"{spec.table}: the window's range of {column_range.column!r}, {column_range.lower[:40]!r} to"
                        f" {column_range.upper[:40]!r}, holds nothing: its end is before its beginning",
                    )
    for name in named:
        if name not in columns:
            raise invalid(
                "UNKNOWN_COLUMN", f"{spec.table}: {name[:80]!r} is not a column of the declared schema"
            )
    for name in [*spec.unique_keys, *(window.member_columns if window else ())]:
        if pa.types.is_nested(spec.schema.field(name).type) or pa.types.is_floating(
            spec.schema.field(name).type
        ):
            raise invalid(
                "BAD_KEYS", f"{spec.table}: {name!r} is {spec.schema.field(name).type}, which is no key"
            )
    if spec.version_column and pa.types.is_nested(spec.schema.field(spec.version_column).type):
        raise invalid(
            "BAD_KEYS",
            f"{spec.table}: {spec.version_column!r} is {spec.schema.field(spec.version_column).type}, which has no"
            " order",
        )
    if spec.cluster_by and spec.cluster_by not in spec.unique_keys:
        raise invalid("BAD_KEYS", f"{spec.table}: cluster_by must be one of the unique keys")
    cluster = spec.cluster_by or (spec.unique_keys[0] if spec.unique_keys else None)
    return Layout(spec.unique_keys, cluster, spec.version_column)


def check_against(table: Table, spec: WriteSpec, layout: Layout) -> list[pa.Field]:
    """Checks a write against an existing table, and returns the (nullable) columns that it adds to it.

    Raises:
        StatusError: FAILED_PRECONDITION: another layout, or a schema that differs in more than new columns.
    """
    if table.layout != layout:
        raise precondition(
            "LAYOUT_MISMATCH",
            f"{spec.table}: the table was made with keys {list(table.layout.unique_keys)}, cluster_by"
            f" {table.layout.cluster_by!r} and version_column {table.layout.version_column!r}; this write declares"
            f" {list(layout.unique_keys)}, {layout.cluster_by!r} and {layout.version_column!r}. A table's layout is"
            " fixed: move the table away, and the next write makes it anew",
        )
    added = [column for column in spec.schema if column.name not in table.schema.names]
    known = pa.schema([column for column in spec.schema if column.name in table.schema.names])
    difference = dict(schema_difference(table.schema, known))
    difference |= {column.name: "is new and not nullable" for column in added if not column.nullable}
    taken = {name.lower() for name in table.schema.names}
    difference |= {
        column.name: "differs from a column only by case" for column in added if column.name.lower() in taken
    }
    if difference:
        listed = "; ".join(f"{name!r} {what}" for name, what in list(difference.items())[:5])
        raise precondition(
            "SCHEMA_MISMATCH",
            f"{spec.table}: the declared schema is not the table's: {listed}. Only new nullable columns may be added",
        )
    return added


def check_checkpoint(spec: WriteSpec, current: str | None) -> None:
    """Checks that the table still has the checkpoint at which the run began.

    Raises:
        StatusError: FAILED_PRECONDITION, STALE_CHECKPOINT.
    """
    if spec.check_checkpoint and current != spec.expected_checkpoint:
        whose = f"partition {spec.partition}" if spec.partition else "the table"
        raise precondition(
            "STALE_CHECKPOINT",
            f"{spec.table}: this run began at checkpoint {spec.expected_checkpoint!r}, {whose} is at {current!r};"
            " another run has moved it: start again from there",
            current=current or "",
        )


def check_commit(spec: WriteSpec, commit: CommitRequest) -> None:
    """Checks the new checkpoint and compares the control totals, before anything is written.

    Raises:
        StatusError: INVALID_ARGUMENT; DATA_LOSS, CONTROL_TOTAL if a control total differs.
    """
    checkpoint = commit.checkpoint
    if checkpoint is not None and (
        not 0 < len(checkpoint.encode()) <= _MAX_CHECKPOINT
        or any(unicodedata.category(character) == "Cc" for character in checkpoint)
    ):
        raise invalid(
            "BAD_CHECKPOINT",
            f"{spec.table}: a checkpoint is 1 to {_MAX_CHECKPOINT:,} bytes of printable text",
        )
    if len(commit.control_totals) > _MAX_CONTROL_TOTALS:
        raise invalid(
            "BAD_CONTROL_TOTAL", f"{spec.table}: a write has at most {_MAX_CONTROL_TOTALS} control totals"
        )
    for total in commit.control_totals:
        expected, actual = (_decimal(spec, total.name, text) for text in (total.expected, total.actual))
        if expected != actual:
            raise StatusError(
                grpc.StatusCode.DATA_LOSS,
                "CONTROL_TOTAL",
                f"{spec.table}: {total.name[:80]} should be {total.expected[:40]} by the vendor's own figure and is"
                f" {total.actual[:40]} over the rows read; the read was not whole and nothing was committed",
            )


def _decimal(spec: WriteSpec, name: str, text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or len(text) > _MAX_CONTROL_TOTAL_TEXT or len(name) > _MAX_CONTROL_TOTAL_TEXT:
        raise invalid(
            "BAD_CONTROL_TOTAL",
            f"{spec.table}: control total {name[:80]!r} is {text[:40]!r}, not a decimal number",
        )
    return value


def range_bounds(column_range: ColumnRange, schema: pa.Schema) -> tuple[pa.Scalar, pa.Scalar]:
    """The range's bounds in its column's type.

    Raises:
        StatusError: INVALID_ARGUMENT if the column does not exist, or a bound cannot be converted to its type.
    """
    if column_range.column not in schema.names:
        raise invalid("UNKNOWN_COLUMN", f"{column_range.column[:80]!r} is not a column of the table")
    kind = schema.field(column_range.column).type
    try:
        lower, upper = (pa.scalar(text).cast(kind) for text in (column_range.lower, column_range.upper))
    except (pa.ArrowException, ValueError):
        raise invalid(
            "BAD_RANGE",
            f"range of {column_range.column!r}: {column_range.lower[:40]!r} to {column_range.upper[:40]!r} is not"
            f" {kind}",
        ) from None
    return lower, upper
