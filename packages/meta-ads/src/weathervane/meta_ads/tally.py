"""What was spent, added up by day, so that what was read can be held against what the account says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from weathervane.source.decoding import decode, parse_amount, parse_vendor_day
from weathervane.source.errors import ContractError, IncompleteError, SourceError

__all__ = ["Tally", "by_day", "tolerance"]

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
    """

    def __init__(self, *members: str) -> None:
        self._days: dict[date, Decimal] = defaultdict(Decimal)
        self.rows: dict[date, int] = defaultdict(int)
        self.unreadable: set[date] = set()
        self.lost = False
        """A row was of no day that can be read: whose spend is then missing is not known."""
        self._members = members
        # By hash, for a slice can have a million rows.
        self._seen: dict[int, int] = {}

    def add(self, page: Iterable[bytes]) -> None:
        """Counts a page.

        Raises:
            ContractError: A row is not of one day.
            IncompleteError: Two rows of one object, day and breakdown say that different sums were spent.
        """
        for record in page:
            try:
                row = decode(record, dict[str, msgspec.Raw], "a row")
                day, last = (_day(row, name) for name in ("date_start", "date_stop"))
            except SourceError:
                self.lost = True
                continue
            if day != last:
                raise ContractError(
                    f"a row is of {day} to {last}, and days were asked for", reason="NOT_DAILY"
                )
            try:
                amount = _amount(row.get("spend"))
            except SourceError:
                self.unreadable.add(day)
                continue
            if self._is_new(day, row, amount):
                self._days[day] += amount
                self.rows[day] += 1

    @property
    def days(self) -> dict[date, Decimal]:
        """What was spent, rounded to what money has in the lake: floats' noise in a figure is no difference."""
        return {day: _rounded(spent) for day, spent in self._days.items()}

    def _is_new(self, day: date, row: dict[str, msgspec.Raw], amount: Decimal) -> bool:
        if any(name not in row for name in self._members):
            return True  # it is set aside, and so is the next one
        key = [bytes(row[name]) for name in self._members]
        known, figure = hash((day, *key)), hash(_rounded(amount))
        is_new = known not in self._seen
        if self._seen.setdefault(known, figure) != figure:
            what = "".join(
                f", {name} {text.decode()[:60]}" for name, text in zip(self._members, key, strict=True)
            )
            raise IncompleteError(
                f"Meta lists rows of {day}{what}, that differ in what was spent", reason="CONFLICTING_ROWS"
            )
        return is_new


def by_day(records: Iterable[bytes]) -> dict[date, Decimal]:
    """The account's own spend by day, of its own rows.

    Raises:
        IncompleteError: One of them cannot be read; an account must not be taken for empty for that.
    """
    tally = Tally()
    tally.add(records)
    if tally.lost or tally.unreadable:
        raise IncompleteError("the account's own spend by day cannot be read", reason="SPEND_UNREADABLE")
    return tally.days


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
    text = bytes(sent).decode()
    amount = parse_amount(decode(sent, str, "spend") if text.startswith('"') else text, "spend")
    if abs(amount) >= _MOST:
        raise ContractError("a spend is more than money can be", reason="BAD_AMOUNT")
    return amount


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(_LEAST, ROUND_HALF_EVEN)


_NULL = msgspec.Raw(b"null")
