"""The flow that sees whether every table was written lately."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from typing import Annotated

from prefect import flow, task
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import Field

from weathervane.flow import EVERY_TENANT, PartsFailedError, Reports, Row, listed, run_name
from weathervane.lake import LakeClient, NotFoundError, TableRef
from weathervane.lake._model import QUARANTINE_SUFFIX
from weathervane.lake.flows.tenants import TRIED_AGAIN, each_table, each_tenant

__all__ = ["check_freshness"]

_Hours = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@flow(name="check_freshness", version=version("weathervane-lake-writer"), flow_run_name=run_name)
def check_freshness(
    tenant_id: str = EVERY_TENANT,
    max_age_hours: _Hours = 26,
    max_age_hours_by_dataset: dict[str, _Hours | None] | None = None,
) -> Reports:
    """Sees whether every table was written lately. Ends Completed "Fresh", or Failed "Stale" and names the stale ones.

    A write that found nothing new counts: its source has looked. Compaction does not.

    Args:
        tenant_id: A tenant; `*` takes every tenant of the lake.
        max_age_hours: So old may a table's last write be. Default: a day, and two hours to be late.
        max_age_hours_by_dataset: Those that are written less often, e.g. weekly; null for one that is not watched,
            since no schedule writes it.
    """

    def end(reports: Reports, what: str) -> State[Reports]:
        rows = [(tenant, row) for tenant, rows in reports.items() for row in rows]
        stale = [
            f"{tenant}/{row['dataset']} ({row['age (h)']} h, allowed {row['allowed (h)']} h)"
            for tenant, row in rows
            if row["state"] == "stale"
        ]
        if stale:
            message = f"{len(stale)} of {len(rows)} tables are stale: {listed(stale)}"
            return Failed(name="Stale", message=message, data=PartsFailedError(message))
        message = f"{what}, all of them written lately"
        return Completed(name="Fresh", message=message, data=reports)

    allowances = (max_age_hours, max_age_hours_by_dataset or {})
    return each_tenant("freshness", tenant_id, check_tenant, *allowances, end=end)


@task(task_run_name="{tenant} · freshness", **TRIED_AGAIN)
def check_tenant(tenant: str, max_age_hours: float, by_dataset: dict[str, float | None]) -> list[Row]:
    """Looks at a tenant's tables. That of a table's rejects is written when there are some, so it has no age."""
    now = datetime.now(UTC)

    def work(lake: LakeClient, table: TableRef) -> Row | None:
        if table.dataset.endswith(QUARANTINE_SUFFIX):
            return None
        found = lake.describe(table)
        allowed = by_dataset.get(table.dataset, max_age_hours)
        # A table that was made and never written is as old as itself.
        written = found.last_write_at or found.committed_at
        hours = None if written is None else max(0.0, (now - written).total_seconds() / 3600)
        return {
            "age (h)": "unknown" if hours is None else round(hours, 1),
            "allowed (h)": "any" if allowed is None else allowed,
            "last write": _time(found.last_write_at),
            "last commit": _time(found.committed_at),
            "rows": found.total_rows,
            "set aside": _set_aside(lake, table),
            "checkpoint": found.checkpoint or "",
            "version": found.version,
            "state": _state(hours, allowed),
        }

    return each_table("freshness", tenant, work)


def _state(hours: float | None, allowed: float | None) -> str:
    if allowed is None:
        return "not watched"
    return "stale" if hours is None or hours > allowed else "fresh"


def _set_aside(lake: LakeClient, table: TableRef) -> int:
    try:
        return lake.describe(TableRef(table.tenant, f"{table.dataset}{QUARANTINE_SUFFIX}")).total_rows
    except NotFoundError:
        return 0


def _time(time: datetime | None) -> str:
    return "" if time is None else f"{time:%Y-%m-%d %H:%M:%S} UTC"
