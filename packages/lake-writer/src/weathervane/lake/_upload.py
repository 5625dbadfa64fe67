"""The client's side of one write: sends frames in the background, then commits, and asks if the answer is lost."""

from __future__ import annotations

import hashlib
import queue
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

import grpc
import pyarrow as pa

from weathervane.lake import _convert as convert
from weathervane.lake._arrow import encode_batches
from weathervane.lake._errors import BusyError, LakeError, OutcomeUnknownError, RejectedError, from_remote
from weathervane.lake._model import (
    QUARANTINE_SCHEMA,
    CommitRequest,
    ControlTotal,
    TableRef,
    WriteResult,
    WriteSpec,
    WriteState,
    WriteStatus,
)
from weathervane.lake.v1 import lake_writer_pb2 as pb
from weathervane.lake.v1 import lake_writer_pb2_grpc as pb_grpc
from weathervane.rpc import from_rpc_error

__all__ = ["Upload"]

_ASK_SECONDS = 30.0
# Frames that may wait to be sent. This limits the memory of a fast producer to 8 times about 1 MiB.
_WINDOW = 8
# Frames that may be unacknowledged. Acknowledgements are read meanwhile, so that the server does not block on them.
_UNACKNOWLEDGED = 32
# Reasons of a lost answer: statuses that the channel reports when the connection is lost (those of the server have a
# reason of their own), and the server's own OUTCOME_UNKNOWN.
_LOST = frozenset(
    {"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "UNKNOWN", "INTERNAL", "ENDED", "OUTCOME_UNKNOWN"}
)


class Upload:
    """An open write: push batches, then commit. Not thread-safe.

    Frames are sent in the background while the caller makes the next ones; at most about 8 MiB wait in memory.
    """

    def __init__(
        self,
        stub: pb_grpc.LakeWriterServiceStub,
        spec: WriteSpec,
        ask: Callable[[TableRef, str], WriteStatus],
    ) -> None:
        """Opens a write; use `LakeClient.begin`.

        Args:
            stub: The server's stub.
            spec: The header.
            ask: Asks the server for the state of a write (`LakeClient.get_write`).
        """
        self._spec = spec
        self._ask = ask
        self._outgoing: queue.Queue[pb.WriteRequest | None] = queue.Queue(_WINDOW)
        self._sequence = 0
        self._rows = 0
        self._quarantined = 0
        self._values = 0
        self._hash = hashlib.sha256()
        self._outgoing.put(pb.WriteRequest(header=convert.spec_to_wire(spec)))
        self._responses = stub.Write(iter(self._outgoing.get, None))
        self._committing = False
        self._unacknowledged = 0
        self.already_committed = False
        """Whether the write is in the table already. `get_write` has its receipt, and so has a repeat."""
        try:
            taken = self._next().acknowledgement
            self.already_committed = taken.already_committed
            if spec.partition and convert.PARTITIONS not in taken.features:
                raise RejectedError(
                    f"{spec.table}: the lake writer is of a version that knows no partitions; deploy a newer"
                    " weathervane-lake-writer before the sources that need it",
                    reason="UNKNOWN_FEATURE",
                )
        except BaseException:
            # __exit__ will not be called, and gRPC's sending thread would wait for ever.
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
        # None ends gRPC's sending thread; queued frames are dropped to make room for it.
        while True:
            try:
                self._outgoing.put_nowait(None)
                return
            except queue.Full:
                self._outgoing.get_nowait()

    @property
    def rows_sent(self) -> int:
        """Rows pushed so far, without those set aside."""
        return self._rows

    @property
    def rows_quarantined(self) -> int:
        """Rows set aside so far."""
        return self._quarantined

    def rows(self, batch: pa.RecordBatch) -> None:
        """Pushes rows of the declared schema; the columns may be in any order.

        Raises:
            RejectedError: A column or a type differs from the declared schema; nothing of the batch was sent.
            RowTooLargeError: A row does not fit into a frame.
            LakeError: The server has refused an earlier frame, or the connection is lost.
        """
        self._send(self._exactly(batch, self._spec.schema), pb.FRAME_KIND_ROWS)
        self._rows += batch.num_rows

    def changes(self, batch: pa.RecordBatch) -> None:
        """Pushes complete rows that were made by applying changes to the table's rows; they win over those of `rows`.

        Raises the errors of `rows`.
        """
        self._send(self._exactly(batch, self._spec.schema), pb.FRAME_KIND_ROWS, laid_over=True)
        self._rows += batch.num_rows

    def quarantine(self, batch: pa.RecordBatch) -> None:
        """Pushes rows to set aside, in QUARANTINE_SCHEMA."""
        self._send(self._exactly(batch, QUARANTINE_SCHEMA), pb.FRAME_KIND_QUARANTINE)
        self._quarantined += batch.num_rows

    def values(self, batch: pa.RecordBatch) -> None:
        """Pushes single values to set aside, in QUARANTINE_SCHEMA; `rows` pushes their rows, with NULL instead."""
        self._send(self._exactly(batch, QUARANTINE_SCHEMA), pb.FRAME_KIND_VALUES)
        self._values += batch.num_rows

    def members(self, batch: pa.RecordBatch) -> None:
        """Pushes members of the replaced window: its `member_columns`, with the types of the declared schema."""
        columns = self._spec.window.member_columns if self._spec.window else ()
        declared = pa.schema([self._spec.schema.field(name) for name in columns])
        self._send(self._exactly(batch, declared), pb.FRAME_KIND_MEMBERS)

    def commit(
        self, *, checkpoint: str | None = None, control_totals: Sequence[ControlTotal] = ()
    ) -> WriteResult:
        """Asks for the commit and waits for the receipt.

        If the answer is lost, the receipt is asked for, and it is then a `repeat`, because it may be of an earlier
        delivery with other rows.

        Args:
            checkpoint: The new checkpoint; None leaves it as it is.
            control_totals: The vendor's figures and ours; the write is refused if they differ.

        Raises:
            OutcomeUnknownError: The answer was lost, and the server does not know the write's outcome.
            LakeError: Nothing was committed.
        """
        commit = CommitRequest(
            self._sequence,
            self._rows,
            self._quarantined,
            self._hash.digest(),
            checkpoint,
            tuple(control_totals),
            self._values,
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
        """Asks for the write's outcome; the server finishes the commit even if the call is lost."""
        deadline = time.monotonic() + _ASK_SECONDS
        while time.monotonic() < deadline:
            try:
                status = self._ask(self._spec.table, self._spec.write_id)
            except BusyError:
                break
            if status.result is not None:
                # It may be the receipt of an earlier delivery of this id, with other rows and a slow commit.
                return replace(status.result, repeat=True)
            if status.state is WriteState.UNKNOWN:
                # Not a BusyError, because a server that is shutting down, or another replica, may still commit it.
                break
            time.sleep(0.2)
        raise OutcomeUnknownError(
            f"{self._spec.table}: the answer to write {self._spec.write_id} was lost ({lost.reason}) and the"
            " lake writer does not say what became of it; send the same write again",
            reason="OUTCOME_UNKNOWN",
        )

    def _exactly(self, batch: pa.RecordBatch, declared: pa.Schema) -> pa.RecordBatch:
        """The batch with its columns in the declared order. Nothing is cast, which could turn 1.7 into 1 or "12" into
        12. A frame has no types, so the server would decode a column of another type as other values.
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

    def _send(self, batch: pa.RecordBatch, kind: pb.FrameKind.ValueType, *, laid_over: bool = False) -> None:
        for message, _ in encode_batches(batch):
            self._hash.update(message)
            frame = pb.Frame(sequence=self._sequence, kind=kind, record_batch=message, laid_over=laid_over)
            self._put(pb.WriteRequest(frame=frame))
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
