"""Compaction makes fewer files, in order, and changes nothing else for readers, writers and descriptions."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from weathervane.lake import (
    QUARANTINE_SCHEMA,
    CorruptedError,
    LakeClient,
    MaintenanceClient,
    NotFoundError,
    TableRef,
    WriteMode,
    WriteSpec,
)
from weathervane.lake.server import LakeSettings
from weathervane.lake.server.maintenance import LakeMaintenance
from weathervane.lake.testing import running_lake

from .test_exactly_once import data_files, until, values
from .writer_process import SCHEMA, batch, spec

ORDERS, EVENTS = TableRef("acme", "orders"), TableRef("acme", "events")
# What a file holds when it is written, and when it is compacted.
SMALL, LARGE = 5, 40


@contextmanager
def lake_of(path: Path | str, rows: int, **settings: Any) -> Iterator[tuple[LakeClient, MaintenanceClient]]:
    """A lake whose files have this many rows."""
    with (
        running_lake(path, target_file_rows=rows, **settings) as lake,
        MaintenanceClient(lake.target) as upkeep,
    ):
        yield lake, upkeep


def rows(*keys: int, value: int = 0) -> pa.RecordBatch:
    """A batch with one row for each key."""
    return batch([[key, value] for key in keys])


def files(folder: Path) -> list[dict[str, Any]]:
    """The number of rows and the bounds of each data file of the newest version, in order."""
    frame: Any = pl.from_arrow(pa.table(DeltaTable(str(folder)).get_add_actions(flatten=True)))
    return list(frame.select("num_records", "min.id", "max.id", "path").sort("min.id").to_dicts())


@pytest.fixture
def scattered(tmp_path: Path) -> Path:
    """A lake in which the table `orders`, with keys 0 to 99, has 20 files."""
    with lake_of(tmp_path / "lake", SMALL) as (lake, _):
        lake.write(spec("orders", "all"), [rows(*range(100))], checkpoint="c-1")
    return tmp_path / "lake"


def test_neighbours_are_joined_and_nothing_else_changes(scattered: Path) -> None:
    """Rows, checkpoint, receipts and the time of the last write stay the same, older versions stay readable, and
    compacting again does nothing.
    """
    with lake_of(scattered, LARGE) as (lake, upkeep):
        before, receipt = lake.describe(ORDERS), lake.get_write(ORDERS, "all")
        told = upkeep.compact(ORDERS)
        assert (told.commits, told.files_before, told.files_after, told.rows_rewritten) == (1, 20, 3, 100)
        assert (told.bytes_before, told.table_version) == (before.size_bytes, before.version + 1)
        after = lake.describe(ORDERS)
        assert (after.total_rows, after.checkpoint, after.file_count) == (100, "c-1", 3)
        assert (after.size_bytes, after.version) == (told.bytes_after, told.table_version)
        assert after.last_write_at == before.last_write_at
        assert after.committed_at is not None
        assert before.committed_at is not None
        assert after.committed_at > before.committed_at
        assert lake.get_write(ORDERS, "all") == receipt
        assert values(lake) == [(key, 0) for key in range(100)]
        assert lake.read(ORDERS, version=before.version).read_all().num_rows == 100
        again = upkeep.compact(ORDERS)
        assert (again.commits, again.table_version, again.files_after) == (0, told.table_version, 3)
        assert lake.describe(ORDERS) == after


def test_files_stay_in_order_and_an_upsert_still_touches_one(scattered: Path) -> None:
    """The ranges of files do not overlap, rows are sorted within a file, and each file has its bounds."""
    folder = scattered / "acme" / "orders"
    with lake_of(scattered, LARGE) as (lake, upkeep):
        upkeep.compact(ORDERS)
        found = files(folder)
        assert [(one["min.id"], one["max.id"], one["num_records"]) for one in found] == [
            (0, 39, 40),
            (40, 79, 40),
            (80, 99, 20),
        ]
        for one in found:
            keys = pl.read_parquet(folder / one["path"])["id"]
            assert keys.is_sorted()
            assert len(keys) == one["num_records"]
        lake.write(spec("orders", "one"), [rows(50, value=1)])
        assert {one["path"] for one in found} - {one["path"] for one in files(folder)} == {found[1]["path"]}


def test_large_files_are_left_alone(tmp_path: Path) -> None:
    """Only neighbouring small files are joined, never across a large one."""
    folder = tmp_path / "lake"
    with lake_of(folder, 20) as (lake, _):
        lake.write(spec("orders", "large"), [rows(*range(100, 120))])
    with lake_of(folder, SMALL) as (lake, _):
        lake.write(spec("orders", "low"), [rows(*range(0, 10))])
        lake.write(spec("orders", "high"), [rows(*range(200, 210))])
    before = files(folder / "acme" / "orders")
    with lake_of(folder, LARGE) as (_, upkeep):
        assert upkeep.compact(ORDERS).files_after == 3
    after = files(folder / "acme" / "orders")
    assert [(one["min.id"], one["max.id"]) for one in after] == [(0, 9), (100, 119), (200, 209)]
    assert after[1]["path"] in {one["path"] for one in before}


def test_rejects_and_appended_rows_are_joined_in_the_order_they_came(tmp_path: Path) -> None:
    """A table without keys has no other order; the files of many runs become one."""
    aside = pa.record_batch([[value] for value in ("k", "c", "v", "r", "{}")], schema=QUARANTINE_SCHEMA)
    with lake_of(tmp_path / "lake", 1_000) as (lake, upkeep):
        for number in range(6):
            lake.write(spec("events", f"e{number}", "append"), [rows(number, 9 - number)])
            lake.write(spec("orders", f"o{number}"), [rows(number)], quarantined=[aside])
        for table in (EVENTS, TableRef("acme", "orders_quarantine")):
            read = lake.read(table).read_all()
            told = upkeep.compact(table)
            assert (told.files_before, told.files_after, told.commits) == (6, 1, 1)
            after = lake.read(table).read_all()
            assert sorted(map(str, after.to_pylist())) == sorted(map(str, read.to_pylist()))
        written = [key for number in range(6) for key in (number, 9 - number)]
        assert lake.read(EVENTS).read_all()["id"].to_pylist() == written


def test_files_from_before_a_column_came_are_joined_with_later_ones(tmp_path: Path) -> None:
    """Rows from before the column was added have NULL in it."""
    wider = SCHEMA.append(pa.field("tags", pa.list_(pa.string())))
    with lake_of(tmp_path / "lake", SMALL) as (lake, _):
        lake.write(spec("orders", "old"), [rows(*range(10))])
        later = pa.record_batch([[20], [0], [["a", "b"]]], schema=wider)
        lake.write(WriteSpec(ORDERS, "new", WriteMode.UPSERT, wider, ("id",)), [later])
    with lake_of(tmp_path / "lake", LARGE) as (lake, upkeep):
        assert upkeep.compact(ORDERS).files_after == 1
        tags = {row["id"]: row["tags"] for row in lake.read(ORDERS).read_all().to_pylist()}
        assert tags == {**dict.fromkeys(range(10)), 20: ["a", "b"]}


def test_large_rows_fill_a_file_by_their_bytes(scattered: Path) -> None:
    """Memory is bounded, and the joined files are not compacted again."""
    with lake_of(scattered, LARGE, target_file_bytes=20 * 17) as (lake, upkeep):
        told = upkeep.compact(ORDERS)
        assert (told.files_after, told.commits) == (5, 1)
        assert upkeep.compact(ORDERS).commits == 0
        assert values(lake) == [(key, 0) for key in range(100)]


def test_much_work_is_done_in_bounded_calls(scattered: Path) -> None:
    """Each call commits its part; the client calls until nothing is left."""
    with lake_of(scattered, LARGE, compaction_rows=30) as (lake, upkeep):
        told = upkeep.compact(ORDERS)
        assert (told.commits, told.files_before, told.files_after) == (3, 20, 3)
        assert told.rows_rewritten == 100
        assert lake.describe(ORDERS).version == 4
        assert values(lake) == [(key, 0) for key in range(100)]


def test_what_a_write_replaced_meanwhile_is_left_to_the_next_time(scattered: Path) -> None:
    """The write is not delayed and loses nothing; the other joined files are committed, the
    outdated ones are deleted.
    """
    lock = threading.Lock()
    settings = LakeSettings(str(scattered), target_file_rows=LARGE)
    upkeep = LakeMaintenance(settings, {ORDERS: lock})
    folder = scattered / "acme" / "orders"
    with lake_of(scattered, SMALL) as (lake, _), ThreadPoolExecutor() as pool:
        with lock:
            compacting = pool.submit(upkeep.compact, ORDERS)
            until(lambda: data_files(folder) == 23)  # all is joined, and waits for its turn
            lake.write(spec("orders", "late"), [rows(50, value=1)])
        told, complete = compacting.result()
        assert (told.commits, told.rows_rewritten, complete) == (1, 60, True)
        assert dict(values(lake)) == {**dict.fromkeys(range(100), 0), 50: 1}
        on_disk = {path.name for path in folder.glob("*.parquet")}
        history = {file for version in range(1, 4) for file in DeltaTable(str(folder), version).file_uris()}
        assert on_disk == {Path(file).name for file in history}, "what was joined in vain stayed"
        told, _ = upkeep.compact(ORDERS)
        assert (told.files_after, told.commits) == (3, 1)
        assert dict(values(lake)) == {**dict.fromkeys(range(100), 0), 50: 1}


def test_writers_and_compactions_of_two_servers_lose_and_double_nothing(tmp_path: Path) -> None:
    """One server gets upserts and appends while two compact continuously; the tables equal a model in memory."""
    writers, turns = 3, 5
    with lake_of(tmp_path, SMALL) as (lake, _), lake_of(tmp_path, LARGE) as (_, near):
        with lake_of(tmp_path, LARGE) as (_, far), ThreadPoolExecutor() as pool:
            lake.write(spec("orders", "first"), [rows(*range(200))])
            lake.write(spec("events", "first", "append"), [rows(0)])
            over = threading.Event()

            def write(writer: int) -> None:
                for turn in range(turns):
                    # Some that all change, some of its own that are new, in the range of the others and beyond it.
                    mine = [1_000 * writer + turn, 300 + turn * writers + writer]
                    changed = rows(turn * 20, 199 - turn, *mine, value=turn + 1)
                    lake.write(spec("orders", f"w{writer}.{turn}"), [changed])
                    lake.write(spec("events", f"w{writer}.{turn}", "append"), [rows(writer * 100 + turn)])

            def compact(upkeep: MaintenanceClient) -> int:
                made = 0
                while not over.is_set():
                    made += sum(upkeep.compact(table).commits for table in (ORDERS, EVENTS))
                return made

            compacting = [pool.submit(compact, upkeep) for upkeep in (near, far)]
            writing = [pool.submit(write, writer) for writer in range(1, writers + 1)]
            try:
                for one in writing:
                    one.result()
            finally:
                over.set()
            assert sum(one.result() for one in compacting) >= 2, "hardly anything was compacted meanwhile"
        model = dict.fromkeys(range(200), 0)
        for turn in range(turns):
            model |= dict.fromkeys([turn * 20, 199 - turn], turn + 1)
            for writer in range(1, writers + 1):
                model |= dict.fromkeys([1_000 * writer + turn, 300 + turn * writers + writer], turn + 1)
        assert values(lake) == sorted(model.items())
        events = sorted(lake.read(EVENTS).read_all()["id"].to_pylist())
        assert events == [
            0,
            *(writer * 100 + turn for writer in range(1, writers + 1) for turn in range(turns)),
        ]


def test_what_cannot_be_compacted_is_said(scattered: Path) -> None:
    """A missing or damaged table gives an error, and no file is left behind."""
    folder = scattered / "acme" / "orders"
    with lake_of(scattered, LARGE) as (_, upkeep):
        with pytest.raises(NotFoundError, match="acme/nothing: there is no such table"):
            upkeep.compact(TableRef("acme", "nothing"))
        (folder / files(folder)[15]["path"]).unlink()
        with pytest.raises(CorruptedError, match=r"acme/orders: version 1 names the data file .* gone"):
            upkeep.compact(ORDERS)
        assert data_files(folder) == 19
        assert DeltaTable(str(folder)).version() == 1


def test_tenants_are_listed_in_pages(tmp_path: Path) -> None:
    """Every folder whose name can be a tenant's, and nothing else."""
    names = [f"tenant_{number:03}" for number in range(101)]
    for name in [*names, ".hidden", "Upper", "no-dash"]:
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    with lake_of(tmp_path, SMALL) as (_, upkeep):
        assert list(upkeep.tenants()) == names


def test_a_compaction_that_was_torn_at_the_end_of_a_line_is_damage(scattered: Path) -> None:
    """Its commit has no transactions, but its note has the number of actions; without that check rows would be there
    twice.
    """
    with lake_of(scattered, LARGE) as (_, upkeep):
        version = upkeep.compact(ORDERS).table_version
    file = scattered / "acme" / "orders" / "_delta_log" / f"{version:020d}.json"
    lines = file.read_bytes().splitlines(keepends=True)
    for left in (1, len(lines) - 1):
        file.write_bytes(b"".join(lines[:left]))
        words = f"it has {left} of its {len(lines)} actions"
        with lake_of(scattered, LARGE) as (lake, _), pytest.raises(CorruptedError, match=words):
            lake.checkpoint(ORDERS)
