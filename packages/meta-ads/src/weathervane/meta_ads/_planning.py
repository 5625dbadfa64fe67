"""Which days of an account a run reads, slice by slice, and the checkpoint after each slice."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from weathervane.lake import ColumnRange
from weathervane.meta_ads._accounts import Account
from weathervane.meta_ads._checkpoint import format_days
from weathervane.meta_ads._report_run import InsightsRead
from weathervane.source import Slice

__all__ = ["Plan", "checkpoint_after"]

_DAY = timedelta(days=1)


@dataclass
class Plan:
    """What is to be read of one account, and how far it is."""

    account: Account
    read: InsightsRead
    own: InsightsRead
    """Reads what the account itself says that it spent."""
    next: date
    until: date
    spend: dict[date, Decimal]
    before: date | None
    explicit: bool
    """The run was given its first day: it may leave a gap behind the checkpoint, which then stays."""
    began: date = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.next

    def take(self, days: dict[str, date], length: int, datasets: list[str]) -> Slice:
        """The next slice."""
        since, until = self.next, min(self.until, self.next + timedelta(days=length - 1))
        self.next = until + _DAY
        number = self.account.id
        ranges = (ColumnRange("account_id", number, number), ColumnRange("date", str(since), str(until)))
        gap = self.explicit and self.before is not None and self.began > self.before + _DAY
        bounds = {"plan": self, "since": since, "until": until, "days": days, "gap": gap}
        return Slice(f"act_{number} {since} .. {until}", bounds, dict.fromkeys(datasets, ranges))


def checkpoint_after(slice: Slice, account: str, reached: date | None) -> str | None:
    """The checkpoint after a slice; None leaves it. It never moves back, and never over a gap that nobody read."""
    days: dict[str, date] = slice.bounds["days"]
    plan: Plan = slice.bounds["plan"]
    covered = plan.before is not None and slice.bounds["since"] <= plan.before <= slice.bounds["until"]
    if reached is None and plan.explicit and covered:
        # A person had the last day read anew, and Meta shows nothing: the account begins anew.
        return format_days({one: day for one, day in days.items() if one != account})
    if reached is None or slice.bounds["gap"] or reached <= days.get(account, date.min):
        return None
    return format_days({**days, account: reached})
