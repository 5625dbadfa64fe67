"""A source's words -> the wire: pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from weathervane.lake import encode_schema
from weathervane.source._definition import Finding, Severity, SourceDefinition
from weathervane.source._run.summary import IngestionSummary, counts_in
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

_TOLD = pb.SliceResult.DESCRIPTOR.fields_by_name


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
    return pb.WatchIngestResponse(
        time=_time(event.time),
        state=_STATES[event.state],
        message=event.message,
        slice=_slice(event.receipt) if event.receipt else None,
        result=_result(event.summary) if event.summary else None,
    )


def _dataset(dataset: Dataset) -> pb.DatasetDescription:
    return pb.DatasetDescription(
        name=dataset.name,
        unique_keys=dataset.unique_keys,
        arrow_schema=encode_schema(dataset.schema),
    )


def _slice(row: Mapping[str, Any]) -> pb.SliceResult:
    return pb.SliceResult(
        dataset=row["dataset"],
        slice=row["slice"],
        **{name: count for name, count in counts_in(row).counts().items() if name in _TOLD},
        table_version=row["table_version"],
        checkpoint=row["checkpoint"],
    )


def _result(summary: IngestionSummary) -> pb.IngestResult:
    return pb.IngestResult(
        path=summary.path,
        row_count=summary.row_count,
        new_rows=summary.metadata["new_rows"],
        updated_rows=summary.metadata["updated_rows"],
        total_rows=summary.metadata["total_rows"],
        checkpoint=summary.metadata["checkpoint"] or "",
        set_aside_rows=summary.metadata["set_aside_rows"],
    )


def _time(time: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(time.astimezone(UTC).replace(tzinfo=None))
    return stamp
