"""What a real Prefect server does by itself about runs whose process died, as the automations tell it."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
import stamina
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.events.filters import EventFilter, EventNameFilter, EventResourceFilter
from prefect.states import Completed, Crashed, Pending, Running, Scheduled

from weathervane.flow._automations import GIVEN_UP, MAX_STARTS, RESUMING, TAG, automations

SILENCE, PAUSE = timedelta(seconds=20), timedelta(seconds=10)
"""Short, and still longer than the server takes to answer on a busy machine."""


@pytest.fixture
def api(prefect: None) -> Any:
    """A client of a server with our automations, and with no others, at their quickest."""
    with get_client(sync_client=True) as client:
        for automation in client.read_automations():
            client.delete_automation(automation.id)
        made = [client.create_automation(automation) for automation in automations(SILENCE, PAUSE)]
        yield client
        for automation_id in made:
            client.delete_automation(automation_id)


@flow
def something() -> None:
    """Never run here: its runs are put into states as a worker does."""


def scheduled(api: SyncPrefectClient, *, tags: tuple[str, ...] = (TAG,)) -> FlowRun:
    """A run that waits for its worker."""
    deployment = api.create_deployment(api.create_flow(something), f"d{uuid.uuid4().hex}", tags=list(tags))
    return api.create_flow_run_from_deployment(deployment)


def enter(api: SyncPrefectClient, run: FlowRun, *states: State[Any]) -> None:
    """Puts a run into states, as its worker and its process do."""
    for state in states:
        api.set_flow_run_state(run.id, state)


def wait_for_events(api: SyncPrefectClient, *runs: FlowRun, name: str = "Scheduled", times: int = 1) -> None:
    """Until the server has taken the event that they entered the state of this name, so often.

    Prefect keeps back an event that comes milliseconds after the one it follows, now and then for 15 minutes
    (`prefect.server.events.ordering`); between a run's states at a worker lie seconds.
    """
    wanted = EventFilter(
        event=EventNameFilter(name=[f"prefect.flow-run.{name}"]),
        resource=EventResourceFilter(id=[f"prefect.flow-run.{run.id}" for run in runs]),
    )
    for attempt in stamina.retry_context(on=AssertionError, attempts=None, timeout=120, wait_max=1):
        with attempt:
            assert len(api.read_events(wanted, limit=50).events) == len(runs) * times


def history(api: SyncPrefectClient, run: FlowRun) -> list[str | None]:
    """The names of the states that it went through."""
    return [state.name for state in sorted(api.read_flow_run_states(run.id), key=lambda one: one.timestamp)]


@pytest.mark.slow
def test_dead_runs_are_noticed_and_resumed_and_no_others(api: SyncPrefectClient) -> None:
    """A silent run is crashed and scheduled again, and one that was killed while it started; one that ended by itself
    while it did, or never begins, is given up; one that ended, or is not ours, is left alone.
    """
    ended_well, not_ours = scheduled(api), scheduled(api, tags=())
    wait_for_events(api, ended_well, not_ours)
    enter(api, ended_well, Running(), Completed(name="Loaded"))
    enter(api, not_ours, Running())
    left_alone = {run.id: history(api, run) for run in (ended_well, not_ours)}
    # More than once: on SQLite, where one of two that write at once is refused, Prefect 3.8.8 loses an event now and
    # then, for good.
    for attempt in stamina.retry_context(on=AssertionError, attempts=4, timeout=None, wait_max=0.1):
        with attempt:
            never_ran, killed, never_begins, lost, dead = runs = [scheduled(api) for _ in range(5)]
            wait_for_events(api, *runs)
            enter(api, never_ran, Crashed(message="no such image"))
            assert api.read_flow_run(never_ran.id).run_count == 0
            enter(api, killed, Pending())
            wait_for_events(api, killed, name="Pending")
            enter(api, killed, Crashed(message="Process exited with status code: -9. Process was killed."))
            for start in range(MAX_STARTS + 1):
                enter(api, never_begins, Pending())
                wait_for_events(api, never_begins, name="Pending", times=start + 1)
                enter(api, never_begins, Scheduled(name=RESUMING))
                wait_for_events(api, never_begins, name=RESUMING, times=start + 1)
            enter(api, lost, Pending())
            enter(api, dead, Running())
            for look in stamina.retry_context(on=AssertionError, attempts=None, timeout=90, wait_max=1):
                with look:
                    assert history(api, dead)[:4] == ["Scheduled", "Running", "Crashed", RESUMING]
                    assert history(api, lost)[:3] == ["Scheduled", "Pending", RESUMING]
                    assert history(api, killed)[:4] == ["Scheduled", "Pending", "Crashed", RESUMING]
                    assert history(api, never_ran) == ["Scheduled", "Crashed", GIVEN_UP]
                    assert history(api, never_begins)[-2:] == [RESUMING, GIVEN_UP]
    crashed = next(state for state in api.read_flow_run_states(dead.id) if state.name == "Crashed")
    assert crashed.message == "No heartbeat for 20 seconds: the run's process, worker or machine is gone."
    assert {run.id: history(api, run) for run in (ended_well, not_ours)} == left_alone


def test_a_silence_that_prefect_does_not_take_is_refused() -> None:
    """Before anything is made."""
    with pytest.raises(ValueError, match="greater than or equal to 10 seconds"):
        automations(timedelta(seconds=9))
