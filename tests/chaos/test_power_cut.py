"""A power cut takes what was not synced: never a write that was acknowledged, never the table.

Each file operation of a write is traced. A kill then stops the write at one of them, and the test takes away from the
folder what a disk need not have kept at that moment: the bytes of files that were not synced since they were
written, and the names that were made in folders which were not synced since.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .checks import check
from .operations import OPERATIONS

Run = Callable[..., dict[str, Any]]
NewLake = Callable[[], Path]
EVERYTHING = "cwtsrlum"
_RANDOM = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Disk:
    """What a disk may forget, by the trace of what was done to it."""

    def __init__(self, trace: Path, before: set[str]) -> None:
        self.bytes: set[str] = set()
        self.names: set[str] = set()
        for line in trace.read_text().splitlines() if trace.exists() else ():
            kind, path, old = line.split("\t")
            if kind in "cw" or (kind in "rl" and old in self.bytes):
                self.bytes.add(path)
            elif kind == "s":
                self.bytes.discard(path)
                self.names = {name for name in self.names if str(Path(name).parent) != (path or "/")}
            if kind in "crlm" and path not in before:
                self.names.add(path)

    @property
    def risk(self) -> list[tuple[str, ...]]:
        """What is at risk, without the random parts of names."""
        return [tuple(sorted(_RANDOM.sub("", name) for name in names)) for names in (self.bytes, self.names)]

    def forget(self, lake: Path, loss: str) -> None:
        """Takes away all names, all names but those of the log, all bytes, or the latter half of the bytes."""
        places = {name: lake / name.lstrip("/") for name in self.names | self.bytes}
        for name in sorted(self.names):
            if loss == "names" or (loss == "data names" and "_delta_log" not in name):
                place = places[name]
                if place.is_dir():
                    shutil.rmtree(place)
                else:
                    place.unlink(missing_ok=True)
        for name in self.bytes:
            if loss in ("bytes", "half") and places[name].is_file():
                content = places[name].read_bytes()
                places[name].write_bytes(content[: len(content) // 2] if loss == "half" else b"")


def content(lake: Path) -> set[str]:
    """Every file and folder of a lake, as the trace names them."""
    return {f"/{path.relative_to(lake)}" for path in lake.rglob("*")}


def remove_torn_commits(lake: Path, disk: Disk) -> None:
    """Does what the server's message says: removes the newest commit file of each log that has a torn one."""
    for log in lake.glob("*/*/_delta_log"):
        newest = max(log.glob("*.json"), default=log)
        if f"/{newest.relative_to(lake)}" in disk.bytes:
            newest.unlink()


LOSSES = ("names", "data names", "bytes", "half")
each_loss = pytest.mark.parametrize("loss", LOSSES)


@pytest.mark.parametrize(
    ("name", "loss"),
    [("create_plain", "names"), ("create_plain", "bytes"), *(("upsert", loss) for loss in LOSSES)],
)
def test_a_power_cut_at_any_moment_leaves_a_table(
    run_case: Run, new_lake: NewLake, tmp_path: Path, name: str, loss: str
) -> None:
    """Old or new state, and once there is a receipt the new one, whatever the disk forgot.

    Only the bytes of the commit itself may be torn, before it is acknowledged: the server then says what to remove.
    """
    trace = tmp_path / "trace"
    tried: object = None
    for at in range(1, 100):
        lake = new_lake()
        before = content(lake)
        trace.unlink(missing_ok=True)
        first = run_case(lake, name, action="kill", kinds=EVERYTHING, at=at, trace=str(trace), only="fault")
        disk = Disk(trace, before)
        if "killed" in first and disk.risk == tried:
            continue
        tried = disk.risk
        disk.forget(lake, loss)
        answer = run_case(lake, name, only="aftermath")
        if answer.get("unreadable") == "DAMAGED_TABLE" and loss in ("bytes", "half"):
            assert "killed" in first, "an acknowledged write made the table unreadable"
            assert "remove the file" in answer["message"]
            remove_torn_commits(lake, disk)
            answer = run_case(lake, name, only="aftermath")
        committed = check(answer, OPERATIONS[name])
        if "killed" not in first:
            assert committed, "the power cut took an acknowledged write"
            assert at > 10
            return
    pytest.fail("no end of file operations")


@each_loss
def test_a_commit_that_its_writer_left_unsynced_is_synced_by_the_next(
    run_case: Run, new_lake: NewLake, tmp_path: Path, loss: str
) -> None:
    """A writer dies between its commit and its sync, another writes, then the power is cut: both are there."""
    lake, trace = new_lake(), tmp_path / "trace"
    before = content(lake)
    part = "_delta_log/00000000000000000003.json"
    common = {"kinds": EVERYTHING, "trace": str(trace), "only": "fault"}
    killed = run_case(lake, "upsert", action="kill", at=10_000, write_id="the-write", **common)
    assert killed["counted"] > 10
    shutil.rmtree(lake)
    lake = new_lake()
    operations = trace.read_text().splitlines()
    before_sync = next(n for n, line in enumerate(operations, 1) if line.startswith("s") and part in line)
    trace.unlink()
    assert run_case(lake, "upsert", action="kill", at=before_sync, **common)["killed"]
    assert "/acme/orders/" + part in Disk(trace, before).bytes, "the commit is there and not synced"
    assert "receipt" in run_case(lake, "replace_window", write_id="other-write", **common)["first"]
    Disk(trace, before).forget(lake, loss)
    answer = run_case(lake, "upsert", only="aftermath")
    assert answer["retry"]["receipt"]["repeat"], "the earlier commit is gone"
    assert answer["state"]["checkpoint"] == "other-write"
