"""Pace: what keeps calls under a vendor's limits, shared by everybody whom one limit binds.

A limit belongs to an app, a shop or an account, not to a client: all clients under it must share one state.
`shared` holds that state once per process. Pauses are shared by all processes that have the folder `WEATHERVANE_PAUSES`
in common, and by the runs of workers on one machine without it, in Prefect's home. (Others under one limit learn of
each other only by the vendor's answers; that is correct, but costs throttled calls.)
"""

import hashlib
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar, cast

import httpx

from weathervane.source._errors import DeferredError, bounded_delay
from weathervane.source._http.verdict import Verdict
from weathervane.source._progress import tell

__all__ = [
    "COST",
    "FOLDER",
    "CostBucket",
    "NoPace",
    "Pace",
    "PaceChain",
    "PauseGate",
    "ThrottleStatus",
    "shared",
]

T = TypeVar("T")
Clock = Callable[[], float]
Sleep = Callable[[float], None]

log = logging.getLogger(__name__)

FOLDER = "WEATHERVANE_PAUSES"
"""The environment variable that names the folder in which processes tell each other of pauses."""
_RUN_OF_A_WORKER = "PREFECT__FLOW_RUN_ID"
"""Prefect sets it for the process in which a worker runs a flow."""

COST = "weathervane.cost"
"""Request extension: the points that a call asks for, e.g. ``extensions={COST: 312}``."""


class Pace(Protocol):
    """What the transport asks around every attempt. Implementations are safe to call from many threads."""

    def before(self, request: httpx.Request) -> None:
        """Sleep until the request may go. Raises DeferredError when that is too long to sleep."""

    def after(self, response: httpx.Response, verdict: Verdict) -> None:
        """Learn from a whole answer and from what it was judged to be."""


class NoPace:
    """No limits."""

    def before(self, request: httpx.Request) -> None:
        """Let it go."""

    def after(self, response: httpx.Response, verdict: Verdict) -> None:
        """Learn nothing."""


class PaceChain:
    """Several limits that all bind the same calls, asked in order: gates first, as buckets take points."""

    def __init__(self, *paces: Pace) -> None:
        self._paces = paces

    def before(self, request: httpx.Request) -> None:
        """Wait for each."""
        for pace in self._paces:
            pace.before(request)

    def after(self, response: httpx.Response, verdict: Verdict) -> None:
        """Tell each."""
        for pace in self._paces:
            pace.after(response, verdict)


@dataclass(frozen=True)
class ThrottleStatus:
    """A leaky bucket as its server describes it (Shopify: ``extensions.cost.throttleStatus``).

    Points, points and points a second.
    """

    maximum: float
    available: float
    restore_rate: float


class CostBucket:
    """A leaky bucket fed by the server's own numbers: waits ``(requested - available) / restore_rate``.

    Knows nothing and waits for nothing until the first answer: no number is hard-coded. ``read`` finds
    the status in an answer, or None. ``default_cost`` is for requests that name none by extension `COST`.
    Between answers every call takes its points from the estimate, so threads do not all spend the same.
    """

    def __init__(
        self,
        read: Callable[[httpx.Response], ThrottleStatus | None],
        *,
        default_cost: float,
        max_wait: float = 60.0,
        clock: Clock = time.monotonic,
        sleep: Sleep = time.sleep,
    ) -> None:
        self._read = read
        self._default_cost = default_cost
        self._max_wait = max_wait
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._status: ThrottleStatus | None = None
        self._at = clock()

    def before(self, request: httpx.Request) -> None:
        """Take the request's cost from the bucket, and sleep until the bucket would have had it."""
        cost = float(request.extensions.get(COST, self._default_cost))
        with self._lock:
            if self._status is None:
                return
            available = self._available(self._status)
            # More than the bucket ever holds: wait until it is full and let the server decide.
            wait = bounded_delay((min(cost, self._status.maximum) - available) / self._status.restore_rate)
            if wait > self._max_wait:
                told = f"the rate limit's bucket needs {wait:.0f} s to fill"
                raise DeferredError(told, reason="THROTTLED", retry_after=wait)
            self._keep(self._status, available - cost)
        if wait:
            self._sleep(wait)

    def after(self, response: httpx.Response, verdict: Verdict) -> None:
        """Believe the server: its number replaces the estimate."""
        status = self._read(response)
        numbers = () if status is None else (status.maximum, status.available, status.restore_rate)
        if status is None or status.restore_rate <= 0 or not all(map(math.isfinite, numbers)):
            return
        with self._lock:
            # float: the kit's JSON numbers are Decimal, which do not mix with a clock's floats.
            self._keep(
                ThrottleStatus(float(status.maximum), 0.0, float(status.restore_rate)),
                float(status.available),
            )

    def _available(self, status: ThrottleStatus) -> float:
        restored = max(0.0, self._clock() - self._at) * status.restore_rate
        return min(status.maximum, status.available + restored)

    def _keep(self, status: ThrottleStatus, available: float) -> None:
        self._status = ThrottleStatus(status.maximum, available, status.restore_rate)
        self._at = self._clock()


class PauseGate:
    """Not before t, for everybody behind one limit: a throttle that one of them meets pauses all.

    ``what`` names the limit in errors. ``pauses`` recognises it: it gives the seconds of pause that a judged
    answer means for everybody, or None; without it, somebody else calls `pause`. ``key`` names the limit to other
    processes, as in `shared`; without it they are told nothing.
    """

    def __init__(
        self,
        what: str,
        *,
        key: Hashable = None,
        pauses: Callable[[httpx.Response, Verdict], float | None] = lambda response, verdict: None,
        max_wait: float = 60.0,
        clock: Clock = time.monotonic,
        sleep: Sleep = time.sleep,
    ) -> None:
        self._what = what
        self._pauses = pauses
        self._max_wait = max_wait
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._until = float("-inf")
        self._told = None if key is None else _told_pause(key)

    def pause(self, seconds: float) -> None:
        """Let nobody pass for ``seconds`` from now, at most a day; a pause already set is never shortened."""
        seconds = bounded_delay(seconds)
        with self._lock:
            self._until = max(self._until, self._clock() + seconds)
            if self._told is not None:
                self._told.tell(seconds)

    def _left(self) -> float:
        left = self._until - self._clock()
        return left if self._told is None else max(left, self._told.left())

    def before(self, request: httpx.Request) -> None:
        """Sleep until the gate opens. Raises DeferredError, and nothing is sent, when that is too long."""
        while (left := self._left()) > 0:  # another may prolong the pause meanwhile
            if left > self._max_wait:
                raise DeferredError(
                    f"{self._what} is paused by the vendor for another {left:.0f} s",
                    reason="THROTTLED",
                    retry_after=left,
                )
            if left > _WORTH_A_WORD:
                tell(f"{self._what} is paused by the vendor; waits {left:.0f} s")
            self._sleep(left)

    def after(self, response: httpx.Response, verdict: Verdict) -> None:
        """Pause everybody, if the answer says so."""
        seconds = self._pauses(response, verdict)
        if seconds is not None:
            self.pause(seconds)


_WORTH_A_WORD = 5.0
"""Seconds of a pause from which on it is told."""
_LONGEST_PAUSE = 48 * 3600.0
"""Seconds. What is further off was written by a clock that was wrong; vendors pause for a day at most."""


class _ToldPause:
    """A pause in a file: when it ends, in seconds since 1970. What cannot be read or written costs a throttled call."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def left(self) -> float:
        """Seconds until it ends; 0 when there is none."""
        try:
            left = float(self._file.read_text()) - time.time()
        except (OSError, ValueError):
            return 0.0
        return left if 0 < left <= _LONGEST_PAUSE else 0.0

    def tell(self, seconds: float) -> None:
        """Keeps the end, unless a later one is there."""
        if seconds <= self.left():
            return
        new = self._file.with_suffix(f".{os.getpid()}")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(str(time.time() + seconds))
            new.replace(self._file)
        except OSError as error:
            log.warning("a pause of %.0f s cannot be told to other processes: %s", seconds, error)


def _told_pause(key: Hashable) -> _ToldPause | None:
    folder = _folder()
    # A key may hold a vendor's token.
    return None if folder is None else _ToldPause(folder / hashlib.sha256(repr(key).encode()).hexdigest())


def _folder() -> Path | None:
    if folder := os.environ.get(FOLDER):
        return Path(folder)
    if _RUN_OF_A_WORKER not in os.environ:
        return None
    from prefect.settings import get_current_settings

    return get_current_settings().home / "weathervane-pauses"


_registry: dict[Hashable, object] = {}
_registry_lock = threading.Lock()


def shared(key: Hashable, factory: Callable[[], T]) -> T:
    """Return the one object of ``key`` in this process, made by ``factory`` the first time.

    ``key`` names the limit, not the client: ``("shopify", client_id, shop)``, ``("google_ads", project)``.
    """
    with _registry_lock:
        if key not in _registry:
            _registry[key] = factory()
        return cast(T, _registry[key])


def forget() -> None:
    """Drops all that was shared, as the end of a process does."""
    with _registry_lock:
        _registry.clear()
