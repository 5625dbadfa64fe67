"""Converts messages of LakeWriterService to the types of `_model`, and back; pure functions."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from weathervane.lake._arrow import decode_schema, encode_schema
from weathervane.lake._model import (
    ColumnRange,
    CommitRequest,
    ControlTotal,
    Counts,
    ReadSpec,
    ReplaceWindow,
    TableDescription,
    TableRef,
    WriteMode,
    WriteResult,
    WriteSpec,
    WriteState,
    WriteStatus,
)
from weathervane.lake.v1 import lake_writer_pb2 as pb

PARTITIONS = "partitions"
"""The feature of a header that names a partition: a server that ignored it would move the table's checkpoint."""
_MODES = {
    WriteMode.APPEND: pb.WRITE_MODE_APPEND,
    WriteMode.UPSERT: pb.WRITE_MODE_UPSERT,
    WriteMode.REPLACE_WINDOW: pb.WRITE_MODE_REPLACE_WINDOW,
}
_MODES_BACK = {wire: mode for mode, wire in _MODES.items()}
_STATES = {
    WriteState.COMMITTED: pb.WRITE_STATE_COMMITTED,
    WriteState.IN_PROGRESS: pb.WRITE_STATE_IN_PROGRESS,
    WriteState.UNKNOWN: pb.WRITE_STATE_UNKNOWN,
}
_STATES_BACK = {wire: state for state, wire in _STATES.items()}


def table_to_wire(table: TableRef) -> pb.TableRef:
    """A table's name."""
    return pb.TableRef(tenant=table.tenant, dataset=table.dataset)


def table_from_wire(message: pb.TableRef) -> TableRef:
    """A table's name; raises InvalidNameError."""
    return TableRef(message.tenant, message.dataset)


def spec_to_wire(spec: WriteSpec) -> pb.WriteHeader:
    """A write's header."""
    header = pb.WriteHeader(
        table=table_to_wire(spec.table),
        write_id=spec.write_id,
        mode=_MODES[spec.mode],
        arrow_schema=encode_schema(spec.schema),
        unique_keys=spec.unique_keys,
        cluster_by=spec.cluster_by or "",
        version_column=spec.version_column or "",
        refuse_conflicting_rows=spec.refuse_conflicting_rows,
        partition=spec.partition,
        required_features=[PARTITIONS] if spec.partition else [],
    )
    if spec.check_checkpoint:
        header.expected_checkpoint = spec.expected_checkpoint or ""
    if spec.window is not None:
        header.window.CopyFrom(
            pb.ReplaceWindow(
                ranges=[_range_to_wire(r) for r in spec.window.ranges],
                member_columns=spec.window.member_columns,
            )
        )
    return header


def spec_from_wire(header: pb.WriteHeader, schema: object) -> WriteSpec:
    """A write's header; the server has already decoded and checked its schema.

    Raises:
        InvalidNameError: A name or the write id is not valid.
        KeyError: The mode is not known.
    """
    window = None
    if header.HasField("window"):
        window = ReplaceWindow(
            tuple(_range_from_wire(r) for r in header.window.ranges), tuple(header.window.member_columns)
        )
    return WriteSpec(
        table=table_from_wire(header.table),
        write_id=header.write_id,
        mode=_MODES_BACK[header.mode],
        schema=schema,
        unique_keys=tuple(header.unique_keys),
        cluster_by=header.cluster_by or None,
        version_column=header.version_column or None,
        check_checkpoint=header.HasField("expected_checkpoint"),
        expected_checkpoint=header.expected_checkpoint or None,
        window=window,
        refuse_conflicting_rows=header.refuse_conflicting_rows,
        partition=header.partition,
    )


def commit_to_wire(commit: CommitRequest) -> pb.WriteCommit:
    """A write's last message."""
    return pb.WriteCommit(
        frame_count=commit.frame_count,
        row_count=commit.row_count,
        quarantined_count=commit.quarantined_count,
        sha256=commit.sha256,
        checkpoint=commit.checkpoint,
        control_totals=[_total_to_wire(total) for total in commit.control_totals],
        value_count=commit.value_count,
    )


def commit_from_wire(message: pb.WriteCommit) -> CommitRequest:
    """A write's last message."""
    return CommitRequest(
        frame_count=message.frame_count,
        row_count=message.row_count,
        quarantined_count=message.quarantined_count,
        sha256=message.sha256,
        checkpoint=message.checkpoint if message.HasField("checkpoint") else None,
        control_totals=tuple(_total_from_wire(total) for total in message.control_totals),
        value_count=message.value_count,
    )


def result_to_wire(result: WriteResult) -> pb.Receipt:
    """A receipt."""
    return pb.Receipt(
        table=table_to_wire(result.table),
        write_id=result.write_id,
        table_version=result.table_version,
        **result.counts(),
        total_rows=result.total_rows,
        checkpoint=result.checkpoint,
        committed_at=time_to_wire(result.committed_at),
        repeat=result.repeat,
        control_totals=[_total_to_wire(total) for total in result.control_totals],
        table_uri=result.table_uri,
    )


def result_from_wire(receipt: pb.Receipt) -> WriteResult:
    """A receipt."""
    return WriteResult(
        table=table_from_wire(receipt.table),
        write_id=receipt.write_id,
        table_version=receipt.table_version,
        **{name: getattr(receipt, name) for name in Counts.words()},
        total_rows=receipt.total_rows,
        checkpoint=receipt.checkpoint if receipt.HasField("checkpoint") else None,
        committed_at=receipt.committed_at.ToDatetime(tzinfo=UTC),
        table_uri=receipt.table_uri,
        control_totals=tuple(_total_from_wire(total) for total in receipt.control_totals),
        repeat=receipt.repeat,
    )


def status_to_wire(status: WriteStatus) -> pb.GetWriteResponse:
    """The state of a write."""
    return pb.GetWriteResponse(
        state=_STATES[status.state],
        receipt=result_to_wire(status.result) if status.result is not None else None,
    )


def status_from_wire(response: pb.GetWriteResponse) -> WriteStatus:
    """The state of a write."""
    return WriteStatus(
        _STATES_BACK[response.state],
        result_from_wire(response.receipt) if response.HasField("receipt") else None,
    )


def description_to_wire(description: TableDescription) -> pb.TableDescription:
    """A table's description."""
    return pb.TableDescription(
        table=table_to_wire(description.table),
        version=description.version,
        arrow_schema=encode_schema(description.schema),
        unique_keys=description.unique_keys,
        cluster_by=description.cluster_by or "",
        version_column=description.version_column or "",
        total_rows=description.total_rows,
        size_bytes=description.size_bytes,
        file_count=description.file_count,
        checkpoint=description.checkpoint,
        table_uri=description.table_uri,
        committed_at=time_to_wire(description.committed_at) if description.committed_at else None,
        last_write_at=time_to_wire(description.last_write_at) if description.last_write_at else None,
    )


def description_from_wire(message: pb.TableDescription) -> TableDescription:
    """A table's description."""
    return TableDescription(
        table=table_from_wire(message.table),
        version=message.version,
        schema=decode_schema(message.arrow_schema),
        unique_keys=tuple(message.unique_keys),
        cluster_by=message.cluster_by or None,
        version_column=message.version_column or None,
        total_rows=message.total_rows,
        size_bytes=message.size_bytes,
        file_count=message.file_count,
        checkpoint=message.checkpoint if message.HasField("checkpoint") else None,
        table_uri=message.table_uri,
        committed_at=message.committed_at.ToDatetime(tzinfo=UTC)
        if message.HasField("committed_at")
        else None,
        last_write_at=message.last_write_at.ToDatetime(tzinfo=UTC)
        if message.HasField("last_write_at")
        else None,
    )


def read_to_wire(spec: ReadSpec) -> pb.ReadTableRequest:
    """What to read."""
    return pb.ReadTableRequest(
        table=table_to_wire(spec.table),
        columns=spec.columns,
        ranges=[_range_to_wire(r) for r in spec.ranges],
        version=spec.version,
    )


def read_from_wire(request: pb.ReadTableRequest) -> ReadSpec:
    """What to read; raises InvalidNameError."""
    return ReadSpec(
        table_from_wire(request.table),
        tuple(request.columns),
        tuple(_range_from_wire(r) for r in request.ranges),
        request.version if request.HasField("version") else None,
    )


def time_to_wire(time: datetime) -> Timestamp:
    """A time with a time zone, as a protobuf timestamp."""
    stamp = Timestamp()
    stamp.FromDatetime(time.astimezone(UTC).replace(tzinfo=None))
    return stamp


def _range_to_wire(value: ColumnRange) -> pb.ColumnRange:
    return pb.ColumnRange(column=value.column, lower=value.lower, upper=value.upper)


def _range_from_wire(message: pb.ColumnRange) -> ColumnRange:
    return ColumnRange(message.column, message.lower, message.upper)


def _total_to_wire(total: ControlTotal) -> pb.ControlTotal:
    return pb.ControlTotal(name=total.name, expected=total.expected, actual=total.actual)


def _total_from_wire(message: pb.ControlTotal) -> ControlTotal:
    return ControlTotal(message.name, message.expected, message.actual)
