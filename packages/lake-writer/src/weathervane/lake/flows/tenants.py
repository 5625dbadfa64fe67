"""What the lake's flows share: which tenants there are, which tables a tenant has, and when a task is tried again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State

from weathervane import flow
from weathervane.flow import EVERY_TENANT, PartsFailedError, Reports, Row, mendable
from weathervane.lake import (
    InvalidNameError,
    LakeClient,
    MaintenanceClient,
    NotFoundError,
    TableRef,
    check_name,
    lake_address,
)

__all__ = ["TRIED_AGAIN", "each_table", "each_tenant", "total"]

TRIED_AGAIN: dict[str, Any] = {
    "retries": 2,
    "retry_delay_seconds": [5, 20],
    "retry_condition_fn": mendable,
    "cache_policy": NO_CACHE,
    "persist_result": False,
}
"""Options of every task of these flows: the work is done anew, and what was done already costs little."""


def each_tenant(
    what: str,
    tenant_id: str,
    work: Task[..., list[Row]],
    *arguments: Any,
    end: Callable[[Reports, str], State[Reports]],
) -> Reports:
    """Does the work for one tenant of the lake or for all: see `weathervane.flow.each_tenant`."""

    def tenants() -> list[str]:
        try:
            return _tenants() if tenant_id == EVERY_TENANT else [check_name("tenant", tenant_id)]
        except InvalidNameError as error:
            raise PartsFailedError(str(error)) from None

    note = "No checkpoint was moved and no row changed."
    return flow.each_tenant(what, tenant_id, work, *arguments, tenants=tenants, end=end, note=note)


def each_table(what: str, tenant: str, work: Callable[[LakeClient, TableRef], Row | None]) -> list[Row]:
    """Does the work for every table of a tenant: see `weathervane.flow.each_table`.

    Raises:
        PartsFailedError: Tables that failed, after all were tried.
        LakeError: The tables cannot be listed; NotFoundError if there are none of this tenant.
    """
    with LakeClient(lake_address()) as lake:
        tables = {table.dataset: partial(work, lake, table) for table in lake.tables(tenant)}
        if not tables:
            raise NotFoundError(f"{tenant}: the lake has no table of this tenant; is the name right?")
        return flow.each_table(what, tenant, tables)


def total(reports: Reports, column: str) -> int:
    """The sum of a column."""
    return sum(int(row[column]) for rows in reports.values() for row in rows)


@task(name="list_tenants", task_run_name="tenants of the lake", **TRIED_AGAIN)
def _tenants() -> list[str]:
    """Every tenant that has a table; a folder alone is nobody yet."""
    with MaintenanceClient(lake_address()) as upkeep, LakeClient(lake_address()) as lake:
        return [tenant for tenant in upkeep.tenants() if any(True for _ in lake.tables(tenant))]
