"""A long stretch of days as windows, each short enough to be read, to fail and to be read again by itself."""

from __future__ import annotations

from datetime import date, timedelta

from weathervane.source.days import parse_days
from weathervane.source.definition import Days
from weathervane.source.errors import ConfigurationError

__all__ = ["MAX_WINDOWS", "cut"]

MAX_WINDOWS = 500
"""Of one backfill: each is a run, and a line of the plan."""


def cut(first: date, last: date, every: int) -> tuple[Days, ...]:
    """Windows of `every` days, counted from the first day on, the last one perhaps shorter; the newest comes first.

    Newest first, since those days are asked for most, and because what a broken-off backfill leaves then reaches up to
    the present.

    Raises:
        ConfigurationError: The days end before they begin, have not all begun anywhere, or make too many windows.
    """
    parse_days(first, last)
    windows = -(-Days(first, last).count // every)
    if windows > MAX_WINDOWS:
        raise ConfigurationError(
            f"{first} to {last} is {windows:,} windows of {every} days, and {MAX_WINDOWS} is the most; make them longer"
            " or the stretch shorter",
            reason="TOO_MANY_WINDOWS",
        )
    starts = [first + timedelta(days=every * number) for number in range(windows)]
    return tuple(Days(start, min(last, start + timedelta(days=every - 1))) for start in reversed(starts))
