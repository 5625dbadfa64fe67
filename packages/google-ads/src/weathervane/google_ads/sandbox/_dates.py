"""Days as GAQL writes them: literals, periods and predefined ranges."""

from __future__ import annotations

import re
from datetime import date, timedelta

from weathervane.google_ads.sandbox._gaql import refuse

__all__ = ["derived", "floor_of", "floor_of_months", "period", "predefined"]

_DAY = timedelta(days=1)
_WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")


def floor_of(today: date) -> date:
    """The first day of which daily figures are kept: 37 months ago (since 2026-06-01)."""
    return _months_before(today, 37)


def floor_of_months(today: date) -> date:
    """The first day of the first month of which figures by month, quarter or year are kept: 11 years ago."""
    return _months_before(today, 11 * 12).replace(day=1)


def derived(day: date) -> dict[str, object]:
    """The date segments of a day."""
    return {
        "segments.date": day.isoformat(),
        "segments.week": (day - day.weekday() * _DAY).isoformat(),
        "segments.month": day.replace(day=1).isoformat(),
        "segments.quarter": day.replace(month=day.month - (day.month - 1) % 3, day=1).isoformat(),
        "segments.year": day.year,
        "segments.day_of_week": _WEEKDAYS[day.weekday()],
    }


def period(name: str, text: str) -> tuple[date, date]:
    """First and last day of a `date`, `week`, `month`, `quarter` or `year` literal."""
    if name == "year":
        if not re.fullmatch(r"\d{4}", text) or not int(text):
            raise refuse("BAD_NUMBER", f"'{text}' is no year.", text)
        return date(int(text), 1, 1), date(int(text), 12, 31)
    if not re.fullmatch(r"\d{4}-\d\d-\d\d|\d{8}", text):
        raise refuse("INVALID_DATE_FORMAT", f"'{text}' is no date such as 2026-11-20.", text)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise refuse("INVALID_DATE_FORMAT", f"'{text}' is no date such as 2026-11-20.", text) from None
    if name == "date":
        return day, day
    if derived(day)[f"segments.{name}"] != day.isoformat():
        raise refuse("MISALIGNED_DATE_FOR_FILTER", f"'{text}' is not the first day of a {name}.", text)
    try:
        if name == "week":
            return day, day + 6 * _DAY
        return day, _months_before(day, -1 if name == "month" else -3) - _DAY
    except (ValueError, OverflowError):
        # The calendar ends with this period.
        return day, date.max


def predefined(name: str, today: date) -> tuple[date, date] | None:
    """A predefined range; the LAST_N_DAYS exclude today. None: there is none of this name."""
    yesterday = today - _DAY
    monday, sunday = today - today.weekday() * _DAY, today - today.isoweekday() % 7 * _DAY
    first = today.replace(day=1)
    ranges = {
        "TODAY": (today, today),
        "YESTERDAY": (yesterday, yesterday),
        "LAST_7_DAYS": (today - 7 * _DAY, yesterday),
        "LAST_14_DAYS": (today - 14 * _DAY, yesterday),
        "LAST_30_DAYS": (today - 30 * _DAY, yesterday),
        "LAST_BUSINESS_WEEK": (monday - 7 * _DAY, monday - 3 * _DAY),
        "THIS_MONTH": (first, today),
        "LAST_MONTH": (_months_before(first, 1), first - _DAY),
        "THIS_WEEK_SUN_TODAY": (sunday, today),
        "THIS_WEEK_MON_TODAY": (monday, today),
        "LAST_WEEK_SUN_SAT": (sunday - 7 * _DAY, sunday - _DAY),
        "LAST_WEEK_MON_SUN": (monday - 7 * _DAY, monday - _DAY),
    }
    return ranges.get(name)


def _months_before(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    last = (date(year + (month == 11), (month + 1) % 12 + 1, 1) - _DAY).day
    return date(year, month + 1, min(day.day, last))
