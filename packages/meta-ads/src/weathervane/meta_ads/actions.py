"""Lists of actions, taken apart: each becomes rows by action type and window, and a chosen few become columns.

Meta's lists nest and overlap (`omni_purchase` holds `offsite_conversion.fb_pixel_purchase`), and so do windows: none of
them may be added up. Zeros, entries and whole lists are simply absent, so what is not sent stays NULL here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import msgspec

from weathervane.meta_ads.settings import WINDOWS

__all__ = ["CHOSEN", "LISTS", "PICKED", "ROWS", "Spend", "spend_of", "widened"]

PICKED, ROWS = "_picked", "_rows"
"""Members that `widened` adds to a record: chosen figures by name, and all figures as rows."""

LISTS: Mapping[str, str] = {
    "actions": "actions",
    "action_value": "action_values",
    "conversions": "conversions",
    "conversion_value": "conversion_values",
}
"""Column of the child table -> the list that it is read from."""

CHOSEN: Mapping[str, tuple[str, str]] = {
    "purchases": ("actions", "omni_purchase"),
    "purchase_value": ("action_values", "omni_purchase"),
    "adds_to_cart": ("actions", "omni_add_to_cart"),
    "checkouts": ("actions", "omni_initiated_checkout"),
    "leads": ("actions", "lead"),
    "registrations": ("actions", "omni_complete_registration"),
    "landing_page_views": ("actions", "landing_page_view"),
    "outbound_clicks": ("outbound_clicks", "outbound_click"),
    "purchase_roas": ("purchase_roas", "omni_purchase"),
}
"""Columns of their own: name -> list and action type. Named types, because adding up a list counts twice."""

_READINGS = {"value": "default", **{window: window for window in WINDOWS}}
_Entries = list[dict[str, msgspec.Raw]]
_members: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])
_entries: msgspec.json.Decoder[_Entries | None] = msgspec.json.Decoder(_Entries | None)
_text: msgspec.json.Decoder[str] = msgspec.json.Decoder(str)


def widened(record: bytes, account_id: str) -> bytes:
    """A record with what its lists hold laid out flat, and with its account, which Meta may leave out.

    What cannot be taken apart is no less set aside: a record that is none is given back as it is, and one whose lists
    are not lists of actions gets, in place of what was to be laid out, a text that fits no table. Its figures are not
    NULL, and its actions not gone; they could not be read.
    """
    try:
        row = _members.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return record
    try:
        lists = {name: _entries.decode(row[name]) or [] for name in _WANTED if name in row}
        by_type = {
            name: {_text.decode(entry["action_type"]): entry for entry in entries}
            for name, entries in lists.items()
        }
        if any(len(by_type[name]) < len(entries) for name, entries in lists.items()):
            raise LookupError("an action type is there twice")
    except (msgspec.DecodeError, LookupError, UnicodeDecodeError, RecursionError) as error:
        unread = f"not a list of actions: {error}"
        return msgspec.json.encode({"account_id": account_id, **row, PICKED: unread, ROWS: unread})
    rows: dict[tuple[str, str], dict[str, object]] = {}
    for column, name in LISTS.items():
        for action_type, entry in by_type.get(name, {}).items():
            for member, window in _READINGS.items():
                if member in entry:
                    key = (action_type, window)
                    found = rows.setdefault(key, {"action_type": action_type, "attribution_window": window})
                    found[column] = entry[member]
    picked = {
        column: {member: value for member, value in chosen.items() if member in _READINGS}
        for column, (name, action_type) in CHOSEN.items()
        if (chosen := by_type.get(name, {}).get(action_type)) is not None
    }
    whole = {"account_id": account_id, **row, PICKED: picked, ROWS: list(rows.values())}
    return msgspec.json.encode(whole)


_WANTED = (*LISTS.values(), *dict.fromkeys(name for name, _ in CHOSEN.values() if name not in LISTS.values()))


class Spend(msgspec.Struct):
    """What the control of a read needs of a row."""

    date_start: date
    date_stop: date
    spend: msgspec.Raw = msgspec.Raw(b"null")

    @property
    def amount(self) -> Decimal | None:
        """The money, in major units of the account's currency; zero when it is absent, None when it is unreadable."""
        try:
            amount = _amount.decode(self.spend)
        except msgspec.DecodeError:
            return None
        return Decimal(0) if amount is None else amount if amount.is_finite() else None


# A text or a number, as the column has it.
_amount: msgspec.json.Decoder[Decimal | None] = msgspec.json.Decoder(Decimal | None)
_spend: msgspec.json.Decoder[Spend] = msgspec.json.Decoder(Spend)


def spend_of(record: bytes) -> Spend | None:
    """A row's day and spend; None when they cannot be read."""
    try:
        return _spend.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
