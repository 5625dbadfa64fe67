"""What the lake's flows share: for which tenants a run works, what it shows of each, and how it ends.

Every table of every tenant is tried, whatever became of the one before; then the run fails if any did, and names it.
A tenant is one task run, which is tried again only for errors that this can mend: the work is then done anew, and what
was done already costs little.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, cast

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext
from prefect.runtime import flow_run as runtime
from prefect.states import Completed, Failed

from weathervane.flow import EVERY_TENANT, FlowError, mendable, overtaken_by, prefect_asked, tend
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
from weathervane.lake.flows.report import Row, RunReport, show_tables

__all__ = [
    "EVERY_TENANT",
    "TRIED_AGAIN",
    "Reports",
    "Row",
    "UpkeepError",
    "counted",
    "each_table",
    "each_tenant",
    "listed",
    "run_name",
]

log = logging.getLogger(__name__)

Reports = dict[str, list[Row]]
"""The rows of each tenant."""

_NAMED = 10
"""So many tenants or tables are named in a line; the artifacts have all."""


class UpkeepError(Exception):
    """Tables or tenants whose upkeep failed, or that are stale, in one line; `retriable` as of a LakeError."""

    def __init__(self, message: str, *, retriable: bool = False) -> None:
        super().__init__(message)
        self.retriable = retriable


TRIED_AGAIN: dict[str, Any] = {
    "retries": 2,
    "retry_delay_seconds": [5, 20],
    "retry_condition_fn": mendable,
    "cache_policy": NO_CACHE,
    "persist_result": False,
}
"""Options of every task of these flows."""


def run_name() -> str:
    """A run's name as people know it: tenant, what is done, and when it was due."""
    given = runtime.get_parameters().get("tenant_id", EVERY_TENANT)
    who = "every tenant" if given == EVERY_TENANT else str(given)
    due = runtime.get_scheduled_start_time()
    what = (runtime.get_flow_name() or "").replace("_", " ")
    return f"{who} · {what} · {due:%Y-%m-%d %H:%M}" if due is not None else f"{who} · {what}"


def each_tenant(
    what: str,
    tenant_id: str,
    work: Task[..., list[Row]],
    *arguments: Any,
    end: Callable[[Reports], State[Reports]],
) -> Reports:
    """Does the work for one tenant or for all, and reports it. Return what it returns from the flow.

    Args:
        what: The work, as the artifacts' keys name it.
        tenant_id: A tenant, or `EVERY_TENANT`.
        work: Takes a tenant and the arguments.
        arguments: What else the work takes.
        end: The state in which the run ends when all tenants were done.

    Raises:
        UpkeepError, LakeError: What failed; outside of a deployment's run the caller sees it.
    """
    who = "every tenant" if tenant_id == EVERY_TENANT else tenant_id
    report = RunReport(what, who)
    states: dict[str, State[list[Row]]] = {}
    state = _all_done(report, states, tenant_id, work, arguments, end)
    report.end(
        state, {tenant: one.result() if one.is_completed() else _why(one) for tenant, one in states.items()}
    )
    # Prefect takes a returned state as the run's own, and gives the caller the data in it.
    return cast(Reports, state)


def _all_done(
    report: RunReport,
    states: dict[str, State[list[Row]]],
    tenant_id: str,
    work: Task[..., list[Row]],
    arguments: Sequence[Any],
    end: Callable[[Reports], State[Reports]],
) -> State[Reports]:
    """Fills `states` with what became of each tenant; the state in which the run ends."""
    try:
        newer = _look_around()
    except UpkeepError as error:
        return Failed(message=str(error), data=error)
    if newer is not None:
        return Completed(name="Skipped", message=f"{newer.name} is due as well and does it all", data={})
    report.begin()
    try:
        tenants = _tenants() if tenant_id == EVERY_TENANT else [check_name("tenant", tenant_id)]
    except (InvalidNameError, LakeError) as error:
        return Failed(message=str(error), data=error)
    one: Any = work  # Prefect's types do not tell a state from a result here
    for tenant in tenants:
        states[tenant] = one(tenant, *arguments, return_state=True)
        report.move(len(states), len(tenants), tenant)
    failed = [f"{tenant}: {_why(state)}" for tenant, state in states.items() if not state.is_completed()]
    if failed:
        message = f"{len(failed)} of {len(states)} tenants failed: {listed(failed)}"
        return Failed(message=message, data=UpkeepError(message))
    return end({tenant: state.result() for tenant, state in states.items()})


def each_table(
    tenant: str,
    what: str,
    columns: Sequence[str],
    work: Callable[[LakeClient, TableRef], Row | None],
) -> list[Row]:
    """Does the work for every table of a tenant and leaves a table artifact of it.

    Args:
        tenant: The tenant.
        what: The work, as the artifacts' keys name it.
        columns: Those of the rows, after `dataset` and `state`.
        work: Gives a table's row, with its `state`; None for a table that is not shown.

    Raises:
        UpkeepError: Tables that failed, after all were tried.
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
                known = {"dataset": table.dataset, "state": row["state"]}
                rows.append(known | dict.fromkeys(columns, "") | row)
    show_tables(rows, what, tenant)
    if errors:
        message = f"{len(errors)} of {len(tables)} tables failed: {listed([str(error) for error in errors])}"
        raise UpkeepError(message, retriable=any(error.retriable for error in errors))
    return rows


def counted(number: int, noun: str) -> str:
    """E.g. `1 table`, `2 tables`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(lines: Sequence[str]) -> str:
    """Some of them in one line."""
    more = f"; and {len(lines) - _NAMED} more" if len(lines) > _NAMED else ""
    return "; ".join(lines[:_NAMED]) + more


@task(
    name="list_tenants",
    task_run_name="tenants of the lake",
    **TRIED_AGAIN,
)
def _tenants() -> list[str]:
    """Every tenant that has a table; a folder alone is nobody yet."""
    with MaintenanceClient(lake_address()) as upkeep, LakeClient(lake_address()) as lake:
        return [tenant for tenant in upkeep.tenants() if any(True for _ in lake.tables(tenant))]


def _why(state: State[Any]) -> str:
    error = state.result(raise_on_failure=False)
    known = isinstance(error, LakeError | UpkeepError)
    # Another error's text may hold anything.
    return str(error) if known else f"{type(error).__name__}, see the task's log"


def _look_around() -> FlowRun | None:
    """Ends what is dead of this deployment; the run that does the work of this one, if there is one."""
    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    if run is None or run.deployment_id is None:
        return None
    try:
        with prefect_asked(), get_client(sync_client=True) as api:
            for dead in tend(api, run.deployment_id, of=run, resume=False):
                log.warning("a dead run: %s", dead.line())
            return overtaken_by(api, run)
    except FlowError as error:
        raise UpkeepError(f"nothing was done yet: {error}", retriable=error.retriable) from None
