"""Lists within objects of a page: what did not come with the page is fetched object by object, to the last."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from weathervane.shopify.client import ShopifyClient
from weathervane.shopify.pages import PageInfo, PageSize, decode
from weathervane.source.paging import Page, paginate

__all__ = ["Seen", "drain", "seen_on"]


class Seen(msgspec.Struct):
    """The little that is known of an object of a page before its rows are made."""

    id: str
    changed: datetime
    more: str | None
    """The cursor after which its nested list goes on; None when the page held all of it."""


def seen_on(body: bytes, connection: str, nested: str) -> list[Seen]:
    """The objects of a page, in its order."""
    data: Any = decode(body, _page_shape(connection, nested))
    return [Seen(one.id, one.changed, one.nested.page_info.next) for one in data.connection.nodes]


def drain(client: ShopifyClient, query: str, seen: Seen, root: str, nested: str) -> Iterator[bytes]:
    """The rest of one object's nested list, as records of the object: each with its next elements.

    An object that was deleted meanwhile has no rest.
    """
    sizes = PageSize(client.settings, client.settings.nested_page_size)

    def fetch(cursor: str | None) -> Page[bytes, str]:
        body = client.sized(query, {"id": seen.id, "after": cursor or seen.more}, sizes).body
        found: Any = decode(body, _object_shape(root, nested)).object
        if found is None:
            return Page([], None)
        record: Any = decode(body, _object_shape(root, None)).object
        return Page([bytes(record)], found.nested.page_info.next)

    for page in paginate(fetch, what=f"{root}.{nested}"):
        yield from page.items


class _Nested(msgspec.Struct, rename="camel"):
    page_info: PageInfo


@lru_cache
def _page_shape(connection: str, nested: str) -> Any:
    node: Any = msgspec.defstruct(
        "Node",
        [("id", str), ("changed", datetime), ("nested", _Nested)],
        rename={"changed": "updatedAt", "nested": nested},
    )
    nodes = msgspec.defstruct("Connection", [("nodes", list[node])])
    return msgspec.defstruct("Data", [("connection", nodes)], rename={"connection": connection})


@lru_cache
def _object_shape(root: str, nested: str | None) -> Any:
    """`data` of one object: its nested list's page, or with None the object as it was sent."""
    inner: Any = msgspec.Raw
    if nested is not None:
        inner = msgspec.defstruct("Object", [("nested", _Nested)], rename={"nested": nested}) | None
    return msgspec.defstruct("Data", [("object", inner)], rename={"object": root})
