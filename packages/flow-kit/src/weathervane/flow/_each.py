"""A run that does the work of every tenant itself, one after the other.

A tenant is one task run, which works on the tenant's tables. Each tenant and each table is tried, whatever became of
the one before; then the run fails if any did, and names it.

| artifact | what |
| --- | --- |
| `<what>--<tenant>--tables` | of each tenant: a row a table, with what was seen or done |
| `<what>--<who>--progress` | a bar, moved after each tenant |
| `<what>--<who>` | a summary: how the run ended, what became of each tenant's tables, links |

`who` is a tenant, or `every-tenant`. A deployment's run first ends what is dead of its deployment, as it does the same
work, and steps aside for a later one that is due.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from prefect import Task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext
from prefect.states import Completed, Failed

from weathervane.flow._api import prefect_asked
from weathervane.flow._dead_runs import tend
from weathervane.flow._errors import FlowError, Known
from weathervane.flow._history import overtaken_by
from weathervane.flow._names import who
from weathervane.flow._report import ProgressBar, artifact_key, code, guarded, links, said

__all__ = ["PartsFailedError", "Reports", "Row", "counted", "each_table", "each_tenant", "listed"]

log = logging.getLogger(__name__)

Row = dict[str, str | int | float]
"""What was seen or done of one table; its `state` says what became of it."""
Reports = dict[str, list[Row]]
"""The rows of each tenant."""

_NAMED = 10
"""So many are named in a line; the artifacts have all."""


class PartsFailedError(Exception):
    """Parts of a run's work that failed, or that are not as they should be: all in one line."""

    reason = "PARTS_FAILED"

    def __init__(self, message: str, *, retriable: bool = False) -> None:
        super().__init__(message)
        self.retriable = retriable


def each_tenant(
    what: str,
    tenant_id: str,
    work: Task[..., list[Row]],
    *arguments: Any,
    tenants: Callable[[], Sequence[str]],
    end: Callable[[Reports, str], State[Reports]],
    note: str = "",
) -> Reports:
    """Does the work and reports it. Return what it returns from the flow.

    Args:
        what: The work, as the artifacts' keys name it.
        tenant_id: For whom the run is: a tenant, or `EVERY_TENANT`.
        work: Takes a tenant and the arguments, and gives what `each_table` gives; let it have
            `retry_condition_fn=mendable`.
        arguments: What else the work takes.
        tenants: Gives the tenants; asked when the run has something to do.
        end: The state in which the run ends when all tenants were done; it is also told how much that was, e.g.
            `2 tenants, 6 tables`.
        note: A line of the summary.

    Raises:
        PartsFailedError, FlowError, or what `tenants` raises: Outside of a deployment's run the caller sees it.
    """
    key, title = artifact_key(what, who(tenant_id)), f"{what} of {who(tenant_id)}"
    became: dict[str, list[Row] | str] = {}

    def work_on(tenant: str) -> None:
        one: Any = work  # Prefect's types do not tell a state from a result here
        state = one(tenant, *arguments, return_state=True)
        became[tenant] = (
            state.result() if state.is_completed() else said(state.result(raise_on_failure=False))
        )

    def all_done() -> State[Reports]:
        try:
            newer = _look_around()
        except FlowError as error:
            return Failed(message=f"nothing was done yet: {error}", data=error)
        if newer is not None:
            return Completed(name="Skipped", message=f"{newer.name} is due as well and does it all", data={})
        bar = ProgressBar(key, title)
        try:
            chosen = tenants()
        except Exception as error:
            if isinstance(error, Known):
                return Failed(message=str(error), data=error)
            raise
        for done, tenant in enumerate(chosen, 1):
            work_on(tenant)
            line = f"{done:,} of {len(chosen):,} tenants, last {tenant}"
            bar.move(done / len(chosen), line, last=done == len(chosen))
        if failed := [f"{tenant}: {told}" for tenant, told in became.items() if isinstance(told, str)]:
            message = f"{len(failed)} of {len(became)} tenants failed: {listed(failed)}"
            return Failed(message=message, data=PartsFailedError(message))
        reports = cast(Reports, became)
        tables = sum(map(len, reports.values()))
        return end(reports, f"{counted(len(reports), 'tenant')}, {counted(tables, 'table')}")

    state = all_done()
    heading = f"{title}: {(state.name or '').lower()}"

    def show() -> None:
        text = [f"# {heading}", "", code(state.message), "", *_table(became), "", note, "", *links()]
        text += [f"- artifact `{_tables_key(what, tenant)}`" for tenant in became]
        create_markdown_artifact("\n".join(text), key, heading)

    guarded(heading, show)
    # Prefect takes a returned state as the run's own, and gives the caller the data in it.
    return cast(Reports, state)


def each_table(what: str, tenant: str, tables: Mapping[str, Callable[[], Row | None]]) -> list[Row]:
    """Works on every table of a tenant, and leaves a table artifact of what came of it.

    Args:
        what: The work, as the artifact's key names it.
        tenant: The tenant.
        tables: What to do, by dataset. It gives the table's row, with its `state`; None for one that is not shown.

    Raises:
        PartsFailedError: Tables that failed, after all were tried. An error that nobody foresaw passes at once.
    """
    rows: list[Row] = []
    errors: list[Known] = []
    for dataset, work in tables.items():
        try:
            row = work()
        except Exception as error:
            if not isinstance(error, Known):
                raise
            errors.append(error)
            row = {"state": f"failed: {error}"}
        if row is not None:
            rows.append({"dataset": dataset, "state": row["state"]} | row)
    columns: Row = dict.fromkeys((name for row in rows for name in row), "")
    rows = [columns | row for row in rows]
    title = f"{tenant}: {what}"
    guarded(title, lambda: create_table_artifact(rows, _tables_key(what, tenant), title))
    if errors:
        message = f"{len(errors)} of {len(tables)} tables failed: {listed([str(error) for error in errors])}"
        raise PartsFailedError(message, retriable=any(error.retriable for error in errors))
    return rows


def counted(number: int, noun: str) -> str:
    """E.g. `1 table`, `2 tables`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(lines: Sequence[str]) -> str:
    """Some of them in one line."""
    more = f"; and {len(lines) - _NAMED} more" if len(lines) > _NAMED else ""
    return "; ".join(lines[:_NAMED]) + more


def _tables_key(what: str, tenant: str) -> str:
    return f"{artifact_key(what, tenant)}--tables"


def _table(became: dict[str, list[Row] | str]) -> Iterable[str]:
    if became:
        yield from ("| tenant | tables | became |", "| --- | ---: | --- |")
    for tenant, found in became.items():
        if isinstance(found, str):
            yield f"| {tenant} | | failed: {code(found)} |"
        else:
            states = Counter(str(row["state"]) for row in found)
            told = ", ".join(f"{number:,} {name}" for name, number in states.items())
            yield f"| {tenant} | {len(found):,} | {told} |"


def _look_around() -> FlowRun | None:
    """Ends what is dead of this deployment; the run that does the work of this one, if there is one."""
    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    if run is None or run.deployment_id is None:
        return None
    with prefect_asked(), get_client(sync_client=True) as api:
        for dead in tend(api, run.deployment_id, of=run, resume=False):
            log.warning("a dead run: %s", dead.line())
        return overtaken_by(api, run)
