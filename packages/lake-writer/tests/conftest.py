"""Fixtures that the tests share: a lake in this process, a lake in its own process, and streams sent message by
message.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import grpc
import pyarrow as pa
import pytest

from weathervane.lake import LakeClient
from weathervane.lake._arrow import encode_schema
from weathervane.lake.testing import running_lake
from weathervane.lake.v1 import lake_writer_pb2 as pb
from weathervane.lake.v1 import lake_writer_pb2_grpc as pb_grpc
from weathervane.lake.v1.lake_maintenance_pb2_grpc import LakeMaintenanceServiceStub

pytest_plugins = ["weathervane.flow.testing.fixtures"]


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[LakeClient]:
    """A client of a lake in `tmp_path / "lake"`, served from a thread of this process."""
    with running_lake(tmp_path / "lake") as client:
        yield client


class Raw:
    """Sends exactly the messages that a test puts together, in any order."""

    def __init__(self, target: str) -> None:
        self.channel = grpc.insecure_channel(target, options=[("grpc.max_send_message_length", -1)])
        self.stub = pb_grpc.LakeWriterServiceStub(self.channel)
        self.maintenance = LakeMaintenanceServiceStub(self.channel)

    def send(self, *messages: pb.WriteRequest) -> list[pb.WriteResponse]:
        """Sends one stream and returns all answers; raises grpc.RpcError."""
        return list(self.stub.Write(iter(messages), timeout=60))

    def refusal(self, *messages: pb.WriteRequest) -> grpc.RpcError:
        """Sends one stream that must be refused, and returns the error."""
        with pytest.raises(grpc.RpcError) as caught:
            self.send(*messages)
        return caught.value

    @staticmethod
    def header(schema: pa.Schema | bytes, **fields: Any) -> pb.WriteRequest:
        """A header for an upsert of `acme/orders` whose key is the schema's first column;
        `fields` override its fields.
        """
        message = schema if isinstance(schema, bytes) else encode_schema(schema)
        header = pb.WriteHeader(
            table=pb.TableRef(tenant="acme", dataset="orders"),
            write_id="raw",
            mode=pb.WRITE_MODE_UPSERT,
            arrow_schema=message,
            unique_keys=[] if isinstance(schema, bytes) else schema.names[:1],
        )
        for name, value in fields.items():
            header.ClearField(cast(Any, name))
            header.MergeFrom(pb.WriteHeader(**{name: value}))
        return pb.WriteRequest(header=header)

    @staticmethod
    def frame(
        sequence: int, batch: pa.RecordBatch | bytes, kind: pb.FrameKind.ValueType = pb.FRAME_KIND_ROWS
    ) -> pb.WriteRequest:
        """A frame with a batch, or with the given bytes."""
        message = batch if isinstance(batch, bytes) else bytes(batch.serialize())
        return pb.WriteRequest(frame=pb.Frame(sequence=sequence, kind=kind, record_batch=message))

    @staticmethod
    def commit(*frames: pb.WriteRequest, rows: int, **fields: Any) -> pb.WriteRequest:
        """A commit message with the right counts for these frames; `fields` override its fields."""
        digest = hashlib.sha256(b"".join(frame.frame.record_batch for frame in frames)).digest()
        commit = {"frame_count": len(frames), "row_count": rows, "sha256": digest, **fields}
        return pb.WriteRequest(commit=pb.WriteCommit(**commit))


@pytest.fixture
def speak() -> Callable[[str], Raw]:
    """A Raw client of the server at an address."""
    return Raw


@pytest.fixture
def raw(lake: LakeClient) -> Iterator[Raw]:
    """A Raw client of `lake`."""
    tongue = Raw(lake.target)
    with tongue.channel:
        yield tongue


@contextmanager
def _served(folder: Path, *arguments: str) -> Iterator[SimpleNamespace]:
    command = [
        sys.executable,
        "-m",
        "weathervane.lake.server",
        "--lake",
        str(folder),
        "--port",
        "0",
        *arguments,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            yield SimpleNamespace(
                address=ready["address"], process=process, pid=process.pid, raw=Raw(ready["address"])
            )
        finally:
            process.kill()


@pytest.fixture
def served(tmp_path: Path) -> Callable[..., Any]:
    """Starts the real server process for a `with` block; yields an object with `.address`,
    `.process`, `.pid`, `.raw`.
    """
    return lambda *arguments: _served(tmp_path / "lake", *arguments)


@pytest.fixture
def peak_mib() -> Callable[[int], float]:
    """The highest resident memory of a process so far, in MiB."""

    def peak(pid: int) -> float:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024

    return peak
