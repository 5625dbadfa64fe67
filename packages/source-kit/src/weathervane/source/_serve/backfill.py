"""`weathervane-<source> backfill`: says what a backfill will take, and runs it to its end or until it is stopped."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta

from prefect.settings import PREFECT_API_URL

from weathervane.source._definition import Days, FlowDefinition, Forecast, SourceDefinition
from weathervane.source._errors import ConfigurationError
from weathervane.source._prefect import prefect_server
from weathervane.source._run.days import parse_days
from weathervane.source._serve.backfill_runs import Attempt, BackfillRuns, Request, Standing, find_deployment
from weathervane.source._serve.plan import Plan
from weathervane.source._serve.servicer import to_request

__all__ = ["MAX_WINDOWS", "backfill", "cut", "drive"]

MAX_WINDOWS = 500
"""Of one backfill: each is a run, and a line of the plan."""


def cut(first: date, last: date, every: int) -> tuple[Days, ...]:
    """Windows of `every` days, counted from the first day on, the last one perhaps shorter; the newest comes first.

    Newest first, since those days are asked for most, and because what a broken-off backfill leaves then reaches up to
    the present.

    Raises:
        ConfigurationError: The days end before they begin, have not all begun anywhere, or make too many windows.
    """
    parse_days(first, last)
    windows = -(-Days(first, last).count // every)
    if windows > MAX_WINDOWS:
        raise ConfigurationError(
            f"{first} to {last} is {windows:,} windows of {every} days, and {MAX_WINDOWS} is the most; make them longer"
            " or the stretch shorter",
            reason="TOO_MANY_WINDOWS",
        )
    starts = [first + timedelta(days=every * number) for number in range(windows)]
    return tuple(Days(start, min(last, start + timedelta(days=every - 1))) for start in reversed(starts))


def drive(
    runs: BackfillRuns,
    windows: Sequence[Days],
    *,
    concurrency: int,
    pause: Callable[[], None],
    tell: Callable[[Days, Attempt], None],
) -> dict[Days, Attempt]:
    """Starts a window whenever fewer than `concurrency` are unfinished, until all have ended.

    A window whose earlier run ended well is left alone, one that goes on is followed, one that failed is begun anew;
    once: a flow has retries of its own. A window that is put off for the vendor's sake keeps its place: others would be
    refused by the same quota.

    Args:
        runs: The runs, in Prefect.
        windows: In the order in which they begin.
        concurrency: Unfinished ones at a time.
        pause: Called between two looks.
        tell: Called whenever a window's run is in another state.

    Returns:
        How each window ended.
    """
    done = runs.latest(windows)
    going = {window: one for window, one in done.items() if one.standing is Standing.GOING}
    waiting = [window for window in windows if window not in done or done[window].standing is Standing.FAILED]
    told: dict[Days, str] = {}
    while waiting or going:
        going = runs.again(going) if going else {}
        while waiting and sum(one.standing is Standing.GOING for one in going.values()) < concurrency:
            window = waiting.pop(0)
            going[window] = runs.start(window, done[window].number + 1 if window in done else 1)
        for window, one in going.items():
            if told.get(window) != one.state:
                told[window] = one.state
                tell(window, one)
        done |= going
        going = {window: one for window, one in going.items() if one.standing is Standing.GOING}
        if going:
            pause()
    return done


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
