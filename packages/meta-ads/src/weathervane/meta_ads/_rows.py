"""Lists of actions, taken apart: each becomes rows by action type and window, and a chosen few become columns.

Meta's lists nest and overlap (`omni_purchase` holds `offsite_conversion.fb_pixel_purchase`), and so do windows: none of
them may be added up. Zeros, entries and whole lists are simply absent, so what is not sent stays NULL here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

import msgspec

from weathervane.meta_ads._settings import WINDOWS
from weathervane.meta_ads._tally import day_of
from weathervane.source import SourceError, decode, marked, restored

__all__ = ["CHOSEN", "LISTS", "PICKED", "ROWS", "widened"]

PICKED, ROWS = "_picked", "_rows"
"""Members that `widened` adds to a record: chosen figures by name, and all figures as rows."""

LISTS: Mapping[str, str] = {
    "actions": "actions",
    "action_value": "action_values",
    "conversions": "conversions",
    "conversion_value": "conversion_values",
}
"""Column of the child table -> the list that it is read from."""

_PAIRS = (("actions", "action_values"), ("conversions", "conversion_values"))
"""Lists of the same action types: a row of the child table holds a figure of both."""

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
_Entry = dict[str, Any]
"""A reading -> its figure as it was sent, or a text that fits no table: what is wrong with it."""
_WANTED = (*LISTS.values(), *dict.fromkeys(name for name, _ in CHOSEN.values() if name not in LISTS.values()))


def widened(
    record: bytes,
    account_id: str,
    since: date = date.min,
    until: date = date.max,
    members: tuple[str, ...] = (),
) -> bytes:
    """A record with what its lists hold laid out flat, and with its account, which Meta may leave out.

    What cannot be taken apart is no less set aside, by itself: a text that fits no table stands in place of the figures
    that a list, or an action type that it holds twice, would have given. They are not NULL and the actions not gone;
    they could not be read. A record that is none is given back as it is.

    A row that is not of the account and the days that were asked for would stand beside the right one for ever, where
    no later read looks: it is set aside, by a list of what is wrong in place of its date. So is one that is known by
    nothing, by the same in place of that one of `members`.
    """
    # Half an emoji is no JSON text to msgspec: a row that may hold one is taken apart with a mark in its place.
    halves = marked(record) if _HALF.search(record) else None
    whole, marks = halves or (record, False)
    try:
        row = decode(whole, dict[str, msgspec.Raw], "a row")
        plain = msgspec.json.format(whole, indent=-1)
        once = len(plain) == len(msgspec.json.encode(decode(plain, dict[str, msgspec.Raw], "a row")))
    except (SourceError, ValueError, RecursionError):
        return record
    changed: dict[str, object] = {}
    if bytes(row.get("account_id", _NOTHING)) == b"null":
        changed["account_id"] = account_id
    wrong = day_of(row, account_id, since, until) if once else "a member of the row is there twice"
    if isinstance(wrong, str):
        # Of our account and of no day: what the lake has of this object stays.
        changed = {"account_id": account_id, "date_start": [wrong]}
    for name in members:
        if _NO_NAME.fullmatch(sent := bytes(row.get(name, _NOTHING))):
            found = sent.decode(errors="replace")[:60]
            changed[name] = [f"a key that is empty or holds control characters: {found}"]
    lists: dict[str, dict[str, _Entry]] = {}
    unread: dict[str, str] = {}
    unnamed: list[str] = []
    for name in _WANTED:
        try:
            lists[name] = _by_type(row[name], unnamed, halves is not None) if name in row else {}
        except SourceError as error:
            unread[name] = f"not a list of actions: {error.message}"
    picked: dict[str, _Entry] = {}
    for column, (name, action_type) in CHOSEN.items():
        if name in unread:
            picked[column] = {"value": unread[name]}
        elif action_type in lists[name]:
            picked[column] = lists[name][action_type]
    rows = [*_rows(lists, unread), *unnamed]
    wide = msgspec.json.encode({**row, **changed, PICKED: picked, ROWS: rows})
    return restored(wide) if marks else wide


def _rows(lists: Mapping[str, Mapping[str, _Entry]], unread: Mapping[str, str]) -> list[Any]:
    """The rows of the child table; of two lists that belong together and cannot both be read, what is wrong instead."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    spoilt = [
        next(unread[name] for name in pair if name in unread) for pair in _PAIRS if unread.keys() & pair
    ]
    good = {name for pair in _PAIRS if not unread.keys() & pair for name in pair}
    for column, name in LISTS.items():
        for action_type, entry in lists[name].items() if name in good else ():
            for reading, figure in entry.items():
                window = _READINGS[reading]
                found = {"action_type": action_type, "attribution_window": window}
                rows.setdefault((action_type, window), found)[column] = figure
    return [*rows.values(), *spoilt]


def _by_type(sent: msgspec.Raw, unnamed: list[str], halves: bool) -> dict[str, _Entry]:
    """A list's entries by action type. One that is there twice has no figures but what is wrong; twice the same is one.

    Args:
        sent: The list.
        unnamed: Gets what is wrong with each entry whose action type cannot be told.
        halves: Whether the row holds half an emoji.

    Raises:
        SourceError: It is no list of actions.
    """
    found: dict[str, _Entry] = {}
    entries = [] if bytes(sent) == b"null" else decode(sent, list[dict[str, msgspec.Raw]], "the list")
    for one in entries:
        action_type = decode(one.get("action_type", _NOTHING), str, "an action type")
        if halves and _MARKED.search(action_type):
            unnamed.append("an action type holds half a character")
            continue
        entry = {reading: one[reading] for reading in _READINGS if reading in one}
        before = found.setdefault(action_type, entry)
        if before != entry:
            twice = f"the action type {action_type[:100]} is there twice"
            found[action_type] = dict.fromkeys([*before, *entry], twice)
    return found


_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
_MARKED = re.compile("[\ue000-\ue7ff\ufffd]")
"""What stands in place of half an emoji, as `marked` and `decode` put it."""
_NO_NAME = re.compile(rb'"\s*"|".*(?:\\u00[01][0-9a-fA-F]|\\u007[fF]|\\[nrtbf]|\x7f).*"', re.DOTALL)
"""A JSON text that names nothing: white space only, or with control characters (which JSON has as escapes only)."""
_NOTHING = msgspec.Raw(b"null")
