"""`weathervane-<source> backfill`: says what a backfill will take, and runs it to its end or until it is stopped."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Callable, Mapping

from prefect.settings import PREFECT_API_URL

from weathervane.source.backfilling.driving import drive
from weathervane.source.backfilling.plan import Plan
from weathervane.source.backfilling.runs import Attempt, BackfillRuns, Request, Standing, find_deployment
from weathervane.source.backfilling.windows import cut
from weathervane.source.definition import Days, FlowDefinition, Forecast, SourceDefinition
from weathervane.source.deploying.server import prefect_server
from weathervane.source.errors import ConfigurationError
from weathervane.source.service import to_request

__all__ = ["backfill"]

_GIVEN = ("tenant_id", "start_date", "end_date")


def backfill(
    definition: SourceDefinition,
    flow: str,
    tenant: str,
    *,
    start: str,
    end: str,
    every: int,
    concurrency: int,
    parameters: Mapping[str, str],
    name: str = "",
    deployment: str = "",
    agree: Callable[[], bool],
    pause: Callable[[], None],
    tell: Callable[[str], None],
) -> bool:
    """Plans a backfill, and runs it when it is agreed to.

    Args:
        definition: The source.
        flow: The flow's name.
        tenant: The tenant.
        start: First day.
        end: Last day.
        every: Days of a window.
        concurrency: Unfinished windows at a time.
        parameters: The flow's others.
        name: Tells apart backfills of the same days.
        deployment: The deployment's name, when the flow has several.
        agree: Asked once the plan was told.
        pause: Called between two looks at the runs.
        tell: Takes each line.

    Returns:
        Whether nothing is left to do, or nothing was agreed to.

    Raises:
        StatusError, SourceError: The request cannot be, or the vendor refuses to say what it will take.
        PrefectUnavailableError, PrefectSetupError: The Prefect server does not do as asked. What was started goes on.
        KeyboardInterrupt: It was stopped, and that was told.
    """
    found, wanted = to_request(
        definition, tenant=tenant, flow=flow, start_date=start, end_date=end, request_id=str(uuid.uuid4())
    )
    if wanted.start_date is None or wanted.end_date is None:
        raise ConfigurationError("a backfill needs its first and its last day", reason="BAD_DATE")
    _check_parameters(found, parameters)
    span = Days(wanted.start_date, wanted.end_date)
    windows = cut(span.first, span.last, span.count if found.undivided else every)
    request = Request(definition.name, found.name, tenant, parameters, name)
    url = PREFECT_API_URL.value()
    if not url:
        raise ConfigurationError(
            "PREFECT_API_URL is not set: a backfill is made of runs of a Prefect server's deployment",
            reason="NO_PREFECT",
        )
    with prefect_server(url) as api:
        chosen = find_deployment(api, definition.name, found.name, deployment)
        runs = BackfillRuns(api, chosen, request)
        limit = chosen.global_concurrency_limit
        plan = _planned(
            definition,
            found,
            request,
            windows,
            runs.latest(windows),
            concurrency if limit is None else min(concurrency, limit.limit),
        )
        for line in plan.lines():
            tell(line)
        if not plan.left:
            tell(
                "nothing is left to do; to read the same days once more, give the backfill a --name of its own"
            )
            return True
        if not agree():
            return True
        try:
            ended = drive(
                runs,
                windows,
                concurrency=concurrency,
                pause=pause,
                tell=lambda window, one: tell(f"{window}: {one.state}"),
            )
        except KeyboardInterrupt:
            tell(
                "stopped: no further window is started. Those that were go on at the workers (cancel them in the UI,"
                " tag `backfill`); the same command again follows them and does the rest"
            )
            raise
    return _summed_up(windows, ended, tell)


def _planned(
    definition: SourceDefinition,
    flow: FlowDefinition,
    request: Request,
    windows: tuple[Days, ...],
    attempts: Mapping[Days, Attempt],
    concurrency: int,
) -> Plan:
    plan = Plan(request, windows, attempts, {}, concurrency)
    left = plan.left
    definition.credentials.load(request.tenant)
    forecast = (
        flow.estimate(request.tenant, left, request.parameters) if flow.estimate and left else Forecast(())
    )
    notes = ([f"one run and not in windows: {flow.undivided}"] if flow.undivided else []) + [*forecast.notes]
    estimates = dict(zip(left, forecast.windows, strict=bool(forecast.windows)))
    return Plan(request, windows, attempts, estimates, concurrency, notes)


def _check_parameters(flow: FlowDefinition, parameters: Mapping[str, str]) -> None:
    known = [name for name in inspect.signature(flow.flow).parameters if name not in _GIVEN]
    for name in parameters:
        if name not in known:
            has = ", ".join(known) or "no other"
            raise ConfigurationError(
                f"{flow.name} has no parameter {name[:80]!r} to choose; it has {has}",
                reason="NO_SUCH_PARAMETER",
            )


def _summed_up(windows: tuple[Days, ...], ended: Mapping[Days, Attempt], tell: Callable[[str], None]) -> bool:
    failed = [window for window in windows if ended[window].standing is not Standing.LOADED]
    tell("")
    for window in windows:
        tell(f"{window!s:24}  {ended[window].state}")
    tell("")
    tell(
        f"{len(windows) - len(failed):,} of {len(windows):,} windows are loaded; checkpoints are where they were"
    )
    if failed:
        tell(
            f"{len(failed):,} failed: {', '.join(map(str, failed))}. Mend what their lines say; the same command again"
            " begins only those anew"
        )
    return not failed
