"""Changes that name a key and a few columns, laid over the rows that the lake holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weathervane.lake import ColumnRange, LakeClient, TableRef, WriteMode, WriteSpec
from weathervane.source._run.uploads import patched_rows
from weathervane.source._table.column import Column
from weathervane.source._table.dataset import Dataset

TABLE = TableRef("acme", "notes")
KEYS = ("id", "part")
DATASET = Dataset(
    "notes",
    (
        Column("id", pa.string(), "id"),
        Column("part", pa.int64(), "part"),
        Column("text", pa.string(), "text"),
        Column("seen", pa.timestamp("us", "UTC"), "seen"),
    ),
    unique_keys=KEYS,
    cluster_by="id",
)
SCHEMA = DATASET.schema


class Stored:
    """A lake whose table is these rows: `patched_rows` asks nothing else of one."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def read(self, table: TableRef, *, ranges: Sequence[ColumnRange]) -> pa.RecordBatchReader:
        """Gives the rows in the ranges, two a batch."""
        rows = [
            row for row in self.rows if all(one.lower <= str(row[one.column]) <= one.upper for one in ranges)
        ]
        self.given = len(rows)
        return pa.Table.from_pylist(rows, SCHEMA).to_reader(max_chunksize=2)


@pytest.fixture
def notes(lake: LakeClient) -> LakeClient:
    """A lake with five notes."""
    rows = [{"id": name, "part": part, "text": f"{name}{part}", "seen": None} for name, part in NOTES]
    batch = pa.RecordBatch.from_pylist(rows, SCHEMA)
    lake.write(WriteSpec(TABLE, "write", WriteMode.UPSERT, SCHEMA, KEYS, "id"), [batch])
    return lake


NOTES = [("a", 1), ("a", 2), ("b", 1), ("b", 2), ("c", 1)]


def patch(lake: LakeClient, changes: list[dict[str, Any]], schema: pa.Schema) -> dict[tuple[str, int], str]:
    """The patched rows' text by key."""
    batches = patched_rows(lake, TABLE, pa.RecordBatch.from_pylist(changes, schema), DATASET)
    assert all(batch.schema == SCHEMA and batch.num_rows for batch in batches)
    return {(row["id"], row["part"]): row["text"] for batch in batches for row in batch.to_pylist()}


CHANGE = pa.schema([("part", pa.int32()), ("id", pa.string()), ("text", pa.string())])


def test_only_named_columns_of_named_keys_change(notes: LakeClient) -> None:
    """Rows come back whole and in the table's types, whatever the order and width of the change's columns."""
    changes = [{"id": "b", "part": 2, "text": "new"}, {"id": "a", "part": 1, "text": None}]
    assert patch(notes, changes, CHANGE) == {("b", 2): "new", ("a", 1): None}


def test_unknown_keys_are_left_out(notes: LakeClient) -> None:
    """There is nothing to change, and half a row must not be made of it."""
    assert (
        patch(notes, [{"id": "a", "part": 3, "text": "x"}, {"id": "A", "part": 1, "text": "x"}], CHANGE) == {}
    )


def test_of_two_changes_of_a_key_the_first_counts(notes: LakeClient) -> None:
    """Vendors list the newest event first; and the answer must not depend on luck."""
    changes = [{"id": "c", "part": 1, "text": text} for text in ("first", "second")]
    assert patch(notes, changes, CHANGE) == {("c", 1): "first"}


def test_a_table_that_does_not_exist_has_nothing_to_change(lake: LakeClient) -> None:
    """The first run may read a deletion before it has read a row."""
    changes = pa.RecordBatch.from_pylist([{"id": "a", "part": 1, "text": "x"}], CHANGE)
    assert patched_rows(lake, TABLE, changes, DATASET) == []


def test_a_change_that_does_not_fit_its_column_is_refused(notes: LakeClient) -> None:
    """Nothing is rounded or cut on the way into the column's type."""
    schema = pa.schema([("id", pa.string()), ("part", pa.int64()), ("seen", pa.timestamp("ns", "UTC"))])
    changes = pa.RecordBatch.from_arrays(
        [pa.array(["a"]), pa.array([1]), pa.array([1_000_000_001], pa.timestamp("ns", "UTC"))], schema=schema
    )
    with pytest.raises(pa.ArrowInvalid, match="would lose data"):
        patched_rows(notes, TABLE, changes, DATASET)


def test_only_the_range_of_the_changes_is_read() -> None:
    """A table is not read whole for one row of it."""
    lake: Any = Stored([{"id": i, "part": 1, "text": i, "seen": None} for i in "abcdefgh"])
    changes = [{"id": i, "part": 1, "text": "new"} for i in ("c", "d")]
    assert patch(lake, changes, CHANGE) == {("c", 1): "new", ("d", 1): "new"}
    assert lake.given == 2


def test_a_column_that_the_table_does_not_have_yet_is_filled_in(notes: LakeClient) -> None:
    """Rows are the dataset's, so that they are written with others of the same slice: the new column is null."""
    wider = DATASET.with_columns(
        Column("gone_at", pa.timestamp("us", "UTC"), "gone_at"), Column("tag", pa.string(), "tag")
    )
    gone = datetime(2026, 11, 26, tzinfo=UTC)
    schema = pa.schema(
        [*(SCHEMA.field(name) for name in KEYS), pa.field("gone_at", pa.timestamp("us", "UTC"))]
    )
    changes = pa.RecordBatch.from_pylist([{"id": "a", "part": 1, "gone_at": gone}], schema)
    (rows,) = patched_rows(notes, TABLE, changes, wider)
    assert rows.schema == wider.schema
    assert rows.to_pylist() == [
        {"id": "a", "part": 1, "text": "a1", "seen": None, "gone_at": gone, "tag": None}
    ]
    spec = WriteSpec(TABLE, "wider", WriteMode.UPSERT, wider.schema, KEYS, "id")
    assert notes.write(spec, [rows]).rows_updated == 1


KEY = st.tuples(st.sampled_from(["a", "b", '","', ""]), st.integers(0, 2))


@given(
    st.dictionaries(KEY, st.text(max_size=3), max_size=8),
    st.lists(st.tuples(KEY, st.text(max_size=3)), max_size=8),
)
def test_any_changes_meet_any_rows(
    stored: dict[tuple[str, int], str], changes: list[tuple[Any, str]]
) -> None:
    """The result is what a dictionary gives."""
    lake: Any = Stored([{"id": i, "part": p, "text": text, "seen": None} for (i, p), text in stored.items()])
    asked = [{"id": i, "part": p, "text": text} for (i, p), text in changes]
    first = dict(reversed(changes))
    assert patch(lake, asked, CHANGE) == {key: first[key] for key in stored if key in first}
