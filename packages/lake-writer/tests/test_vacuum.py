"""Vacuum deletes what no version within the retention needs, and nothing else, whatever the clocks say."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from weathervane.lake import LakeClient, MaintenanceClient, NotFoundError, RejectedError, TableRef, WriteState
from weathervane.lake.testing import running_lake

from .test_exactly_once import values
from .writer_process import batch, spec

ORDERS = TableRef("acme", "orders")
DAY = 86_400.0
WEEK = 168


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[LakeClient]:
    """A lake whose table `orders` has five versions. The first is empty; each other one is one file with one row."""
    with running_lake(tmp_path / "lake") as client:
        for version in range(1, 5):
            client.write(spec("orders", f"w{version}"), [batch([[1, version]])], checkpoint=f"c-{version}")
        yield client


@pytest.fixture
def upkeep(lake: LakeClient) -> Iterator[MaintenanceClient]:
    """The maintenance client of the same server."""
    with MaintenanceClient(lake.target) as client:
        yield client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The table's folder."""
    return tmp_path / "lake" / "acme" / "orders"


def commit(folder: Path, version: int) -> Path:
    """The path of a version's commit file."""
    return folder / "_delta_log" / f"{version:020d}.json"


def added(folder: Path, version: int) -> Path:
    """The data file that a version added."""
    actions = map(json.loads, commit(folder, version).read_text().splitlines())
    name: str = next(action["add"]["path"] for action in actions if "add" in action)
    return folder / name


def age(path: Path, days: float) -> None:
    """Makes a file this many days old by the storage's clock."""
    then = time.time() - days * DAY
    os.utime(path, (then, then))


def made(folder: Path, version: int, days: float) -> None:
    """Makes a version and its data file this many days old."""
    age(commit(folder, version), days)
    if version:
        age(added(folder, version), days)


def test_what_only_old_versions_need_is_deleted(
    lake: LakeClient, upkeep: MaintenanceClient, folder: Path
) -> None:
    """A week ago version 2 was current, so it and all later versions stay readable, although its file is older."""
    for version, days in ((0, 30), (1, 20), (2, 10), (3, 5), (4, 1)):
        made(folder, version, days)
    files = [added(folder, version) for version in range(1, 5)]
    before = lake.describe(ORDERS)
    size = files[0].stat().st_size
    planned = upkeep.vacuum(ORDERS, dry_run=True)
    assert all(file.exists() for file in files)
    assert (planned.dry_run, planned.retention_hours) == (True, WEEK)
    assert (planned.files_deleted, planned.bytes_deleted, planned.files_kept) == (1, size, 3)
    assert (planned.oldest_version, planned.table_version) == (2, 4)
    done = upkeep.vacuum(ORDERS)
    assert replace(done, dry_run=True, deleted_until=planned.deleted_until) == planned
    assert [file.exists() for file in files] == [False, True, True, True]
    assert lake.describe(ORDERS) == before, "it made a version, or lost a checkpoint"
    for version in (2, 3, 4):
        assert lake.read(ORDERS, version=version).read_all()["value"].to_pylist() == [version]
    with pytest.raises(NotFoundError, match="version 1 is no longer whole") as caught:
        lake.read(ORDERS, version=1).read_all()
    assert caught.value.reason == "VERSION_VACUUMED"
    # Receipts are in the log, which is nobody's to delete.
    assert lake.get_write(ORDERS, "w1").state is WriteState.COMMITTED
    assert upkeep.vacuum(ORDERS).files_deleted == 0


def test_a_table_that_rests_keeps_its_newest_version(
    lake: LakeClient, upkeep: MaintenanceClient, folder: Path
) -> None:
    """However old it is. A longer retention keeps more."""
    for version in range(5):
        made(folder, version, 400 - version)
    # Half a day off: a storage's clock may be some milliseconds behind this machine's.
    assert upkeep.vacuum(ORDERS, retention_hours=398 * 24 - 12, dry_run=True).files_deleted == 1
    told = upkeep.vacuum(ORDERS)
    assert (told.files_deleted, told.files_kept, told.oldest_version) == (3, 1, 4)
    assert values(lake) == [(1, 4)]


def test_a_file_that_no_commit_names_yet_is_kept_until_it_is_old(
    lake: LakeClient, upkeep: MaintenanceClient, folder: Path
) -> None:
    """An open write may be about to commit it; after a week that write has ended."""
    orphan = folder / "part-00000-of-a-write-under-way-c000.zstd.parquet"
    orphan.write_bytes(b"rows")
    strange = folder / "notes.txt"
    strange.write_text("not ours")
    age(strange, 300)
    age(orphan, 6.9)
    assert upkeep.vacuum(ORDERS).files_deleted == 0
    assert orphan.exists()
    age(orphan, 7.1)
    told = upkeep.vacuum(ORDERS)
    assert (told.files_deleted, told.bytes_deleted) == (1, 4)
    assert not orphan.exists()
    assert strange.exists()
    assert values(lake) == [(1, 4)]


def test_a_writers_wrong_clock_takes_nothing_from_a_reader(
    lake: LakeClient, upkeep: MaintenanceClient, folder: Path
) -> None:
    """By the log, all files were replaced in 2001; by the storage's clock, just now."""
    for version in range(5):
        actions = [json.loads(line) for line in commit(folder, version).read_text().splitlines()]
        for action in actions:
            for name in ("deletionTimestamp", "modificationTime", "timestamp"):
                for body in action.values():
                    if name in body:
                        body[name] = 1_000_000_000_000
        commit(folder, version).write_text("\n".join(map(json.dumps, actions)))
    told = upkeep.vacuum(ORDERS)
    assert (told.files_deleted, told.oldest_version) == (0, 0)
    assert lake.read(ORDERS, version=1).read_all()["value"].to_pylist() == [1]


@pytest.mark.parametrize("hours", [0, -1, WEEK - 1, 2**31 - 1])
def test_a_retention_that_protects_nobody_is_refused(
    upkeep: MaintenanceClient, folder: Path, hours: int
) -> None:
    """Also in a dry run; nothing is deleted."""
    for version in range(5):
        made(folder, version, 400)
    for dry_run in (True, False):
        with pytest.raises(RejectedError, match=f"retention_hours {hours} is not 168 to") as caught:
            upkeep.vacuum(ORDERS, retention_hours=hours, dry_run=dry_run)
        assert caught.value.reason == "BAD_RETENTION"
    assert len(list(folder.glob("*.parquet"))) == 4


def test_no_table_is_said(upkeep: MaintenanceClient) -> None:
    """With the same error as in all other calls."""
    with pytest.raises(NotFoundError, match="acme/nothing: there is no such table"):
        upkeep.vacuum(TableRef("acme", "nothing"))


def test_what_was_compacted_away_is_vacuumed_later(tmp_path: Path) -> None:
    """Earlier versions need the small files until they are older than the retention."""
    folder = tmp_path / "acme" / "orders"
    with running_lake(tmp_path, target_file_rows=2) as lake:
        lake.write(spec("orders", "all"), [batch([[key, 0] for key in range(20)])])
    with running_lake(tmp_path) as lake, MaintenanceClient(lake.target) as upkeep:
        assert upkeep.compact(ORDERS).files_after == 1
        assert upkeep.vacuum(ORDERS).files_deleted == 0
        for path in [*folder.glob("*.parquet"), *folder.glob("_delta_log/*.json")]:
            age(path, 8)
        told = upkeep.vacuum(ORDERS)
        assert (told.files_deleted, told.files_kept, told.oldest_version) == (10, 1, 2)
        assert values(lake) == [(key, 0) for key in range(20)]


def test_the_last_write_is_told_and_an_unchanged_one_counts(lake: LakeClient) -> None:
    """It shows whether a table is fresh; a run that found nothing new counts too."""
    first = lake.describe(ORDERS)
    receipt = lake.write(spec("orders", "same"), [batch([[1, 4]])])
    assert receipt.rows_unchanged == 1
    then = lake.describe(ORDERS)
    assert then.last_write_at == receipt.committed_at
    assert first.last_write_at is not None
    assert first.last_write_at < receipt.committed_at
    # Delta's own time of a version is in milliseconds.
    assert then.committed_at is not None
    assert abs((then.committed_at - receipt.committed_at).total_seconds()) < 60
