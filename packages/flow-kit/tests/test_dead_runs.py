"""Runs whose death nobody was told: seen by their states and the times of these, on a real Prefect server."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest
import stamina
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.events.filters import (
    EventAnyResourceFilter,
    EventFilter,
    EventNameFilter,
    EventOccurredFilter,
)
from prefect.events.schemas.automations import EventTrigger
from prefect.server.events.schemas.events import ReceivedEvent
from prefect.server.events.schemas.events import ResourceSpecification as ServerSpecification
from prefect.states import AwaitingRetry, Cancelling, Completed, Crashed, Pending, Running, Scheduled
from prefect.types import DateTime

from weathervane.flow._automations import GIVEN_UP, RESUMING, automations
from weathervane.flow._dead_runs import AgeLimits, ended_by_signal, tend
from weathervane.flow._errors import SettingError

LIMITS = AgeLimits()
KILLED = Crashed(message="Process exited with status code: -9. Process was killed.")
OWN_END = Crashed(message="Process exited with status code: 1. Process exited with an error.")
Make = Callable[..., FlowRun]


@flow
def something(tenant_id: str = "*", start_date: str | None = None) -> None:
    """Never run here: its runs are put into states as workers and processes do."""


@pytest.fixture
def api(prefect: None) -> Any:
    """A client of the session's server, without automations: whatever they would hear is lost."""
    with get_client(sync_client=True) as client:
        for automation in client.read_automations():
            client.delete_automation(automation.id)
        yield client


@pytest.fixture
def deployment(api: SyncPrefectClient) -> UUID:
    """One of its own for each test."""
    return api.create_deployment(api.create_flow(something), f"d{uuid.uuid4().hex}", tags=["weathervane"])


@pytest.fixture
def in_state(api: SyncPrefectClient, deployment: UUID) -> Make:
    """Makes runs that went through these states, one after the other."""

    def make(*states: State[Any], tenant: str = "acme", **more: str) -> FlowRun:
        run = api.create_flow_run_from_deployment(deployment, parameters={"tenant_id": tenant, **more})
        for state in states:
            api.set_flow_run_state(run.id, state.fresh_copy(), force=True)
        return api.read_flow_run(run.id)

    return make


def history(api: SyncPrefectClient, run: FlowRun) -> list[str | None]:
    """The names of the states that it went through."""
    return [state.name for state in sorted(api.read_flow_run_states(run.id), key=lambda one: one.timestamp)]


def after(age: timedelta) -> datetime:
    """The time when a state that was entered now is of this age, and a little more."""
    return datetime.now(UTC) + age + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("states", "age", "then"),
    [
        ([Pending(), Running()], LIMITS.running, ["Crashed", RESUMING]),
        ([Pending()], LIMITS.pending, [RESUMING]),
        ([Pending(name="Submitting")], LIMITS.pending, [RESUMING]),
        ([], LIMITS.overdue, [RESUMING]),
        ([Scheduled(name="Late")], LIMITS.overdue, [RESUMING]),
        ([Running(), AwaitingRetry()], LIMITS.overdue, [RESUMING]),
        ([Scheduled(name="AwaitingConcurrencySlot")], LIMITS.overdue, [RESUMING]),
        ([Running(), Cancelling()], LIMITS.cancelling, ["Cancelled"]),
        ([Running(), KILLED], LIMITS.crashed, [RESUMING]),
        ([Running(), OWN_END], LIMITS.crashed, [RESUMING]),
        ([Pending(), KILLED], LIMITS.crashed, [RESUMING]),
        ([Pending(), OWN_END], LIMITS.crashed, [GIVEN_UP]),
    ],
)
def test_a_dead_run_is_resumed_or_ended_from_every_state(
    states: Sequence[State[Any]],
    age: timedelta,
    then: list[str],
    api: SyncPrefectClient,
    deployment: UUID,
    in_state: Make,
) -> None:
    """Once it is old enough, and not before; a second look finds nothing."""
    run = in_state(*states)
    before = history(api, run)
    assert tend(api, deployment, now=after(age / 2)) == []
    assert tend(api, deployment, now=after(age), of=run) == []
    assert [one.became for one in tend(api, deployment, now=after(age), write=lambda do: None)] == then[-1:]
    assert history(api, run) == before
    (found,) = tend(api, deployment, now=after(age))
    assert (found.run.id, found.became) == (run.id, then[-1])
    assert history(api, run) == [*before, *then]
    assert tend(api, deployment, now=after(timedelta(0))) == []


def test_a_run_that_is_tried_again_in_a_process_that_is_gone_is_shown_to_workers_again(
    api: SyncPrefectClient, deployment: UUID, in_state: Make
) -> None:
    """Prefect shows no worker a run that is marked so: it would wait for ever."""
    run = in_state(Running(), AwaitingRetry())
    marked = run.empirical_policy.model_copy(update={"retry_type": "in_process"})
    api.update_flow_run(run.id, empirical_policy=marked)
    (found,) = tend(api, deployment, now=after(LIMITS.running))
    assert "the process that would try it again is gone" in found.line()
    now = api.read_flow_run(run.id)
    assert (now.state_name, now.empirical_policy.retry_type) == (RESUMING, "reschedule")
    assert history(api, run)[-2:] == ["Crashed", RESUMING]


def test_a_run_that_gives_a_sign_is_alive(api: SyncPrefectClient, deployment: UUID, in_state: Make) -> None:
    """However long it runs, or waits in its process to try again: a heartbeat of its own, or a task of it."""
    beats, works, dead = (in_state(Running(), tenant=tenant) for tenant in ("beats", "works", "dead"))
    waits = in_state(Running(), AwaitingRetry(), tenant="waits")
    marked = waits.empirical_policy.model_copy(update={"retry_type": "in_process"})
    api.update_flow_run(waits.id, empirical_policy=marked)
    of_run = {"prefect.resource.id": f"prefect.flow-run.{works.id}", "prefect.resource.role": "flow-run"}
    signs: list[dict[str, Any]] = [
        *(
            {
                "event": "prefect.flow-run.heartbeat",
                "resource": {"prefect.resource.id": f"prefect.flow-run.{one.id}"},
            }
            for one in (beats, waits)
        ),
        {
            "event": "prefect.task-run.Completed",
            "resource": {"prefect.resource.id": f"prefect.task-run.{uuid.uuid4()}"},
            "related": [of_run],
        },
    ]
    occurred = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    given = [{**sign, "occurred": occurred, "id": str(uuid.uuid4())} for sign in signs]
    api._client.post("/events", json=given).raise_for_status()
    for attempt in stamina.retry_context(on=AssertionError, attempts=None, timeout=60, wait_max=0.2):
        with attempt:  # the server writes events a moment later
            found = tend(api, deployment, now=after(LIMITS.running), write=lambda do: None)
            assert [one.run.id for one in found] == [dead.id]


def test_a_run_that_is_put_off_is_alive(api: SyncPrefectClient, deployment: UUID, in_state: Make) -> None:
    """It is due when its vendor allows, not when it was due at first."""
    tomorrow = datetime.now(UTC) + timedelta(hours=23)
    in_state(Running(), Scheduled(name="Deferred", scheduled_time=tomorrow))
    assert tend(api, deployment, now=after(LIMITS.overdue)) == []
    assert len(tend(api, deployment, now=after(2 * LIMITS.overdue), write=lambda do: None)) == 1


def test_what_a_newer_run_reads_is_not_resumed(
    api: SyncPrefectClient, deployment: UUID, in_state: Make
) -> None:
    """A crash of the night is history when the tenant, or everyone, was read since; not by another tenant's run, one of
    other days, one that is yet to come, or one before.
    """
    for_all = in_state(Running(), tenant="*")
    crashed = {name: in_state(Running(), KILLED, tenant=name) for name in ("acme", "other")}
    in_state(Completed(name="Loaded"), tenant="acme")
    in_state(Completed(name="Loaded"), tenant="other", start_date="2026-01-01")
    api.create_flow_run_from_deployment(
        deployment,
        parameters={"tenant_id": "other"},
        state=Scheduled(scheduled_time=datetime.now(UTC) + timedelta(hours=1)),
    )
    now = after(LIMITS.crashed)
    assert [one.run.id for one in tend(api, deployment, now=now, write=lambda do: None)] == [
        crashed["other"].id
    ]
    assert tend(api, deployment, now=now, of=for_all, write=lambda do: None) == []


def test_a_crash_is_history_a_day_after_it(api: SyncPrefectClient, deployment: UUID) -> None:
    """Not a day after the run was due: one of many hours may die on the next day."""
    long_ago = Scheduled(scheduled_time=datetime.now(UTC) - timedelta(hours=30))
    run = api.create_flow_run_from_deployment(deployment, state=long_ago)
    for state in (Running(), KILLED):
        api.set_flow_run_state(run.id, state.fresh_copy(), force=True)
    assert tend(api, deployment, now=after(timedelta(hours=24)), write=lambda do: None) == []
    (found,) = tend(api, deployment, now=after(LIMITS.crashed))
    assert (found.run.id, found.became) == (run.id, RESUMING)


def test_what_moved_or_went_meanwhile_is_left_alone(
    api: SyncPrefectClient, deployment: UUID, in_state: Make
) -> None:
    """Somebody else looked as well, or a worker began it after all, or a person deleted it."""
    began, gone = in_state(Pending()), in_state(Pending(), tenant="gone")
    kept: list[Callable[[], Any]] = []
    assert len(tend(api, deployment, now=after(LIMITS.pending), write=kept.append)) == 2
    api.set_flow_run_state(began.id, Running(), force=True)
    api.delete_flow_run(gone.id)
    for do in kept:
        do()
    assert api.read_flow_run(began.id).state_name == "Running"


def test_nothing_is_resumed_for_ever(api: SyncPrefectClient, deployment: UUID, in_state: Make) -> None:
    """Not a run that never begins, nor one that keeps dying; both end in a state that calls a person."""
    never = in_state(*([Pending(), KILLED, Scheduled(name=RESUMING)] * 3), Pending(), KILLED)
    keeps = in_state(*([Running(), KILLED, Scheduled(name=RESUMING)] * 4), Running(), tenant="other")
    found = {one.run.id: one for one in tend(api, deployment, now=after(LIMITS.running))}
    assert {name: one.became for name, one in found.items()} == {never.id: GIVEN_UP, keeps.id: GIVEN_UP}
    state = api.read_flow_run(never.id).state
    assert state is not None
    assert state.is_failed()
    assert "it was resumed 3 times: look for the cause in the worker's log" in str(state.message)


def test_a_limit_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its variable."""
    monkeypatch.setenv("WEATHERVANE_DEAD_AFTER_RUNNING", "PT2H")
    assert AgeLimits.load().running == timedelta(hours=2)
    for value in ("soon", "-PT1H", "PT0S"):
        monkeypatch.setenv("WEATHERVANE_DEAD_AFTER_PENDING", value)
        with pytest.raises(SettingError, match="WEATHERVANE_DEAD_AFTER_PENDING: write a time"):
            AgeLimits.load()


@pytest.mark.parametrize(
    ("message", "signal"),
    [
        ("Process exited with status code: -9. Process was killed.", True),
        ("Process exited with status code: -15. Process was terminated.", True),
        ("Flow run infrastructure exited with non-zero status code 137. Process was killed", True),
        ("Flow run infrastructure exited with non-zero status code 143. Process terminated", True),
        ("Execution was aborted by a termination signal.", True),
        ("Process exited with status code: 1. Process exited with an error.", False),
        ("Process exited with status code: -11. ", False),
        ("Flow run infrastructure exited with non-zero status code 125. ", False),
        ("Failed to submit flow run to infrastructure: RuntimeError: no such image", False),
    ],
)
def test_a_signal_is_known_by_what_prefect_says_of_it(message: str, signal: bool) -> None:
    """By us and by the automation alike, which Prefect's server matches itself."""
    assert ended_by_signal(Crashed(message=message)) is signal
    event = ReceivedEvent(
        occurred=datetime.now(UTC),
        event="prefect.flow-run.Crashed",
        id=uuid.uuid4(),
        resource={
            "prefect.resource.id": f"prefect.flow-run.{uuid.uuid4()}",
            "prefect.run-count": "0",
            "prefect.state-message": message,
        },
    )
    hears = {
        one.name: ServerSpecification(one.trigger.match.model_dump()).matches(event.resource)
        for one in automations()
        if isinstance(one.trigger, EventTrigger)
    }
    assert hears["WeatherVane: start runs again that were killed while they started"] is signal
    assert hears["WeatherVane: give up runs that end while they start"]
    assert not hears["WeatherVane: resume crashed runs"]


def test_where_none_is_resumed_the_dead_are_ended(api: SyncPrefectClient, deployment: UUID) -> None:
    """Of each state in which a run can die: ended when it is old enough, and no earlier; one that gives signs lives."""

    def run(*states: State[Any]) -> FlowRun:
        made = api.create_flow_run_from_deployment(deployment)
        for state in states:
            api.set_flow_run_state(made.id, state, force=True)
        return api.read_flow_run(made.id)

    looks, alive = run(), run(Running())
    dead = [run(Running()), run(Pending()), run(Running(), Cancelling())]
    beat = {
        "id": str(uuid.uuid4()),
        "occurred": (datetime.now(UTC) + timedelta(minutes=2)).isoformat(),
        "event": "prefect.flow-run.heartbeat",
        "resource": {"prefect.resource.id": f"prefect.flow-run.{alive.id}"},
    }
    api._client.post("/events", json=[beat]).raise_for_status()
    heard = EventFilter(
        any_resource=EventAnyResourceFilter(id=[f"prefect.flow-run.{alive.id}"]),
        event=EventNameFilter(name=["prefect.flow-run.heartbeat"]),
        occurred=EventOccurredFilter(until=cast(DateTime, datetime.now(UTC) + timedelta(days=1))),
    )
    for attempt in stamina.retry_context(on=AssertionError, attempts=None, timeout=60, wait_max=0.2):
        with attempt:  # the server writes events a moment later
            assert api.read_events(heard, limit=1).events

    def ended(looks: FlowRun, at: datetime) -> list[FlowRun]:
        return [found.run for found in tend(api, deployment, of=looks, resume=False, now=at)]

    now = datetime.now(UTC)
    assert ended(looks, now + timedelta(minutes=29)) == []
    assert [one.id for one in ended(dead[0], now + timedelta(minutes=31))]
    found = ended(looks, now + timedelta(minutes=91))
    assert [one.id for one in found] == [dead[0].id]
    states = [api.read_flow_run(one.id).state_type for one in (*dead, alive, looks)]
    assert states == [
        StateType.CRASHED,
        StateType.CRASHED,
        StateType.CANCELLED,
        StateType.RUNNING,
        StateType.SCHEDULED,
    ]
