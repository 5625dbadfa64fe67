"""Which days of an account are read: those since the last run, and before them as many as Google still changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import msgspec

from weathervane.google_ads.answers import OutOfRetentionError
from weathervane.google_ads.client import GoogleAdsClient
from weathervane.google_ads.customers import Customer
from weathervane.google_ads.datasets import CUSTOMERS
from weathervane.google_ads.tally import Row, Tally, chunks_of
from weathervane.source.errors import IncompleteError

__all__ = ["Window", "active_days", "look_back", "months_before", "windows"]

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Window:
    """Days that are read in one slice."""

    first: date
    last: date
    active: frozenset[date]
    """Those of them on which the account was shown, clicked or charged: every account of them must have rows."""
    reached: date | None
    """The day up to which the account is known when these days are read: never one after all that there is."""


class _Action(msgspec.Struct, rename="camel"):
    click_through_lookback_window_days: str = "0"
    view_through_lookback_window_days: str = "0"


class _ActionRow(msgspec.Struct, rename="camel"):
    conversion_action: _Action


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
        _ActionRow,
        login=customer.login,
    )
    actions = [row.conversion_action for row in rows]
    days = max(
        (
            int(text)
            for one in actions
            for text in (one.click_through_lookback_window_days, one.view_through_lookback_window_days)
        ),
        default=0,
    )
    return min(max(client.settings.look_back, timedelta(days=days)), client.settings.max_look_back)


def active_days(client: GoogleAdsClient, customer: Customer, first: date, last: date) -> dict[date, bool]:
    """The days on which the account has any figure, and whether it was shown, clicked or charged on them.

    One query, and one small row a day.

    Raises:
        IncompleteError: Google's own sum is another one. A day that is missing here would be read by no run.
    """
    tally = Tally(CUSTOMERS)
    body = client.stream(customer.id, CUSTOMERS.query(first, last), login=customer.login, summary=True)
    for _, chunk in chunks_of(body):
        tally.add(chunk)
    tally.end()
    tally.verify()
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
        Row,
        login=customer.login,
    )
    if not rows or any(row.metrics.busy for row in rows):
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
