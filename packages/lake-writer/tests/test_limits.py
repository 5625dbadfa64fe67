"""All resources that one caller can take are bounded, and each error names its limit."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import stamina

from weathervane.lake import (
    BusyError,
    CorruptedError,
    LakeClient,
    RejectedError,
    TableRef,
    WriteMode,
    WriteSpec,
)
from weathervane.lake.testing import running_lake
from weathervane.lake.v1 import lake_writer_pb2 as pb

from .conftest import Raw
from .test_exactly_once import until

MIB = 1024 * 1024
ORDERS = TableRef("acme", "orders")
SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("note", pa.string())])


def spec(write_id: str) -> WriteSpec:
    """An upsert into `acme/orders`."""
    return WriteSpec(ORDERS, write_id, WriteMode.UPSERT, SCHEMA, unique_keys=("id",))


def rows(*ids: int) -> pa.RecordBatch:
    """A batch with one row for each id."""
    return pa.RecordBatch.from_pylist([{"id": number, "note": "n"} for number in ids], schema=SCHEMA)


@pytest.mark.parametrize("size", [5 * MIB, 300 * MIB])
@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_a_message_beyond_the_limit_is_refused_before_it_is_held(
    size: int, compression: grpc.Compression, served: Callable[..., Any], peak_mib: Callable[[int], float]
) -> None:
    """5 MiB, 300 MiB, or a gzip bomb of either size: RESOURCE_EXHAUSTED, without memory growing, and the server goes
    on.
    """
    with served() as server:
        assert server.raw.send(server.raw.header(SCHEMA), server.raw.commit(rows=0))[-1].HasField("receipt")
        before = peak_mib(server.pid)
        messages = iter([server.raw.header(SCHEMA, write_id="big"), server.raw.frame(0, bytes(size))])
        with pytest.raises(grpc.RpcError) as caught:
            list(server.raw.stub.Write(messages, compression=compression, timeout=60))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED, caught.value.details()
        assert peak_mib(server.pid) - before < 32
        with LakeClient(server.address) as client:
            assert client.write(spec("after"), [rows(1)]).total_rows == 1


def test_a_frame_beyond_three_mebibytes_is_refused(raw: Any) -> None:
    """The error names the limit; the rest of a message of 4 MiB is for the other fields."""
    refusal = raw.refusal(raw.header(SCHEMA), raw.frame(0, bytes(3 * MIB + 1)))
    assert refusal.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "send at most 3,145,728" in refusal.details()


def test_a_frame_of_too_many_rows_is_refused(tmp_path: Path) -> None:
    """Rows without bytes are limited too, e.g. a million NULLs in 125 kB."""
    with (
        running_lake(tmp_path, max_frame_rows=100) as lake,
        pytest.raises(CorruptedError, match="claims 101 rows; at most 100"),
    ):
        lake.write(spec("w"), [rows(*range(101))])


@pytest.mark.parametrize("limit", [{"max_write_rows": 10}, {"max_write_bytes": 2_000}], ids=str)
def test_a_write_beyond_its_limit_is_rejected_and_commits_nothing(
    limit: dict[str, int], tmp_path: Path
) -> None:
    """It is not a BusyError, because waiting does not help; the message says to cut smaller slices."""
    with running_lake(tmp_path, **limit) as lake:
        batches = [rows(*range(start, start + 5)) for start in range(0, 50, 5)]
        with pytest.raises(RejectedError, match="cut the run into smaller slices") as caught:
            lake.write(spec("big"), batches)
        assert (caught.value.reason, caught.value.retriable) == ("WRITE_TOO_LARGE", False)
        assert list(lake.tables("acme")) == []
        assert lake.write(spec("small"), batches[:2]).total_rows == 10


def test_a_schema_of_too_many_columns_is_refused(raw: Any) -> None:
    """10,000 columns are refused before anything is created."""
    schema = pa.schema([pa.field(f"c{number}", pa.int64(), nullable=False) for number in range(10_000)])
    refusal = raw.refusal(raw.header(schema))
    assert refusal.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "10,000" in refusal.details() or "1 MiB" in refusal.details()


def test_a_table_of_a_thousand_columns_works(lake: LakeClient) -> None:
    """1,000 columns, the documented limit, are accepted."""
    schema = pa.schema(
        [pa.field("id", pa.int64(), nullable=False)] + [pa.field(f"c{n}", pa.int64()) for n in range(999)]
    )
    wide = WriteSpec(TableRef("acme", "wide"), "w", WriteMode.UPSERT, schema, unique_keys=("id",))
    row = {"id": 1, "c0": 5, "c998": 7}
    assert lake.write(wide, [pa.RecordBatch.from_pylist([row], schema=schema)]).total_rows == 1
    assert lake.read(wide.table, columns=["id", "c0", "c998"]).read_all().to_pylist() == [row]


@pytest.mark.parametrize("mode", [WriteMode.UPSERT, WriteMode.APPEND])
def test_large_rows_make_files_of_fewer_rows(mode: WriteMode, tmp_path: Path) -> None:
    """A file is rewritten as a whole when one of its rows changes, so its bytes are limited too."""
    note = random.Random(0).randbytes(256 * 1024).hex()
    keys = () if mode is WriteMode.APPEND else ("id",)
    with running_lake(tmp_path, target_file_bytes=4 * MIB) as lake:
        for number in range(2):
            batch = pa.RecordBatch.from_pylist(
                [{"id": 20 * number + n, "note": note} for n in range(20)], schema=SCHEMA
            )
            lake.write(WriteSpec(ORDERS, f"w{number}", mode, SCHEMA, unique_keys=keys), [batch])
        assert lake.describe(ORDERS).total_rows == 40
    files = [pq.read_metadata(path).num_rows for path in (tmp_path / "acme" / "orders").glob("*.parquet")]
    assert max(files) <= 12


def test_more_writes_than_the_server_takes_are_told_to_come_back(tmp_path: Path) -> None:
    """The place is free again as soon as the first write has ended, in whatever way."""
    with running_lake(tmp_path, max_concurrent_writes=2) as lake:
        with lake.begin(spec("one")), lake.begin(spec("two")):
            with pytest.raises(BusyError, match="2 writes are in progress") as caught:
                lake.begin(spec("three"))
            assert caught.value.reason == "TOO_MANY_WRITES"
        for attempt in stamina.retry_context(
            on=BusyError, attempts=100, wait_initial=0.01, wait_max=0.05, timeout=10
        ):
            with attempt:
                assert lake.write(spec("three"), [rows(1)]).total_rows == 1


def test_a_stream_that_sends_nothing_is_ended(tmp_path: Path, speak: Callable[[str], Any]) -> None:
    """A stalled peer must not keep its place; the error says that nothing was committed."""
    over = threading.Event()

    def stalling(first: pb.WriteRequest) -> Iterator[pb.WriteRequest]:
        yield first
        over.wait(30)

    with running_lake(tmp_path, idle_seconds=0.2, max_concurrent_writes=1) as lake:
        raw = speak(lake.target)
        with raw.channel:
            with pytest.raises(
                grpc.RpcError, match=r"nothing was sent for 0\.2 s; nothing was committed"
            ) as caught:
                list(raw.stub.Write(stalling(raw.header(SCHEMA))))
            over.set()
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        for attempt in stamina.retry_context(
            on=BusyError, attempts=100, wait_initial=0.01, wait_max=0.05, timeout=10
        ):
            with attempt:
                assert lake.write(spec("next"), [rows(1)]).total_rows == 1


def test_a_write_that_is_cancelled_at_any_moment_leaves_no_file_open(lake: LakeClient, raw: Raw) -> None:
    """Nor does it keep its place, also when it is cancelled while a thread creates its files."""

    def staged() -> int:
        links = (Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd"))
        return sum(os.readlink(link).endswith("(deleted)") for link in links if link.is_symlink())

    before = staged()
    never = threading.Event()
    for number in range(120):

        def requests(number: int = number) -> Iterator[pb.WriteRequest]:
            yield raw.header(SCHEMA, write_id=f"w{number}")
            never.wait(60)

        call = raw.stub.Write(requests())
        if number % 2:
            next(call)
        elif number % 4:
            lake.checkpoint(TableRef("acme", "nothing"))  # as long as a call takes
        call.cancel()
    never.set()
    until(lambda: staged() == before)
