"""The flows that keep tables small and quick."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

from prefect import flow, task
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from weathervane.flow import EVERY_TENANT, Reports, Row, counted, run_name
from weathervane.lake import LakeClient, MaintenanceClient, TableRef, lake_address
from weathervane.lake.flows.tenants import TRIED_AGAIN, each_table, each_tenant, total

__all__ = ["compact_lake", "vacuum_lake"]

_VERSION = version("weathervane-lake-writer")
_WEEK = 168


@flow(name="compact_lake", version=_VERSION, flow_run_name=run_name)
def compact_lake(tenant_id: str = EVERY_TENANT) -> Reports:
    """Puts the small files of every table together. Rows, checkpoints and receipts stay as they are.

    Args:
        tenant_id: A tenant; `*` takes every tenant of the lake.
    """

    def end(reports: Reports, what: str) -> State[Reports]:
        before, after = (total(reports, name) for name in ("files before", "files after"))
        message = f"{what}: {counted(before, 'file')} before, {after:,} after"
        return Completed(name="Compacted", message=message, data=reports)

    return each_tenant("compaction", tenant_id, compact_tenant, end=end)


@flow(name="vacuum_lake", version=_VERSION, flow_run_name=run_name)
def vacuum_lake(
    tenant_id: str = EVERY_TENANT,
    retention_hours: Annotated[int, Field(ge=1)] = _WEEK,
    dry_run: bool = False,
) -> Reports:
    """Deletes data files that no version within the retention needs.

    Args:
        tenant_id: A tenant; `*` takes every tenant of the lake.
        retention_hours: Versions that were current within so many hours can still be read. The lake writer takes a
            week at least.
        dry_run: Only count what would be deleted.
    """

    def end(reports: Reports, what: str) -> State[Reports]:
        files, size = (total(reports, name) for name in ("files deleted", "bytes deleted"))
        would = "would be " if dry_run else ""
        message = f"{what}: {counted(files, 'file')} of {counted(size, 'byte')} {would}deleted"
        return Completed(name="Counted" if dry_run else "Vacuumed", message=message, data=reports)

    return each_tenant("vacuum", tenant_id, vacuum_tenant, retention_hours, dry_run, end=end)


@task(task_run_name="{tenant} · compaction", **TRIED_AGAIN)
def compact_tenant(tenant: str) -> list[Row]:
    """Compacts a tenant's tables."""
    with MaintenanceClient(lake_address()) as upkeep:

        def work(lake: LakeClient, table: TableRef) -> Row:
            done = upkeep.compact(table)
            return {
                "files before": done.files_before,
                "files after": done.files_after,
                "bytes before": done.bytes_before,
                "bytes after": done.bytes_after,
                "rows rewritten": done.rows_rewritten,
                "version": done.table_version,
                "state": "compacted" if done.commits else "compact already",
            }

        return each_table("compaction", tenant, work)


@task(task_run_name="{tenant} · vacuum", **TRIED_AGAIN)
def vacuum_tenant(tenant: str, retention_hours: int, dry_run: bool) -> list[Row]:
    """Vacuums a tenant's tables, those of its rejects too."""
    with MaintenanceClient(lake_address()) as upkeep:

        def work(lake: LakeClient, table: TableRef) -> Row:
            done = upkeep.vacuum(table, retention_hours=retention_hours, dry_run=dry_run)
            return {
                "files deleted": done.files_deleted,
                "bytes deleted": done.bytes_deleted,
                "files kept": done.files_kept,
                "bytes kept": done.bytes_kept,
                "versions": f"{done.oldest_version} to {done.table_version}",
                "retention (h)": done.retention_hours,
                "state": "counted only" if dry_run else "vacuumed",
            }

        return each_table("vacuum", tenant, work)
