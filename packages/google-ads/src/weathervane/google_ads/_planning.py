"""Which days of an account are read: those since the last run, and before them as many as Google still changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from weathervane.google_ads._accounts import Customer
from weathervane.google_ads._client import GoogleAdsClient
from weathervane.google_ads._tables import CUSTOMERS
from weathervane.google_ads._tally import Tally, chunks_of, is_busy, whole
from weathervane.google_ads._verdict import OutOfRetentionError
from weathervane.source import IncompleteError

__all__ = ["Window", "active_days", "look_back", "months_before", "windows"]

_DAY = timedelta(days=1)
_WINDOWS = ("clickThroughLookbackWindowDays", "viewThroughLookbackWindowDays")


@dataclass(frozen=True)
class Window:
    """Days that are read in one slice."""

    first: date
    last: date
    active: frozenset[date]
    """Those of them on which the account was shown, clicked or charged: every account of them must have rows."""
    reached: date | None
    """The day up to which the account is known when these days are read: never one after all that there is."""


def months_before(day: date, months: int) -> date:
    """The same day of an earlier month, or that month's last one."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    following = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    return date(year, month + 1, min(day.day, (following - _DAY).day))


def look_back(client: GoogleAdsClient, customer: Customer) -> timedelta:
    """How long a day of this account goes on changing: its own longest conversion window, at least the settings'."""
    rows = client.rows(
        customer.id,
        "SELECT conversion_action.click_through_lookback_window_days,"
        " conversion_action.view_through_lookback_window_days FROM conversion_action"
        " WHERE conversion_action.status = 'ENABLED'",
        dict[str, Any],
        login=customer.login,
    )
    longest = client.settings.max_look_back
    told = [whole(row, ("conversionAction", name)) for row in rows for name in _WINDOWS]
    # A window that cannot be read may be the longest one; one of more days than there are is no reason to fail.
    days = [longest.days if one is None else min(one, longest.days) for one in told]
    return min(max(client.settings.look_back, timedelta(days=max(days, default=0))), longest)


def active_days(client: GoogleAdsClient, customer: Customer, first: date, last: date) -> dict[date, bool]:
    """The days on which the account has any figure, and whether it was shown, clicked or charged on them.

    One query, and one small row a day.

    Raises:
        IncompleteError: Google's own sum is another one. A day that is missing here would be read by no run.
    """
    tally = Tally(CUSTOMERS, first, last)
    body = client.stream(customer.id, CUSTOMERS.query(first, last), login=customer.login, summary=True)
    for records, chunk in chunks_of(body):
        tally.add(records, chunk)
    tally.end()
    tally.verify()
    if tally.undated:
        # A day that cannot be read may be any of them: the first one too, with which the windows then begin.
        tally.days.setdefault(first, False)
    return tally.days


def verify_empty(client: GoogleAdsClient, customer: Customer, first: date, last: date) -> None:
    """Make sure that an account that once had figures has none in these days.

    An answer without days may be one that was lost: Google leaves out the days that are all zero. Not so in a query
    that is not by day, which has the account's row always (docs/reporting/zero-metrics).

    Raises:
        IncompleteError: Google answers that with nothing as well, or with figures.
    """
    rows = client.rows(
        customer.id,
        "SELECT customer.id, metrics.impressions, metrics.clicks, metrics.cost_micros FROM customer"
        f" WHERE segments.date BETWEEN '{first.isoformat()}' AND '{last.isoformat()}'",
        dict[str, Any],
        login=customer.login,
    )
    if not rows or any(is_busy(row) for row in rows):
        told = "figures" if rows else "nothing at all"
        raise IncompleteError(
            f"account {customer.id}: no days of {first} .. {last}, and {told} for all of them together",
            reason="DAYS_MISSING",
        )


def windows(
    client: GoogleAdsClient,
    customer: Customer,
    *,
    done: date | None,
    today: date,
    start: date | None = None,
    end: date | None = None,
) -> Iterator[Window]:
    """The windows to read of one account, oldest first.

    They end with the last day that the vendor has anything of (or that we have), never with the last one of our own
    clock: the position must not pass days that are yet to come. A first read begins with the first day that has
    anything. There is always one window, which verifies that there is nothing.

    Args:
        client: The API.
        customer: The account.
        done: The last day that was read; None for a first read.
        today: The day in the account's time zone.
        start: First day, instead of the one that follows from `done`.
        end: Last day, when it is before today.
    """
    settings = client.settings
    floor = months_before(today, settings.history_months) + _DAY
    upper = min(end or today, today)
    lower = start or (done - look_back(client, customer) if done else floor)
    lower = min(max(lower, floor), upper)
    try:
        active = active_days(client, customer, lower, upper)
    except OutOfRetentionError:
        # Google's today may be another one than ours: give up a month of the oldest days instead of the run.
        lower = min(months_before(floor, -1), upper)
        active = active_days(client, customer, lower, upper)
    if done is not None and not active:
        verify_empty(client, customer, lower, upper)
    first = min(active) if done is None and active else lower
    ends = [max(active)] if active else []
    ends += [done] if done is not None else []
    last = min(max(ends), upper) if ends else upper
    if last < first or not ends:
        last, first = upper, max(first, upper - (settings.window_days - 1) * _DAY)
    while first <= last:
        until = min(last, first + (settings.window_days - 1) * _DAY)
        within = frozenset(day for day, busy in active.items() if busy and first <= day <= until)
        yield Window(first, until, within, min(until, max(active)) if active else None)
        first = until + _DAY
