"""The throttle: a leaky bucket of query cost per app and shop (Shopify docs, rate limits)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

__all__ = ["Bucket"]


class Bucket:
    """A bucket of points that refills with time; thread-safe.

    Args:
        maximum: points that it holds; it starts full.
        rate: points that it regains a second.
        monotonic: the time behind the refilling, in seconds; real time unless a test gives its own.
    """

    def __init__(self, maximum: float, rate: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.maximum = maximum
        self.rate = rate
        self._monotonic = monotonic
        self._available = maximum
        self._at = monotonic()
        self._lock = threading.Lock()

    def take(self, points: float) -> bool:
        """Take points if so many are there; say whether it was done."""
        with self._lock:
            self._refill()
            if points > self._available:
                return False
            self._available -= points
            return True

    def give_back(self, points: float) -> None:
        """Return the difference between what a query asked for and what it used."""
        with self._lock:
            self._available = min(self.maximum, self._available + points)

    def status(self) -> dict[str, Any]:
        """Return the `throttleStatus` of an answer."""
        with self._lock:
            self._refill()
            return {
                "maximumAvailable": float(self.maximum),
                "currentlyAvailable": int(self._available),
                "restoreRate": float(self.rate),
            }

    def _refill(self) -> None:
        now = self._monotonic()
        self._available = min(self.maximum, self._available + (now - self._at) * self.rate)
        self._at = now
