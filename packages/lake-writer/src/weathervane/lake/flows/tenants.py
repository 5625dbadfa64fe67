"""What the lake's flows share: which tenants there are, and how every table of one is worked on.

A tenant's table artifact is `<what>--<tenant>--tables`, a row a table; `what` is `compaction`, `vacuum` or `freshness`.
Artifacts hold names, counts and times; never a row. The rest is as `weathervane.flow.each_tenant` has it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prefect import Task, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State

from weathervane.flow import (
    EVERY_TENANT,
    PartsFailedError,
    Reports,
    Row,
    artifact_key,
    each_tenant,
    guarded,
    listed,
    mendable,
)
from weathervane.lake import (
    InvalidNameError,
    LakeClient,
    LakeError,
    MaintenanceClient,
    NotFoundError,
    TableRef,
    check_name,
    lake_address,
)

__all__ = ["TRIED_AGAIN", "counted", "each_table", "of_each_tenant", "total"]

TRIED_AGAIN: dict[str, Any] = {
    "retries": 2,
    "retry_delay_seconds": [5, 20],
    "retry_condition_fn": mendable,
    "cache_policy": NO_CACHE,
    "persist_result": False,
}
"""Options of every task of these flows: the work is done anew, and what was done already costs little."""


def of_each_tenant(
    what: str,
    tenant_id: str,
    work: Task[..., list[Row]],
    *arguments: Any,
    end: Callable[[Reports, str], State[Reports]],
) -> Reports:
    """Does the work for one tenant of the lake or for all: see `each_tenant`. `end` is also told how much that was."""

    def tenants() -> list[str]:
        try:
            return _tenants() if tenant_id == EVERY_TENANT else [check_name("tenant", tenant_id)]
        except InvalidNameError as error:
            raise PartsFailedError(str(error)) from None

    def ended(reports: Reports) -> State[Reports]:
        tables = sum(map(len, reports.values()))
        return end(reports, f"{counted(len(reports), 'tenant')}, {counted(tables, 'table')}")

    note = "No checkpoint was moved and no row changed."
    return each_tenant(what, tenant_id, work, *arguments, tenants=tenants, end=ended, note=note)


def each_table(tenant: str, what: str, work: Callable[[LakeClient, TableRef], Row | None]) -> list[Row]:
    """Does the work for every table of a tenant, whatever became of the one before, and leaves a table artifact.

    Args:
        tenant: The tenant.
        what: The work, as the artifact's key names it.
        work: Gives a table's row, with its `state`; None for a table that is not shown.

    Raises:
        PartsFailedError: Tables that failed, after all were tried.
        LakeError: The tables cannot be listed; NotFoundError if there are none of this tenant.
    """
    rows: list[Row] = []
    errors: list[LakeError] = []
    with LakeClient(lake_address()) as lake:
        tables = list(lake.tables(tenant))
        if not tables:
            raise NotFoundError(f"{tenant}: the lake has no table of this tenant; is the name right?")
        for table in tables:
            try:
                row = work(lake, table)
            except LakeError as error:
                errors.append(error)
                row = {"state": f"failed: {error}"}
            if row is not None:
                rows.append({"dataset": table.dataset, "state": row["state"]} | row)
    columns: Row = dict.fromkeys((name for row in rows for name in row), "")
    rows = [columns | row for row in rows]
    title = f"{tenant}: {what}"
    guarded(title, lambda: create_table_artifact(rows, f"{artifact_key(what, tenant)}--tables", title))
    if errors:
        message = f"{len(errors)} of {len(tables)} tables failed: {listed([str(error) for error in errors])}"
        raise PartsFailedError(message, retriable=any(error.retriable for error in errors))
    return rows


def counted(number: int, noun: str) -> str:
    """E.g. `1 table`, `2 tables`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def total(reports: Reports, column: str) -> int:
    """The sum of a column."""
    return sum(int(row[column]) for rows in reports.values() for row in rows)


@task(name="list_tenants", task_run_name="tenants of the lake", **TRIED_AGAIN)
def _tenants() -> list[str]:
    """Every tenant that has a table; a folder alone is nobody yet."""
    with MaintenanceClient(lake_address()) as upkeep, LakeClient(lake_address()) as lake:
        return [tenant for tenant in upkeep.tenants() if any(True for _ in lake.tables(tenant))]
