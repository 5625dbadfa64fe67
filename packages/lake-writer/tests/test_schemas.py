"""A write's schema must be the table's; the error names the column and the difference."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from threading import Barrier
from typing import Any

import grpc
import pyarrow as pa
import pytest

from weathervane.lake import (
    QUARANTINE_SCHEMA,
    ColumnRange,
    CorruptedError,
    LakeClient,
    RejectedError,
    ReplaceWindow,
    TableRef,
    WriteMode,
    WriteSpec,
)
from weathervane.lake.server import LakeSettings
from weathervane.lake.server.delta import Tables
from weathervane.lake.server.files import Layout

ORDERS = TableRef("acme", "orders")
ID = pa.field("id", pa.int64(), nullable=False)
SCHEMA = pa.schema(
    [
        ID,
        pa.field("clicks", pa.int64()),
        pa.field("spend", pa.decimal128(18, 2)),
        pa.field("name", pa.string()),
        pa.field("tags", pa.list_(pa.string())),
    ]
)
ROW = {"id": 1, "clicks": 7, "spend": Decimal("1.25"), "name": "a", "tags": ["x", None]}


def write(
    lake: LakeClient, schema: pa.Schema, rows: list[dict[str, Any]], write_id: str = "w", **changes: Any
) -> Any:
    """Upserts rows into `acme/orders`."""
    spec = WriteSpec(ORDERS, write_id, WriteMode.UPSERT, schema, **{"unique_keys": ("id",), **changes})
    return lake.write(spec, [pa.RecordBatch.from_pylist(rows, schema=schema)])


def changed(column: pa.Field) -> pa.Schema:
    """SCHEMA with one column replaced."""
    return SCHEMA.set(SCHEMA.get_field_index(column.name), column)


@pytest.fixture
def table(lake: LakeClient) -> LakeClient:
    """A lake in which `acme/orders` has SCHEMA and one row."""
    write(lake, SCHEMA, [ROW], "first")
    return lake


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (changed(pa.field("clicks", pa.float64())), "'clicks' is double, the table has int64"),
        (changed(pa.field("clicks", pa.int32())), "'clicks' is int32, the table has int64"),
        (changed(pa.field("spend", pa.decimal128(18, 4))), r"'spend' is decimal128\(18, 4\), the table has"),
        (changed(pa.field("spend", pa.decimal128(20, 2))), r"'spend' is decimal128\(20, 2\), the table has"),
        (
            changed(pa.field("tags", pa.list_(pa.int64()))),
            "'tags' is list<.*int64>, the table has list<.*string>",
        ),
        (
            changed(pa.field("name", pa.string(), nullable=False)),
            "'name' is not nullable, the table has nullable",
        ),
        (SCHEMA.remove(3), "'name' is missing"),
        (SCHEMA.append(pa.field("new", pa.int64(), nullable=False)), "'new' is new and not nullable"),
        (SCHEMA.append(pa.field("Clicks2", pa.uint8())), "'Clicks2' is uint8, which the lake does not take"),
        (SCHEMA.set(3, pa.field("Name", pa.string())), "'Name' differs from a column only by case"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_schema_that_differs_is_refused_exactly(schema: pa.Schema, words: str, table: LakeClient) -> None:
    """Delta itself would write 1.7 into an integer column as 1; here nothing is written."""
    with pytest.raises(RejectedError, match=words):
        write(table, schema, [])
    assert table.describe(ORDERS).version == 1
    assert table.read(ORDERS).read_all().to_pylist() == [ROW]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"clicks": pa.array([1.7])}, "'clicks' is double, not int64"),
        ({"clicks": pa.array(["12"])}, "'clicks' is string, not int64"),
        (
            {"spend": pa.array([Decimal("1.234567")])},
            r"'spend' is decimal128\(7, 6\), not decimal128\(18, 2\)",
        ),
        ({"clicks": None}, "'clicks' is missing, not int64"),
        ({"extra": pa.array([1])}, "'extra' is not declared"),
    ],
)
def test_a_batch_that_differs_from_its_declared_schema_is_not_sent(
    values: dict[str, Any], words: str, table: LakeClient
) -> None:
    """A frame has no types, so values would be decoded as other values; nothing is cast."""
    columns = {name: pa.array([ROW[name]], SCHEMA.field(name).type) for name in SCHEMA.names} | values
    batch = pa.RecordBatch.from_pydict(
        {name: column for name, column in columns.items() if column is not None}
    )
    with pytest.raises(RejectedError, match=words):
        table.write(WriteSpec(ORDERS, "w", WriteMode.UPSERT, SCHEMA, unique_keys=("id",)), [batch])
    assert table.read(ORDERS).read_all().to_pylist() == [ROW]


def test_the_order_of_columns_does_not_matter(table: LakeClient) -> None:
    """Neither in the declared schema nor in a batch."""
    backwards = pa.schema(list(SCHEMA)[::-1])
    spec = WriteSpec(ORDERS, "w", WriteMode.UPSERT, backwards, unique_keys=("id",))
    result = table.write(spec, [pa.RecordBatch.from_pylist([ROW, {**ROW, "id": 2}], schema=SCHEMA)])
    assert (result.rows_unchanged, result.rows_inserted) == (1, 1)
    assert table.read(ORDERS).read_all().sort_by("id").to_pylist() == [ROW, {**ROW, "id": 2}]
    assert table.describe(ORDERS).schema.names == SCHEMA.names


def test_a_new_nullable_column_is_added_and_old_rows_have_null(table: LakeClient) -> None:
    """A row that is sent again with a value in the new column is an update; other rows are not changed."""
    write(table, SCHEMA, [{**ROW, "id": 2}], "second")
    wider = SCHEMA.append(pa.field("colour", pa.string())).append(
        pa.field("size", pa.struct([("w", pa.int32())]))
    )
    news = {"id": 2, "colour": "red", "size": {"w": 3}}
    result = write(table, wider, [{**ROW, **news}, {**ROW, "id": 3}], "third")
    assert (result.rows_updated, result.rows_inserted, result.rows_unchanged) == (1, 1, 0)
    nothing = {"colour": None, "size": None}
    assert table.read(ORDERS).read_all().sort_by("id").to_pylist() == [
        {**ROW, **nothing},
        {**ROW, **news},
        {**ROW, "id": 3, **nothing},
    ]
    with pytest.raises(RejectedError, match="'colour' is missing"):
        write(table, SCHEMA, [ROW], "fourth")


@pytest.mark.parametrize("spoiled", ["the data file", "the quarantine", "the quarantine of a new table"])
def test_a_refused_write_adds_no_column_and_makes_no_table(
    table: LakeClient, tmp_path: Path, spoiled: str
) -> None:
    """Also if it is refused after its rows were received."""
    acme = tmp_path / "lake" / "acme"
    reject = pa.RecordBatch.from_pylist(
        [dict.fromkeys(QUARANTINE_SCHEMA.names, "x")], schema=QUARANTINE_SCHEMA
    )
    wider = SCHEMA.append(pa.field("colour", pa.string()))
    rows = pa.RecordBatch.from_pylist([{**ROW, "colour": "red"}], schema=wider)
    header = WriteSpec(ORDERS, "second", WriteMode.UPSERT, wider, unique_keys=("id",))
    if spoiled == "the data file":
        (file,) = (acme / "orders").glob("*.parquet")
    else:
        table.write(replace(header, write_id="aside", schema=SCHEMA), [], quarantined=[reject])
        file = acme / "orders_quarantine" / "_delta_log" / f"{1:020d}.json"
    file.write_bytes(file.read_bytes()[:-50])
    if spoiled == "the quarantine of a new table":
        shutil.rmtree(acme / "orders")
    before = sorted(acme.rglob("*"))
    with pytest.raises(CorruptedError):
        table.write(header, [rows], quarantined=[reject])
    assert sorted(acme.rglob("*")) == before


def test_null_in_a_new_column_changes_nothing(table: LakeClient) -> None:
    """A row with NULL in the new column equals the stored row."""
    wider = SCHEMA.append(pa.field("colour", pa.string()))
    assert write(table, wider, [ROW], "second").rows_unchanged == 1


BAD_NAMES = [
    "", " ", "a b", "a\nb", "a;b", "a.b", "a`b", 'a"b', "é", "\u0131", "1a", "-", "x" * 129, "x" * 5_000, "a\x00b",
    "id OR 1=1", "_change_type", "_COMMIT_VERSION", "_commit_timestamp", "../x", "\uff41", "a\u202eb",
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "inside"),
    [(name, inside) for name in BAD_NAMES for inside in (False, True) if not (inside and name[:1] == "_")],
    ids=lambda value: (
        f"{ascii(value)[:20]} {len(value)}" if isinstance(value, str) else "inside" if value else "top"
    ),
)
def test_a_column_name_that_readers_would_trip_over_is_refused(name: str, inside: bool, raw: Any) -> None:
    """The error has the name, shortened, and the rule."""
    inner = pa.field(name, pa.int64())
    schema = pa.schema([ID, pa.field("deep", pa.list_(pa.struct([inner]))) if inside else inner])
    refusal = raw.refusal(raw.header(schema))
    assert refusal.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert repr(name[:80]) in refusal.details()
    assert len(refusal.details()) < 500


@pytest.mark.parametrize("names", [("x", "x"), ("x", "X"), ("id", "ID")])
@pytest.mark.parametrize("inside", [False, True], ids=["column", "field"])
def test_a_name_that_is_there_twice_is_refused(names: tuple[str, str], inside: bool, raw: Any) -> None:
    """Most SQL engines ignore case in names."""
    fields = [pa.field(name, pa.int64()) for name in names]
    key = pa.field("key", pa.int64(), nullable=False)
    schema = pa.schema([key, pa.field("deep", pa.struct(fields))] if inside else [key, *fields])
    refusal = raw.refusal(raw.header(schema))
    assert refusal.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert f"{names[0].lower()!r} is there twice" in refusal.details()


@pytest.mark.parametrize("depth", [9, 50, 120])
@pytest.mark.parametrize(
    "nest", [lambda t: pa.list_(t), lambda t: pa.struct([("a", t)])], ids=["list", "struct"]
)
def test_deep_nesting_is_refused_by_name(
    depth: int, nest: Callable[[pa.DataType], pa.DataType], raw: Any
) -> None:
    """50 levels are refused by this limit; Arrow itself refuses deeper nesting."""
    kind = pa.int64()
    for _ in range(depth):
        kind = nest(kind)
    refusal = raw.refusal(raw.header(pa.schema([ID, pa.field("abyss", kind)])))
    assert refusal.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.DATA_LOSS)
    assert "abyss" in refusal.details() or "cannot be decoded" in refusal.details()


def test_eight_levels_come_back_as_they_went_in(lake: LakeClient) -> None:
    """The documented limit is accepted."""
    kind: pa.DataType = pa.int64()
    value: Any = 5
    for _ in range(7):
        kind, value = pa.list_(kind), [value]
    schema = pa.schema([ID, pa.field("deep", kind)])
    rows: list[dict[str, Any]] = [{"id": 1, "deep": value}, {"id": 2, "deep": None}]
    write(lake, schema, rows, "a")
    assert write(lake, schema, rows, "b").rows_unchanged == 2
    assert lake.read(ORDERS).read_all().sort_by("id").to_pylist() == rows


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"unique_keys": []}, "upsert needs unique_keys"),
        ({"unique_keys": ["id", "id"]}, "a key column is named twice"),
        ({"unique_keys": ["id OR 1=1"]}, "'id OR 1=1' is not a column"),
        ({"unique_keys": ["id; DROP TABLE orders"]}, "is not a column"),
        ({"unique_keys": ["name\n"]}, "is not a column"),
        ({"unique_keys": ["tags"]}, "'tags' is list<.*>, which is no key"),
        ({"unique_keys": ["ratio"]}, "'ratio' is double, which is no key"),
        ({"cluster_by": "clicks"}, "cluster_by must be one of the unique keys"),
        ({"cluster_by": "nope"}, "'nope' is not a column"),
        ({"version_column": "nope"}, "'nope' is not a column"),
        ({"mode": 0}, "mode is not one of append, upsert, replace_window"),
        ({"mode": 9}, "mode is not one of append, upsert, replace_window"),
        ({"mode": 1}, "append takes no keys"),
        ({"mode": 3}, "a window belongs to replace_window"),
    ],
    ids=str,
)
def test_a_header_that_makes_no_sense_is_refused(fields: dict[str, Any], words: str, raw: Any) -> None:
    """Each answers INVALID_ARGUMENT with a message; names are never inserted into a predicate as text."""
    schema = SCHEMA.append(pa.field("ratio", pa.float64()))
    refusal = raw.refusal(raw.header(schema, **fields))
    assert refusal.code() is grpc.StatusCode.INVALID_ARGUMENT, refusal.details()
    with pytest.raises(grpc.RpcError, match=words):
        raise refusal


REVERSED = [
    ("9", "0", "clicks"),
    ("b", "a", "name"),
    ("nan", "nan", "ratio"),
    ("2026-02-01", "2026-01-31", "day"),
]


@pytest.mark.parametrize(("lower", "upper", "column"), REVERSED)
def test_a_window_that_holds_nothing_is_refused(
    lower: str, upper: str, column: str, lake: LakeClient
) -> None:
    """It would replace nothing, and the checkpoint would move. A read of such a range returns no rows."""
    schema = SCHEMA.append(pa.field("ratio", pa.float64())).append(pa.field("day", pa.date32()))
    window = ReplaceWindow((ColumnRange(column, lower, upper),))
    spec = WriteSpec(ORDERS, "w", WriteMode.REPLACE_WINDOW, schema, ("id",), window=window)
    with pytest.raises(RejectedError, match=f"range of '{column}'.*holds nothing") as caught:
        lake.write(spec, [], checkpoint="moved")
    assert caught.value.reason == "BAD_WINDOW"
    assert list(lake.tables("acme")) == []


@pytest.mark.parametrize(
    "changes", [{"unique_keys": ("name",)}, {"cluster_by": "name", "unique_keys": ("id", "name")},
                {"version_column": "clicks"}], ids=str,
)  # fmt: skip
def test_keys_are_fixed_by_the_first_write(changes: dict[str, Any], table: LakeClient) -> None:
    """A write with other keys is refused, and the error has both."""
    with pytest.raises(
        RejectedError, match=r"the table was made with keys \['id'\].*this write declares"
    ) as caught:
        write(table, SCHEMA, [ROW], **changes)
    assert caught.value.reason == "LAYOUT_MISMATCH"


def test_two_servers_that_make_one_table_at_once_make_it_once(tmp_path: Path) -> None:
    """A table is created by one commit, so neither server replaces the other's schema."""
    servers = [Tables(LakeSettings(str(tmp_path))) for _ in range(4)]
    schemas = [SCHEMA.append(pa.field(f"of_{number}", pa.int64())) for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for turn in range(10):
            ref, start = TableRef("acme", f"t{turn}"), Barrier(4)

            def create(
                tables: Tables, schema: pa.Schema, ref: TableRef = ref, start: Barrier = start
            ) -> pa.Schema:
                start.wait(10)
                return tables.create(ref, schema, Layout(("id",), "id")).schema

            made = list(pool.map(create, servers, schemas))
            assert all(schema == made[0] for schema in made)
            assert len(list((tmp_path / "acme" / ref.dataset / "_delta_log").glob("*.json"))) == 1


def test_an_append_to_a_keyed_table_is_refused(table: LakeClient) -> None:
    """It could insert a key twice."""
    with pytest.raises(RejectedError, match="the table was made with keys"):
        table.write(WriteSpec(ORDERS, "w", WriteMode.APPEND, SCHEMA), [])
