"""The pretend vendor's clock: it stands still until it is moved, or runs at a rate of real time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

__all__ = ["Clock"]


class Clock:
    """A thread-safe UTC clock that a test can move, and that never goes back.

    A vendor's data only grows older, so a clock that went back would make records from the future;
    `set` refuses it.

    Args:
        now: where the clock starts; must be timezone-aware.
        rate: shop seconds per real second. 0 (the default) stands still, 1 runs with real time.
        monotonic: the real time behind `rate`, in seconds.
    """

    def __init__(
        self, now: datetime, *, rate: float = 0.0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        if rate < 0:
            raise ValueError(f"a clock's rate must not be negative, got {rate}")
        self._base = _utc(now)
        self._rate = rate
        self._monotonic = monotonic
        self._since = monotonic()
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the present of the pretend vendor, timezone-aware in UTC."""
        with self._lock:
            return self._now()

    def set(self, now: datetime) -> datetime:
        """Move the clock to `now`.

        Raises:
            ValueError: `now` has no timezone, or lies before the clock's present.
        """
        moment = _utc(now)
        with self._lock:
            if moment < self._now():
                raise ValueError(f"the clock stands at {self._now().isoformat()} and does not go back")
            return self._start_from(moment)

    def advance(self, seconds: float) -> datetime:
        """Move the clock forward by `seconds` and return its new present.

        Raises:
            ValueError: `seconds` is negative or not a number.
        """
        if not seconds >= 0:
            raise ValueError(f"the clock does not go back: advance takes seconds >= 0, got {seconds}")
        with self._lock:
            return self._start_from(self._now() + timedelta(seconds=seconds))

    def _now(self) -> datetime:
        if not self._rate:
            return self._base
        return self._base + timedelta(seconds=(self._monotonic() - self._since) * self._rate)

    def _start_from(self, moment: datetime) -> datetime:
        self._base = moment
        self._since = self._monotonic()
        return moment


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"a clock needs a timezone-aware time, got {moment.isoformat()}")
    return moment.astimezone(UTC)
