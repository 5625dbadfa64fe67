"""Resources of which Google keeps days only, and takes queries with narrow dates: clicks and changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta

from weathervane.google_ads.sandbox._dates import period, predefined
from weathervane.google_ads.sandbox._errors import GoogleAdsError
from weathervane.google_ads.sandbox._fields import camel
from weathervane.google_ads.sandbox._gaql import Condition

__all__ = ["check_changes", "check_clicks", "is_change_time", "without_during"]

_CLICK_DAYS = timedelta(days=90)
_CHANGES = {
    "change_event": ("change_event.change_date_time", timedelta(days=30)),
    "change_status": ("change_status.last_change_date_time", timedelta(days=90)),
}
"""Resource -> the field that must be filtered, and how far it may reach back."""
_MAX_CHANGES = 10_000


def is_change_time(name: str) -> bool:
    """Whether a field is the time by which changes are asked for; it takes DURING, as a day does."""
    return any(name == one for one, _ in _CHANGES.values())


def without_during(condition: Condition, today: date) -> Condition:
    """A condition on the time of changes, with a predefined range as its first and last second."""
    found = predefined(condition.values[0].upper(), today) if condition.operator == "DURING" else None
    if found is None or not is_change_time(condition.field):
        return condition
    first, last = (day.isoformat() for day in found)
    return replace(condition, operator="BETWEEN", values=(f"{first} 00:00:00", f"{last} 23:59:59.999999"))


def check_clicks(days: tuple[date, date] | None, today: date) -> None:
    """GoogleAdsError unless one day is asked for, of the last 90."""
    if days is None or days[0] != days[1]:
        raise GoogleAdsError(
            "clickViewError",
            "EXPECTED_FILTER_ON_A_SINGLE_DAY",
            "Queries including ClickView must have a filter limiting the results to one day.",
        )
    if days[0] < today - _CLICK_DAYS:
        raise GoogleAdsError("clickViewError", "DATE_TOO_OLD", "The requested date is too old.")


def check_changes(resource: str, conditions: Iterable[Condition], limit: int | None, today: date) -> None:
    """GoogleAdsError unless changes are asked for by finite, recent times, and no more than 10,000 of them."""
    if resource not in _CHANGES:
        return
    name, reach = _CHANGES[resource]

    def refuse(code: str, message: str) -> GoogleAdsError:
        return GoogleAdsError(f"{camel(resource)}Error", code, f"The {resource} search request {message}.")

    low, high = date.min, date.max
    for one in conditions:
        if one.field == name and one.operator in ("=", ">", ">=", "<", "<=", "BETWEEN"):
            ends = [period("date", value[:10])[0] for value in one.values]
            if one.operator not in ("<", "<="):
                low = max(low, ends[0])
            if one.operator not in (">", ">="):
                high = min(high, ends[-1])
    if low == date.min or high == date.max:
        raise refuse("CHANGE_DATE_RANGE_INFINITE", f"must specify a finite range filter on {name}")
    if low > high:
        raise refuse("CHANGE_DATE_RANGE_NEGATIVE", "has dates that can never produce any results")
    if low < today - reach:
        raise refuse("START_DATE_TOO_OLD", f"begins more than {reach.days} days ago")
    if limit is None:
        raise refuse("LIMIT_NOT_SPECIFIED", "must specify a LIMIT")
    if limit > _MAX_CHANGES:
        raise refuse("INVALID_LIMIT_CLAUSE", f"has a LIMIT of more than {_MAX_CHANGES}")
