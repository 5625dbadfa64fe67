"""What Prefect keeps of a run, its states and its events, in the words of `RunEvent`. Pure: asks nobody.

| state in Prefect | `RunState` |
| --- | --- |
| Scheduled, Pending, Paused, of any name; Crashed, until nobody has resumed it for long | PENDING |
| Running, Cancelling | RUNNING |
| Scheduled "Deferred" | DEFERRED; once it is due and waits for a worker, that is not the end |
| Completed "Loaded", "Loaded, 3 set aside" | LOADED |
| Completed "Verified empty"; Failed "Incomplete" | VERIFIED_EMPTY, INCOMPLETE |
| Cancelled | CANCELLED |
| Failed; Completed by any other name, which nobody but a person gives to such a run | FAILED |

Prefect writes events some seconds after they happened, seen up to half a minute on a busy server, and states at once.
So an end is told only when the event of that end is there, which the run emits after all of its slices'; or when it has
been waited for long enough, because a run that was killed emits none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.events.schemas.events import ReceivedEvent

from weathervane.flow import GIVEN_UP, ended_by_signal
from weathervane.source._run.report import COMMITTED, ENDED
from weathervane.source._run.summary import receipt_line, summary_from
from weathervane.source._serve.runs import RunEvent, RunState

__all__ = ["Patience", "WatchedRun"]

_BY_NAME = {
    (StateType.COMPLETED, "Loaded"): RunState.LOADED,
    (StateType.COMPLETED, "Verified empty"): RunState.VERIFIED_EMPTY,
    (StateType.FAILED, "Incomplete"): RunState.INCOMPLETE,
    (StateType.SCHEDULED, "Deferred"): RunState.DEFERRED,
}
_BY_TYPE = {
    StateType.SCHEDULED: RunState.PENDING,
    StateType.PENDING: RunState.PENDING,
    StateType.PAUSED: RunState.PENDING,
    StateType.CRASHED: RunState.PENDING,
    StateType.RUNNING: RunState.RUNNING,
    StateType.CANCELLING: RunState.RUNNING,
    StateType.CANCELLED: RunState.CANCELLED,
    StateType.COMPLETED: RunState.FAILED,
    StateType.FAILED: RunState.FAILED,
}
_OUR_LINE = re.compile(r"\[.*reason=[A-Z_0-9]+\]; next: ")
"""What a `SourceError` says of itself. Prefect puts any error's text into a state, and another's may hold anything."""


@dataclass(frozen=True)
class Patience:
    """For how many seconds after a run has ended its last events are waited for."""

    completed: float = 60.0
    """They are sure to come, with the result."""
    stopped: float = 15.0
    """A run that failed before it read anything, or was cancelled, has none."""
    crashed: float = 120.0
    """Prefect's automation resumes it 30 s after it crashed."""


class WatchedRun:
    """What is known of one run, and what of it was told."""

    def __init__(self, run: FlowRun, flow: str, patience: Patience) -> None:
        self._what = f"{flow} of {run.parameters.get('tenant_id')}"
        self._tenant = run.parameters.get("tenant_id")
        self._patience = patience
        self._told: set[UUID] = set()
        self._endings: list[ReceivedEvent] = []
        self._ended_since: tuple[UUID, float] | None = None
        self.events: set[UUID] = set()
        """The events that are known."""
        self.over = False
        """The last event was told."""

    def add(
        self, states: Sequence[State[Any]], events: Iterable[ReceivedEvent], now: float
    ) -> list[RunEvent]:
        """What there is to tell, in the order in which it happened.

        Args:
            states: All of the run's states, the first one first; read before the events were.
            events: Those that are not known yet.
            now: Seconds of a clock that never goes back.
        """
        last = states[-1]
        ends = _ends(last)
        new = []
        for state in states:
            # A crash is told at once; that it was the end, when nobody resumed it.
            if state.id not in self._told and (state is not last or not ends or state.is_crashed()):
                self._told.add(state.id)
                new.append(RunEvent(state.timestamp, _became(state), self._said(state)))
        for event in events:
            self.events.add(event.id)
            if event.event == ENDED:
                self._endings.append(event)
            elif event.event == COMMITTED:
                new.append(self._slice(event))
        new.sort(key=lambda one: one.time)
        if ends and self._waited_enough(states, now):
            self.over = True
            new.append(self._end(states))
        return new

    def _waited_enough(self, states: Sequence[State[Any]], now: float) -> bool:
        last = states[-1]
        if self._ended_since is None or self._ended_since[0] != last.id:
            self._ended_since = (last.id, now)
        waited = now - self._ended_since[1]
        if last.is_crashed():
            # One that never ran and ended by itself is not resumed: it would crash again.
            resumed = ended_by_signal(last) or any(state.is_running() for state in states)
            return waited >= (self._patience.crashed if resumed else 0)
        patience = self._patience.completed if last.is_completed() else self._patience.stopped
        return self._ending(states) is not None or waited >= patience

    def _ending(self, states: Sequence[State[Any]]) -> ReceivedEvent | None:
        """The event of this end: every attempt has one of its own."""
        last = states[-1]
        same = [one for one in self._endings if one.payload.get("message") == last.message]
        begun = max((state.timestamp for state in states if state.is_running()), default=None)
        # By the worker's clock against the server's; where that misleads, the wait is shorter or longer than needed.
        since = [one for one in self._endings if begun is not None and one.occurred >= begun]
        return max(same or since, key=lambda one: one.occurred, default=None)

    def _end(self, states: Sequence[State[Any]]) -> RunEvent:
        last, ending = states[-1], self._ending(states)
        if last.is_crashed():
            message = f"{self._what}: its process died and nothing resumes it; look into the worker's log, start anew"
            return RunEvent(last.timestamp, RunState.FAILED, message)
        state = _became(last)
        summary = None
        if state in (RunState.LOADED, RunState.VERIFIED_EMPTY) and ending and "summary" in ending.payload:
            summary = summary_from(ending.payload["summary"])
        message = self._said(last, str(ending.payload.get("message")) if ending else None)
        return RunEvent(last.timestamp, state, message, summary=summary)

    def _slice(self, event: ReceivedEvent) -> RunEvent:
        row = event.payload
        line = receipt_line(str(self._tenant), row)
        return RunEvent(event.occurred, RunState.RUNNING, line, receipt=row)

    def _said(self, state: State[Any], ended: str | None = None) -> str:
        """A state in one line. `ended` is what the run said of its end."""
        due = state.state_details.scheduled_time
        if _named(state) in _BY_NAME:
            until = f"put off until {_time(due)}: " if _became(state) is RunState.DEFERRED and due else ""
            return until + (state.message or f"{self._what}: {state.name}")
        if state.is_failed():
            if ended:
                return ended
            if state.name == GIVEN_UP:
                return f"{self._what}: {state.message}"
            if state.message and _OUR_LINE.search(state.message):
                return state.message
            return f"{self._what} failed; its log in Prefect says why"
        if state.is_crashed():
            return f"{self._what}: its process died; it waits to be resumed"
        if state.is_completed():
            return f"{self._what} was set to {state.name}, which is no end that it gives itself"
        later = due is not None and due.timestamp() - state.timestamp.timestamp() > 1
        until = f" until {_time(due)}" if due and later else ""
        return f"{self._what}: {state.name}{until}"


def _became(state: State[Any]) -> RunState:
    return _BY_NAME.get(_named(state), _BY_TYPE[state.type])


def _named(state: State[Any]) -> tuple[StateType, str]:
    # How many rows were set aside follows the name.
    return state.type, (state.name or "").partition(",")[0]


def _ends(state: State[Any]) -> bool:
    if _became(state) is RunState.DEFERRED:
        due = state.state_details.scheduled_time
        return due is not None and due > datetime.now(UTC)
    return state.is_final()


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
