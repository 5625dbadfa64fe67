"""The checkpoint moves only with the rows of a run that has read the current one, and is never lost silently."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from weathervane.lake import CorruptedError, LakeClient, StaleCheckpointError, TableRef, WriteSpec
from weathervane.lake.testing import running_lake

from .writer_process import batch, spec

ORDERS = TableRef("acme", "orders")


def expecting(write_id: str, checkpoint: str | None) -> WriteSpec:
    """The header of a run that has read this checkpoint."""
    return replace(spec("orders", write_id), check_checkpoint=True, expected_checkpoint=checkpoint)


def test_a_run_goes_on_from_the_checkpoint_it_has_read(lake: LakeClient) -> None:
    """It is None at first, and then what the last run set; a write without a checkpoint leaves it."""
    assert lake.checkpoint(ORDERS).value is None
    lake.write(expecting("run-1", None), [batch([[1, 1]])], checkpoint="c-1")
    lake.write(expecting("run-2", "c-1"), [batch([[2, 2]])], checkpoint="c-2")
    assert lake.write(spec("orders", "run-3"), [batch([[3, 3]])]).checkpoint == "c-2"
    assert lake.checkpoint(ORDERS).value == "c-2"


@pytest.mark.parametrize("expected", [None, "c-0", "c-11"])
def test_a_stale_run_is_refused_at_once(lake: LakeClient, expected: str | None) -> None:
    """A run that has read another checkpoint, or none, is refused before it sends a row."""
    lake.write(spec("orders", "run-1"), [batch([[1, 1]])], checkpoint="c-1")
    with pytest.raises(StaleCheckpointError, match="the table is at 'c-1'") as caught:
        lake.begin(expecting("run-2", expected))
    assert caught.value.metadata["current"] == "c-1"


def test_a_run_that_expects_a_checkpoint_of_a_lost_table_is_refused(lake: LakeClient) -> None:
    """Otherwise it would begin a new table with only its own slice."""
    with pytest.raises(StaleCheckpointError, match="the table is at None"):
        lake.begin(expecting("run-2", "c-1"))


def test_a_run_that_becomes_stale_during_its_upload_is_refused(lake: LakeClient) -> None:
    """Of two runs that begin at one checkpoint, the second to commit is refused and changes nothing."""
    lake.write(spec("orders", "run-1"), [batch([[1, 1]])], checkpoint="c-1")
    with lake.begin(expecting("run-2", "c-1")) as slow:
        slow.rows(batch([[1, 22]]))
        lake.write(expecting("run-3", "c-1"), [batch([[1, 33]])], checkpoint="c-3")
        with pytest.raises(StaleCheckpointError, match="another run has moved it"):
            slow.commit(checkpoint="c-2")
    assert lake.checkpoint(ORDERS).value == "c-3"
    assert lake.read(ORDERS).read_all().to_pylist() == [{"id": 1, "value": 33}]


def test_a_repeat_is_answered_even_when_its_checkpoint_is_stale(lake: LakeClient) -> None:
    """The retry of a write that has moved the checkpoint gets its receipt and is not refused."""
    first = lake.write(expecting("run-1", None), [batch([[1, 1]])], checkpoint="c-1")
    again = lake.write(expecting("run-1", None), [batch([[1, 1]])], checkpoint="c-1")
    assert again == replace(first, repeat=True)


def _commit(log: Path, version: int) -> Path:
    return log / f"{version:020d}.json"


def _truncate(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _without_note(path: Path) -> None:
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line for line in lines if "commitInfo" not in line))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "newest commit is garbage": lambda log: _commit(log, 4).write_text("garbage"),
    "newest commit is torn": lambda log: _truncate(_commit(log, 4)),
    "newest commit is empty": lambda log: _commit(log, 4).write_text(""),
    "newest commit has no note": lambda log: _without_note(_commit(log, 4)),
    "newest commit is gone, the log checkpoint is not": lambda log: _commit(log, 4).unlink(),
    "a commit in the middle is empty": lambda log: _commit(log, 3).write_text(""),
    "the log checkpoint is torn": lambda log: _truncate(next(log.glob("*.checkpoint.parquet"))),
    "the log checkpoint is empty": lambda log: next(log.glob("*.checkpoint.parquet")).write_text(""),
    "the log is gone": shutil.rmtree,
}
# Without a log checkpoint the commits themselves are all there is.
LATE = (
    "newest commit is gone, the log checkpoint is not",
    "the log checkpoint is torn",
    "the log checkpoint is empty",
)
BARE: dict[str, Callable[[Path], object]] = {
    "a commit in the middle is gone": lambda log: _commit(log, 2).unlink(),
    "the first commit is gone": lambda log: _commit(log, 0).unlink(),
    **{name: damage for name, damage in DAMAGES.items() if name not in LATE},
}


@pytest.mark.parametrize(
    ("interval", "damage"),
    [*((4, name) for name in LATE), *((100, name) for name in BARE)],
)
def test_a_damaged_log_is_an_error_and_never_an_empty_checkpoint(
    tmp_path: Path, interval: int, damage: str
) -> None:
    """For every kind of damage: no run is told to start from the beginning, and nothing is overwritten."""
    log = tmp_path / "lake" / "acme" / "orders" / "_delta_log"
    with running_lake(tmp_path / "lake", log_checkpoint_interval=interval) as lake:
        for number in range(1, 5):
            lake.write(spec("orders", f"run-{number}"), [batch([[number, number]])], checkpoint=f"c-{number}")
        assert bool(list(log.glob("*.checkpoint.parquet"))) is (interval == 4)
        {**DAMAGES, **BARE}[damage](log)
        with pytest.raises(CorruptedError, match=r"acme/orders: .*restore") as caught:
            lake.checkpoint(ORDERS)
        assert caught.value.reason == "DAMAGED_TABLE"
        assert not caught.value.retriable
        with pytest.raises(CorruptedError, match="restore"):
            lake.write(expecting("run-9", None), [batch([[9, 9]])], checkpoint="c-9")


def test_going_back_to_an_older_table_takes_its_checkpoint_along(tmp_path: Path) -> None:
    """If the newest commit is removed, rows and checkpoint are both those of the version before, so no gap follows."""
    with running_lake(tmp_path / "lake") as lake:
        for number in range(1, 4):
            lake.write(spec("orders", f"run-{number}"), [batch([[number, number]])], checkpoint=f"c-{number}")
        _commit(tmp_path / "lake" / "acme" / "orders" / "_delta_log", 3).unlink()
        assert lake.checkpoint(ORDERS).value == "c-2"
        assert sorted(row["id"] for row in lake.read(ORDERS).read_all().to_pylist()) == [1, 2]


def test_a_lost_data_file_is_said(tmp_path: Path) -> None:
    """Reads and merges name the missing file and do not take the rest for the whole table."""
    with running_lake(tmp_path / "lake") as lake:
        lake.write(spec("orders", "run-1"), [batch([[1, 1]])])
        for path in (tmp_path / "lake" / "acme" / "orders").glob("part-*"):
            path.unlink()
        with pytest.raises(CorruptedError, match="gone"):
            lake.write(spec("orders", "run-2"), [batch([[1, 2]])])
        with pytest.raises(CorruptedError, match="gone"):
            lake.read(ORDERS).read_all()
