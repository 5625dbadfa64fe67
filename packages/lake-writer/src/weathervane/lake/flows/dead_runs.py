"""Runs of the lake's deployments that are dead, found by their states and the times of these.

Prefect's automations notice a death by events, and forget what they wait for when the server is away for longer. So
each run, as it begins, looks at the others of its deployment and ends the dead: a Running one is dead that gave no sign
for 90 minutes (they give one every three; an hour's outage of Prefect does not make the living look dead), a Pending
one after 30 (an image is pulled in minutes), a Cancelling one after 30 (Prefect itself gives up after five). What they
should have done, this run does.

The same as `weathervane.source._flow.dead_runs` says of a source's runs, which are resumed instead.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.events.filters import EventAnyResourceFilter, EventFilter, EventOccurredFilter
from prefect.states import Cancelled, Crashed
from prefect.types import DateTime

__all__ = ["DEAD_AFTER", "end_dead"]

log = logging.getLogger(__name__)

DEAD_AFTER = {
    StateType.RUNNING: timedelta(minutes=90),
    StateType.PENDING: timedelta(minutes=30),
    StateType.CANCELLING: timedelta(minutes=30),
}


def end_dead(api: SyncPrefectClient, run: FlowRun, *, now: datetime | None = None) -> Sequence[FlowRun]:
    """Ends what is dead among the other runs of a run's deployment, and names it in the log.

    Args:
        api: The server.
        run: The run that looks.
        now: The time, if not the present.
    """
    now = now or datetime.now(UTC)
    at_work = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[run.deployment_id] if run.deployment_id else []),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(DEAD_AFTER))),
    )
    dead = [
        other
        for other in api.read_flow_runs(flow_run_filter=at_work, limit=200)
        if other.id != run.id and _dead(api, other, now)
    ]
    for other in dead:
        state = cast("State[Any]", other.state)
        why = f"{state.name} since {state.timestamp:%Y-%m-%d %H:%M} UTC, and gives no sign"
        cancelled = state.type is StateType.CANCELLING
        api.set_flow_run_state(other.id, Cancelled(message=why) if cancelled else Crashed(message=why))
        log.warning("a dead run: %s: %s; ended", other.name, why)
    return dead


def _dead(api: SyncPrefectClient, run: FlowRun, now: datetime) -> bool:
    state = run.state
    if state is None or state.type not in DEAD_AFTER:
        return False
    since = now - DEAD_AFTER[state.type]
    return state.timestamp < since and (not state.is_running() or _silent(api, run, since))


def _silent(api: SyncPrefectClient, run: FlowRun, since: datetime) -> bool:
    """No heartbeat or task of a run is known since then. Prefect keeps events for a week."""
    occurred = EventOccurredFilter(
        since=cast(DateTime, since),
        until=cast(DateTime, datetime.now(UTC) + timedelta(days=1)),  # by a worker's clock
    )
    sign = EventAnyResourceFilter(id=[f"prefect.flow-run.{run.id}"])
    return not api.read_events(EventFilter(occurred=occurred, any_resource=sign), limit=1).events
