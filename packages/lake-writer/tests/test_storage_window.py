"""After any sequence of writes the table equals a model (a dictionary), and every receipt has the right counts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from weathervane.lake import (
    QUARANTINE_SCHEMA,
    ColumnRange,
    LakeClient,
    RejectedError,
    ReplaceWindow,
    TableRef,
    WriteMode,
    WriteResult,
    WriteSpec,
)
from weathervane.lake._model import CommitRequest, ReadSpec
from weathervane.lake.server.delta import Tables
from weathervane.lake.server.settings import LakeSettings
from weathervane.lake.server.upsert import Received
from weathervane.lake.server.writer import LakeWriter

ORDERS = TableRef("acme", "lines")
SCHEMA = pa.schema(
    [
        pa.field("day", pa.date32(), nullable=False),
        pa.field("order_id", pa.string(), nullable=False),
        pa.field("line", pa.int64(), nullable=False),
        pa.field("updated_at", pa.int64()),
        pa.field("note", pa.string()),
    ]
)
KEYS = ("day", "order_id", "line")
TARGET = 5
FIRST_DAY = date(2026, 11, 1)
Key = tuple[date, str, int]
Row = tuple[date, str, int, int | None, str | None]
PartialKey = tuple[date | None, str | None, int | None]


@dataclass(frozen=True)
class Write:
    """A write: rows, the window that it replaces (days, and some or all orders), and keys that were set aside."""

    rows: Sequence[Row]
    days: tuple[date, date] | None = None
    members: Sequence[str] | None = None
    aside: Sequence[PartialKey] = ()

    @property
    def mode(self) -> WriteMode:
        """Replaces a window when it has one."""
        return WriteMode.REPLACE_WINDOW if self.days or self.members is not None else WriteMode.UPSERT


@dataclass
class Model:
    """The table as a dictionary, one row at a time."""

    versioned: bool
    table: dict[Key, Row] = field(default_factory=dict)

    def apply(self, write: Write) -> dict[str, int]:
        """Applies a write; returns the counts that its receipt must have."""
        newest: dict[Key, Row] = {}
        for row in write.rows:
            kept = newest.get(row[:3])
            if kept is None or not self.versioned or self.version(row) >= self.version(kept):
                newest[row[:3]] = row
        count = {"inserted": 0, "updated": 0, "unchanged": 0, "deleted": 0}
        count["collapsed"] = len(write.rows) - len(newest)
        window = [key for key in self.table if self.in_window(key, write) and not self.set_aside(key, write)]
        for key in [key for key in window if key not in newest]:
            del self.table[key]
            count["deleted"] += 1
        for key, row in newest.items():
            stored = self.table.get(key)
            if stored is None:
                count["inserted"] += 1
            elif stored == row or (self.versioned and self.version(row) < self.version(stored)):
                count["unchanged"] += 1
                continue
            else:
                count["updated"] += 1
            self.table[key] = row
        return count

    @staticmethod
    def version(row: Row) -> int:
        """A row's version; NULL is older than all."""
        return -1 if row[3] is None else row[3]

    @staticmethod
    def in_window(key: Key, write: Write) -> bool:
        """Whether this row is in the write's window."""
        if write.mode is WriteMode.UPSERT:
            return False
        return (write.days is None or write.days[0] <= key[0] <= write.days[1]) and (
            write.members is None or key[1] in write.members
        )

    @staticmethod
    def set_aside(key: Key, write: Write) -> bool:
        """Whether the write may have set this row aside: a part of a key that could not be read may be any value."""
        return any(
            all(known in (None, part) for known, part in zip(aside, key, strict=True))
            for aside in write.aside
        )


def batch(rows: Sequence[Sequence[object]], schema: pa.Schema = SCHEMA) -> pa.RecordBatch:
    """Rows as one batch."""
    columns = [[row[index] for row in rows] for index in range(len(schema))]
    return pa.record_batch(
        [pa.array(column, item.type) for column, item in zip(columns, schema, strict=True)], schema=schema
    )


def quarantined(write: Write) -> pa.RecordBatch:
    """The rows that the write set aside."""
    keys = [json.dumps([None if part is None else str(part) for part in key]) for key in write.aside]
    return batch([[key, "note", None, "expected text", "{}"] for key in keys], QUARANTINE_SCHEMA)


def spec(write: Write, write_id: str, versioned: bool = False) -> WriteSpec:
    """The write's header."""
    window = None
    if write.mode is WriteMode.REPLACE_WINDOW:
        ranges = (ColumnRange("day", *map(str, write.days)),) if write.days else ()
        window = ReplaceWindow(ranges, ("order_id",) if write.members is not None else ())
    version = "updated_at" if versioned else None
    return WriteSpec(ORDERS, write_id, write.mode, SCHEMA, KEYS, "day", version, window=window)


def send(writer: LakeWriter, write: Write, write_id: str, versioned: bool) -> WriteResult:
    """Sends a write directly to the use case, without gRPC."""
    members = None
    if write.members is not None:
        members = pa.Table.from_batches(
            [batch([[name] for name in write.members], pa.schema([SCHEMA.field(1)]))]
        )
    aside = pa.Table.from_batches([quarantined(write)])
    received = Received(pa.Table.from_batches([batch(write.rows)]), aside, members)
    request = CommitRequest(1, len(write.rows), len(write.aside), b"")
    return writer.commit(spec(write, write_id, versioned), received, request)


days = st.integers(0, 7).map(lambda number: FIRST_DAY + timedelta(number))
orders = st.sampled_from("ABCD")
rows = st.tuples(
    days,
    orders,
    st.integers(1, 3),
    st.none() | st.integers(0, 3),
    st.none() | st.sampled_from(["", "x", "\N{SNOWMAN}"]),
)
writes = st.builds(
    Write,
    st.lists(rows, max_size=25),
    st.none() | st.tuples(days, days).map(lambda pair: (min(pair), max(pair))),
    st.none() | st.lists(orders, max_size=3),
    st.just(())
    | st.lists(st.tuples(st.none() | days, st.none() | orders, st.none() | st.integers(1, 3)), max_size=3),
)


def _day(number: int, *lines: int) -> list[Row]:
    return [(FIRST_DAY + timedelta(number), "A", line, None, None) for line in lines]


# New rows on either side of a full file, which once came into one file that spanned it.
@example(False, [Write([*_day(1, 1, 2, 3), *_day(2, 1, 2)]), Write([*_day(0, 1), *_day(3, 1)])])
@given(st.booleans(), st.lists(writes, min_size=1, max_size=6))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
def test_a_table_is_what_a_dictionary_would_be(versioned: bool, history: list[Write]) -> None:
    """Upserts and window replacements with duplicates, NULLs, versions and rows set aside, in many small files."""
    with TemporaryDirectory() as folder:
        lake = LakeSettings(root=folder, target_file_rows=TARGET)
        writer, model = LakeWriter(lake), Model(versioned)
        for number, write in enumerate(history):
            expected = model.apply(write)
            receipt = send(writer, write, f"write-{number}", versioned)
            assert {name: getattr(receipt, f"rows_{name}") for name in expected} == expected
            assert receipt.rows_received == len(write.rows) + len(write.aside)
            assert receipt.total_rows == len(model.table)
            schema, batches = writer.read(ReadSpec(ORDERS))
            table = pa.Table.from_batches(batches, schema).to_pylist()
            assert sorted((tuple(row.values()) for row in table), key=str) == sorted(
                model.table.values(), key=str
            )
            files_are_in_order(lake, len(model.table))


def files_are_in_order(lake: LakeSettings, total_rows: int) -> None:
    """Checks that ranges of files overlap at most at their ends, that no file is empty or far too large, and that
    bounds and counts are right.
    """
    table = Tables(lake).open(ORDERS)
    assert table is not None
    files = table.files().sort("lower", "upper")
    assert files["rows"].sum() == total_rows
    for path, lower, upper, n in files.select("path", "lower", "upper", "rows").iter_rows():
        content = table.read_file(path)
        assert 0 < n == content.height <= 2 * TARGET
        assert (content["day"].min(), content["day"].max()) == (lower, upper)
        assert content["day"].is_sorted()
    overlap = files.select(pl.col("upper").shift() > pl.col("lower")).to_series().sum()
    assert overlap == 0, f"files overlap: {files.select('lower', 'upper', 'rows').rows()}"


JANUARY = (date(2026, 1, 1), date(2026, 1, 31))
STORED = Write(
    [(date(2026, 1, day), order, 1, None, "old") for day in (1, 15, 31) for order in "AB"]
    + [(date(2026, 2, 1), "A", 1, None, "old")]
)


def stored(client: LakeClient) -> set[tuple[int, int, str]]:
    """Month, day and order of every row."""
    table = client.read(ORDERS).read_all().to_pylist()
    return {(row["day"].month, row["day"].day, row["order_id"]) for row in table}


@pytest.mark.parametrize(
    ("write", "gone"),
    [
        (Write([], JANUARY), {(1, day, order) for day in (1, 15, 31) for order in "AB"}),
        (
            Write(STORED.rows[:1], JANUARY),
            {(1, 1, "B"), *((1, day, order) for day in (15, 31) for order in "AB")},
        ),
        (Write([], (date(2026, 1, 15), date(2026, 1, 15))), {(1, 15, "A"), (1, 15, "B")}),
        (Write([], None, ["B"]), {(1, 1, "B"), (1, 15, "B"), (1, 31, "B")}),
        (Write([], JANUARY, ["A"]), {(1, 1, "A"), (1, 15, "A"), (1, 31, "A")}),
        (Write([], JANUARY, []), set()),
        (Write([], JANUARY, ["Z"]), set()),
        (Write([], (date(2026, 3, 1), date(2026, 3, 31))), set()),
    ],
)
def test_rows_that_vanished_upstream_vanish_here(
    lake: LakeClient, write: Write, gone: set[tuple[int, int, str]]
) -> None:
    """Only within the window, and the receipt counts them; the same write again deletes nothing."""
    lake.write(spec(STORED, "stored"), [batch(STORED.rows)])
    before = stored(lake)
    members = (
        []
        if write.members is None
        else [batch([[name] for name in write.members], pa.schema([SCHEMA.field(1)]))]
    )
    receipt = lake.write(spec(write, "replace"), [batch(write.rows)], members=members)
    assert receipt.rows_deleted == len(gone)
    assert stored(lake) == before - gone
    assert receipt.total_rows == len(before - gone)
    assert lake.write(spec(write, "replace-2"), [batch(write.rows)], members=members).rows_deleted == 0


@pytest.mark.parametrize(
    ("aside", "kept"),
    [
        ([(date(2026, 1, 15), "B", 1)], {(1, 15, "B")}),
        ([(date(2026, 1, 15), None, 1)], {(1, 15, "A"), (1, 15, "B")}),
        ([(date(2026, 1, 1), "A", 1), (date(2026, 1, 31), "B", 2)], {(1, 1, "A")}),
        ([(None, None, None)], {(1, day, order) for day in (1, 15, 31) for order in "AB"}),
    ],
)
def test_a_row_that_was_set_aside_has_not_vanished(
    lake: LakeClient, aside: Sequence[PartialKey], kept: set[tuple[int, int, str]]
) -> None:
    """Its older version stays until the row fits again; a part of its key that could not be read may be any value."""
    lake.write(spec(STORED, "stored"), [batch(STORED.rows)])
    write = Write([], JANUARY, aside=aside)
    receipt = lake.write(spec(write, "replace"), [], quarantined=[quarantined(write)])
    assert receipt.rows_deleted == 6 - len(kept)
    assert stored(lake) == {(2, 1, "A"), *kept}
    assert lake.write(spec(write, "whole"), []).rows_deleted == len(kept)


def test_bytes_that_are_no_text_may_be_keys(lake: LakeClient) -> None:
    """Such a row is deleted like any other; but if a row was set aside, it may be that row, and stays."""
    schema = pa.schema([pa.field("id", pa.binary(), nullable=False)])
    spec = WriteSpec(
        ORDERS, "a", WriteMode.REPLACE_WINDOW, schema, ("id",), window=ReplaceWindow(member_columns=("id",))
    )
    keys = [b"\xff", b"\xfe"]
    rows = pa.record_batch([pa.array(keys)], schema=schema)
    aside = batch([['["x"]', "id", None, "expected bytes", "{}"]], QUARANTINE_SCHEMA)
    lake.write(spec, [rows], members=[rows])
    kept = lake.write(replace(spec, write_id="b"), [rows.slice(1)], members=[rows], quarantined=[aside])
    assert kept.rows_deleted == 0
    assert lake.write(replace(spec, write_id="c"), [rows.slice(1)], members=[rows]).rows_deleted == 1


def test_a_replacement_that_fails_removes_nothing(lake: LakeClient, tmp_path: Path) -> None:
    """It is interrupted, or refused at its commit."""
    lake.write(spec(STORED, "stored"), [batch(STORED.rows)])
    before = stored(lake)
    with lake.begin(spec(Write([], JANUARY), "left")) as upload:
        upload.rows(batch(STORED.rows[:1]))
    with pytest.raises(RejectedError, match="a checkpoint is 1 to 65,536 bytes"):
        lake.write(spec(Write([], JANUARY), "refused"), [], checkpoint="\n")
    assert stored(lake) == before
    assert lake.describe(ORDERS).version == 1
    assert len(list((tmp_path / "lake").rglob("part-*"))) == lake.describe(ORDERS).file_count
