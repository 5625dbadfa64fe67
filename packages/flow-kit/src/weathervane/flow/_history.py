"""What Prefect knows of a run's past, and of the other runs of its deployment."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.types import DateTime

from weathervane.flow._api import every
from weathervane.flow._automations import RESUMING
from weathervane.flow._dead_runs import MAX_DEATHS, deaths_of
from weathervane.flow._errors import SettingError
from weathervane.flow._names import EVERY_TENANT

__all__ = [
    "check_deaths",
    "dispatched_before",
    "end_before",
    "is_cancelled",
    "occupied",
    "overtaken_by",
    "states_of",
]

_UNFINISHED = {StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.CANCELLING}
_GOING_WELL = {StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.COMPLETED}


def states_of(api: SyncPrefectClient, run: FlowRun) -> list[State[Any]]:
    """All states that the run has been in, the oldest first."""
    return sorted(api.read_flow_run_states(run.id), key=lambda state: state.timestamp)


def is_cancelled(states: list[State[Any]]) -> bool:
    """Whether a person asked for its end, and it came to no end but a crash, after which it was resumed."""
    asked = {StateType.CANCELLING, StateType.CANCELLED}
    last = next((state.type for state in reversed(states) if state.type in asked), None)
    return last is StateType.CANCELLING


def end_before(states: list[State[Any]]) -> State[Any] | None:
    """How the run had ended when it was resumed all the same: Prefect loses events when its database is busy, takes the
    run for lost, and lets an ended one begin again. None for one that has ended since: then a person began it again.
    """
    names = [state.name for state in states]
    if RESUMING not in names:
        return None
    resumed = len(names) - 1 - names[::-1].index(RESUMING)
    if any(state.is_final() for state in states[resumed:]):
        return None
    before = next((state for state in reversed(states[:resumed]) if state.name != RESUMING), None)
    ended = before is not None and before.is_final() and not before.is_crashed()
    return before if ended else None


def check_deaths(states: list[State[Any]]) -> None:
    """Gives up a run that keeps dying. Deaths before an end count no more: a person began it again.

    Raises:
        SettingError: DIED_TOO_OFTEN.
    """
    deaths = deaths_of(states)
    if deaths >= MAX_DEATHS:
        raise SettingError(
            f"this run's process died {deaths} times; look for what kills it (memory?) in the worker's log",
            reason="DIED_TOO_OFTEN",
        )


def _due(
    api: SyncPrefectClient,
    run: FlowRun,
    states: set[StateType],
    *,
    after: DateTime | None = None,
    before: DateTime | None = None,
) -> Iterator[FlowRun]:
    """Other runs of the same deployment that are due and in one of these states; the newest first."""
    assert run.deployment_id is not None
    chosen = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[run.deployment_id]),
        expected_start_time=FlowRunFilterExpectedStartTime(
            after_=after, before_=before or cast(DateTime, datetime.now(UTC))
        ),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=sorted(states))),
    )
    found = every(api.read_flow_runs, flow_run_filter=chosen, sort=FlowRunSort.EXPECTED_START_TIME_DESC)
    return (other for other in found if other.id != run.id)


def overtaken_by(api: SyncPrefectClient, run: FlowRun) -> FlowRun | None:
    """The newest scheduled run that is due later than this one, and already due: after a downtime there are many, and
    each would read from the same checkpoint up to now.
    """
    if run.deployment_id is None or not run.auto_scheduled or run.expected_start_time is None:
        return None
    later = (
        other
        for other in _due(api, run, _GOING_WELL, after=run.expected_start_time)
        if other.auto_scheduled
        and other.expected_start_time != run.expected_start_time
        and other.parameters == run.parameters
    )
    return next(later, None)


def occupied(api: SyncPrefectClient, run: FlowRun) -> dict[str, FlowRun]:
    """By tenant, the earlier run with the same parameters that is yet to begin, put off or at work: the oldest."""
    return {
        tenant: other
        for other in _due(api, run, _UNFINISHED)
        if isinstance(tenant := other.parameters.get("tenant_id"), str)
        and tenant != EVERY_TENANT
        and other.parameters == {**run.parameters, "tenant_id": tenant}
        and other.idempotency_key != f"{run.id}:{tenant}"
    }


def dispatched_before(api: SyncPrefectClient, run: FlowRun) -> FlowRun | None:
    """The dispatch before this one: the last that was due earlier, with the same parameters, and came to its end."""
    ended = (
        other
        for other in _due(api, run, {StateType.COMPLETED, StateType.FAILED}, before=run.expected_start_time)
        if other.parameters == run.parameters
        and other.start_time is not None
        and other.state_name != "Skipped"
    )
    return next(ended, None)
