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
from prefect.states import Completed, Crashed, Pending, Running

from weathervane.source.deploying import RESUMING, TAG, automations

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


def run_in(api: SyncPrefectClient, *states: State[Any], tags: tuple[str, ...] = (TAG,)) -> FlowRun:
    """A run that has gone through these states."""
    deployment = api.create_deployment(api.create_flow(something), f"d{uuid.uuid4().hex}", tags=list(tags))
    run = api.create_flow_run_from_deployment(deployment)
    for state in states:
        api.set_flow_run_state(run.id, state)
    return api.read_flow_run(run.id)


def history(api: SyncPrefectClient, run: FlowRun) -> list[str | None]:
    """The names of the states that it went through."""
    return [state.name for state in sorted(api.read_flow_run_states(run.id), key=lambda one: one.timestamp)]


@pytest.mark.slow
def test_dead_runs_are_noticed_and_resumed_and_no_others(api: SyncPrefectClient) -> None:
    """A silent run is crashed and scheduled again; one that ended, never ran or is not ours is left alone."""
    # Without Pending: events that follow each other within milliseconds may be taken in another order, and then a run
    # seems to have been lost before it began.
    left_alone = {
        "ended well": run_in(api, Running(), Completed(name="Loaded")),
        "never ran": run_in(api, Crashed(message="no such image")),
        "not ours": run_in(api, Pending(), Running(), tags=()),
    }
    before = {name: history(api, run) for name, run in left_alone.items()}
    assert left_alone["never ran"].run_count == 0
    lost = run_in(api, Pending())
    dead = run_in(api, Pending(), Running())
    # What was left alone was so before these, and so had the time for whatever may befall these.
    for attempt in stamina.retry_context(on=AssertionError, attempts=None, timeout=300, wait_max=1):
        with attempt:
            assert history(api, dead) == ["Scheduled", "Pending", "Running", "Crashed", RESUMING]
            assert history(api, lost) == ["Scheduled", "Pending", RESUMING]
    assert "No heartbeat for 20 seconds" in api.read_flow_run_states(dead.id)[-2].message
    assert {name: history(api, run) for name, run in left_alone.items()} == before


def test_a_silence_that_prefect_does_not_take_is_refused() -> None:
    """Before anything is made."""
    with pytest.raises(ValueError, match="greater than or equal to 10 seconds"):
        automations(timedelta(seconds=9))
