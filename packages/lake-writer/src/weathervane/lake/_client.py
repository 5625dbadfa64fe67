"""The client of LakeWriterService."""

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
# The channel may retry these; never Write, which is a stream.
_RETRIED = tuple(
    f"{_SERVICE}/{method}"
    for method in ("GetWrite", "DescribeTable", "ListTables", "GetCheckpoint", "ListPositions")
)
_CALL_SECONDS = 30.0


class LakeClient(Caller):
    """A client of the lake writer at `target` (`host:port`). Thread-safe; close it, or use it in a `with` block."""

    def __init__(self, target: str) -> None:
        super().__init__(target, _RETRIED)
        self._stub = pb_grpc.LakeWriterServiceStub(self._channel)

    def begin(self, spec: WriteSpec) -> Upload:
        """Opens a write. Use it in a `with` block; if the block ends without `commit()`, nothing is committed.

        Raises:
            RejectedError: The server refuses the header (schema, keys, stale checkpoint).
            BusyError: The server is full, draining or unreachable.
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
        """Sends a complete write and returns its receipt.

        Args:
            spec: The header.
            batches: The rows.
            quarantined: Rows to set aside, in QUARANTINE_SCHEMA.
            members: Members of the replaced window.
            checkpoint: The new checkpoint; None leaves it as it is.
            control_totals: The vendor's figures and ours; the write is refused if they differ.

        Raises:
            LakeError: As its class says. If it is `retriable`, the write may be sent again with the same id.
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
        """The state of a write, with its receipt if it is committed.

        Raises:
            InvalidNameError: The write id is not valid.
            LakeError: As its class says.
        """
        request = pb.GetWriteRequest(table=convert.table_to_wire(table), write_id=check_write_id(write_id))
        return convert.status_from_wire(
            self._call(table, lambda: self._stub.GetWrite(request, timeout=_CALL_SECONDS))
        )

    def describe(self, table: TableRef) -> TableDescription:
        """Describes a table.

        Raises:
            NotFoundError: The table does not exist.
            LakeError: As its class says.
        """
        request = pb.DescribeTableRequest(table=convert.table_to_wire(table))
        response = self._call(table, lambda: self._stub.DescribeTable(request, timeout=_CALL_SECONDS))
        return convert.description_from_wire(response.table)

    def tables(self, tenant: str) -> Iterator[TableRef]:
        """A tenant's tables, in the order of their names.

        Raises:
            InvalidNameError: The tenant's name is not valid.
            LakeError: As its class says.
        """
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
        """The table's checkpoint; its value is None if no write has set one, or if the table does not exist.

        Raises:
            CorruptedError: There is a checkpoint, and it cannot be read.
            LakeError: As its class says.
        """
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
        """Reads a table as a stream of record batches (`.read_all()` gives a pyarrow table).

        Args:
            table: The table.
            columns: The columns to read; all if empty.
            ranges: Conditions that every returned row meets, e.g. a range of dates.
            version: The Delta version; None is the newest.

        Raises:
            NotFoundError: The table or the version does not exist, or the version was vacuumed.
            LakeError: As its class says; also while the batches are read.
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
