"""A write is applied at most once, however often it is sent, and never without its commit message."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
import pytest

from weathervane.lake import (
    QUARANTINE_SCHEMA,
    BusyError,
    ColumnRange,
    LakeClient,
    LakeError,
    RejectedError,
    ReplaceWindow,
    TableRef,
    WriteMode,
    WriteResult,
    WriteSpec,
    WriteState,
)
from weathervane.lake._convert import spec_to_wire
from weathervane.lake.testing import running_lake
from weathervane.lake.v1 import lake_writer_pb2 as pb
from weathervane.lake.v1 import lake_writer_pb2_grpc as pb_grpc

from .writer_process import SCHEMA, batch, spec

ORDERS = TableRef("acme", "orders")


@contextmanager
def caller(**work: Any) -> Iterator[subprocess.Popen[str]]:
    """A caller in its own process (writer_process.py), which is ready and waits for a line to begin."""
    command = [sys.executable, str(Path(__file__).with_name("writer_process.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(work) + "\n")
            process.stdin.flush()
            yield process
        finally:
            process.kill()


def until(condition: Callable[[], bool]) -> None:
    """Returns when the condition holds; fails the test if it does not become true within 20 s."""
    pause = threading.Event()
    for _ in range(400):
        if condition():
            return
        pause.wait(0.05)
    pytest.fail("it did not come about within 20 s")


def waiting_for_pipes(pid: int) -> int:
    """The number of threads of the process that wait in `open` for the other end of a named pipe."""
    waits = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/wchan")]
    return waits.count("wait_for_partner")


def values(client: LakeClient, table: TableRef = ORDERS) -> list[tuple[int, int]]:
    """The table's rows by id."""
    return sorted((row["id"], row["value"]) for row in client.read(table).read_all().to_pylist())


def data_files(folder: Path) -> int:
    """The number of data files in a table's folder, whether a commit names them or not."""
    return sum(1 for path in folder.rglob("*.parquet") if "_delta_log" not in path.parts)


@pytest.mark.parametrize("mode", ["append", "upsert"])
def test_a_write_that_is_sent_again_is_answered_and_not_applied(lake: LakeClient, mode: str) -> None:
    """The repeat gets the first answer; other rows under the same id are refused and not silently dropped."""
    header = spec("orders", "run-1", mode)
    first = lake.write(header, [batch([[1, 1], [2, 2]])], checkpoint="c-1")
    assert not first.repeat
    assert lake.write(header, [batch([[1, 1], [2, 2]])], checkpoint="c-1") == replace(first, repeat=True)
    with pytest.raises(RejectedError, match="with other rows") as caught:
        lake.write(header, [batch([[3, 3]])], checkpoint="c-9")
    assert caught.value.reason == "WRITE_ID_REUSED"
    assert values(lake) == [(1, 1), (2, 2)]
    assert lake.checkpoint(ORDERS).value == "c-1"


KEYED = pa.schema([*SCHEMA, pa.field("day", pa.int64(), nullable=False), pa.field("version", pa.int64())])
WINDOWED = WriteSpec(
    ORDERS,
    "w",
    WriteMode.REPLACE_WINDOW,
    KEYED,
    unique_keys=("id", "day"),
    cluster_by="day",
    version_column="version",
    window=ReplaceWindow((ColumnRange("day", "1", "9"),), ("id",)),
)
OTHERS: dict[str, dict[str, Any]] = {
    "mode": {"mode": WriteMode.UPSERT, "window": None},
    "keys": {"unique_keys": ("day",)},
    "cluster_by": {"cluster_by": "id"},
    "version_column": {"version_column": None},
    "window": {"window": ReplaceWindow((ColumnRange("day", "1", "8"),), ("id",))},
    "schema": {"schema": pa.schema([*KEYED, pa.field("more", pa.string())])},
    "checkpoint": {"checkpoint": "c-2"},
    "rows": {"rows": [[1, 2]]},
    "no rows": {"rows": []},
    "no checkpoint": {"checkpoint": None},
    "counts of rows": {"aside": "values"},
    "kinds of frames": {"sent_as": "changes"},
}


@pytest.mark.parametrize("other", OTHERS)
def test_another_write_under_an_id_that_is_there_is_refused(other: str, lake: LakeClient) -> None:
    """If it were taken for a repeat, it would be lost: a window would not be replaced, or a checkpoint not moved."""

    def send(
        *,
        rows: Any = ((1, 1),),
        checkpoint: str | None = "c-1",
        aside: str = "quarantine",
        sent_as: str = "rows",
        **how: Any,
    ) -> WriteResult:
        header = replace(WINDOWED, **how)
        reject = dict.fromkeys(QUARANTINE_SCHEMA.names, "x")
        with lake.begin(header) as upload:
            if rows:
                frame = [{"id": i, "value": v, "day": 1, "version": 1} for i, v in rows]
                getattr(upload, sent_as)(pa.RecordBatch.from_pylist(frame, schema=header.schema))
            getattr(upload, aside)(pa.RecordBatch.from_pylist([reject], schema=QUARANTINE_SCHEMA))
            return upload.commit(checkpoint=checkpoint)

    first = send()
    version = lake.describe(ORDERS).version
    with pytest.raises(RejectedError, match=f"with other .*{other.split()[-1]}") as caught:
        send(**OTHERS[other])
    assert caught.value.reason == "WRITE_ID_REUSED"
    assert send(check_checkpoint=True, expected_checkpoint="c-1") == replace(first, repeat=True)
    assert lake.describe(ORDERS).version == version


def test_a_receipt_that_had_to_be_asked_for_may_be_anothers(
    lake: LakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One id is sent twice with different rows. The first commit is slow, and the second answer is lost. The receipt
    that the lake then has for the id is the first one's; the caller must not take it for its own, or the second
    one's rows would be lost.
    """
    with lake.begin(spec("orders", "w")) as slow, lake.begin(spec("orders", "w")) as second:
        slow.rows(batch([[1, 1]]))
        second.rows(batch([[1, 1], [2, 2]]))
        assert not slow.commit().repeat

        def cut() -> pb.WriteResponse:
            raise BusyError("the connection broke", reason="UNAVAILABLE")

        monkeypatch.setattr(second, "_next", cut)
        receipt = second.commit()
    assert (receipt.repeat, receipt.rows_inserted) == (True, 1)


def test_a_late_repeat_is_still_a_repeat(tmp_path: Path) -> None:
    """After fifty other writes and several log checkpoints the first answer is given again."""
    with running_lake(tmp_path / "lake", log_checkpoint_interval=7) as lake:
        first = lake.write(spec("orders", "run-0", "append"), [batch([[0, 0]])], checkpoint="c-0")
        for number in range(1, 51):
            lake.write(spec("orders", f"run-{number}", "append"), [batch([[number, number]])])
        assert list((tmp_path / "lake").rglob("*.checkpoint.parquet")), "no log checkpoint was made"
        again = lake.write(spec("orders", "run-0", "append"), [batch([[0, 0]])], checkpoint="c-0")
        assert again == replace(first, repeat=True)
        assert lake.get_write(ORDERS, "run-0").result == first
        assert len(values(lake)) == 51


@pytest.mark.parametrize("days", [-40, 40])
def test_a_clock_that_is_weeks_wrong_forgets_no_write(
    days: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock of the writer of the id, or those of all others, are weeks in the past."""
    real = time.time
    with running_lake(tmp_path / "lake", log_checkpoint_interval=1) as lake:
        with monkeypatch.context() as wrong:
            wrong.setattr(time, "time", lambda: real() + days * 86_400)
            first = lake.write(spec("orders", "run-1", "append"), [batch([[1, 1]])])
        lake.write(spec("orders", "run-2", "append"), [batch([[2, 2]])])
        again = lake.write(spec("orders", "run-1", "append"), [batch([[1, 1]])])
        assert again == replace(first, repeat=True)
        assert values(lake) == [(1, 1), (2, 2)]


def test_beyond_the_horizon_a_write_is_new(tmp_path: Path) -> None:
    """A write id is remembered for `history_days`; after that an append is applied again.

    The checkpoint is kept for ever.
    """
    with running_lake(tmp_path / "lake", history_days=0, log_checkpoint_interval=1) as lake:
        first = lake.write(spec("orders", "run-1", "append"), [batch([[1, 1]])], checkpoint="c-1")
        assert lake.get_write(ORDERS, "run-1").state is WriteState.UNKNOWN
        again = lake.write(spec("orders", "run-1", "append"), [batch([[1, 1]])])
        assert (again.repeat, again.table_version) == (False, first.table_version + 1)
        assert values(lake) == [(1, 1), (1, 1)]
        assert lake.checkpoint(ORDERS).value == "c-1"


@pytest.mark.parametrize("servers", [1, 2])
@pytest.mark.parametrize("mode", ["append", "upsert"])
def test_the_same_write_from_four_callers_at_once_is_one(
    served: Callable[..., Any], tmp_path: Path, servers: int, mode: str
) -> None:
    """Through one server, or two on the same lake: it is applied once, with one first
    answer and three repeats of it.
    """
    with served() as one, served() as two:
        targets = [one.address, two.address if servers == 2 else one.address]
        rows = [[number, number] for number in range(100)]
        writes = [
            {
                "dataset": "orders",
                "write_id": f"run-{turn}",
                "mode": mode,
                "rows": rows,
                "checkpoint": f"c-{turn}",
            }
            for turn in range(3)
        ]
        with (
            caller(do="write", target=targets[0], writes=writes) as a,
            caller(do="write", target=targets[1], writes=writes) as b,
            caller(do="write", target=targets[0], writes=writes) as c,
            caller(do="write", target=targets[1], writes=writes) as d,
        ):
            answers = together(a, b, c, d)
        for turn in range(3):
            receipts = [answer[turn] for answer in answers]
            assert sorted(receipt["repeat"] for receipt in receipts) == [False, True, True, True]
            assert all({**receipt, "repeat": True} == {**receipts[0], "repeat": True} for receipt in receipts)
        with LakeClient(targets[1]) as client:
            assert len(values(client)) == (300 if mode == "append" else 100)
            description = client.describe(ORDERS)
            assert description.version == 3
            assert description.checkpoint == "c-2"
            if mode == "append":
                assert data_files(tmp_path / "lake") == description.file_count, "a loser left its files"


def together(*callers: subprocess.Popen[str]) -> list[list[dict[str, Any]]]:
    """Starts all callers at the same moment; returns the answer to each."""
    for process in callers:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in callers:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=60)[0] for process in callers]
    assert all(process.returncode == 0 for process in callers)
    return [[json.loads(line) for line in output.splitlines()] for output in outputs]


def staging_is_empty(folder: Path) -> bool:
    """Whether the staging folder has no files, and this process has no unlinked file of it open."""
    opened = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            opened.append(os.readlink(link))
        except FileNotFoundError:
            continue
    return not list(folder.iterdir()) and not any(path.startswith(f"{folder}/") for path in opened)


@contextmanager
def one_slot(tmp_path: Path) -> Iterator[tuple[LakeClient, Path]]:
    """A lake that accepts one write at a time, and its staging folder."""
    staging = tmp_path / "staging"
    staging.mkdir()
    with running_lake(tmp_path / "lake", staging=str(staging), max_concurrent_writes=1) as client:
        yield client, staging


def nothing_is_left(client: LakeClient, staging: Path) -> None:
    """Checks that the abandoned write is not in the table, that its place and its staging file are free, and that the
    next write works.
    """

    def slot_is_free() -> bool:
        try:
            client.write(spec("orders", "next"), [batch([[9, 9]])])
        except BusyError as error:
            assert error.reason == "TOO_MANY_WRITES"  # noqa: PT017
            return False
        return True

    until(slot_is_free)
    until(lambda: staging_is_empty(staging))
    assert client.get_write(ORDERS, "hanging").state is WriteState.UNKNOWN
    assert values(client) == [(9, 9)]


@pytest.mark.parametrize("frames", [0, 1, 5])
def test_a_killed_caller_commits_nothing(tmp_path: Path, frames: int) -> None:
    """The caller is killed with -9 after the header, between frames, or after the last
    frame before the commit message.
    """
    with one_slot(tmp_path) as (client, staging):
        with caller(do="hang", target=client.target, frames=frames) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            assert not staging_is_empty(staging), "the write is not under way"
            process.kill()
        nothing_is_left(client, staging)


def test_a_stream_that_just_ends_commits_nothing(tmp_path: Path) -> None:
    """All frames and a clean end of the stream, as the server may see a killed caller."""
    with one_slot(tmp_path) as (client, staging):
        with caller(do="hang", target=client.target, frames=2) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.communicate(timeout=20)  # closes its stdin, so it ends its stream
        nothing_is_left(client, staging)


def test_leaving_an_upload_commits_nothing(tmp_path: Path) -> None:
    """An exception in the caller's own loop cancels the write."""
    with one_slot(tmp_path) as (client, staging):
        upload = client.begin(spec("orders", "hanging"))
        upload.rows(batch([[1, 1]]))
        error = ZeroDivisionError()
        upload.__exit__(type(error), error, None)
        nothing_is_left(client, staging)


def test_a_caller_past_its_deadline_commits_nothing(tmp_path: Path, raw_header: Any) -> None:
    """DEADLINE_EXCEEDED during an upload ends it."""
    with one_slot(tmp_path) as (client, staging):
        forever = threading.Event()

        def requests() -> Iterator[Any]:
            yield raw_header
            forever.wait(20)

        with grpc.insecure_channel(client.target) as channel:
            answers = pb_grpc.LakeWriterServiceStub(channel).Write(requests(), timeout=1)
            assert next(answers).acknowledgement.sequence == -1
            with pytest.raises(grpc.RpcError) as caught:
                next(answers)
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            forever.set()
        nothing_is_left(client, staging)


@pytest.fixture
def raw_header() -> Any:
    """A serialised header."""
    return pb.WriteRequest(header=spec_to_wire(spec("orders", "hanging")))


def test_an_idle_upload_is_ended_and_commits_nothing(tmp_path: Path) -> None:
    """A caller that sends nothing for `idle_seconds` loses its place and gets an error that says so."""
    with running_lake(tmp_path / "lake", idle_seconds=0.2) as client:
        with client.begin(spec("orders", "hanging")) as upload:
            upload.rows(batch([[1, 1]]))
            with pytest.raises(LakeError, match=r"nothing was sent for 0\.2 s; nothing was committed"):
                upload._drain()
        assert client.get_write(ORDERS, "hanging").state is WriteState.UNKNOWN


def test_a_refused_upload_leaves_no_thread(lake: LakeClient) -> None:
    """The thread that sends its rows ends too."""
    lake.write(spec("orders", "run-1"), [batch([[1, 1]])])
    other = replace(spec("orders", "run-2"), schema=SCHEMA.remove(1))
    before = threading.active_count()
    for _ in range(20):
        with pytest.raises(LakeError, match="schema is not the table's"):
            lake.begin(other)
    until(lambda: threading.active_count() <= before + 2)
