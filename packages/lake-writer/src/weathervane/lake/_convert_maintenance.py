"""Converts the messages of LakeMaintenanceService to the types of `_model`, and back; pure functions."""

from __future__ import annotations

from datetime import UTC

from weathervane.lake._convert import table_from_wire, table_to_wire, time_to_wire
from weathervane.lake._model import CompactionResult, VacuumResult
from weathervane.lake.v1 import lake_maintenance_pb2 as pb


def compaction_to_wire(result: CompactionResult, complete: bool) -> pb.CompactTableResponse:
    """The response for one call of CompactTable; `complete` says that nothing is left to compact."""
    return pb.CompactTableResponse(
        table=table_to_wire(result.table),
        committed=bool(result.commits),
        complete=complete,
        table_version=result.table_version,
        files_before=result.files_before,
        files_after=result.files_after,
        bytes_before=result.bytes_before,
        bytes_after=result.bytes_after,
        rows_rewritten=result.rows_rewritten,
    )


def compaction_from_wire(response: pb.CompactTableResponse) -> CompactionResult:
    """The result of one call of CompactTable."""
    return CompactionResult(
        table=table_from_wire(response.table),
        commits=int(response.committed),
        table_version=response.table_version,
        files_before=response.files_before,
        files_after=response.files_after,
        bytes_before=response.bytes_before,
        bytes_after=response.bytes_after,
        rows_rewritten=response.rows_rewritten,
    )


def vacuum_to_wire(result: VacuumResult) -> pb.VacuumTableResponse:
    """The response for a call of VacuumTable."""
    return pb.VacuumTableResponse(
        table=table_to_wire(result.table),
        dry_run=result.dry_run,
        retention_hours=result.retention_hours,
        oldest_version=result.oldest_version,
        table_version=result.table_version,
        files_deleted=result.files_deleted,
        bytes_deleted=result.bytes_deleted,
        files_kept=result.files_kept,
        bytes_kept=result.bytes_kept,
        deleted_until=time_to_wire(result.deleted_until),
    )


def vacuum_from_wire(response: pb.VacuumTableResponse) -> VacuumResult:
    """The result of a call of VacuumTable."""
    return VacuumResult(
        table=table_from_wire(response.table),
        dry_run=response.dry_run,
        retention_hours=response.retention_hours,
        oldest_version=response.oldest_version,
        table_version=response.table_version,
        files_deleted=response.files_deleted,
        bytes_deleted=response.bytes_deleted,
        files_kept=response.files_kept,
        bytes_kept=response.bytes_kept,
        deleted_until=response.deleted_until.ToDatetime(tzinfo=UTC),
    )
