"""How far each account was read: the checkpoint of the tables.

`{"2026-11-22": "1234567890 2345678901"}` as long as the lake has room for it, so that a person can read it; beyond,
`packed:` and, in base64, six bytes for each account: its number and its day. Both are exact: a day is never rounded.
"""

from __future__ import annotations

import base64
from collections.abc import Container, Mapping
from datetime import date, timedelta

import msgspec

from weathervane.source.errors import ConfigurationError, CursorError

__all__ = ["ROOM", "Position"]

ROOM = 4_096
"""Bytes of a checkpoint here: each commit of four tables holds it. (The lake would take sixteen times as many.)"""
_PACKED = "packed:"
_BYTES = 6
_DAY_BITS = 14
# Ten digits are 34 bits, which leaves 14: days until 2044, counted from the year in which Google Ads began.
_EPOCH = date(2000, 1, 1)
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
            days = _unpacked(checkpoint) if checkpoint.startswith(_PACKED) else _grouped(checkpoint)
        except ValueError as error:  # DecodeError and binascii.Error are some
            raise CursorError(
                f"the checkpoint {checkpoint[:200]!r} cannot be read: {error}", reason="CURSOR_UNREADABLE"
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

    def text(self, read: Container[str] = ()) -> str | None:
        """The checkpoint; None at the beginning.

        Args:
            read: The accounts that are still read. When there is no room for all, the others are forgotten: should one
                come back, it is read from its beginning.

        Raises:
            ConfigurationError: There is no room for the accounts.
        """
        if not self._days:
            return None
        groups: dict[str, list[str]] = {}
        for customer, day in sorted(self._days.items()):
            groups.setdefault(day.isoformat(), []).append(customer)
        text = msgspec.json.encode({day: " ".join(groups[day]) for day in sorted(groups)}).decode()
        if len(text) <= ROOM:
            return text
        text = _packed(self._days)
        if len(text) > ROOM:
            text = _packed({customer: day for customer, day in self._days.items() if customer in read})
        if len(text) > ROOM:
            raise ConfigurationError(
                f"the days of {(len(text) - len(_PACKED)) * 3 // 4 // _BYTES} accounts do not fit the checkpoint, which"
                f" has room for {(ROOM - len(_PACKED)) * 3 // 4 // _BYTES}; split them among tenants by customer_ids",
                reason="TOO_MANY_CUSTOMERS",
            )
        return text


def _grouped(text: str) -> dict[str, date]:
    groups = msgspec.json.decode(text, type=dict[date, str])
    return {customer: day for day, customers in groups.items() for customer in customers.split()}


def _packed(days: Mapping[str, date]) -> str:
    numbers = sorted(int(customer) << _DAY_BITS | (day - _EPOCH).days for customer, day in days.items())
    packed = b"".join(number.to_bytes(_BYTES, "big") for number in numbers)
    return _PACKED + base64.b64encode(packed).decode()


def _unpacked(text: str) -> dict[str, date]:
    """ValueError when it is cut or no base64."""
    packed = base64.b64decode(text.removeprefix(_PACKED), validate=True)
    if not packed or len(packed) % _BYTES:
        raise ValueError(f"{len(packed)} bytes are no accounts of {_BYTES} bytes each")
    numbers = [int.from_bytes(packed[at : at + _BYTES], "big") for at in range(0, len(packed), _BYTES)]
    return {
        f"{number >> _DAY_BITS:010d}": _EPOCH + timedelta(days=number & (1 << _DAY_BITS) - 1)
        for number in numbers
    }
