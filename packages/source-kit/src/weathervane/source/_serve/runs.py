"""Runs in this process: each in a thread of its own, with its events kept for whoever watches.

Kept in memory only: what a run wrote is in the lake, and after a restart a run is started again and goes on from
there. Runs that outlive the process are those of deployments, see `deployed_runs.py`; both are told in `RunEvent`s.
"""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any

from weathervane.lake import LakeError
from weathervane.source._errors import DeferredError, IncompleteError, SourceError, contained
from weathervane.source._progress import Progress, listening
from weathervane.source._run.summary import IngestionSummary, aside_by_table, receipt_row

__all__ = ["RunEvent", "RunRequest", "RunSettings", "RunState", "Runs", "RunsFullError"]

_RUNS = uuid.UUID("0e0f3a52-5c0d-4a0e-9a55-6d1f4f6c8b7e")
# Events handed to a watcher at once: it then lets others have the loop.
_BATCH = 100


@dataclass(frozen=True)
class RunSettings:
    """How many runs this process carries, and how much of them it remembers."""

    max_concurrent_runs: int = 4
    """A run is mostly waiting for its vendor; four keep a core busy with decoding, and memory bounded."""
    max_runs_kept: int = 1_000
    """Runs that have ended and can still be watched, or recognised by their request id; then the oldest are
    forgotten."""
    max_events_kept: int = 10_000
    """Events of one run; then its oldest are forgotten, and a watcher is told how many."""


class RunState(Enum):
    """Where a run stands."""

    PENDING = "pending"
    RUNNING = "running"
    LOADED = "loaded"
    VERIFIED_EMPTY = "verified_empty"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    DEFERRED = "deferred"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen, or nothing until the vendor allows."""
        return self not in (RunState.PENDING, RunState.RUNNING)


@dataclass(frozen=True)
class RunRequest:
    """What was asked for; the same request is equal."""

    request_id: str
    tenant: str
    flow: str
    start_date: date | None = None
    end_date: date | None = None


@dataclass(frozen=True)
class RunEvent:
    """One event of a run."""

    time: datetime
    state: RunState
    message: str
    receipt: Mapping[str, Any] | None = None
    """A slice's receipt, as `receipt_row` has it."""
    summary: IngestionSummary | None = None
    """On the last event of a run that ended well."""


class RunsFullError(Exception):
    """As many runs as there may be are in progress."""


@dataclass(eq=False)
class Run:
    """One run: its events so far, and those who wait for more. Thread-safe."""

    run_id: str
    request: RunRequest
    max_events: int
    state: RunState = RunState.PENDING
    _events: deque[RunEvent] = field(default_factory=deque)
    _forgotten: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _watchers: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = field(default_factory=set)

    def tell(
        self,
        state: RunState,
        message: str,
        *,
        receipt: Mapping[str, Any] | None = None,
        summary: IngestionSummary | None = None,
    ) -> None:
        """Adds an event and wakes the watchers; never waits for one."""
        with self._lock:
            self.state = state
            self._events.append(RunEvent(datetime.now(UTC), state, message, receipt, summary))
            if len(self._events) > self.max_events:
                self._events.popleft()
                self._forgotten += 1
            watchers = list(self._watchers)
        for loop, wake in watchers:
            # A loop that was closed with its server has nobody left to wake.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(wake.set)

    async def watch(self) -> AsyncGenerator[RunEvent]:
        """Every event that is kept, then each as it happens, to the last."""
        watcher = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._watchers.add(watcher)
        try:
            position, ended = 0, False
            while True:
                # Cleared before looking: what is told in between is then seen or rings again.
                watcher[1].clear()
                events, position, ended = self._since(position)
                for event in events:
                    yield event
                if ended:
                    return
                if not events:
                    await watcher[1].wait()
        finally:
            with self._lock:
                self._watchers.discard(watcher)

    def _since(self, position: int) -> tuple[list[RunEvent], int, bool]:
        with self._lock:
            missed = max(0, self._forgotten - position)
            first = position + missed - self._forgotten
            events = [self._events[n] for n in range(first, min(first + _BATCH, len(self._events)))]
            position += missed + len(events)
            ended = self.state.ended and position == self._forgotten + len(self._events)
            if missed:
                told = f"{missed:,} earlier events are no longer kept"
                events.insert(0, RunEvent(events[0].time, RunState.RUNNING, told))
            return events, position, ended


class Runs:
    """The runs of this process. Thread-safe."""

    def __init__(self, settings: RunSettings) -> None:
        self.settings = settings
        # By run id, in order of their start.
        self._runs: dict[str, Run] = {}
        self._changed = threading.Condition()  # its lock is re-entrant

    def knows(self, request_id: str) -> bool:
        """Whether this request id started a run that is remembered here."""
        return self.find(_run_id(request_id)) is not None

    def start(
        self, request: RunRequest, work: Callable[[], IngestionSummary], *, note: str = ""
    ) -> tuple[Run, bool]:
        """Starts a run, or finds the one that this request id started; says whether it was there already.

        Args:
            request: What is asked for.
            work: Does it, in a thread.
            note: What a watcher shall know from the start; a part of the first event's message.

        Raises:
            RunsFullError: Too many runs are in progress.
            ValueError: The request id started something else.
        """
        run_id = _run_id(request.request_id)
        with self._changed:
            known = self._runs.get(run_id)
            if known is not None:
                if known.request != request:
                    raise ValueError(
                        f"request_id {request.request_id!r} started {known.request.flow} of {known.request.tenant}"
                        " with other arguments; give each run its own"
                    )
                return known, True
            if len(self.running()) >= self.settings.max_concurrent_runs:
                raise RunsFullError
            run = self._runs[run_id] = Run(run_id, request, self.settings.max_events_kept)
            run.tell(RunState.PENDING, f"{request.flow} of {request.tenant} was accepted{note}")
            self._forget()
        threading.Thread(target=self._work, args=(run, work), name=f"run-{run_id}", daemon=True).start()
        return run, False

    def find(self, run_id: str) -> Run | None:
        """The run of this id; None when there is none, or it was forgotten."""
        with self._changed:
            return self._runs.get(run_id)

    def running(self) -> list[Run]:
        """The runs that have not ended."""
        with self._changed:
            return [run for run in self._runs.values() if not run.state.ended]

    def wait(self, seconds: float) -> list[Run]:
        """Waits until all runs have ended, but not longer than this; returns those that have not."""
        deadline = time.monotonic() + seconds
        with self._changed:
            self._changed.wait_for(lambda: not self.running(), timeout=max(0.0, deadline - time.monotonic()))
            return self.running()

    def _forget(self) -> None:
        ended = [run.run_id for run in self._runs.values() if run.state.ended]
        for run_id in ended[: max(0, len(ended) - self.settings.max_runs_kept)]:
            del self._runs[run_id]

    def _work(self, run: Run, work: Callable[[], IngestionSummary]) -> None:
        try:
            run.tell(RunState.RUNNING, f"{run.request.flow} of {run.request.tenant} begins")
            with listening(lambda progress: _tell(run, progress)), contained():
                summary = work()
            state = RunState(summary.metadata["state"])
            message = f"{summary.row_count:,} new and updated rows"
            if told := aside_by_table(summary.metadata["datasets"]):
                message += f"; {told}"
            if (left := summary.metadata.get("deferred")) is not None:
                state = RunState.DEFERRED
                message += f"; the rest is put off for {left['retry_after']:,.0f} s: {left['message']}"
            run.tell(state, message, summary=summary)
        except IncompleteError as error:
            run.tell(RunState.INCOMPLETE, str(error))
        except DeferredError as error:
            run.tell(RunState.DEFERRED, f"put off for {error.retry_after:,.0f} s: {error}")
        except (SourceError, LakeError) as error:
            run.tell(RunState.FAILED, str(error))
        except BaseException as error:
            run.tell(RunState.FAILED, f"ended by {type(error).__name__}")
        finally:
            with self._changed:
                self._changed.notify_all()


def _tell(run: Run, progress: Progress) -> None:
    receipt = receipt_row(progress.slice or "", progress.result) if progress.result else None
    run.tell(RunState.RUNNING, progress.message, receipt=receipt)


def _run_id(request_id: str) -> str:
    # Made from the request id, so that a repeat gets the same answer even from a process that was restarted.
    return str(uuid.uuid5(_RUNS, request_id))
