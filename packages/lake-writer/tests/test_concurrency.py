"""Writers of one table at the same time lose nothing and apply nothing twice, whichever server they use."""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
import pytest

from weathervane.lake import BusyError, LakeClient, TableRef, WriteMode, WriteSpec, WriteState
from weathervane.lake.server.turns import Turns
from weathervane.lake.testing import running_lake
from weathervane.lake.v1 import lake_writer_pb2 as pb

from .test_exactly_once import caller, data_files, together, until, waiting_for_pipes
from .writer_process import batch, spec

WRITERS, TURNS = 4, 5
ORDERS, EVENTS = TableRef("acme", "orders"), TableRef("acme", "events")


@pytest.mark.parametrize("servers", [1, 2])
def test_four_writers_at_once_lose_nothing(served: Callable[..., Any], tmp_path: Path, servers: int) -> None:
    """Each upserts rows that the others upsert too, and appends; the tables are as if the writes had come one after the
    other.
    """
    with ExitStack() as stack:
        targets = [stack.enter_context(served()).address for _ in range(servers)]
        callers = []
        for writer in range(WRITERS):
            writes = []
            for turn in range(TURNS):
                # All share keys 0-9 and meet on new ones in every turn; each has keys of its own besides.
                keys = [*range(10), 100 + turn, 1_000 * (writer + 1) + turn]
                value = turn * WRITERS + writer
                rows = [[key, value] for key in keys]
                name = f"writer-{writer}.turn-{turn}"
                writes.append({"dataset": "orders", "write_id": name, "mode": "upsert", "rows": rows})
                writes.append({"dataset": "events", "write_id": name, "mode": "append", "rows": rows})
            target = targets[writer % servers]
            callers.append(stack.enter_context(caller(do="write", target=target, writes=writes)))
        receipts = [receipt for answers in together(*callers) for receipt in answers]
        with LakeClient(targets[-1]) as client:
            orders = client.read(ORDERS).read_all().to_pylist()
            events = client.read(EVENTS).read_all().to_pylist()
            described = {table: client.describe(table) for table in (ORDERS, EVENTS)}

    upserts = sorted(
        (receipt for receipt in receipts if receipt["table"]["dataset"] == "orders"),
        key=lambda receipt: int(receipt["table_version"]),
    )
    assert [receipt["table_version"] for receipt in upserts] == list(range(1, WRITERS * TURNS + 1))
    model: dict[int, int] = {}
    for receipt in upserts:
        writer, turn = (int(part.split("-")[1]) for part in receipt["write_id"].split("."))
        keys = [*range(10), 100 + turn, 1_000 * (writer + 1) + turn]
        known = sum(key in model for key in keys)
        model |= dict.fromkeys(keys, turn * WRITERS + writer)
        assert (receipt["rows_inserted"], receipt["rows_updated"]) == (len(keys) - known, known)
        assert receipt["total_rows"] == len(model)
    assert sorted((row["id"], row["value"]) for row in orders) == sorted(model.items())

    sent = Counter(
        (key, turn * WRITERS + writer)
        for writer in range(WRITERS)
        for turn in range(TURNS)
        for key in [*range(10), 100 + turn, 1_000 * (writer + 1) + turn]
    )
    assert Counter((row["id"], row["value"]) for row in events) == sent
    assert described[EVENTS].version == WRITERS * TURNS
    assert data_files(tmp_path / "lake" / "acme" / "events") == described[EVENTS].file_count


@contextmanager
def stuck(file: Path) -> Iterator[Callable[..., None]]:
    """Replaces a file by a named pipe, so that whoever reads it hangs until the test writes into it."""
    kept = file.with_name("kept")
    file.rename(kept)
    os.mkfifo(file)

    def answer(mode: int = 0) -> None:
        # Opens when a reader waits; who comes later finds the file.
        with open(os.open(file, os.O_WRONLY | mode), "wb") as pipe:
            kept.rename(file)
            pipe.write(file.read_bytes())

    try:
        yield answer
    finally:
        if kept.exists():  # the test has failed: let it end
            try:
                answer(os.O_NONBLOCK)
            except OSError:
                kept.rename(file)


def data_file(lake: Path, dataset: str = "orders") -> Path:
    """The only data file of a table of the tenant acme."""
    (file,) = (lake / "acme" / dataset).glob("*.parquet")
    return file


def in_progress(lake: LakeClient, dataset: str, write_id: str) -> bool:
    """What the server says about a write to a table of the tenant acme."""
    return lake.get_write(TableRef("acme", dataset), write_id).state is WriteState.IN_PROGRESS


def use_another_table(lake: LakeClient) -> None:
    """As another tenant, asks for a checkpoint, writes, asks again and reads."""
    other = replace(spec("orders", "theirs"), table=TableRef("other", "orders"))
    assert lake.checkpoint(other.table).value is None
    assert lake.write(other, [batch([[1, 1]])], checkpoint="c").rows_inserted == 1
    assert lake.checkpoint(other.table).value == "c"
    assert lake.read(other.table).read_all().num_rows == 1


def test_twenty_writes_that_wait_for_a_table_keep_nobody_else_waiting(tmp_path: Path) -> None:
    """They hold no thread: while the storage of their table hangs, another tenant reads, writes and asks at once."""
    with running_lake(tmp_path) as lake, ThreadPoolExecutor(21) as callers:
        lake.write(spec("orders", "first"), [batch([[1, 0]])])
        with stuck(data_file(tmp_path)) as answer:
            writes = [
                callers.submit(lake.write, spec("orders", f"w{number}"), [batch([[1, number], [number, 0]])])
                for number in range(2, 22)
            ]
            until(lambda: all(in_progress(lake, "orders", f"w{number}") for number in range(2, 22)))
            began = time.monotonic()
            callers.submit(use_another_table, lake).result(10)
            assert time.monotonic() - began < 1
            answer()
            receipts = [write.result(30) for write in writes]
        assert sorted(receipt.table_version for receipt in receipts) == list(range(2, 22))
        assert lake.describe(ORDERS).total_rows == 21


def test_merges_at_once_are_as_many_as_the_command_says(served: Callable[..., Any], tmp_path: Path) -> None:
    """Further merges wait, of other tables too, because each takes memory. A place is free again afterwards."""
    with (
        served("--merges", "2") as server,
        LakeClient(server.address) as lake,
        ThreadPoolExecutor(5) as callers,
        ExitStack() as stack,
    ):
        for name in "abcde":
            lake.write(spec(name, "first"), [batch([[1, 0]])])
        answers = [stack.enter_context(stuck(data_file(tmp_path / "lake", name))) for name in "abcde"]
        writes = [callers.submit(lake.write, spec(name, "next"), [batch([[1, 1]])]) for name in "abcde"]
        until(lambda: all(in_progress(lake, name, "next") for name in "abcde"))
        for left in (2, 2, 2, 2, 1):
            until(lambda left=left: waiting_for_pipes(server.pid) >= left)  # type: ignore[misc]
            assert waiting_for_pipes(server.pid) == left
            answered(answers)
        assert [write.result(30).rows_updated for write in writes] == [1, 1, 1, 1, 1]


def answered(answers: list[Callable[[int], None]]) -> None:
    """Lets one of the calls that wait for the storage continue."""
    for answer in answers:
        with suppress(OSError):
            answer(os.O_NONBLOCK)
            return answers.remove(answer)
    pytest.fail("nobody waited")


def test_a_turn_is_had_by_one_at_a_time_in_order() -> None:
    """Coroutines and threads share one queue. A cancelled waiter leaves it wherever it stood, and nothing is left
    behind.
    """
    turns, had = Turns(), list[str]()

    async def wait(name: str) -> None:
        async with turns.take(ORDERS):
            had.append(name)
            await asyncio.sleep(0)
            assert had[-1] == name

    def hold() -> None:
        with turns[ORDERS]:
            had.append("thread")

    async def main() -> None:
        async with turns.take(ORDERS):
            async with turns.take(EVENTS):
                had.append("another table")
            waiting = [asyncio.ensure_future(wait(name)) for name in "abcd"]
            await asyncio.sleep(0)
            thread = asyncio.ensure_future(asyncio.to_thread(hold))
            while len(turns._queues[ORDERS]) < 6:
                await asyncio.sleep(0.001)
            last = asyncio.ensure_future(wait("e"))
            await asyncio.sleep(0)
            for number in (0, 2):
                waiting[number].cancel()
        await asyncio.gather(*waiting, thread, last, return_exceptions=True)

    asyncio.run(main())
    assert had == ["another table", "b", "d", "thread", "e"]
    assert not turns._queues


def test_many_that_ask_for_a_turn_at_once_share_no_turn() -> None:
    """Also when the first waiters for a table come at the same instant."""
    turns, inside, start = Turns(), list[int](), threading.Barrier(16)

    def work(_: int) -> None:
        start.wait()
        for number in range(50):
            with turns[TableRef("acme", f"t{number}")]:
                inside.append(number)
                assert inside.count(number) == 1
                inside.remove(number)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(work, range(16)))


def test_reads_that_hang_keep_no_other_tenant_waiting(tmp_path: Path, speak: Callable[[str], Any]) -> None:
    """With more hanging reads than asyncio has threads, other tenants still read. Reads whose callers have left keep
    their places.
    """
    many = min(32, (os.cpu_count() or 1) + 4)
    with (
        running_lake(tmp_path, max_concurrent_reads=2 * many, read_wait_seconds=0.1) as lake,
        ThreadPoolExecutor(1) as caller,
    ):
        raw = speak(lake.target)
        lake.write(spec("orders", "first"), [batch([[1, 0]])])
        lake.write(spec("events", "first"), [batch([[1, 0]])])

        def read(dataset: str) -> Any:
            return raw.stub.ReadTable(
                pb.ReadTableRequest(table=pb.TableRef(tenant="acme", dataset=dataset)), timeout=60
            )

        with raw.channel, stuck(data_file(tmp_path)) as answer:
            calls = [read("orders") for _ in range(many + 2)]
            until(lambda: waiting_for_pipes(os.getpid()) == many)
            caller.submit(use_another_table, lake).result(10)
            for call in calls:
                call.cancel()
            with pytest.raises(grpc.RpcError, match=f"this server has {2 * many} for reads") as told:
                list(read("events"))
            assert told.value.code() is grpc.StatusCode.UNAVAILABLE
            answer()

            def free() -> bool:
                try:
                    return len(list(read("events"))) == 2
                except grpc.RpcError:
                    return False

            until(free)


def test_calls_that_are_left_half_read_hold_no_more_than_their_places(tmp_path: Path) -> None:
    """Each holds a data file in memory, so a further read waits and is then refused; other tenants can read."""
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("blob", pa.binary())])
    noise = random.Random(0).randbytes(2 * 1024**2)
    rows = [
        pa.RecordBatch.from_pylist([{"id": number, "blob": noise}], schema=schema) for number in range(12)
    ]
    with running_lake(tmp_path, max_concurrent_reads=4, read_wait_seconds=0.1) as lake:
        for tenant in ("acme", "other"):
            large = WriteSpec(TableRef(tenant, "orders"), "w", WriteMode.UPSERT, schema, unique_keys=("id",))
            lake.write(large, rows)
        half = [lake.read(ORDERS) for _ in range(2)]
        with pytest.raises(BusyError, match="Read to the end what was begun"):
            lake.read(ORDERS)
        half += [lake.read(TableRef("other", "orders")) for _ in range(2)]
        with pytest.raises(BusyError, match="Read to the end what was begun"):
            lake.read(TableRef("third", "orders"))
        assert [one.read_all().num_rows for one in half] == [12] * 4
        assert lake.read(ORDERS).read_all().num_rows == 12
