"""Klaviyo's rate limits: fixed windows of a second, a minute and, for reports, a day, per account and endpoint."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping

from weathervane.klaviyo.sandbox._problems import RefusalError

__all__ = ["LIMITS", "Limits"]

LIMITS: Mapping[str, tuple[int, int, int | None]] = {
    "XS": (1, 15, None),
    "S": (3, 60, None),
    "M": (10, 150, None),
    "report": (1, 2, 225),
}
"""Calls a second (burst), a minute (steady) and a day."""

_SECONDS = (1, 60, 86_400)


class Limits:
    """Counts calls in fixed windows of real time.

    Args:
        factor: multiplies every limit.
        clock: seconds; what the windows are cut from.
    """

    def __init__(self, factor: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._factor = factor
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, int], tuple[int, int]] = {}

    def spend(self, size: str, endpoint: str) -> dict[str, str]:
        """Counts a call of an endpoint; the RateLimit headers of its answer (those of the minute).

        Raises:
            RefusalError: 429 with Retry-After: a window is full.
        """
        now = self._clock()
        limits = self._limits(size)
        with self._lock:
            counts = []
            for length, limit in zip(_SECONDS, limits, strict=True):
                count = self._count(endpoint, length, now)
                if limit is not None and count >= limit:
                    raise self._throttled(length - now % length)
                counts.append(count)
            for length, count in zip(_SECONDS, counts, strict=True):
                self._counts[endpoint, length] = (int(now // length), count + 1)
        return self._headers(limits[1] or 0, counts[1] + 1, now)

    def told(self, size: str, endpoint: str) -> dict[str, str]:
        """The headers of an answer that counts for nothing: of a request that was not admitted."""
        now = self._clock()
        with self._lock:
            return self._headers(self._limits(size)[1] or 0, self._count(endpoint, 60, now), now)

    def _limits(self, size: str) -> list[int | None]:
        return [None if one is None else max(1, int(one * self._factor)) for one in LIMITS[size]]

    def _count(self, endpoint: str, length: int, now: float) -> int:
        window, count = self._counts.get((endpoint, length), (-1, 0))
        return count if window == int(now // length) else 0

    @staticmethod
    def _headers(steady: int, spent: int, now: float) -> dict[str, str]:
        return {
            "RateLimit-Limit": str(steady),
            "RateLimit-Remaining": str(max(0, steady - spent)),
            "RateLimit-Reset": str(math.ceil(60 - now % 60)),
        }

    @staticmethod
    def _throttled(seconds: float) -> RefusalError:
        wait = max(1, math.ceil(seconds))
        told = f"Request was throttled. Expected available in {wait} second{'' if wait == 1 else 's'}."
        return RefusalError(429, told, headers={"Retry-After": str(wait)})
