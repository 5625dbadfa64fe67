"""A source's words -> the wire: pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from weathervane.lake import encode_schema
from weathervane.source._definition import Finding, Severity, SourceDefinition
from weathervane.source._progress import Progress
from weathervane.source._run.engine import IngestionSummary
from weathervane.source._serve.runs import RunEvent, RunState
from weathervane.source._table.dataset import Dataset
from weathervane.source.v1 import source_pb2 as pb

__all__ = ["checked", "described", "event_to_wire"]

_SEVERITIES = {
    Severity.INFO: pb.SEVERITY_INFO,
    Severity.WARNING: pb.SEVERITY_WARNING,
    Severity.ERROR: pb.SEVERITY_ERROR,
}
_STATES = {
    RunState.PENDING: pb.RUN_STATE_PENDING,
    RunState.RUNNING: pb.RUN_STATE_RUNNING,
    RunState.LOADED: pb.RUN_STATE_LOADED,
    RunState.VERIFIED_EMPTY: pb.RUN_STATE_VERIFIED_EMPTY,
    RunState.INCOMPLETE: pb.RUN_STATE_INCOMPLETE,
    RunState.FAILED: pb.RUN_STATE_FAILED,
    RunState.DEFERRED: pb.RUN_STATE_DEFERRED,
    RunState.CANCELLED: pb.RUN_STATE_CANCELLED,
}


def described(definition: SourceDefinition) -> pb.DescribeSourceResponse:
    """What a source is."""
    return pb.DescribeSourceResponse(
        source=definition.name,
        package_version=definition.package_version,
        api_version=definition.api_version,
        api_version_ends=definition.api_version_ends.isoformat(),
        flows=[
            pb.FlowDescription(name=flow.name, datasets=[dataset.name for dataset in flow.datasets])
            for flow in definition.flows
        ],
        datasets=[_dataset(dataset) for dataset in definition.datasets],
    )


def checked(findings: list[Finding]) -> pb.CheckTenantResponse:
    """What a check found."""
    return pb.CheckTenantResponse(
        ok=all(finding.severity is not Severity.ERROR for finding in findings),
        findings=[
            pb.Finding(severity=_SEVERITIES[finding.severity], reason=finding.reason, message=finding.message)
            for finding in findings
        ],
    )


def event_to_wire(event: RunEvent) -> pb.WatchIngestResponse:
    """One event of a run."""
    slice = _slice(event.progress) if event.progress else None
    if event.receipt is not None:
        slice = _slice_of_row(event.receipt)
    return pb.WatchIngestResponse(
        time=_time(event.time),
        state=_STATES[event.state],
        message=event.message,
        slice=slice,
        result=_result(event.summary) if event.summary else None,
    )


def _dataset(dataset: Dataset) -> pb.DatasetDescription:
    return pb.DatasetDescription(
        name=dataset.name,
        unique_keys=dataset.unique_keys,
        cursor=dataset.cursor or "",
        look_back_seconds=int(dataset.look_back.total_seconds()),
        arrow_schema=encode_schema(dataset.schema),
    )


def _slice(progress: Progress) -> pb.SliceResult | None:
    receipt = progress.result
    if receipt is None:
        return None
    return pb.SliceResult(
        dataset=receipt.table.dataset,
        slice=progress.slice or "",
        rows_received=receipt.rows_received,
        rows_inserted=receipt.rows_inserted,
        rows_updated=receipt.rows_updated,
        rows_unchanged=receipt.rows_unchanged,
        rows_deleted=receipt.rows_deleted,
        rows_quarantined=receipt.rows_quarantined,
        table_version=receipt.table_version,
        checkpoint=receipt.checkpoint or "",
        values_quarantined=receipt.values_quarantined,
    )


def _slice_of_row(row: Mapping[str, Any]) -> pb.SliceResult:
    return pb.SliceResult(
        dataset=row["dataset"],
        slice=row["slice"],
        rows_received=row["received"],
        rows_inserted=row["new"],
        rows_updated=row["updated"],
        rows_unchanged=row["unchanged"],
        rows_deleted=row["removed"],
        rows_quarantined=row["quarantined"],
        table_version=row["version"],
        checkpoint=row["checkpoint"],
        # A run of an older version does not tell them.
        values_quarantined=row.get("values_quarantined", 0),
    )


def _result(summary: IngestionSummary) -> pb.IngestResult:
    return pb.IngestResult(
        path=summary.path,
        row_count=summary.row_count,
        new_rows=summary.metadata["new_rows"],
        # A worker of an older version does not tell them.
        set_aside_rows=summary.metadata.get("set_aside_rows", 0),
        updated_rows=summary.metadata["updated_rows"],
        total_rows=summary.metadata["total_rows"],
        checkpoint=summary.metadata["checkpoint"] or "",
    )


def _time(time: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(time.astimezone(UTC).replace(tzinfo=None))
    return stamp
