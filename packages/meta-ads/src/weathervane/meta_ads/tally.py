"""What was spent, added up by day, so that what was read can be held against what the account says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from weathervane.meta_ads.actions import spend_of
from weathervane.source.errors import ContractError, IncompleteError

__all__ = ["Tally", "by_day"]


class Tally:
    """What was read, added up by day from the rows as they were sent, also those that do not fit our columns."""

    def __init__(self) -> None:
        self.days: dict[date, Decimal] = defaultdict(Decimal)
        self.unreadable: set[date] = set()
        self.lost = False
        """A row was of no day that can be read: whose spend is then missing is not known."""

    def add(self, page: Iterable[bytes]) -> None:
        """Counts a page.

        Raises:
            ContractError: A row is not of one day.
        """
        for record in page:
            row = spend_of(record)
            if row is None:
                self.lost = True
                continue
            if row.date_start != row.date_stop:
                raise ContractError(
                    f"a row is of {row.date_start} to {row.date_stop}, and days were asked for",
                    reason="NOT_DAILY",
                )
            day, amount = row.date_start, row.amount
            if amount is None:
                self.unreadable.add(day)
            else:
                self.days[day] += amount


def by_day(records: Iterable[bytes]) -> dict[date, Decimal]:
    """The account's own spend by day, of its own rows.

    Raises:
        IncompleteError: One of them cannot be read; an account must not be taken for empty for that.
    """
    tally = Tally()
    tally.add(records)
    if tally.lost or tally.unreadable:
        raise IncompleteError("the account's own spend by day cannot be read", reason="SPEND_UNREADABLE")
    return dict(tally.days)
