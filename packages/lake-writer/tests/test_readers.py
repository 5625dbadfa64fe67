"""Our own ReadTable, and four readers that share no code with the writer, read what was written."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from deltalake import DeltaTable

from weathervane.lake import (
    ColumnRange,
    LakeClient,
    NotFoundError,
    RejectedError,
    ReplaceWindow,
    TableRef,
    WriteMode,
    WriteSpec,
    WriteState,
)
from weathervane.lake.testing import running_lake
from weathervane.lake.v1 import lake_writer_pb2 as pb

INSIGHTS = TableRef("acme", "insights")
SCHEMA = pa.schema(
    [
        pa.field("ad", pa.string(), nullable=False),
        pa.field("day", pa.date32(), nullable=False),
        pa.field("clicks", pa.int64()),
        pa.field("spend", pa.decimal128(18, 4)),
        pa.field("rate", pa.float64()),
        pa.field("seen", pa.timestamp("us", "UTC")),
        pa.field("active", pa.bool_()),
        pa.field("labels", pa.list_(pa.string())),
        pa.field("place", pa.struct([pa.field("country", pa.string()), pa.field("n", pa.int32())])),
    ]
)
KEYS: dict[str, Any] = {"unique_keys": ("ad", "day"), "cluster_by": "day"}


def insight(ad: int, day: int, clicks: int) -> dict[str, Any]:
    """One row, made from three numbers."""
    return {
        "ad": f"ad-{ad}-é",
        "day": date(2026, 1, 1) + timedelta(days=day),
        "clicks": clicks,
        "spend": Decimal(clicks) / 8 if clicks % 7 else None,
        "rate": clicks / 3,
        "seen": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day, microseconds=clicks),
        "active": clicks % 2 == 0,
        "labels": [f"l{n}" for n in range(clicks % 3)],
        "place": {"country": "DE" if clicks % 2 else None, "n": clicks} if clicks % 5 else None,
    }


def write(
    lake: LakeClient, write_id: str, rows: list[dict[str, Any]], schema: pa.Schema = SCHEMA, **how: Any
) -> None:
    """Writes rows into the insights; an upsert, unless `how` says otherwise."""
    spec = WriteSpec(INSIGHTS, write_id, how.pop("mode", WriteMode.UPSERT), schema, **KEYS, **how)
    lake.write(spec, [pa.RecordBatch.from_pylist(rows, schema=schema)], checkpoint=write_id)


def history(lake: LakeClient) -> list[dict[str, Any]]:
    """Makes a table with upserts, a replaced window, an added column and a log checkpoint; returns its rows."""
    rows = {(ad, day): insight(ad, day, 10 * ad + day) for ad in range(20) for day in range(30)}
    write(lake, "first", list(rows.values()))
    for number in range(4):
        news = {(ad, 29 - number): insight(ad, 29 - number, 1_000 + ad) for ad in range(0, 25, 2)}
        rows |= news
        write(lake, f"upsert-{number}", list(news.values()))
    window = ReplaceWindow((ColumnRange("day", "2026-01-10", "2026-01-12"),))
    kept = {(ad, day): insight(ad, day, 7) for ad in range(5) for day in (9, 11)}
    rows = {key: row for key, row in rows.items() if not 9 <= key[1] <= 11} | kept
    write(lake, "window", list(kept.values()), mode=WriteMode.REPLACE_WINDOW, window=window)
    wider = SCHEMA.append(pa.field("colour", pa.string()))
    rows = {key: {**row, "colour": None} for key, row in rows.items()}
    rows[(0, 0)] |= {"colour": "red"}
    write(lake, "wider", [rows[(0, 0)]], wider)
    for number in range(4):
        rows[(1, 1)] |= {"clicks": number}
        write(lake, f"more-{number}", [rows[(1, 1)]], wider)
    return sorted(rows.values(), key=lambda row: (row["ad"], row["day"]))


@pytest.fixture(scope="module")
def insights(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[LakeClient, str, list[dict[str, Any]]]]:
    """A lake with the table of `history` in many small files: the client, the table's folder and its rows."""
    root = tmp_path_factory.mktemp("readers")
    with running_lake(root, target_file_rows=50, log_checkpoint_interval=5) as lake:
        rows = history(lake)
        folder = root / "acme" / "insights"
        assert list((folder / "_delta_log").glob("*.checkpoint.parquet")), "the history has no log checkpoint"
        assert len(list(folder.glob("*.parquet"))) > 20
        yield lake, str(folder), rows


def read_deltalake(folder: str) -> pa.Table:
    """Reads by deltalake's own scan."""
    return pa.table(DeltaTable(folder).scan())


def read_dataset(folder: str) -> pa.Table:
    """Reads by deltalake for the log and Arrow's dataset for the files."""
    return DeltaTable(folder).to_pyarrow_table()


def read_polars(folder: str) -> pa.Table:
    """Reads by Polars' own reader."""
    return pl.scan_delta(folder).collect().to_arrow()


def connect() -> duckdb.DuckDBPyConnection:
    """DuckDB with its Delta extension, from a wheel."""
    package = importlib.util.find_spec("duckdb_extension_delta")
    assert package is not None
    assert package.submodule_search_locations is not None
    (extension,) = Path(package.submodule_search_locations[0]).rglob("delta.duckdb_extension")
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    connection.execute(f"LOAD '{extension}'")
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def read_duckdb(folder: str) -> pa.Table:
    """Reads by DuckDB's `delta_scan`: the Delta kernel, and DuckDB's own Parquet reader."""
    with connect() as connection:
        return connection.sql(f"FROM delta_scan('{folder}')").to_arrow_table()


READERS = [read_deltalake, read_dataset, read_polars, read_duckdb]


def rows_of(table: pa.Table, schema: pa.Schema) -> list[dict[str, Any]]:
    """A reader's rows in the table's types, ordered by key."""
    ordered = table.select(schema.names).cast(schema).sort_by([("ad", "ascending"), ("day", "ascending")])
    rows: list[dict[str, Any]] = ordered.to_pylist()
    return rows


@pytest.mark.parametrize("read", READERS)
def test_every_reader_sees_the_same_rows(
    read: Callable[[str], pa.Table], insights: tuple[LakeClient, str, list[dict[str, Any]]]
) -> None:
    """After upserts, a replaced window, an added column and a log checkpoint."""
    lake, folder, rows = insights
    assert rows_of(read(folder), lake.describe(INSIGHTS).schema) == rows


def test_our_own_call_sees_the_same_rows(insights: tuple[LakeClient, str, list[dict[str, Any]]]) -> None:
    """ReadTable needs no Delta library at the client."""
    lake, _, rows = insights
    description = lake.describe(INSIGHTS)
    assert rows_of(lake.read(INSIGHTS).read_all(), description.schema) == rows
    assert description.total_rows == len(rows)


def test_duckdb_sums_what_was_sent(insights: tuple[LakeClient, str, list[dict[str, Any]]]) -> None:
    """A sum, a filter that skips files, and a group, as users of the table query it."""
    _, folder, rows = insights
    with connect() as connection:
        found = connection.sql(
            f"FROM delta_scan('{folder}') SELECT day, sum(clicks), sum(spend)"
            " WHERE day >= DATE '2026-01-20' GROUP BY day"
        ).fetchall()
    late = [row for row in rows if row["day"] >= date(2026, 1, 20)]
    expected = {
        day: (
            sum(row["clicks"] for row in late if row["day"] == day),
            sum(row["spend"] or 0 for row in late if row["day"] == day),
        )
        for day in {row["day"] for row in late}
    }
    assert {day: (clicks, spend) for day, clicks, spend in found} == expected


BOUNDS: list[tuple[str, str, str, Callable[[Any], bool]]] = [
    ("day", "2026-01-10", "2026-01-20", lambda v: date(2026, 1, 10) <= v <= date(2026, 1, 20)),
    ("day", "2026-01-20", "2026-01-10", lambda v: False),
    ("ad", "ad-1", "ad-2", lambda v: "ad-1" <= v <= "ad-2"),
    ("ad", "ad-3-é", "ad-3-é", lambda v: v == "ad-3-é"),
    ("ad", "' OR 1=1 --", "~", lambda v: "' OR 1=1 --" <= v <= "~"),
    ("clicks", "7", "100", lambda v: 7 <= v <= 100),
    ("spend", "1.5", "2.1250", lambda v: v is not None and Decimal("1.5") <= v <= Decimal("2.125")),
    ("rate", "0.5", "3e1", lambda v: 0.5 <= v <= 30),
    ("active", "true", "true", lambda v: v),
    ("seen", "2026-01-05T00:00:00Z", "2026-01-07T01:00:00+01:00",
     lambda v: datetime(2026, 1, 5, tzinfo=UTC) <= v <= datetime(2026, 1, 7, tzinfo=UTC)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("column", "lower", "upper", "holds"), BOUNDS, ids=lambda v: v if isinstance(v, str) else ""
)
def test_a_range_returns_exactly_the_rows_in_it(
    column: str,
    lower: str,
    upper: str,
    holds: Callable[[Any], bool],
    insights: tuple[LakeClient, str, list[dict[str, Any]]],
) -> None:
    """For every type that has an order, with inclusive bounds; the filters of other readers agree."""
    lake, folder, rows = insights
    expected = [row for row in rows if holds(row[column])]
    schema = lake.describe(INSIGHTS).schema
    assert (
        rows_of(lake.read(INSIGHTS, ranges=[ColumnRange(column, lower, upper)]).read_all(), schema)
        == expected
    )
    bounds = [pa.scalar(text).cast(schema.field(column).type) for text in (lower, upper)]
    inside = (ds.field(column) >= bounds[0]) & (ds.field(column) <= bounds[1])
    assert rows_of(DeltaTable(folder).to_pyarrow_dataset().to_table(filter=inside), schema) == expected
    dtype = pl.Series(pa.array([], schema.field(column).type)).dtype
    low, high = (pl.lit(bound.as_py(), dtype) for bound in bounds)
    between = pl.col(column).is_between(low, high)
    assert rows_of(pl.scan_delta(folder).filter(between).collect().to_arrow(), schema) == expected


def test_a_range_finds_rows_in_files_without_bounds(lake: LakeClient) -> None:
    """Files with NaN or with only binary columns have no bounds; deltalake 1.6.6's own
    dataset finds nothing in them.
    """
    fields = [
        pa.field("id", pa.int64(), nullable=False),
        pa.field("x", pa.float64()),
        pa.field("b", pa.binary()),
    ]
    schema, table = pa.schema(fields), TableRef("acme", "unbounded")
    rows = [{"id": 1, "x": 1.5, "b": b"\x00"}, {"id": 2, "x": float("nan"), "b": b"\xff"}, {"id": 3}]
    spec = WriteSpec(table, "w", WriteMode.UPSERT, schema, unique_keys=("id",))
    lake.write(spec, [pa.RecordBatch.from_pylist(rows, schema=schema)])
    for found in (ColumnRange("x", "1", "2"), ColumnRange("b", "", "a")):
        assert lake.read(table, ranges=[found]).read_all()["id"].to_pylist() == [1]


def test_columns_ranges_and_versions_combine(insights: tuple[LakeClient, str, list[dict[str, Any]]]) -> None:
    """Columns come in the requested order; an older version has its rows of then."""
    lake, _, rows = insights
    ranges = [ColumnRange("day", "2026-01-01", "2026-01-02"), ColumnRange("ad", "ad-1-é", "ad-1-é")]
    table = lake.read(INSIGHTS, columns=["clicks", "ad"], ranges=ranges).read_all()
    assert table.schema.names == ["clicks", "ad"]
    assert table.sort_by("clicks").to_pylist() == [
        {"clicks": row["clicks"], "ad": row["ad"]}
        for row in sorted(rows, key=lambda row: row["clicks"])
        if row["ad"] == "ad-1-é" and row["day"] <= date(2026, 1, 2)
    ]
    first = lake.read(INSIGHTS, version=1).read_all()
    assert (first.num_rows, "colour" in first.schema.names) == (600, False)
    assert lake.read(INSIGHTS, version=0).read_all().num_rows == 0


@pytest.mark.parametrize(
    ("how", "kind", "words"),
    [
        ({"columns": ["nope"]}, RejectedError, "'nope' is not a column"),
        ({"columns": ["ad; DROP"]}, RejectedError, "is not a column"),
        ({"version": 10_000}, NotFoundError, "there is no version 10000; the newest is"),
        ({"version": -1}, NotFoundError, "there is no version -1"),
        ({"ranges": [ColumnRange("nope", "a", "b")]}, RejectedError, "'nope' is not a column"),
        ({"ranges": [ColumnRange("day", "soon", "later")]}, RejectedError, "'soon' to 'later' is not date32"),
        ({"ranges": [ColumnRange("clicks", "1.5", "2")]}, RejectedError, "'1.5' to '2' is not int64"),
        ({"ranges": [ColumnRange("seen", "2026-01-01", "2026-01-02")]}, RejectedError, "is not timestamp"),
        ({"ranges": [ColumnRange("labels", "a", "b")]}, RejectedError, "is not list"),
        ({"ranges": [ColumnRange("place", "a", "b")]}, RejectedError, "is not struct"),
    ],
    ids=str,
)
def test_what_cannot_be_read_is_said_exactly(
    how: dict[str, Any],
    kind: type[Exception],
    words: str,
    insights: tuple[LakeClient, str, list[dict[str, Any]]],
) -> None:
    """The error comes before the first row, and never as an empty answer."""
    lake, _, _ = insights
    with pytest.raises(kind, match=words):
        lake.read(INSIGHTS, **how)


@pytest.mark.parametrize("call", ["read", "describe"])
def test_a_table_that_is_not_there_is_said_so(call: str, lake: LakeClient) -> None:
    """A read answers NOT_FOUND; only the checkpoint of a missing table can be asked for."""
    with pytest.raises(NotFoundError, match="no write has made it yet"):
        getattr(lake, call)(INSIGHTS)
    checkpoint = lake.checkpoint(INSIGHTS)
    assert (checkpoint.value, checkpoint.table_version) == (None, -1)


def test_a_description_tells_what_the_table_is(
    insights: tuple[LakeClient, str, list[dict[str, Any]]],
) -> None:
    """Keys, order, sizes and checkpoint agree with the table's log."""
    lake, folder, rows = insights
    about, delta = lake.describe(INSIGHTS), DeltaTable(folder)
    assert (about.version, about.file_count, about.table_uri) == (
        delta.version(),
        len(delta.file_uris()),
        folder,
    )
    assert (about.unique_keys, about.cluster_by, about.version_column) == (("ad", "day"), "day", None)
    assert (about.total_rows, about.checkpoint) == (len(rows), "more-3")
    assert about.size_bytes == sum(Path(file).stat().st_size for file in delta.file_uris())
    assert lake.checkpoint(INSIGHTS).value == "more-3"
    assert lake.checkpoint(INSIGHTS).table_version == delta.version()


def test_tables_are_listed_in_pages(lake: LakeClient, raw: Any) -> None:
    """In order; every table is on exactly one page, whatever the page size."""
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False)])
    names = [f"t{number:02}" for number in range(11)]
    for name in reversed(names):
        lake.write(WriteSpec(TableRef("acme", name), "w", WriteMode.UPSERT, schema, unique_keys=("id",)), [])
    for size in (1, 3, 10, 11, 12, 1_000):
        found, token = [], ""
        while True:
            page = raw.stub.ListTables(pb.ListTablesRequest(tenant="acme", page_size=size, page_token=token))
            assert len(page.tables) <= size
            found += [table.dataset for table in page.tables]
            token = page.next_page_token
            if not token:
                break
        assert found == names
    assert [table.dataset for table in lake.tables("acme")] == names


@pytest.mark.parametrize("size", [-1, 1_001, -(2**31)])
def test_a_page_size_out_of_bounds_is_refused(size: int, raw: Any) -> None:
    """The error names the bounds."""
    with pytest.raises(Exception, match="is not 0 to 1,000"):
        raw.stub.ListTables(pb.ListTablesRequest(tenant="acme", page_size=size))


def test_a_table_is_streamed_whatever_its_size(
    served: Callable[..., Any], peak_mib: Callable[[int], float]
) -> None:
    """While 330 MiB of rows are read, the server's memory holds a few files."""
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("note", pa.binary())])
    table, rows = TableRef("acme", "large"), 1_500_000
    notes = pa.array([number.to_bytes(8, "big") * 27 for number in range(4_000)])

    def batches() -> Iterator[pa.RecordBatch]:
        for start in range(0, rows, 4_000):
            yield pa.record_batch([pa.array(range(start, start + 4_000)), notes], schema=schema)

    with served() as server, LakeClient(server.address) as lake:
        lake.write(WriteSpec(table, "w", WriteMode.UPSERT, schema, unique_keys=("id",)), batches())
        server.process.terminate()
        server.process.wait(30)
    with served() as server, LakeClient(server.address) as lake:
        lake.describe(table)
        before, total = peak_mib(server.pid), 0
        for batch in lake.read(table):
            total += batch.num_rows
        assert total == rows
        assert peak_mib(server.pid) - before < 300


def test_a_file_url_is_a_folder(tmp_path: Path) -> None:
    """Upserts, a window, an added column, a log checkpoint, a repeat, a list and every reader work as with a path."""
    with running_lake(f"file://{tmp_path}", target_file_rows=50, log_checkpoint_interval=5) as lake:
        rows = history(lake)
        schema = lake.describe(INSIGHTS).schema
        assert rows_of(lake.read(INSIGHTS).read_all(), schema) == rows
        assert lake.get_write(INSIGHTS, "window").state is WriteState.COMMITTED
        assert lake.checkpoint(INSIGHTS).value == "more-3"
        assert list(lake.tables("acme")) == [INSIGHTS]
        assert list(lake.tables("nobody")) == []
        with pytest.raises(NotFoundError, match="no such table"):
            lake.describe(TableRef("nobody", "insights"))
        large = TableRef("acme", "large")
        blobs = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("blob", pa.binary())])
        noise = [{"id": number, "blob": random.Random(number).randbytes(2 * 1024**2)} for number in range(5)]
        batch = pa.RecordBatch.from_pylist(noise, schema=blobs)
        result = lake.write(WriteSpec(large, "w", WriteMode.UPSERT, blobs, unique_keys=("id",)), [batch])
        assert result.bytes_written > 10 * 1024**2
        assert lake.read(large).read_all().sort_by("id").to_pylist() == noise
    folder = str(tmp_path / "acme" / "insights")
    for read in READERS:
        assert rows_of(read(folder), schema) == rows
    # And the other way of saying where it is finds the same table.
    with running_lake(tmp_path) as lake:
        assert rows_of(lake.read(INSIGHTS).read_all(), schema) == rows
