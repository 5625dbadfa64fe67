"""Runs that are dead and whom nobody told: found by their states and the times of these, not by events.

The automations (`weathervane.flow._automations`) are quicker, and forget: Prefect deletes what they wait for
when its server was away for longer than that (`sweep_closed_buckets` in its `events/triggers.py`). So whoever begins
looks as well, at the other runs of its deployment: a run, and `weathervane-deploy`, which a worker's start runs.

::

    state                      dead when                                              then
    Running                    older than `running`, and as long no event of it       Crashed, Scheduled "Resuming"
    AwaitingRetry, in process  due since `running`, and as long no event of it        Crashed, Scheduled "Resuming"
    Pending, of any name       older than `pending`                                   Scheduled "Resuming"
    Scheduled, of any name     due since `overdue`                                    Scheduled "Resuming"
    Crashed                    older than `crashed`, and nothing newer does its work  Scheduled "Resuming"
    Cancelling                 older than `cancelling`                                Cancelled

A run that was resumed too often, or whose process ended by itself before the run began, is Failed "Given up": its
event, `prefect.flow-run.Given up`, is the one that an automation of yours listens to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import partial
from typing import Annotated, Any, Self, cast
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterEndTime,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.events.filters import EventAnyResourceFilter, EventFilter, EventOccurredFilter
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Crashed, Failed, Scheduled
from prefect.types import DateTime
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from weathervane.flow._api import every
from weathervane.flow._automations import GIVEN_UP, MAX_STARTS, RESUMING, SIGNALS
from weathervane.flow._deployments import Write
from weathervane.flow._errors import SettingError

__all__ = ["MAX_DEATHS", "AgeLimits", "Found", "deaths_of", "ended_by_signal", "tend"]

MAX_DEATHS = 5
"""A run that was resumed so often and died each time (out of memory, say) is left to a person."""
_RECENT = timedelta(hours=24)
"""A run that crashed longer ago is history: what it should have read, its schedule has read since."""

_Age = Annotated[timedelta, Field(gt=timedelta(0))]


class AgeLimits(BaseSettings):
    """After how long a run is dead, by the state in which it stands; in the environment as ISO 8601 has it: `PT90M`.

    All are longer than the automations take, which see a death in minutes; who looks here comes when they missed it.
    """

    model_config = SettingsConfigDict(env_prefix="WEATHERVANE_DEAD_AFTER_", frozen=True, extra="ignore")

    running: _Age = timedelta(minutes=90)
    """A live run gives a sign every three minutes (`PREFECT_FLOWS_HEARTBEAT_FREQUENCY`), and Prefect keeps it for days.
    An hour in which the Prefect server was away must not make the living look dead, and then they need time for a sign.
    """
    pending: _Age = timedelta(minutes=30)
    """From a worker's taking a run to its first line: an image is pulled in minutes, and there are no signs."""
    overdue: _Age = timedelta(hours=24)
    """Waiting for a place is no death: 200 tenants, four at a time, take a night. But a run that nobody took for a day
    stands where no worker looks."""
    cancelling: _Age = timedelta(minutes=30)
    """Prefect itself gives up after 5 minutes, where it is up."""
    crashed: _Age = timedelta(minutes=5)
    """The automation resumes after half a minute."""

    @classmethod
    def load(cls) -> Self:
        """As the environment has them; SettingError that names the variable which is none."""
        try:
            return cls()
        except ValidationError as error:
            names = ", ".join(f"WEATHERVANE_DEAD_AFTER_{one['loc'][0]}".upper() for one in error.errors())
        raise SettingError(f"{names}: write a time as ISO 8601 does, e.g. PT90M", reason="BAD_SETTING")


@dataclass(frozen=True)
class Found:
    """A dead run, and what became of it."""

    run: FlowRun
    """As it was found."""
    why: str
    became: str
    """The name of the state in which it is now."""

    def line(self) -> str:
        """E.g. `acme · shopify_orders: Running since 2026-11-29 02:00 UTC, without a sign; now Resuming`."""
        return f"{self.run.name}: {self.why}; now {self.became}"


def tend(
    api: SyncPrefectClient,
    deployment: UUID,
    *,
    of: FlowRun | None = None,
    resume: bool = True,
    limits: AgeLimits | None = None,
    now: datetime | None = None,
    write: Write = lambda do: cast(None, do()),
) -> list[Found]:
    """Ends or resumes what is dead among a deployment's runs.

    Args:
        api: The server.
        deployment: The deployment.
        of: The run that looks: it is alive.
        resume: Whether they go on. If not, those that are at work are ended; what they should have done, the run that
            looks does.
        limits: From when on a run is dead.
        now: The time, if not the present.
        write: Does what it is given; or not, in a dry run.

    Raises:
        SettingError: BAD_SETTING: a limit that is none.
    """
    limits, now = limits or AgeLimits.load(), now or datetime.now(UTC)
    found = []
    for run in _suspects(api, deployment, limits, now, all_of_them=resume):
        if (of is None or run.id != of.id) and (why := _dead(api, run, of, limits, now)) is not None:
            new = _next(api, run, why) if resume else [_end(run, why)]
            write(partial(_enter, api, run, *new))
            found.append(Found(run, why, str(new[-1].name)))
    return found


def deaths_of(states: Sequence[State[Any]]) -> int:
    """How often a run's process died. Deaths before an end count no more: a person began it again."""
    deaths = 0
    for state in states:
        if state.is_final():
            deaths = deaths + 1 if state.is_crashed() else 0
    return deaths


def ended_by_signal(state: State[Any]) -> bool:
    """Whether a crash was somebody's doing (a machine that stops, memory that runs out) and not the program's own."""
    return state.is_crashed() and any(fnmatchcase(state.message or "", one) for one in SIGNALS)


def _suspects(
    api: SyncPrefectClient, deployment: UUID, limits: AgeLimits, now: datetime, *, all_of_them: bool
) -> Iterator[FlowRun]:
    """Few, whatever waits: those that are at work are as many as the deployment's limit, and its dead."""
    at_work = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
    due = FlowRunFilterExpectedStartTime(before_=cast(DateTime, now - min(limits.overdue, limits.running)))
    # By its death: a run of many hours may have been due long before.
    ended = FlowRunFilterEndTime(after_=cast(DateTime, now - _RECENT))
    chosen: list[tuple[list[StateType], dict[str, Any]]] = [
        (at_work, {}),
        ([StateType.SCHEDULED], {"expected_start_time": due}),
        ([StateType.CRASHED], {"end_time": ended}),
    ]
    for types, times in chosen if all_of_them else chosen[:1]:
        yield from every(
            api.read_flow_runs,
            flow_run_filter=FlowRunFilter(
                deployment_id=FlowRunFilterDeploymentId(any_=[deployment]),
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=types)),
                **times,
            ),
        )


def _dead(
    api: SyncPrefectClient, run: FlowRun, of: FlowRun | None, limits: AgeLimits, now: datetime
) -> str | None:
    """Why a run is dead; None for one that may live."""
    state = run.state
    if state is None:
        return None
    since = f"{state.name} since {state.timestamp:%Y-%m-%d %H:%M} UTC"
    age = now - state.timestamp
    if state.is_running():
        silent = age > limits.running and _silent(api, run, now - limits.running)
        return f"{since}, and gives no sign" if silent else None
    if state.is_pending():
        return f"{since}: a worker took it and did not start it" if age > limits.pending else None
    if state.type is StateType.CANCELLING:
        return f"{since}: nobody is left to end it" if age > limits.cancelling else None
    if state.is_crashed():
        dead = age > limits.crashed and not _covered(api, run, of)
        return f"{since}: nobody resumed it" if dead else None
    due = state.state_details.scheduled_time or run.expected_start_time
    if not state.is_scheduled() or due is None:
        return None
    waits = f"{state.name}, due since {due:%Y-%m-%d %H:%M} UTC"
    if _in_process(run):  # and no worker is shown such a run
        silent = now - due > limits.running and _silent(api, run, now - limits.running)
        return f"{waits}: the process that would try it again is gone" if silent else None
    return f"{waits}, and no worker took it" if now - due > limits.overdue else None


def _next(api: SyncPrefectClient, run: FlowRun, why: str) -> list[State[Any]]:
    """The states through which a dead run goes; the last one stays."""
    states = sorted(api.read_flow_run_states(run.id), key=lambda state: state.timestamp)
    state = states[-1]
    if state.type is StateType.CANCELLING:
        return [Cancelled(message=why)]
    died = state.is_running() or _in_process(run)
    began = any(one.is_running() for one in states)
    resumed = sum(one.name == RESUMING for one in states)
    too_often = deaths_of(states) + died >= MAX_DEATHS if began else resumed >= MAX_STARTS
    by_itself = not began and state.is_crashed() and not ended_by_signal(state)
    if too_often or by_itself:
        what = (
            "its process ended by itself before it began" if by_itself else f"it was resumed {resumed} times"
        )
        return [Failed(name=GIVEN_UP, message=f"{why}; {what}: look for the cause in the worker's log")]
    crashed: list[State[Any]] = [Crashed(message=why)] if died else []
    return [*crashed, Scheduled(name=RESUMING, message=why)]


def _end(run: FlowRun, why: str) -> State[Any]:
    return Cancelled(message=why) if run.state_type is StateType.CANCELLING else Crashed(message=why)


def _enter(api: SyncPrefectClient, run: FlowRun, *states: State[Any]) -> None:
    try:
        if api.read_flow_run(run.id).state_id != run.state_id:
            return  # it gave a sign, or someone else looked as well
        for state in states:
            # By Prefect's rules, which let a crashed run be shown to workers again.
            api.set_flow_run_state(run.id, state)
    except ObjectNotFound:
        pass  # deleted meanwhile


def _in_process(run: FlowRun) -> bool:
    return run.state_type is StateType.SCHEDULED and run.empirical_policy.retry_type == "in_process"


def _silent(api: SyncPrefectClient, run: FlowRun, since: datetime) -> bool:
    """No heartbeat, task or slice of a run is known since then. Prefect keeps events for a week."""
    occurred = EventOccurredFilter(
        since=cast(DateTime, since),
        until=cast(DateTime, datetime.now(UTC) + timedelta(days=1)),  # by a worker's clock
    )
    sign = EventAnyResourceFilter(id=[f"prefect.flow-run.{run.id}"])
    return not api.read_events(EventFilter(occurred=occurred, any_resource=sign), limit=1).events


def _covered(api: SyncPrefectClient, run: FlowRun, of: FlowRun | None) -> bool:
    """Whether a run that was due later reads the same."""

    def covers(other: FlowRun) -> bool:
        tenants = {run.parameters.get("tenant_id"), "*"}
        rest = [{**one.parameters, "tenant_id": None} for one in (run, other)]
        return other.id != run.id and rest[0] == rest[1] and other.parameters.get("tenant_id") in tenants

    later = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[cast(UUID, run.deployment_id)]),
        expected_start_time=FlowRunFilterExpectedStartTime(
            after_=run.expected_start_time, before_=cast(DateTime, datetime.now(UTC))
        ),
    )
    newer = every(api.read_flow_runs, flow_run_filter=later, sort=FlowRunSort.EXPECTED_START_TIME_DESC)
    return (of is not None and covers(of)) or any(covers(one) for one in newer)
