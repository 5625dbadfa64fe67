"""The client: the server's calls as Python, with errors named by what to do about them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import pyarrow as pa

from weathervane.lake import _convert as convert
from weathervane.lake._arrow import decode_schema
from weathervane.lake._caller import Caller
from weathervane.lake._model import (
    Checkpoint,
    ColumnRange,
    ControlTotal,
    ReadSpec,
    TableDescription,
    TableRef,
    WriteResult,
    WriteSpec,
    WriteStatus,
    check_name,
    check_write_id,
)
from weathervane.lake._upload import Upload
from weathervane.lake.v1 import lake_writer_pb2 as pb
from weathervane.lake.v1 import lake_writer_pb2_grpc as pb_grpc

_SERVICE = "weathervane.lake.v1.LakeWriterService"
# Reads may be sent again by the channel; Write never.
_RETRIED = tuple(
    f"{_SERVICE}/{method}"
    for method in ("GetWrite", "DescribeTable", "ListTables", "GetCheckpoint", "ListPositions")
)
_CALL_SECONDS = 30.0


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
        return Upload(self._stub, spec, self.get_write)

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

    def positions(self, table: TableRef) -> dict[str, str]:
        """The checkpoints of a table's partitions, by their names; empty when there is no table.

        Raises:
            CorruptedError: One of them cannot be read.
            RejectedError: The lake writer is of a version that knows no partitions (UNIMPLEMENTED).
        """
        found: dict[str, str] = {}
        token = ""
        while True:
            request = pb.ListPositionsRequest(
                table=convert.table_to_wire(table), page_size=1_000, page_token=token
            )
            response = self._call(table, partial(self._stub.ListPositions, request, timeout=_CALL_SECONDS))
            found |= {position.partition: position.checkpoint for position in response.positions}
            token = response.next_page_token
            if not token:
                return found

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
