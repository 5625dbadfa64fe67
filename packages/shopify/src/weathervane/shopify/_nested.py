"""Lists within objects of a page: what did not come with the page is fetched object by object, to the last.

Where Shopify counts a list, its count is held against what was listed: lists were seen to end early and to say that
they were whole, and what a list does not show is taken off the lake.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any

import msgspec

from weathervane.shopify import _queries as queries
from weathervane.shopify._client import ShopifyClient
from weathervane.shopify._lists import ListOf, NestedList, list_fields, list_in, list_of
from weathervane.shopify._pages import PageSize, decode
from weathervane.shopify._refusals import safe
from weathervane.source import (
    ContractError,
    IncompleteError,
    Page,
    cut_record,
    paginate,
    parse_time,
    split_records,
)
from weathervane.source import decode as decode_json

__all__ = [
    "GoneError",
    "Lost",
    "NestedList",
    "Odd",
    "OddListError",
    "Part",
    "Rest",
    "Seen",
    "drain",
    "drained",
    "rest_of",
    "seen_on",
]

log = logging.getLogger(__name__)

_COUNTS = {"order": queries.COUNT_ORDERS, "product": queries.COUNT_PRODUCTS}


class GoneError(Exception):
    """The object was deleted since its page was read, so what is left of its list will never be known."""


class Lost(msgspec.Struct):
    """Why a list is not known to its end, and the object as it was sent that shows it."""

    why: str
    record: bytes


class OddListError(Exception):
    """An object's list cannot be read on: its answer is not as documented, or its pages run in a loop."""

    def __init__(self, lost: Lost) -> None:
        super().__init__(lost.why)
        self.lost = lost


class Seen(msgspec.Struct):
    """The little that is known of an object of a page before its rows are made."""

    id: str
    changed: datetime
    more: str | None
    """The cursor after which its nested list goes on; None when the page held all of it, by its own word."""
    shown: frozenset[str] = frozenset()
    """The ids of the list's elements that came with the page."""
    counted: int | None = None
    """How many elements Shopify counts; None when it does not say."""
    record: bytes = b""
    """The object as it was sent; "" for one that was not on a page."""
    lost: Lost | None = None
    """Its list cannot be read."""


class Odd(msgspec.Struct):
    """An object of a page that is none, or whose id or time of change cannot be read."""

    id: str | None
    """None for one whose id cannot be read: seen twice, it counts twice."""
    record: bytes
    why: str


class Part(msgspec.Struct):
    """An object with a part of its nested list."""

    record: bytes
    shown: frozenset[str]
    counted: int | None


class Rest(msgspec.Struct):
    """What belongs to an object's list beside what the page showed of it."""

    records: list[bytes]
    instead: bool = False
    """The records hold the whole list, so that the page's part of it is not to be used."""
    gone: bool = False
    """The object was deleted meanwhile: its list is not known to its end, and nothing may be taken off it."""
    lost: Lost | None = None
    """The list could not be read on: as little may be taken off it."""


def seen_on(body: bytes, connection: str, within: NestedList) -> tuple[list[Seen], list[Odd]]:
    """The objects of a page, in its order, and those of which nobody can say which they are or when they changed.

    Raises:
        ContractError: The page has no list of objects.
    """
    records, _ = split_records(body, f"data.{connection}.nodes")
    try:
        data: Any = decode(body, _page_shape(connection, within))
        return [
            _seen(one, list_of(one), record)
            for one, record in zip(data.connection.nodes, records, strict=True)
        ], []
    except ContractError:
        pass  # One object that is not as documented refuses the page: they are read one by one.
    found = [_found_in(record, within) for record in records]
    return [one for one in found if isinstance(one, Seen)], [one for one in found if isinstance(one, Odd)]


def rest_of(client: ShopifyClient, within: NestedList, seen: Seen) -> Rest:
    """The rest of one object's list; or all of it anew, when it was shorter than Shopify counts.

    Raises:
        IncompleteError: Shopify counts more elements than it lists, a second time; or does not show the object.
    """
    try:
        return _rest_of(client, within, seen)
    except GoneError:
        return Rest([], gone=True)


def _rest_of(client: ShopifyClient, within: NestedList, seen: Seen) -> Rest:
    parts, lost = drained(client, within, seen) if seen.more is not None else ([], seen.lost)
    rest = Rest([part.record for part in parts], lost=lost)
    if lost or not _lacking(parts, seen):
        return rest
    # An edit may have come between the list and its count, so a single difference is no loss yet.
    parts, lost = drained(client, within, Seen(seen.id, seen.changed, more=None))
    if lost:
        return Rest([part.record for part in parts], lost=lost)
    lacking = _lacking(parts)
    if lacking:
        raise IncompleteError(
            f"Shopify counts {parts[-1].counted:,} {within.name} of {safe(seen.id)} and does not list"
            f" {lacking:,} of them",
            reason="LIST_SHORT",
        )
    return Rest([part.record for part in parts], instead=True)


def drained(client: ShopifyClient, within: NestedList, seen: Seen) -> tuple[list[Part], Lost | None]:
    """As `drain`, to the end of the list or as far as it can be read."""
    parts: list[Part] = []
    try:
        parts.extend(drain(client, within, seen))
    except OddListError as error:
        return parts, error.lost
    return parts, None


def drain(client: ShopifyClient, within: NestedList, seen: Seen) -> Iterator[Part]:
    """One object's nested list from `seen.more` on, or all of it when that is None.

    Raises:
        GoneError: The object was deleted meanwhile.
        OddListError: The list cannot be read on.
        IncompleteError: Shopify does not show the object and counts it all the same.
    """
    sizes = PageSize(client.settings, client.settings.nested_page_size)
    record = b""

    def fetch(cursor: str | None) -> Page[Part, str]:
        nonlocal record
        body = client.sized(within.query, {"id": seen.id, "after": cursor or seen.more}, sizes).body
        record = cut_record(body, f"data.{within.root}")
        if record == b"null":
            raise _gone(client, within, seen.id)
        found = _own_list(record, within, seen.id)
        return Page([Part(record, found.shown, found.counted)], found.more)

    try:
        for page in paginate(fetch, what=f"{within.root}.{within.name}"):
            yield from page.items
    except ContractError as error:
        if error.reason != "PAGING_LOOP":
            raise
        raise OddListError(Lost(error.message, record)) from None


def _own_list(record: bytes, within: NestedList, gid: str) -> ListOf:
    try:
        if decode_json(record, _Named, f"the {within.root}").id == gid:
            return list_in(record, within)
        why = f"another {within.root} than the one asked for"
    except ContractError as error:
        why = error.message
    raise OddListError(Lost(why, record))


def _gone(client: ShopifyClient, within: NestedList, gid: str) -> GoneError:
    """A null stands for what was deleted, and for what Shopify failed to show: only the first is not counted."""
    if client.count(_COUNTS[within.root], f"id:{gid.rsplit('/', 1)[-1]}"):
        raise IncompleteError(
            f"Shopify shows no {within.root} {safe(gid)} when asked for its {within.name}, and counts it",
            reason="LIST_MISSING",
        )
    log.warning(
        "%s: %s was deleted before all of its %s were read; what the lake has of them stays",
        client.tenant,
        safe(gid),
        within.name,
    )
    return GoneError()


def _lacking(parts: list[Part], seen: Seen | None = None) -> int:
    """How many elements Shopify counts beyond those that it listed, by its latest count.

    Also a count that is only a lower bound (`AT_LEAST`) says so. More elements than counted are no loss: they were
    taken off while the list was read, and their object comes again.
    """
    found: list[Seen | Part] = [*([seen] if seen else []), *parts]
    counted = found[-1].counted
    return (
        0 if counted is None else max(0, counted - len(frozenset[str]().union(*(one.shown for one in found))))
    )


def _seen(known: Any, found: ListOf, record: bytes) -> Seen:
    changed = parse_time(known.changed, "the time of change")
    return Seen(known.id, changed, found.more, found.shown, found.counted, record)


def _found_in(record: bytes, within: NestedList) -> Seen | Odd:
    try:
        known = decode_json(record, _Known, "the object")
        seen = _seen(known, ListOf(frozenset(), None, None), record)
    except ContractError as error:
        return Odd(_id_of(record), record, error.message)
    try:
        return _seen(known, list_in(record, within), record)
    except ContractError as error:
        seen.lost = Lost(error.message, record)
        return seen


def _id_of(record: bytes) -> str | None:
    try:
        return decode_json(record, _Named, "the object").id
    except ContractError:
        return None


class _Named(msgspec.Struct):
    id: str


# Without a proper id nothing more can be asked about the object.
_Gid = Annotated[str, msgspec.Meta(pattern=r"^gid://shopify/[A-Za-z]+/[0-9]+(\?.*)?\Z")]


class _Known(msgspec.Struct, rename={"changed": "updatedAt"}):
    id: _Gid
    changed: str


@lru_cache
def _page_shape(connection: str, within: NestedList) -> Any:
    fields, names = list_fields(within)
    node: Any = msgspec.defstruct("Node", fields, bases=(_Known,), rename={"changed": "updatedAt", **names})
    nodes = msgspec.defstruct("Connection", [("nodes", list[node])])
    return msgspec.defstruct("Data", [("connection", nodes)], rename={"connection": connection})
