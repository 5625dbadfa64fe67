"""The writes that the crash tests interrupt, each with the state of its table before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from weathervane.lake import QUARANTINE_SCHEMA, ColumnRange, ReplaceWindow, TableRef, WriteMode, WriteSpec

SCHEMA = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False),
        pa.field("amount", pa.int64()),
        pa.field("note", pa.string()),
    ]
)
WIDER = SCHEMA.append(pa.field("colour", pa.string()))
Row = tuple[Any, ...]
# Small files and a log checkpoint within reach, so that one write splits, rewrites and checkpoints.
SETTINGS: dict[str, Any] = {"target_file_rows": 4, "log_checkpoint_interval": 3}
BASE = tuple((number, number * 10, f"note {number}") for number in range(12))
COUNTS = ("inserted", "updated", "unchanged", "collapsed", "deleted", "quarantined")


@dataclass(frozen=True)
class Operation:
    """One write: what it sends, and the rows and receipt that it must leave."""

    dataset: str
    mode: WriteMode
    rows: Sequence[Row]
    after: Sequence[Row]
    counts: dict[str, int]
    schema: pa.Schema = SCHEMA
    before: Sequence[Row] = BASE
    window: ReplaceWindow | None = None
    quarantined: Sequence[str] = ()

    @property
    def table(self) -> TableRef:
        """Where it writes."""
        return TableRef("acme", self.dataset)

    def spec(self, write_id: str) -> WriteSpec:
        """Its header."""
        keys = () if self.mode is WriteMode.APPEND else ("id",)
        return WriteSpec(self.table, write_id, self.mode, self.schema, keys, window=self.window)

    def batch(self) -> pa.RecordBatch:
        """Its rows."""
        return as_batch(self.rows, self.schema)

    def aside(self) -> pa.RecordBatch:
        """Its rows that do not fit."""
        rows = [(key, "amount", "x", "is no number", "{}") for key in self.quarantined]
        return as_batch(rows, QUARANTINE_SCHEMA)


def as_batch(rows: Sequence[Row], schema: pa.Schema) -> pa.RecordBatch:
    """Rows as one batch."""
    columns = list(zip(*rows, strict=True)) or [() for _ in schema]
    return pa.record_batch(
        [pa.array(column, item.type) for column, item in zip(columns, schema, strict=True)], schema=schema
    )


def counts(**known: int) -> dict[str, int]:
    """A receipt's figures; those not named are 0."""
    return {name: known.get(name, 0) for name in COUNTS}


def _changed(*changes: Row, gone: Sequence[int] = ()) -> tuple[Row, ...]:
    table = {row[0]: row for row in BASE} | {row[0]: row for row in changes}
    return tuple(table[key] for key in sorted(table) if key not in gone)


_UPSERT = ((1, -10, "changed"), (6, -60, None), (3, 30, "note 3"), (20, 200, "new"), (21, 210, "new"))
_REPLACE = ((5, 50, "note 5"), (6, 61, "changed"), (30, 300, "new"))
_FRESH = tuple((number, number, None) for number in range(6))

OPERATIONS = {
    "create": Operation(
        "fresh",
        WriteMode.UPSERT,
        _FRESH,
        before=(),
        after=_FRESH,
        counts=counts(inserted=6, quarantined=2),
        quarantined=("1001", "1002"),
    ),
    "append": Operation(
        "events",
        WriteMode.APPEND,
        _FRESH,
        after=tuple(sorted((*BASE, *_FRESH), key=str)),
        counts=counts(inserted=6),
    ),
    "upsert": Operation(
        "orders",
        WriteMode.UPSERT,
        # The first row is sent again below with other values, so it is collapsed.
        ((20, 0, "older"), *_UPSERT),
        after=_changed(*_UPSERT),
        counts=counts(inserted=2, updated=2, unchanged=1, collapsed=1),
    ),
    "replace_window": Operation(
        "orders",
        WriteMode.REPLACE_WINDOW,
        _REPLACE,
        after=_changed(*_REPLACE, gone=(4, 7, 8)),
        counts=counts(inserted=1, updated=1, unchanged=1, deleted=3),
        window=ReplaceWindow((ColumnRange("id", "4", "8"),)),
    ),
    "add_column": Operation(
        "orders",
        WriteMode.UPSERT,
        ((0, 0, "note 0", "red"),),
        schema=WIDER,
        after=((0, 0, "note 0", "red"), *((*row, None) for row in BASE[1:])),
        counts=counts(updated=1),
    ),
}

# As "create" and half as long.
OPERATIONS["create_plain"] = replace(
    OPERATIONS["create"], quarantined=(), counts=OPERATIONS["create"].counts | {"quarantined": 0}
)


@dataclass(frozen=True)
class State:
    """What a reader sees of a table."""

    rows: tuple[Row, ...]
    checkpoint: str | None
    quarantined: tuple[str, ...] = field(default=())
