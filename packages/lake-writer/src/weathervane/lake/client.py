"""The client: the server's calls as Python, with errors named by what to do about them."""

from __future__ import annotations

import hashlib
import queue
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self

import grpc
import pyarrow as pa

from weathervane.lake import convert
from weathervane.lake.arrow import decode_schema, encode_batches
from weathervane.lake.caller import Caller
from weathervane.lake.errors import BusyError, LakeError, OutcomeUnknownError, RejectedError, from_remote
from weathervane.lake.model import (
    QUARANTINE_SCHEMA,
    Checkpoint,
    ColumnRange,
    CommitRequest,
    ControlTotal,
    ReadSpec,
    TableDescription,
    TableRef,
    WriteResult,
    WriteSpec,
    WriteState,
    WriteStatus,
    check_name,
    check_write_id,
)
from weathervane.lake.v1 import lake_writer_pb2 as pb
from weathervane.lake.v1 import lake_writer_pb2_grpc as pb_grpc
from weathervane.rpc import from_rpc_error

_SERVICE = "weathervane.lake.v1.LakeWriterService"
# Reads may be sent again by the channel; Write never.
_RETRIED = tuple(
    f"{_SERVICE}/{method}" for method in ("GetWrite", "DescribeTable", "ListTables", "GetCheckpoint")
)
_CALL_SECONDS = 30.0
# Frames that may wait to be sent: bounds what a fast producer holds in memory (8 x about 1 MiB).
_WINDOW = 8
# Frames that may be unacknowledged. Reading the answers as we go keeps the server from blocking on them.
_UNACKNOWLEDGED = 32


class LakeClient(Caller):
    """A lake writer at `target` (`host:port`). Thread-safe; close it, or use it in a `with` block."""

    def __init__(self, target: str) -> None:
        super().__init__(target, _RETRIED)
        self._stub = pb_grpc.LakeWriterServiceStub(self._channel)

    def begin(self, spec: WriteSpec) -> Upload:
        """Opens a write. Use it in a `with` block: leaving it without `commit()` commits nothing.

        Raises:
            RejectedError: The server refuses the header (schema, keys, stale checkpoint).
            BusyError: The server is full, draining or not there.
        """
        return Upload(self, self._stub, spec)

    def write(
        self,
        spec: WriteSpec,
        batches: Iterable[pa.RecordBatch],
        *,
        quarantined: Iterable[pa.RecordBatch] = (),
        members: Iterable[pa.RecordBatch] = (),
        checkpoint: str | None = None,
        control_totals: Sequence[ControlTotal] = (),
    ) -> WriteResult:
        """Sends one whole write and returns its receipt.

        Raises:
            LakeError: As its kind says. A write that failed with a `retriable` one may be sent again, with the
                same id, as often as needed.
        """
        with self.begin(spec) as upload:
            for batch in batches:
                upload.rows(batch)
            for batch in quarantined:
                upload.quarantine(batch)
            for batch in members:
                upload.members(batch)
            return upload.commit(checkpoint=checkpoint, control_totals=control_totals)

    def get_write(self, table: TableRef, write_id: str) -> WriteStatus:
        """Tells what became of a write."""
        request = pb.GetWriteRequest(table=convert.table_to_wire(table), write_id=check_write_id(write_id))
        return convert.status_from_wire(
            self._call(table, lambda: self._stub.GetWrite(request, timeout=_CALL_SECONDS))
        )

    def describe(self, table: TableRef) -> TableDescription:
        """Describes a table; NotFoundError when there is none."""
        request = pb.DescribeTableRequest(table=convert.table_to_wire(table))
        response = self._call(table, lambda: self._stub.DescribeTable(request, timeout=_CALL_SECONDS))
        return convert.description_from_wire(response.table)

    def tables(self, tenant: str) -> Iterator[TableRef]:
        """A tenant's tables by name."""
        token = ""
        check_name("tenant", tenant)
        while True:
            request = pb.ListTablesRequest(tenant=tenant, page_token=token)
            response = self._call(tenant, partial(self._stub.ListTables, request, timeout=_CALL_SECONDS))
            yield from (convert.table_from_wire(table) for table in response.tables)
            token = response.next_page_token
            if not token:
                return

    def checkpoint(self, table: TableRef) -> Checkpoint:
        """The table's checkpoint; CorruptedError when it cannot be read, never an empty answer."""
        request = pb.GetCheckpointRequest(table=convert.table_to_wire(table))
        response = self._call(table, lambda: self._stub.GetCheckpoint(request, timeout=_CALL_SECONDS))
        return Checkpoint(
            response.checkpoint if response.HasField("checkpoint") else None, response.table_version
        )

    def read(
        self,
        table: TableRef,
        *,
        columns: Sequence[str] = (),
        ranges: Sequence[ColumnRange] = (),
        version: int | None = None,
    ) -> pa.RecordBatchReader:
        """Reads a table as a stream of record batches (`.read_all()` for a table).

        Args:
            table: The table.
            columns: Names; all when empty.
            ranges: Conditions that every returned row meets, e.g. a range of dates.
            version: A Delta version; the newest when None.
        """
        request = convert.read_to_wire(ReadSpec(table, tuple(columns), tuple(ranges), version))
        responses = self._stub.ReadTable(request)
        first = self._call(table, lambda: next(responses))
        schema = decode_schema(first.arrow_schema)

        def batches() -> Iterator[pa.RecordBatch]:
            while True:
                try:
                    response = self._call(table, lambda: next(responses))
                except StopIteration:
                    return
                yield pa.ipc.read_record_batch(pa.py_buffer(response.record_batch), schema)

        return pa.RecordBatchReader.from_batches(schema, batches())


class Upload:
    """One open write: push batches, then commit. Not thread-safe.

    Frames travel while the caller makes the next ones; at most about 8 MiB wait in memory.
    """

    def __init__(self, client: LakeClient, stub: pb_grpc.LakeWriterServiceStub, spec: WriteSpec) -> None:
        self._client = client
        self._spec = spec
        self._outgoing: queue.Queue[pb.WriteRequest | None] = queue.Queue(_WINDOW)
        self._sequence = 0
        self._rows = 0
        self._quarantined = 0
        self._hash = hashlib.sha256()
        self._outgoing.put(pb.WriteRequest(header=convert.spec_to_wire(spec)))
        self._responses = stub.Write(iter(self._outgoing.get, None))
        self._committing = False
        self._unacknowledged = 0
        self.already_committed = False
        """The write is in the table already: commit at once, the receipt is the first one."""
        try:
            self.already_committed = self._next().acknowledgement.already_committed
        except BaseException:
            # There is no upload yet to leave, and gRPC's sending thread would wait for ever.
            self._responses.cancel()
            self._outgoing.put(None)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._committing:
            self._responses.cancel()
        # Lets gRPC's sending thread end, whatever is still queued.
        while True:
            try:
                self._outgoing.put_nowait(None)
                return
            except queue.Full:
                self._outgoing.get_nowait()

    @property
    def rows_sent(self) -> int:
        """Rows pushed so far, the quarantined ones not included."""
        return self._rows

    @property
    def rows_quarantined(self) -> int:
        """Quarantined rows pushed so far."""
        return self._quarantined

    def rows(self, batch: pa.RecordBatch) -> None:
        """Pushes rows of the declared schema, its columns in any order.

        Raises:
            RejectedError: A column or a type differs from the declared schema; nothing of the batch was sent.
        """
        self._send(self._exactly(batch, self._spec.schema), pb.FRAME_KIND_ROWS)
        self._rows += batch.num_rows

    def quarantine(self, batch: pa.RecordBatch) -> None:
        """Pushes rows that did not fit, in QUARANTINE_SCHEMA."""
        self._send(self._exactly(batch, QUARANTINE_SCHEMA), pb.FRAME_KIND_QUARANTINE)
        self._quarantined += batch.num_rows

    def members(self, batch: pa.RecordBatch) -> None:
        """Pushes members of the replaced window: its `member_columns`, with their types of the declared schema."""
        columns = self._spec.window.member_columns if self._spec.window else ()
        declared = pa.schema([self._spec.schema.field(name) for name in columns])
        self._send(self._exactly(batch, declared), pb.FRAME_KIND_MEMBERS)

    def commit(
        self, *, checkpoint: str | None = None, control_totals: Sequence[ControlTotal] = ()
    ) -> WriteResult:
        """Asks for the commit and waits for the receipt. One that had to be asked for again, as its answer was lost, is
        a `repeat`: whether it is of these very rows cannot be said.

        Raises:
            OutcomeUnknownError: The answer was lost and the server could not say what became of the write.
            LakeError: Nothing was committed.
        """
        commit = CommitRequest(
            self._sequence,
            self._rows,
            self._quarantined,
            self._hash.digest(),
            checkpoint,
            tuple(control_totals),
        )
        self._put(pb.WriteRequest(commit=convert.commit_to_wire(commit)))
        self._committing = True
        self._outgoing.put(None)
        try:
            while True:
                response = self._next()
                if response.HasField("receipt"):
                    return convert.result_from_wire(response.receipt)
        except BusyError as error:
            if error.reason not in _LOST:
                raise
            return self._settle(error)

    def _settle(self, lost: LakeError) -> WriteResult:
        """Asks what became of the write; the commit goes on in the server when the call is gone."""
        deadline = time.monotonic() + _CALL_SECONDS
        while time.monotonic() < deadline:
            try:
                status = self._client.get_write(self._spec.table, self._spec.write_id)
            except BusyError:
                break
            if status.result is not None:
                # Perhaps not ours: an earlier delivery of this id may have held other rows, and its commit was slow.
                return replace(status.result, repeat=True)
            if status.state is WriteState.UNKNOWN:
                # Not a BusyError: a server that is ending, or another one than was asked, may still commit it.
                break
            time.sleep(0.2)
        raise OutcomeUnknownError(
            f"{self._spec.table}: the answer to write {self._spec.write_id} was lost ({lost.reason}) and the"
            " lake writer does not say what became of it; send the same write again",
            reason="OUTCOME_UNKNOWN",
        )

    def _exactly(self, batch: pa.RecordBatch, declared: pa.Schema) -> pa.RecordBatch:
        """The batch in the declared order. Nothing is cast: that would turn 1.7 into 1 or "12" into 12, and a frame
        carries no types, so the server would read a column of another type as other values.
        """
        types = dict(zip(batch.schema.names, batch.schema.types, strict=True))
        wrong = [
            f"{column.name!r} is {types.get(column.name, 'missing')}, not {column.type}"
            for column in declared
            if types.get(column.name) != column.type
        ]
        wrong += [f"{name!r} is not declared" for name in types if name not in declared.names]
        if wrong or len(batch.schema) != len(declared):
            raise RejectedError(
                f"{self._spec.table}: a batch differs from the declared schema:"
                f" {'; '.join(wrong[:5]) or 'a column is there twice'}",
                reason="SCHEMA_MISMATCH",
            )
        return pa.RecordBatch.from_arrays([batch.column(name) for name in declared.names], schema=declared)

    def _send(self, batch: pa.RecordBatch, kind: pb.FrameKind.ValueType) -> None:
        for message, _ in encode_batches(batch):
            self._hash.update(message)
            self._put(
                pb.WriteRequest(frame=pb.Frame(sequence=self._sequence, kind=kind, record_batch=message))
            )
            self._sequence += 1
            self._unacknowledged += 1
            while self._unacknowledged > _UNACKNOWLEDGED:
                self._next()
                self._unacknowledged -= 1

    def _put(self, request: pb.WriteRequest) -> None:
        while True:
            # A refused write must surface here and not block for ever on a queue that nobody empties.
            if not self._responses.is_active():
                self._drain()
            try:
                self._outgoing.put(request, timeout=0.5)
                return
            except queue.Full:
                continue

    def _drain(self) -> None:
        """Reads on to the error that ended the call."""
        while True:
            self._next()

    def _next(self) -> pb.WriteResponse:
        try:
            return next(self._responses)
        except StopIteration:
            raise BusyError(f"{self._spec.table}: the lake writer ended the call", reason="ENDED") from None
        except grpc.RpcError as error:
            raise from_remote(from_rpc_error(error), str(self._spec.table)) from None


# Statuses that the channel makes up when the connection is gone (the server's own carry a reason), and what the
# server itself calls unknown.
_LOST = frozenset(
    {"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "UNKNOWN", "INTERNAL", "ENDED", "OUTCOME_UNKNOWN"}
)
