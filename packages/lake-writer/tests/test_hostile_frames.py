"""Whatever bytes a frame or a schema has, the server survives, its memory is bounded,
and the error says what is wrong.
"""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import polars as pl
import pyarrow as pa
import pytest

from weathervane.lake import LakeClient, TableRef, WriteMode, WriteSpec
from weathervane.lake._arrow import encode_schema
from weathervane.lake.server.frames import decode_batch, decode_schema
from weathervane.lake.server.staging import Staged
from weathervane.rpc import StatusError

SCHEMA = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False),
        pa.field("flag", pa.bool_()),
        pa.field("small", pa.int8()),
        pa.field("price", pa.decimal128(18, 4)),
        pa.field("ratio", pa.float64()),
        pa.field("name", pa.string()),
        pa.field("blob", pa.binary()),
        pa.field("day", pa.date32()),
        pa.field("at", pa.timestamp("us", "UTC")),
        pa.field("tags", pa.list_(pa.string())),
        pa.field("who", pa.struct([pa.field("first", pa.string()), pa.field("age", pa.int32())])),
        pa.field(
            "lines", pa.list_(pa.struct([pa.field("sku", pa.string()), pa.field("n", pa.list_(pa.int32()))]))
        ),
    ]
)
ROWS = [
    {
        "id": number,
        "flag": number % 2 == 0,
        "small": number % 100,
        "price": Decimal(number) / 4,
        "ratio": number / 3,
        "name": f"näme {number}" if number % 3 else None,
        "blob": bytes([number % 256]) * (number % 5),
        "day": date(2026, 1, 1 + number % 28),
        "at": datetime(2026, 1, 1, number % 24, tzinfo=UTC),
        "tags": [f"t{n}" for n in range(number % 4)],
        "who": {"first": "a" * number, "age": number} if number % 5 else None,
        "lines": [{"sku": f"s{n}", "n": list(range(n))} for n in range(number % 3)],
    }
    for number in range(40)
]
BATCH = pa.RecordBatch.from_pylist(ROWS, schema=SCHEMA)
FRAME = bytes(BATCH.serialize())
# What the server may answer to a damaged frame or schema.
REFUSALS = {grpc.StatusCode.DATA_LOSS, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED}
_EXTREMES = (0, 1, -1, 7, 2**15, 2**31 - 1, -(2**31), 2**24)


def mutations(message: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Damaged copies of a message, at least half of the damage in the header, which has the structure."""
    chance = random.Random(seed)
    header = 8 + struct.unpack_from("<i", message, 4)[0]
    for _ in range(count):
        damaged = bytearray(message)
        for _ in range(chance.choice((1, 1, 2, 8))):
            at = chance.randrange(header if chance.random() < 0.5 else len(damaged))
            match chance.randrange(5):
                case 0:
                    damaged[at] ^= 1 << chance.randrange(8)
                case 1:
                    damaged[at] = chance.randrange(256)
                case 2 if at + 4 <= len(damaged):
                    struct.pack_into(
                        "<i",
                        damaged,
                        at // 4 * 4 if at // 4 * 4 + 4 <= len(damaged) else 0,
                        chance.choice(_EXTREMES),
                    )
                case 3 if at + 8 <= len(damaged):
                    struct.pack_into("<q", damaged, at // 8 * 8, chance.choice((*_EXTREMES, 2**62, -(2**63))))
                case _:
                    source = chance.randrange(len(damaged))
                    piece = damaged[source : source + chance.randrange(1, 32)][: len(damaged) - at]
                    damaged[at : at + len(piece)] = piece
        match chance.randrange(12):
            case 0:
                del damaged[chance.randrange(len(damaged)) :]
            case 1:
                damaged += chance.randbytes(chance.randrange(1, 64))
            case _:
                pass
        yield bytes(damaged)


def decode_everything() -> None:
    """Decodes thousands of damaged messages as the server would; they may only raise StatusError."""
    refused = taken = 0
    for damaged in mutations(FRAME, 10_000, seed=1):
        try:
            batch = decode_batch(damaged, SCHEMA, max_rows=1_000_000)
        except StatusError:
            refused += 1
            continue
        taken += 1
        with Staged(SCHEMA, None) as staged:
            staged.append(batch)
            frame = pl.from_arrow(staged.table())
            assert isinstance(frame, pl.DataFrame)
            frame.sort("id").to_arrow().cast(SCHEMA).validate(full=True)
            del frame
    for damaged in mutations(encode_schema(SCHEMA), 3_000, seed=2):
        try:
            schema = decode_schema(damaged, max_columns=1_000)
        except StatusError:
            refused += 1
            continue
        taken += 1
        schema.empty_table()
        try:
            decode_batch(FRAME, schema, max_rows=1_000_000)
        except StatusError:
            refused += 1
    print(refused, taken)


def test_no_damaged_message_can_crash_the_process_that_decodes_it() -> None:
    """13,000 damaged frames and schemas are refused or decoded, in a child process, so that a crash does not end the
    tests.
    """
    done = subprocess.run(
        [sys.executable, __file__], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    refused, taken = map(int, done.stdout.split())
    assert refused > 3_000, "the damage is too light to show anything"
    assert taken > 300, "the damage is too heavy to reach what stands behind the first check"


def test_a_served_lake_outlives_damaged_streams(served: Callable[..., Any]) -> None:
    """Each of 300 damaged frames is refused over gRPC with a reason, and a valid write succeeds after them."""
    with served() as server:
        header = server.raw.header(SCHEMA)
        for damaged in mutations(FRAME, 300, seed=3):
            assert server.raw.refusal(header, server.raw.frame(0, damaged)).code() in REFUSALS
        for damaged in mutations(encode_schema(SCHEMA), 100, seed=4):
            assert server.raw.refusal(server.raw.header(damaged, unique_keys=["id"])).code() in REFUSALS
        with LakeClient(server.address) as client:
            spec = WriteSpec(
                TableRef("acme", "orders"), "honest", WriteMode.UPSERT, SCHEMA, unique_keys=("id",)
            )
            assert client.write(spec, [BATCH]).rows_inserted == len(ROWS)
            assert client.read(spec.table).read_all().sort_by("id").to_pylist() == ROWS


NUMBERS = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("x", pa.int64())])


def _compressed(codec: str) -> bytes:
    zeros = pa.record_batch([pa.repeat(pa.scalar(0, pa.int64()), 4_000_000)] * 2, schema=NUMBERS)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, NUMBERS, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_batch(zeros)
    messages = list(pa.ipc.MessageReader.open_stream(sink.getvalue()))
    return bytes(messages[1].serialize())


def _nulls() -> bytes:
    few = bytes(pa.record_batch([pa.nulls(7), pa.nulls(7)], names=["id", "x"]).serialize())
    return few.replace(struct.pack("<q", 7), struct.pack("<q", 10**12))


def _run_end_encoded() -> bytes:
    run = pa.RunEndEncodedArray.from_arrays(pa.array([10**9], pa.int32()), pa.array([1], pa.int64()))
    return bytes(pa.record_batch([run, run], names=["id", "x"]).serialize())


def _dictionary(number: int) -> bytes:
    """A dictionary message (1) or the batch with its indices (-1), as in an IPC stream."""
    column = pa.DictionaryArray.from_arrays(
        pa.repeat(pa.scalar(0, pa.int8()), 1_000_000), pa.array(["x" * 1_000])
    )
    batch = pa.record_batch([column, column], names=["id", "x"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(list(pa.ipc.MessageReader.open_stream(sink.getvalue()))[number].serialize())


def _shared() -> bytes:
    """Two columns of 100,000 numbers that share the bytes of one."""
    n = 100_000
    message = bytes(pa.record_batch([pa.array(range(n)), pa.array(range(n))], schema=NUMBERS).serialize())
    start, size = 8 + struct.unpack_from("<i", message, 4)[0], 8 * n
    head, body = message[:start], message[start:]
    assert len(body) == 2 * size
    # The last buffer of the header is the second column's values.
    before, _, after = head.rpartition(struct.pack("<qq", size, size))
    head = before + struct.pack("<qq", 0, size) + after
    return head.replace(struct.pack("<q", 2 * size), struct.pack("<q", size)) + body[:size]


@pytest.mark.parametrize(
    ("attack", "code", "words"),
    [
        pytest.param(lambda: _compressed("zstd"), grpc.StatusCode.INVALID_ARGUMENT, "compressed", id="zstd"),
        pytest.param(lambda: _compressed("lz4"), grpc.StatusCode.INVALID_ARGUMENT, "compressed", id="lz4"),
        pytest.param(_nulls, grpc.StatusCode.DATA_LOSS, "claims 1,000,000,000,000 rows", id="null columns"),
        pytest.param(_run_end_encoded, grpc.StatusCode.DATA_LOSS, "claims 1,000,000,000 rows", id="run ends"),
        pytest.param(
            lambda: _dictionary(1),
            grpc.StatusCode.DATA_LOSS,
            "not an Arrow IPC record batch",
            id="dictionary",
        ),
        pytest.param(lambda: _dictionary(-1), grpc.StatusCode.DATA_LOSS, "cannot be decoded", id="indices"),
        pytest.param(_shared, grpc.StatusCode.DATA_LOSS, "share their bytes", id="shared buffers"),
    ],
)
def test_a_small_frame_cannot_become_large(
    attack: Callable[[], bytes],
    code: grpc.StatusCode,
    words: str,
    served: Callable[..., Any],
    peak_mib: Callable[[int], float],
) -> None:
    """Bytes that would expand to gigabytes are refused before they are expanded, and memory does not grow."""
    message = attack()
    with served() as server:
        header = server.raw.header(NUMBERS)
        server.raw.refusal(header, server.raw.frame(0, b""))
        before = peak_mib(server.pid)
        for _ in range(5):
            refusal = server.raw.refusal(header, server.raw.frame(0, message))
            assert (refusal.code(), words in refusal.details()) == (code, True), refusal.details()
        assert peak_mib(server.pid) - before < 40


@pytest.mark.parametrize("offset", [2**31 - 1, -1, 1_000_000])
def test_list_offsets_beyond_their_values_are_refused(offset: int) -> None:
    """A list whose offsets lie outside its values is corrupt."""
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("tags", pa.list_(pa.int64()))])
    batch = pa.record_batch([pa.array([1, 2]), pa.array([[7, 7], [7] * 1_231])], schema=schema)
    message = bytes(batch.serialize())
    last = struct.pack("<iii", 0, 2, 1_233)
    assert message.count(last) == 1
    damaged = message.replace(last, struct.pack("<iii", 0, 2, offset))
    with pytest.raises(StatusError, match="cannot be decoded"):
        decode_batch(damaged, schema, max_rows=1_000_000)


@pytest.mark.parametrize(
    "column",
    [
        pa.null(),
        pa.dictionary(pa.int8(), pa.string()),
        pa.run_end_encoded(pa.int32(), pa.int64()),
        pa.large_string(),
        pa.string_view(),
        pa.uint32(),
        pa.float16(),
        pa.decimal256(50, 2),
        pa.decimal128(10, -2),
        pa.timestamp("us"),
        pa.timestamp("ns", "UTC"),
        pa.timestamp("us", "Europe/Berlin"),
        pa.time64("us"),
        pa.duration("us"),
        pa.map_(pa.string(), pa.string()),
        pa.list_(pa.int64(), 3),
        pa.list_view(pa.int64()),
        pa.dense_union([pa.field("a", pa.int64())]),
        pa.struct([]),
        pa.list_(pa.null()),
        pa.struct([pa.field("inner", pa.uint8())]),
        pa.struct([pa.field("inner", pa.int8(), nullable=False)]),
        pa.json_(),
        pa.uuid(),
    ],
    ids=str,
)
def test_a_type_that_a_delta_table_would_change_is_refused_by_name(column: pa.DataType, raw: Any) -> None:
    """Only types that Delta keeps are accepted; the error names the column."""
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("odd_one", column)])
    refusal = raw.refusal(raw.header(schema))
    assert refusal.code() is grpc.StatusCode.INVALID_ARGUMENT, refusal.details()
    assert "odd_one" in refusal.details()


def test_null_in_a_column_that_is_declared_not_nullable_is_refused_by_name(raw: Any) -> None:
    """Readers of the table rely on the declared schema."""
    frame = raw.frame(0, pa.record_batch([pa.array([1, None]), pa.array([1, 2])], names=["id", "x"]))
    refusal = raw.refusal(raw.header(NUMBERS), frame)
    assert refusal.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "'id' is declared not nullable" in refusal.details()


@pytest.mark.parametrize("kind", [pa.date32(), pa.timestamp("us", "UTC")], ids=str)
@pytest.mark.parametrize("number", [2**31 - 1, -(2**31) + 1])
def test_a_date_outside_the_calendar_is_refused_by_name(kind: pa.DataType, number: int, raw: Any) -> None:
    """Arrow can hold the year five million; Python, SQL and Delta's statistics cannot."""
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("due", kind)])
    far = pa.array([number], pa.int32()) if kind == pa.date32() else pa.array([number * 10**9], pa.int64())
    refusal = raw.refusal(
        raw.header(schema), raw.frame(0, pa.record_batch([pa.array([1]), far.view(kind)], schema=schema))
    )
    assert (refusal.code(), "'due' holds a date" in refusal.details()) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        True,
    )


def test_field_metadata_never_reaches_the_table(lake: LakeClient, tmp_path: Path) -> None:
    """Delta takes `delta.invariants` in a field's metadata for SQL that every writer must run."""
    trap = {"delta.invariants": '{"expression": {"expression": "x > 3"}}', "delta.generationExpression": "x"}
    deep = pa.list_(pa.field("item", pa.struct([pa.field("n", pa.int64(), metadata=trap)]), metadata=trap))
    schema = pa.schema(
        [pa.field("id", pa.int64(), nullable=False, metadata=trap), pa.field("deep", deep, metadata=trap)],
        metadata=trap,
    )
    spec = WriteSpec(TableRef("acme", "orders"), "w", WriteMode.UPSERT, schema, unique_keys=("id",))
    lake.write(spec, [pa.RecordBatch.from_pylist([{"id": 1, "deep": [{"n": 1}]}], schema=schema)])
    logs = list((tmp_path / "lake/acme/orders/_delta_log").glob("*.json"))
    assert logs
    assert not [log for log in logs if "invariants" in log.read_text() or "generationExpr" in log.read_text()]
    assert lake.describe(spec.table).schema.equals(schema.remove_metadata())


if __name__ == "__main__":
    decode_everything()
