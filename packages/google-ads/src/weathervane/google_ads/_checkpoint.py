"""How far each account was read: the checkpoint of the tables, e.g. `{"2026-11-22": "1234567890 2345678901"}`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import msgspec

from weathervane.source import CursorError, SourceError, decode, parse_vendor_day

__all__ = ["Position"]

# The newest day on earth is at most one ahead of the UTC day.
_AHEAD = timedelta(days=1)


class Position:
    """The last day of each account that was read; grouped by day, since most accounts share one."""

    def __init__(self, days: Mapping[str, date] | None = None) -> None:
        self._days = dict(days or {})

    @classmethod
    def parse(cls, checkpoint: str | None, *, today: date) -> Position:
        """Read a checkpoint; None is the beginning.

        Raises:
            CursorError: It is none, or names a day that has not yet begun anywhere.
        """
        if checkpoint is None:
            return cls()
        try:
            groups = decode(checkpoint.encode(errors="replace"), dict[str, str], "the checkpoint")
            days = {
                customer: parse_vendor_day(day, "a day of the checkpoint")
                for day, customers in groups.items()
                for customer in customers.split()
            }
        except SourceError as error:
            raise CursorError(
                f"the checkpoint {checkpoint[:200]!r} cannot be read: {error.message}",
                reason="CURSOR_UNREADABLE",
            ) from None
        if days and max(days.values()) > today + _AHEAD:
            raise CursorError(
                f"the checkpoint says {max(days.values())}, which is in the future (today {today})",
                reason="CURSOR_IN_FUTURE",
            )
        return cls(days)

    def of(self, customer: str) -> date | None:
        """The account's last day; None when it was never read."""
        return self._days.get(customer)

    def reached(self, customer: str, first: date, last: date | None) -> Position:
        """The position after these days were read; `last` None: there was nothing in them.

        Days that leave a gap behind the ones known do not move it, or the gap would never be read.
        """
        before = self._days.get(customer)
        if last is None or (before is not None and (last <= before or first > before + timedelta(days=1))):
            return self
        return Position(self._days | {customer: last})

    def text(self) -> str | None:
        """The checkpoint; None at the beginning."""
        if not self._days:
            return None
        groups: dict[str, list[str]] = {}
        for customer, day in sorted(self._days.items()):
            groups.setdefault(day.isoformat(), []).append(customer)
        return msgspec.json.encode({day: " ".join(groups[day]) for day in sorted(groups)}).decode()
