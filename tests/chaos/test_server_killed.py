"""A server that dies, drains or loses its callers during a write: the outcome is never guessed."""

from __future__ import annotations

import hashlib
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from weathervane.lake import BusyError, LakeClient, OutcomeUnknownError, WriteResult, WriteState
from weathervane.lake._convert import spec_to_wire
from weathervane.lake.v1 import lake_writer_pb2 as pb
from weathervane.lake.v1 import lake_writer_pb2_grpc as pb_grpc

from .operations import OPERATIONS
from .proxy import proxied

Serve = Callable[..., Any]
NewLake = Callable[[], Path]
UPSERT = OPERATIONS["upsert"]
# The template's tables are at version 2.
COMMIT = "orders/_delta_log/00000000000000000003.json"
AT_COMMIT = {"action": "hold", "kinds": "l", "part": COMMIT, "at": 1}


def write(client: LakeClient, write_id: str = "the-write") -> WriteResult:
    """Makes the upsert's write."""
    return client.write(UPSERT.spec(write_id), [UPSERT.batch()], checkpoint=write_id)


def rows(client: LakeClient) -> list[tuple[Any, ...]]:
    """The table's rows by id."""
    return sorted(tuple(row.values()) for row in client.read(UPSERT.table).read_all().to_pylist())


def until(condition: Callable[[], bool]) -> None:
    """Returns when the condition holds; a test that waits for what never comes fails."""
    pause = threading.Event()
    for _ in range(400):
        if condition():
            return
        pause.wait(0.05)
    pytest.fail("it did not come about within 20 s")


@contextmanager
def in_background(work: Callable[[], WriteResult]) -> Iterator[Any]:
    """Runs `work` beside the test; gives its future."""
    pool = ThreadPoolExecutor(1)
    try:
        yield pool.submit(work)
    finally:
        # Not waited for: when the test fails, only the server's end, which is still to come, ends the work.
        pool.shutdown(wait=False)


@pytest.mark.parametrize(
    ("fault", "committed"),
    [
        ({"kinds": "c", "part": "part-", "at": 1}, False),
        ({"kinds": "s", "part": "part-", "at": 2}, False),
        ({"kinds": "w", "part": COMMIT, "at": 1}, False),
        ({"kinds": "l", "part": COMMIT, "at": 1}, False),
        ({"kinds": "u", "part": COMMIT, "at": 1}, True),
        ({"kinds": "s", "part": COMMIT, "at": 1}, True),
    ],
    ids=[
        "first data file",
        "second data file",
        "commit written",
        "commit",
        "after commit",
        "before its sync",
    ],
)
def test_a_server_killed_during_a_commit_is_asked_by_the_next(
    serve: Serve, new_lake: NewLake, fault: dict[str, Any], committed: bool
) -> None:
    """The caller is told that the outcome is unknown; the next server knows it, and a retry ends exactly-once."""
    lake = new_lake()
    with serve(lake, action="kill", **fault) as server:
        with pytest.raises(OutcomeUnknownError, match="send the same write again") as caught:
            write(server.client)
        assert server.process.wait(10) == -signal.SIGKILL
    assert caught.value.retriable
    with serve(lake) as server:
        status = server.client.get_write(UPSERT.table, "the-write")
        assert status.state is (WriteState.COMMITTED if committed else WriteState.UNKNOWN)
        receipt = write(server.client)
        assert receipt.repeat is committed
        if committed:
            assert receipt == replace(status.result, repeat=True)
        assert write(server.client) == replace(receipt, repeat=True)
        assert rows(server.client) == sorted(UPSERT.after)
        assert server.client.checkpoint(UPSERT.table).value == "the-write"


def test_a_lost_answer_is_asked_for(serve: Serve, new_lake: NewLake) -> None:
    """The connection breaks while the commit is under way: the client asks until there is an answer, and gives it."""
    with serve(new_lake(), **AT_COMMIT) as server, proxied(server.client.target) as proxy:
        with LakeClient(proxy.address) as client, in_background(lambda: write(client)) as writing:
            server.wait_until_held()
            assert server.client.get_write(UPSERT.table, "the-write").state is WriteState.IN_PROGRESS
            proxy.cut()
            # Through the proxy again, so the client's connection is back before the commit goes on.
            until(lambda: client.get_write(UPSERT.table, "the-write").state is WriteState.IN_PROGRESS)
            assert not writing.done()
            server.let_go()
            receipt = writing.result(30)
        assert receipt.rows_inserted == UPSERT.counts["inserted"]
        assert write(server.client) == replace(receipt, repeat=True)


def test_an_unknown_outcome_is_not_called_a_failure(serve: Serve, new_lake: NewLake) -> None:
    """Asked after a break, another server knows nothing of the write while the first is about to commit it."""
    lake = new_lake()
    with serve(lake, **AT_COMMIT) as one, serve(lake) as two, proxied(one.client.target) as proxy:
        with LakeClient(proxy.address) as client, in_background(lambda: write(client)) as writing:
            one.wait_until_held()
            assert two.client.get_write(UPSERT.table, "the-write").state is WriteState.UNKNOWN
            proxy.move(two.client.target)
            proxy.cut()
            with pytest.raises(OutcomeUnknownError, match="does not say what became of it"):
                writing.result(60)
        one.let_go()
        until(lambda: two.client.get_write(UPSERT.table, "the-write").state is WriteState.COMMITTED)
        assert write(two.client).repeat
        assert rows(two.client) == sorted(UPSERT.after)


def test_an_answer_lost_after_the_commit_is_found(serve: Serve, new_lake: NewLake) -> None:
    """The receipt is on its way when the connection breaks: the client gets it all the same."""
    with serve(new_lake()) as server, proxied(server.client.target) as proxy:
        with LakeClient(proxy.address) as client, client.begin(UPSERT.spec("the-write")) as upload:
            upload.rows(UPSERT.batch())
            proxy.hold_answers()
            with in_background(lambda: upload.commit(checkpoint="the-write")) as writing:
                until(
                    lambda: server.client.get_write(UPSERT.table, "the-write").state is WriteState.COMMITTED
                )
                assert not writing.done()
                proxy.cut()
                receipt = writing.result(30)
        assert write(server.client) == replace(receipt, repeat=True)
        assert rows(server.client) == sorted(UPSERT.after)


def upload_by_hand(target: str, timeout: float | None) -> tuple[grpc.Channel, Any]:
    """Sends the upsert over a channel of its own; returns both with the call still under way."""
    message = bytes(UPSERT.batch().serialize())
    requests = [
        pb.WriteRequest(header=spec_to_wire(UPSERT.spec("the-write"))),
        pb.WriteRequest(frame=pb.Frame(sequence=0, kind=pb.FRAME_KIND_ROWS, record_batch=message)),
        pb.WriteRequest(
            commit=pb.WriteCommit(
                frame_count=1,
                row_count=len(UPSERT.rows),
                sha256=hashlib.sha256(message).digest(),
                checkpoint="the-write",
            )
        ),
    ]
    channel = grpc.insecure_channel(target)
    return channel, pb_grpc.LakeWriterServiceStub(channel).Write(iter(requests), timeout=timeout)


@pytest.mark.parametrize("ended_by", ["cancel", "deadline"])
def test_a_commit_goes_on_without_its_caller(serve: Serve, new_lake: NewLake, ended_by: str) -> None:
    """A cancelled call and one past its deadline: the commit is in progress as long as it is, then committed."""
    with serve(new_lake(), **AT_COMMIT) as server:
        deadline = 3 if ended_by == "deadline" else None
        channel, call = upload_by_hand(server.client.target, deadline)
        with channel:
            server.wait_until_held()
            if ended_by == "cancel":
                call.cancel()
            with pytest.raises(grpc.RpcError) as caught:
                list(call)
            expected = (
                grpc.StatusCode.CANCELLED if ended_by == "cancel" else grpc.StatusCode.DEADLINE_EXCEEDED
            )
            assert caught.value.code() is expected
        assert server.client.get_write(UPSERT.table, "the-write").state is WriteState.IN_PROGRESS
        assert server.client.checkpoint(UPSERT.table).value == "base-1"
        server.let_go()
        until(lambda: server.client.get_write(UPSERT.table, "the-write").state is WriteState.COMMITTED)
        assert write(server.client).repeat
        assert rows(server.client) == sorted(UPSERT.after)


def test_sigterm_lets_a_commit_end_and_refuses_the_next_write(serve: Serve, new_lake: NewLake) -> None:
    """Draining: the write in progress gets its receipt, a new one is told to come back, and the exit code is 0."""
    lake = new_lake()
    with serve(lake, **AT_COMMIT) as server:
        with in_background(lambda: write(server.client)) as writing:
            server.wait_until_held()
            server.process.terminate()

            def refused() -> bool:
                with LakeClient(server.client.target) as other:
                    try:
                        other.begin(replace(UPSERT.spec("late"), table=OPERATIONS["create"].table)).__exit__(
                            None, None, None
                        )
                    except BusyError as error:
                        return error.retriable
                return False

            until(refused)
            assert not writing.done()
            server.let_go()
            receipt = writing.result(30)
        assert not receipt.repeat
        assert server.process.wait(30) == 0
    with serve(lake) as server:
        assert write(server.client) == replace(receipt, repeat=True)
        assert server.client.get_write(OPERATIONS["create"].table, "late").state is WriteState.UNKNOWN
