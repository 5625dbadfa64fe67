"""What was spent, added up by day, so that what was read can be held against what the account says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from weathervane.source import (
    ContractError,
    IncompleteError,
    SourceError,
    decode,
    parse_amount,
    parse_vendor_day,
)

__all__ = ["Tally", "by_day", "day_of", "tolerance", "whole"]

_LEAST = Decimal("0.000001")
"""Of money in the lake; a figure of more decimals is rounded there."""
_MOST = Decimal(10**14)
"""What no money in the lake can be."""
_WHOLE_UNITS = frozenset({"CLP", "COP", "CRC", "HUF", "ISK", "IDR", "JPY", "KRW", "PYG", "TWD", "VND"})
"""Currencies in which Meta knows no cents."""


class Tally:
    """What was read, added up by day from the rows as they were sent, also those that do not fit our columns.

    As the lake has it afterwards: rows that are equal are one.

    Args:
        members: What tells the rows of a day apart: the object's id, and breakdowns.
        account: The account that was asked for; None takes rows of any.
        since: The first day that was asked for.
        until: The last one.
    """

    def __init__(
        self, *members: str, account: str | None = None, since: date = date.min, until: date = date.max
    ) -> None:
        self._days: dict[date, Decimal] = defaultdict(Decimal)
        self.rows: dict[date, int] = defaultdict(int)
        self.unreadable: set[date] = set()
        """Days with a row whose spend cannot be read."""
        self.impressions: dict[date, Decimal | None] = {}
        """Of each day, also by rows whose spend cannot be read; None where one cannot be read itself."""
        self.lost = False
        """A row was of no day that can be read, or not of what was asked: whose spend is then missing is not known."""
        self.lost_spend: Decimal | None = Decimal(0)
        """What such rows hold; None where that cannot be read either."""
        self._members, self._account, self._since, self._until = members, account, since, until
        # By hash, for a slice can have a million rows.
        self._seen: dict[int, int] = {}

    def add(self, page: Iterable[bytes]) -> None:
        """Counts a page.

        Raises:
            IncompleteError: Two rows of one object, day and breakdown say that different sums were spent.
        """
        for record in page:
            try:
                row = decode(record, dict[str, msgspec.Raw], "a row")
            except SourceError:
                self.lost, self.lost_spend = True, None
                continue
            amount = _readable(row, "spend")
            day = day_of(row, self._account, self._since, self._until)
            if not isinstance(day, date):
                self.lost = True
                self.lost_spend = _plus(self.lost_spend, amount)
                continue
            if amount is None:
                self.unreadable.add(day)
            if self._is_new(day, row, amount):
                self._days[day] += amount or 0
                self.rows[day] += 1
                known = self.impressions.get(day, Decimal(0))
                self.impressions[day] = _plus(known, _readable(row, "impressions"))

    @property
    def days(self) -> dict[date, Decimal]:
        """What was spent, rounded to what money has in the lake: floats' noise in a figure is no difference."""
        return {day: _rounded(spent) for day, spent in self._days.items()}

    def _is_new(self, day: date, row: dict[str, msgspec.Raw], amount: Decimal | None) -> bool:
        if any(bytes(row.get(name, _NULL)) == b"null" for name in self._members):
            return True  # it is set aside, and so is the next one
        key = [bytes(row[name]) for name in self._members]
        known, figure = hash((day, *key)), hash(None if amount is None else _rounded(amount))
        is_new = known not in self._seen
        if self._seen.setdefault(known, figure) != figure:
            what = "".join(
                f", {name} {text.decode(errors='replace')[:60]}"
                for name, text in zip(self._members, key, strict=True)
            )
            raise IncompleteError(
                f"Meta lists rows of {day}{what}, that differ in what was spent", reason="CONFLICTING_ROWS"
            )
        return is_new


def whole(
    records: Iterable[bytes], account: str | None = None, since: date = date.min, until: date = date.max
) -> Tally:
    """What the account's own rows say that it spent.

    Raises:
        IncompleteError: One of them cannot be read, or is not of what was asked; an account must not be taken for
            empty for that.
    """
    tally = Tally(account=account, since=since, until=until)
    tally.add(records)
    if tally.lost or tally.unreadable:
        raise IncompleteError("the account's own spend by day cannot be read", reason="SPEND_UNREADABLE")
    return tally


def by_day(records: Iterable[bytes]) -> dict[date, Decimal]:
    """The account's own spend by day, of its own rows; see `whole`.

    Raises:
        IncompleteError: One of them cannot be read.
    """
    return whole(records).days


def day_of(row: dict[str, msgspec.Raw], account: str | None, since: date, until: date) -> date | str:
    """The day of a row; a text that says what is wrong with it, when it is not of what was asked."""
    sent = row.get("account_id", _NULL)
    # What is no text is set aside by its own column.
    if account is not None and bytes(sent)[:1] == b'"' and bytes(sent) != f'"{account}"'.encode():
        return f"it is of the ad account {bytes(sent).decode(errors='replace')[:60]}, and {account} was asked for"
    try:
        day, last = (_day(row, name) for name in ("date_start", "date_stop"))
    except SourceError as error:
        return error.message
    if day != last:
        return f"it is of {day} to {last}, and days were asked for"
    if not since <= day <= until:
        return f"it is of {day}, and {since} to {until} was asked for"
    return day


def tolerance(spent: Decimal, rows: int, currency: str, share: Decimal) -> Decimal:
    """By how much rows of a breakdown, which Meta estimates, may differ in sum from what their account spent.

    Args:
        spent: By the account, on that day.
        rows: So many there are; each can be rounded to the currency's smallest unit.
        currency: The account's.
        share: Of what was spent.
    """
    unit = Decimal(1) if currency in _WHOLE_UNITS else Decimal("0.01")
    return max(abs(spent) * share, rows * unit)


def _day(row: dict[str, msgspec.Raw], name: str) -> date:
    return parse_vendor_day(decode(row.get(name, _NULL), str, name), name)


def _amount(sent: msgspec.Raw | None) -> Decimal:
    """Money in major units of the account's currency, a text or a number as the column has it; zero when absent.

    Raises:
        SourceError: It is none, or more than the lake holds.
    """
    if sent is None or bytes(sent) == b"null":
        return Decimal(0)
    text = bytes(sent).decode(errors="replace")
    amount = parse_amount(decode(sent, str, "spend") if text.startswith('"') else text, "spend")
    if abs(amount) >= _MOST:
        raise ContractError("a spend is more than money can be", reason="BAD_AMOUNT")
    return amount


def _readable(row: dict[str, msgspec.Raw], name: str) -> Decimal | None:
    try:
        return _amount(row.get(name))
    except SourceError:
        return None


def _plus(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else one + other


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(_LEAST, ROUND_HALF_EVEN)


_NULL = msgspec.Raw(b"null")
