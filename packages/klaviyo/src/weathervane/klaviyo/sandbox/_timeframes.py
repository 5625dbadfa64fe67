"""The window of a report: by a key, or by its first and last hour; always in the account's time zone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from weathervane.klaviyo.sandbox._problems import RefusalError

__all__ = ["KEYS", "window_of"]

_Window = tuple[datetime, datetime | None]
"""From this midnight to before that one; None = up to now."""


def _since(days: int) -> Callable[[datetime], _Window]:
    return lambda today: (today - timedelta(days=days - 1), None)


def _months(back: int) -> Callable[[datetime], _Window]:
    return lambda today: (_month(today, -back), _month(today, 0))


def _month(today: datetime, by: int) -> datetime:
    """The first of the month that is so many months from this one."""
    years, month = divmod(today.month - 1 + by, 12)
    return today.replace(year=today.year + years, month=month + 1, day=1)


def _week(today: datetime) -> datetime:
    return today - timedelta(days=today.weekday())


# Nobody outside says with which day a week begins, nor whether months are whole ones: Monday, and they are.
KEYS: Mapping[str, Callable[[datetime], _Window]] = {
    "today": _since(1),
    "yesterday": lambda today: (today - timedelta(days=1), today),
    "this_week": lambda today: (_week(today), None),
    "last_week": lambda today: (_week(today) - timedelta(days=7), _week(today)),
    "this_month": lambda today: (_month(today, 0), None),
    "last_month": _months(1),
    "this_year": lambda today: (today.replace(month=1, day=1), None),
    "last_year": lambda today: (
        today.replace(year=today.year - 1, month=1, day=1),
        today.replace(month=1, day=1),
    ),
    "last_7_days": _since(7),
    "last_30_days": _since(30),
    "last_90_days": _since(90),
    "last_365_days": _since(365),
    "last_3_months": _months(3),
    "last_12_months": _months(12),
}
"""Key -> its window, by the midnight before now."""


def window_of(given: Any, zone: ZoneInfo, now: datetime) -> tuple[datetime, datetime]:
    """First and last moment of a timeframe, both of it.

    Raises:
        RefusalError: it is none, or longer than a year: 400.
    """
    given = given if isinstance(given, dict) else {}
    if "key" in given:
        make = KEYS.get(given["key"]) if isinstance(given["key"], str) else None
        if make is None:
            raise _bad(f"'{given['key']}' is not a valid timeframe key; valid ones are: {', '.join(KEYS)}")
        # Whole days of the wall clock: a day on which it is set has 23 or 25 hours.
        begin, end = make(now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0))
        return begin, now if end is None else end - timedelta(seconds=1)
    try:
        # An offset is ignored: the account's own timezone counts.
        first = datetime.fromisoformat(given["start"]).replace(tzinfo=zone)
        last = datetime.fromisoformat(given["end"]).replace(tzinfo=zone)
    except (KeyError, ValueError, TypeError):
        raise _bad("timeframe takes a known key, or start and end") from None
    last = last.replace(minute=59, second=59)
    if first > last:
        raise _bad("The start of the timeframe is after its end.")
    if last.date() >= _next_year(first.date()):
        raise _bad("The timeframe must not be longer than one year.")
    return first, last


def _next_year(day: date) -> date:
    if day.year == date.max.year:
        return date.max
    return day.replace(year=day.year + 1, day=28 if (day.month, day.day) == (2, 29) else day.day)


def _bad(detail: str) -> RefusalError:
    return RefusalError(400, detail, {"pointer": "/data/attributes/timeframe"})
