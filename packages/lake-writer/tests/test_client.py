"""The client's memory is bounded, errors surface at once, no call hangs, and nothing is committed by accident."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import stamina

from weathervane.lake import (
    QUARANTINE_SCHEMA,
    BusyError,
    LakeClient,
    NotFoundError,
    RejectedError,
    RowTooLargeError,
    TableRef,
    Upload,
    WriteMode,
    WriteSpec,
    WriteState,
)
from weathervane.lake.testing import running_lake

MIB = 1024 * 1024
ORDERS = TableRef("acme", "orders")
SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("note", pa.string())])
# Within this time everything here either works or fails; a hang is a failure.
SOON = 20.0


def spec(write_id: str = "w", **how: Any) -> WriteSpec:
    """An upsert into `acme/orders`."""
    return WriteSpec(ORDERS, write_id, WriteMode.UPSERT, SCHEMA, unique_keys=("id",), **how)


def rows(*ids: int, note: str = "n") -> pa.RecordBatch:
    """A batch with one row for each id."""
    return pa.RecordBatch.from_pylist([{"id": number, "note": note} for number in ids], schema=SCHEMA)


UPLOAD = """
import sys
from pathlib import Path
import pyarrow as pa
from weathervane.lake import LakeClient, TableRef, WriteMode, WriteSpec

def memory(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) // 1024

schema = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("note", pa.binary())])
spec = WriteSpec(TableRef("acme", "orders"), "big", WriteMode.UPSERT, schema, unique_keys=("id",))

def batches():
    for number in range(200):
        ids = range(number * 4096, (number + 1) * 4096)
        yield pa.record_batch([pa.array(ids), pa.array([bytes([i % 251]) * 248 for i in ids])], schema=schema)

with LakeClient(sys.argv[1]) as lake:
    before = memory("VmRSS:")
    result = lake.write(spec, batches())
    print(result.total_rows, memory("VmHWM:") - before)
"""


def test_a_large_upload_is_never_held_whole(
    served: Callable[..., Any], peak_mib: Callable[[int], float]
) -> None:
    """200 MiB pass through a client that holds a few frames in memory and a server that stages them on disk."""
    with served() as server:
        with LakeClient(server.address) as lake:
            lake.write(spec(), [rows(1)])
        before = peak_mib(server.pid)
        done = subprocess.run(
            [sys.executable, "-c", UPLOAD.replace('"orders"', '"large"'), server.address],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        total, client = map(int, done.stdout.split())
        assert total == 200 * 4096
        assert client < 100
        # Of these the mapped staging file is 200, which the system may take back at any time.
        assert peak_mib(server.pid) - before < 600


def push_for_ever(upload: Upload) -> None:
    """Adds rows without end, to test that an upload is stopped."""
    started = time.monotonic()
    while time.monotonic() - started < SOON:
        upload.rows(rows(upload.rows_sent))


def test_a_refusal_in_the_middle_surfaces_at_once(tmp_path: Path) -> None:
    """The server's refusal stops an endless upload at once."""
    with running_lake(tmp_path, max_write_rows=50) as lake, lake.begin(spec()) as upload:
        with pytest.raises(RejectedError, match="cut the run into smaller slices"):
            push_for_ever(upload)
        # 50 are allowed; then come the few that may be on their way.
        assert 50 <= upload.rows_sent < 150


def test_a_server_that_dies_in_the_middle_surfaces_at_once(served: Callable[..., Any]) -> None:
    """It raises BusyError, because the same write may be sent again to another server."""
    with served() as server, LakeClient(server.address) as lake, lake.begin(spec()) as upload:
        upload.rows(rows(1))
        server.process.kill()
        with pytest.raises(BusyError, match="acme/orders"):
            push_for_ever(upload)


def test_five_thousand_frames_flow_without_a_jam(lake: LakeClient) -> None:
    """Acknowledgements are read while frames are sent, so neither side blocks the other."""
    result = lake.write(spec(), (rows(number) for number in range(5_000)))
    assert result.rows_inserted == 5_000


def test_a_large_batch_is_cut_into_frames(lake: LakeClient) -> None:
    """A batch with rows of different sizes is cut until each piece fits too."""
    notes = ["x" * (2 * MIB if number % 10 == 0 else 10) for number in range(30)]
    batch = pa.record_batch([pa.array(range(30)), pa.array(notes)], schema=SCHEMA)
    assert lake.write(spec(), [batch]).rows_inserted == 30
    assert lake.read(ORDERS).read_all().sort_by("id")["note"].to_pylist() == notes


def test_a_row_that_fits_a_frame_can_be_read_back_whatever_was_added_to_it(lake: LakeClient) -> None:
    """Also after columns were added, and from the quarantine."""
    note = "x" * (3 * MIB - 1_000)
    aside = {"row_key": "[1]", "column_name": "note", "value": None, "reason": "r", "record": note[:-1_000]}
    lake.write(
        spec(),
        [rows(1, note=note)],
        quarantined=[pa.RecordBatch.from_pylist([aside], schema=QUARANTINE_SCHEMA)],
    )
    wider = pa.schema([*SCHEMA, *(pa.field(f"c{number}", pa.string()) for number in range(200))])
    lake.write(WriteSpec(ORDERS, "w2", WriteMode.UPSERT, wider, unique_keys=("id",)), [])
    assert lake.read(ORDERS, columns=["note"]).read_all()["note"].to_pylist() == [note]
    assert lake.read(ORDERS).read_all().num_rows == 1
    assert lake.read(TableRef("acme", "orders_quarantine")).read_all()["record"].to_pylist() == [
        note[:-1_000]
    ]


def test_a_row_that_fits_no_frame_is_named_before_it_is_sent(lake: LakeClient) -> None:
    """The error has the row's size and says what to do; the write commits nothing."""
    with pytest.raises(RowTooLargeError, match=r"a row of 3,\d\d\d,\d\d\d bytes does not fit a frame"):
        lake.write(spec(), [rows(1, note="x" * 3 * MIB)])
    assert list(lake.tables("acme")) == []


@pytest.mark.parametrize("error", [None, ValueError("the source broke"), KeyboardInterrupt()], ids=repr)
def test_leaving_without_commit_commits_nothing(error: BaseException | None, tmp_path: Path) -> None:
    """However the `with` block ends; the server's place for a write is free again."""
    with running_lake(tmp_path, max_concurrent_writes=1) as lake:
        left = contextlib.nullcontext() if error is None else pytest.raises(type(error))
        with left, lake.begin(spec()) as upload:
            upload.rows(rows(1))
            if error is not None:
                raise error
        for attempt in stamina.retry_context(
            on=BusyError, attempts=100, wait_initial=0.01, wait_max=0.05, timeout=10
        ):
            with attempt:
                assert lake.write(spec("next"), [rows(2)]).total_rows == 1
        assert lake.get_write(ORDERS, "w").state is WriteState.UNKNOWN


def test_refused_headers_leave_no_thread_behind(lake: LakeClient) -> None:
    """A source that retries for a day must not leak a thread with each refusal."""

    def sending() -> int:
        return sum(thread.is_alive() for thread in threading.enumerate())

    lake.write(spec(), [rows(1)])
    before = sending()
    for number in range(30):
        with pytest.raises(RejectedError, match="was made with"):
            lake.begin(spec(f"w{number}", version_column="note"))
    for attempt in stamina.retry_context(
        on=AssertionError, attempts=100, wait_initial=0.01, wait_max=0.1, timeout=10
    ):
        with attempt:
            assert sending() <= before + 2


def test_a_write_that_is_in_the_table_already_says_so_at_the_header(lake: LakeClient) -> None:
    """The rows need not be sent again, because the receipt can be asked for."""
    first = lake.write(spec(), [rows(1, 2)])
    with lake.begin(spec()) as upload:
        assert upload.already_committed
    assert lake.get_write(spec().table, spec().write_id).result == first


def test_nobody_there_is_said_at_once() -> None:
    """The message names the address and not only a status code."""
    started = time.monotonic()
    with LakeClient("127.0.0.1:1") as lake, pytest.raises(BusyError, match="is it running there"):
        lake.write(spec(), [rows(1)])
    assert time.monotonic() - started < SOON


def test_reads_that_are_not_read_to_their_end_are_let_go(lake: LakeClient) -> None:
    """A read ends when its iterator is dropped or closed; the test opens more reads than the server accepts calls."""
    notes = pa.array(["x" * 1_000] * 5_000)
    lake.write(spec(), [pa.record_batch([pa.array(range(5_000)), notes], schema=SCHEMA)])
    for _ in range(80):
        reader = lake.read(ORDERS)
        assert reader.read_next_batch().num_rows
        del reader
    assert lake.read(ORDERS).read_all().num_rows == 5_000


def test_a_read_that_breaks_off_raises_and_never_ends_short(served: Callable[..., Any]) -> None:
    """An interrupted read must not look like a complete table."""
    with served() as server, LakeClient(server.address) as lake:
        notes = ["x" * 10_000] * 4_000
        lake.write(spec(), [pa.record_batch([pa.array(range(4_000)), pa.array(notes)], schema=SCHEMA)])
        reader = lake.read(ORDERS)
        reader.read_next_batch()
        server.process.kill()
        with pytest.raises(BusyError, match="acme/orders"):
            reader.read_all()


def test_a_producers_error_is_the_callers_own(lake: LakeClient) -> None:
    """An exception in the caller's loop is raised unchanged, and the write commits nothing."""

    def pages() -> Iterator[pa.RecordBatch]:
        yield rows(1)
        raise LookupError("page 2 is gone")

    with pytest.raises(LookupError, match="page 2 is gone"):
        lake.write(spec(), pages())
    with pytest.raises(NotFoundError, match="no such table"):
        lake.describe(ORDERS)
