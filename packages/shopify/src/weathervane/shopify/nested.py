"""Lists within objects of a page: what did not come with the page is fetched object by object, to the last.

Where Shopify counts a list, its count is held against what was listed: lists were seen to end early and to say that
they were whole, and what a list does not show is taken off the lake.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from weathervane.shopify import queries
from weathervane.shopify.client import ShopifyClient
from weathervane.shopify.pages import Count, PageInfo, PageSize, decode
from weathervane.shopify.refusals import safe
from weathervane.source.decoding import decode as decode_json
from weathervane.source.decoding import parse_time
from weathervane.source.errors import ContractError, IncompleteError
from weathervane.source.paging import Page, paginate

__all__ = ["GoneError", "NestedList", "Part", "Rest", "Seen", "drain", "rest_of", "seen_on"]

log = logging.getLogger(__name__)

_COUNTS = {"order": queries.COUNT_ORDERS, "product": queries.COUNT_PRODUCTS}


class GoneError(Exception):
    """The object was deleted since its page was read, so what is left of its list will never be known."""


@dataclass(frozen=True)
class NestedList:
    """How the list within one kind of object is read."""

    query: str
    """Asks for more of one object's list."""
    root: str
    """`product`."""
    name: str
    """`variants`."""
    counted: str | None = None
    """`variantsCount`; None for a list that Shopify does not count."""


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


def seen_on(body: bytes, connection: str, within: NestedList) -> list[Seen]:
    """The objects of a page, in its order."""
    data: Any = decode(body, _page_shape(connection, within))
    return [
        Seen(
            one.id,
            parse_time(one.changed, "the time of change"),
            one.nested.page_info.next,
            one.nested.ids,
            _count(one),
        )
        for one in data.connection.nodes
    ]


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
    parts = list(drain(client, within, seen)) if seen.more is not None else []
    rest = Rest([part.record for part in parts])
    if not _lacking(parts, seen):
        return rest
    # An edit may have come between the list and its count, so a single difference is no loss yet.
    parts = list(drain(client, within, Seen(seen.id, seen.changed, more=None)))
    lacking = _lacking(parts)
    if lacking:
        raise IncompleteError(
            f"Shopify counts {parts[-1].counted:,} {within.name} of {safe(seen.id)} and does not list"
            f" {lacking:,} of them",
            reason="LIST_SHORT",
        )
    return Rest([part.record for part in parts], instead=True)


def drain(client: ShopifyClient, within: NestedList, seen: Seen) -> Iterator[Part]:
    """One object's nested list from `seen.more` on, or all of it when that is None.

    Raises:
        GoneError: The object was deleted meanwhile.
        IncompleteError: Shopify does not show the object and counts it all the same.
    """
    sizes = PageSize(client.settings, client.settings.nested_page_size)

    def fetch(cursor: str | None) -> Page[Part, str]:
        body = client.sized(within.query, {"id": seen.id, "after": cursor or seen.more}, sizes).body
        found: Any = decode(body, _object_shape(within)).object
        if found is None:
            raise _gone(client, within, seen.id)
        record: Any = decode(body, _raw_shape(within.root)).object
        part = Part(bytes(record), found.nested.ids, _count(found))
        return Page([part], found.nested.page_info.next)

    for page in paginate(fetch, what=f"{within.root}.{within.name}"):
        yield from page.items


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


def _count(found: Any) -> int | None:
    kind: Any = _Count | None
    try:
        count = decode_json(getattr(found, "counted", _NULL), kind, "a count")
    except ContractError:
        # Its object's own row is set aside for it; the list is then held against nothing.
        return None
    return None if count is None else count.count


class _Element(msgspec.Struct):
    id: str


class _Nested(msgspec.Struct, rename="camel"):
    page_info: PageInfo
    nodes: list[_Element]

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(node.id for node in self.nodes)


class _Count(msgspec.Struct):
    count: Count


_NULL = msgspec.Raw(b"null")


def _list_fields(within: NestedList) -> tuple[list[Any], dict[str, str]]:
    """The members of an object that tell of its list, and what Shopify calls them."""
    fields: list[Any] = [("nested", _Nested)]
    names = {"nested": within.name}
    if within.counted is not None:
        fields.append(("counted", msgspec.Raw, _NULL))
        names["counted"] = within.counted
    return fields, names


@lru_cache
def _page_shape(connection: str, within: NestedList) -> Any:
    fields, names = _list_fields(within)
    known: list[Any] = [("id", str), ("changed", str)]
    node: Any = msgspec.defstruct("Node", [*known, *fields], rename={"changed": "updatedAt", **names})
    nodes = msgspec.defstruct("Connection", [("nodes", list[node])])
    return msgspec.defstruct("Data", [("connection", nodes)], rename={"connection": connection})


@lru_cache
def _object_shape(within: NestedList) -> Any:
    """`data` of one object: what it tells of its list."""
    fields, names = _list_fields(within)
    inner: Any = msgspec.defstruct("Object", fields, rename=names)
    return msgspec.defstruct("Data", [("object", inner | None)], rename={"object": within.root})


@lru_cache
def _raw_shape(root: str) -> Any:
    """`data` of one object, as it was sent."""
    return msgspec.defstruct("Data", [("object", msgspec.Raw)], rename={"object": root})
