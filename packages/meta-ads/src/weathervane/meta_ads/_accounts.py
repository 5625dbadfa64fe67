"""The ad accounts of a tenant, and how one is read from Meta's node of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from weathervane.source import (
    ContractError,
    SourceError,
    decode,
    parse_zone,
)

__all__ = ["ACCOUNT_FIELDS", "Account", "Accounts", "account_from", "id_from"]

_MOST_DIGITS = 40
ACCOUNT_FIELDS = "account_id,name,currency,timezone_name,account_status"


@dataclass(frozen=True)
class Account:
    """One ad account that can be read."""

    id: str
    """The bare number; `act_` goes before it in paths."""
    name: str
    currency: str
    timezone: ZoneInfo
    """Its days begin at midnight there; `since` and `until` are such days."""
    status: int
    """1 is active; others can be read all the same."""

    def today(self, now: datetime) -> date:
        """The account's own day."""
        return now.astimezone(self.timezone).date()


@dataclass(frozen=True)
class Accounts:
    """The ad accounts of a tenant."""

    readable: list[Account]
    """By id."""
    refused: dict[str, SourceError]
    """Id -> why that one cannot be read. The others can."""


def id_from(record: bytes, number: int) -> str:
    """The number of an ad account in a list, however little else can be read of it."""
    try:
        found = decode(record, _Id, "an ad account")
    except SourceError:
        found = _Id()
    one = found.account_id or found.id.removeprefix("act_")
    return (
        one
        if one.isdecimal() and one.isascii() and len(one) <= _MOST_DIGITS
        else f"number {number:,} of the list"
    )


def account_from(one: str, record: bytes) -> Account:
    """The account of this number.

    Raises:
        ContractError: It has no time zone that is known, or another shape than documented.
    """
    node = decode(record, _AccountNode, f"ad account {one}")
    if not one.isdecimal():
        raise ContractError("an ad account of the list has no number", reason="UNEXPECTED_JSON")
    try:
        zone = parse_zone(node.timezone_name, "")
    except ContractError:
        raise ContractError(
            f"ad account {one} is in an unknown time zone {node.timezone_name[:60]!r}",
            reason="UNKNOWN_TIMEZONE",
        ) from None
    status = node.account_status if isinstance(node.account_status, int) else 1
    return Account(one, node.name if isinstance(node.name, str) else "", node.currency, zone, status)


class _Id(msgspec.Struct):
    account_id: str = ""
    id: str = ""


class _AccountNode(msgspec.Struct):
    timezone_name: str
    currency: str
    # Whatever they are: nobody needs them to read the account.
    name: Any = None
    account_status: Any = None
