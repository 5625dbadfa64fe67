"""A caller in its own process: reads its work from stdin, prints when it is ready, and waits for a line to begin.

`write` sends the writes of each item and prints their receipts. `hang` sends messages up to a given point, prints when
the server has received them, and never ends by itself.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

import grpc
import pyarrow as pa

from weathervane.lake import LakeClient, TableRef, WriteMode, WriteSpec
from weathervane.lake._convert import spec_to_wire
from weathervane.lake.v1 import lake_writer_pb2 as pb
from weathervane.lake.v1 import lake_writer_pb2_grpc as pb_grpc

SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("value", pa.int64())])


def spec(dataset: str, write_id: str, mode: str = "upsert") -> WriteSpec:
    """A header for a write of `SCHEMA`."""
    keys = () if mode == "append" else ("id",)
    return WriteSpec(TableRef("acme", dataset), write_id, WriteMode(mode), SCHEMA, keys)


def batch(rows: list[list[int]]) -> pa.RecordBatch:
    """A batch of `SCHEMA`."""
    return pa.record_batch([[row[0] for row in rows], [row[1] for row in rows]], schema=SCHEMA)


def write(target: str, writes: list[dict[str, Any]]) -> None:
    """Sends each write, repeats it while the error is retriable, and prints its receipt."""
    with LakeClient(target) as client:
        client.checkpoint(TableRef("acme", "nothing"))  # connects
        print("ready", flush=True)
        sys.stdin.readline()
        for item in writes:
            receipt = client.write(
                spec(item["dataset"], item["write_id"], item["mode"]),
                [batch(item["rows"])],
                checkpoint=item.get("checkpoint"),
            )
            print(json.dumps(asdict(receipt), default=str), flush=True)


def hang(target: str, frames: int) -> None:
    """Sends a header and frames, and leaves the call open."""
    rows = bytes(batch([[1, 1], [2, 2]]).serialize())
    header = pb.WriteRequest(header=spec_to_wire(spec("orders", "hanging")))
    sent = [
        pb.WriteRequest(frame=pb.Frame(sequence=n, kind=pb.FRAME_KIND_ROWS, record_batch=rows))
        for n in range(frames)
    ]

    def requests() -> Any:
        yield from (header, *sent)
        sys.stdin.read()

    with grpc.insecure_channel(target) as channel:
        answers = pb_grpc.LakeWriterServiceStub(channel).Write(requests())
        for _ in range(1 + frames):
            next(answers)
        print("ready", flush=True)
        next(answers)


if __name__ == "__main__":
    work = json.loads(sys.stdin.readline())
    if work.pop("do") == "write":
        write(**work)
    else:
        hang(**work)
