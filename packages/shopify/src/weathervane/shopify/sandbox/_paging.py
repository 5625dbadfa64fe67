"""Connections: cursors that belong to one list, and pages cut by key, not by offset.

A page after a cursor begins behind the cursor's (sort value, id), wherever that is by now. So in ascending
UPDATED_AT a record that is touched between two pages moves behind the cursor and is seen again, never missed.
"""

from __future__ import annotations

import base64
import binascii
import bisect
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError

from weathervane.shopify.sandbox._world import number_of

__all__ = ["MAX_FIRST", "Cursor", "Edge", "Page", "Row", "binding_of", "children_page", "cut", "read_cursor"]

MAX_FIRST = 250

Row = tuple[tuple[Any, int], Mapping[str, Any]]
"""((sort value, id), record): rows are sorted by the key."""


@dataclass(frozen=True)
class Cursor:
    """What an opaque cursor holds.

    Attributes:
        last_id: the number of the record that it stands on.
        last_value: that record's sort value.
        binding: the mark of the (list, query, sort) that it belongs to.
        page: the number of the page that it ends, counted from 1.
    """

    last_id: int
    last_value: Any
    binding: str
    page: int

    def text(self) -> str:
        """Return the cursor as it is sent."""
        value = {
            "last_id": self.last_id,
            "last_value": self.last_value,
            "of": self.binding,
            "page": self.page,
        }
        return base64.b64encode(json.dumps(value, separators=(",", ":")).encode()).decode()


@dataclass(frozen=True)
class Edge:
    """One edge of a page."""

    page: Page
    row: Row


@dataclass(frozen=True)
class Page:
    """One page of a connection."""

    rows: Sequence[Row]
    has_next: bool
    has_previous: bool
    cursor: Callable[[Row], str]
    end_cursor: str | None = None

    def info(self) -> dict[str, Any]:
        """Return the `pageInfo`."""
        return {
            "hasNextPage": self.has_next,
            "hasPreviousPage": self.has_previous,
            "startCursor": self.cursor(self.rows[0]) if self.rows else None,
            "endCursor": self.end_cursor or (self.cursor(self.rows[-1]) if self.rows else None),
        }


def binding_of(*parts: Any) -> str:
    """Return the mark of a list: cursors of one list are refused by every other."""
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:12]


def read_cursor(text: str, binding: str | None = None) -> Cursor:
    """Read a cursor.

    Raises:
        GraphQLError: it is no cursor, or one of another (list, query, sort).
    """
    try:
        value = json.loads(base64.b64decode(text, validate=True))
        cursor = Cursor(int(value["last_id"]), value["last_value"], value["of"], int(value["page"]))
    except (ValueError, KeyError, TypeError, binascii.Error, RecursionError):
        raise _refused(f"Invalid cursor '{text[:80]}'.") from None
    if binding is not None and cursor.binding != binding:
        raise _refused("Invalid cursor for current pagination sort.")
    return cursor


def cut(rows: Sequence[Row], arguments: Mapping[str, Any], binding: str, *, reverse: bool = False) -> Page:
    """Cut a page out of sorted rows, as `first`, `after`, `last`, `before` and `reverse` say.

    Raises:
        GraphQLError: a cursor belongs to another list.
    """
    after, before = _cursors(arguments, binding)
    return _cut(rows, arguments, binding, after, before, reverse)


def children_page(children: Sequence[Mapping[str, Any]], arguments: Mapping[str, Any], binding: str) -> Page:
    """Cut a page out of a parent's children, in the parent's own order.

    A cursor stands on a child, not on a place: a child that is removed while the list is read shifts nothing.
    """
    rows = [((place, number_of(child.get("id"))), child) for place, child in enumerate(children)]
    places = {number: place for (place, number), _ in rows}
    rising = list(places) == sorted(places)

    def placed(cursor: Cursor | None) -> Cursor | None:
        if cursor is None:
            return None
        place: float | None = places.get(cursor.last_id)
        if place is None:  # gone since: it stood before the next higher id, or else where it was last seen
            higher = [other for number, other in places.items() if number > cursor.last_id]
            place = (min(higher, default=len(rows)) if rising else cursor.last_value) - 0.5
        return Cursor(cursor.last_id, place, cursor.binding, cursor.page)

    after, before = (placed(cursor) for cursor in _cursors(arguments, binding))
    return _cut(rows, arguments, binding, after, before, bool(arguments.get("reverse")))


def _cursors(arguments: Mapping[str, Any], binding: str) -> tuple[Cursor | None, Cursor | None]:
    after, before = arguments.get("after"), arguments.get("before")
    return (
        read_cursor(after, binding) if after is not None else None,
        read_cursor(before, binding) if before is not None else None,
    )


def _cut(
    rows: Sequence[Row],
    arguments: Mapping[str, Any],
    binding: str,
    after: Cursor | None,
    before: Cursor | None,
    reverse: bool,
) -> Page:
    page = after.page + 1 if after else 1
    low, high = 0, len(rows)
    lower, upper = (before, after) if reverse else (after, before)
    if lower is not None:
        low = bisect.bisect_right(rows, (lower.last_value, lower.last_id), key=_key)
    if upper is not None:
        high = bisect.bisect_left(rows, (upper.last_value, upper.last_id), key=_key)
    window = list(rows[low:high])
    if reverse:
        window.reverse()
    more_before, more_after = after is not None, before is not None
    first, last = arguments.get("first"), arguments.get("last")
    if first is not None:
        more_after = more_after or len(window) > first
        window = window[:first]
    elif last is not None:
        more_before = more_before or len(window) > last
        window = window[len(window) - last :] if last < len(window) else window

    def cursor(row: Row) -> str:
        (value, number), _ = row
        return Cursor(number, value, binding, page).text()

    return Page(window, more_after, more_before, cursor)


def _key(row: Row) -> tuple[Any, int]:
    return row[0]


def _refused(message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": "BAD_REQUEST"})
