"""Lists, single records and what hangs below them: parameters in, a JSON:API document out."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from weathervane.klaviyo.sandbox._endpoints import (
    BETA_INCLUDE,
    Listing,
    addressed,
    kind_of,
    one_includes,
    related_includes,
)
from weathervane.klaviyo.sandbox._fieldsets import check_fields, sparse
from weathervane.klaviyo.sandbox._filters import parse_filter
from weathervane.klaviyo.sandbox._problems import RefusalError, invalid
from weathervane.klaviyo.sandbox._queries import Query, closed, link, opened
from weathervane.klaviyo.sandbox._render import Renderer
from weathervane.klaviyo.sandbox._world import Record, World, parse

__all__ = ["again", "estimation", "list_page", "one_record", "related", "relationship"]

MAX_SIZE = 100


def list_page(
    world: World,
    listing: Listing,
    query: Query,
    renderer: Renderer,
    url: str,
    now: datetime,
    *,
    beta: bool = False,
) -> dict[str, Any]:
    """One page of a list.

    Args:
        world: the records.
        listing: what the list takes.
        query: what is asked.
        renderer: of the revision.
        url: the list's own address, for links.
        now: the account's present.
        beta: whether messages take the beta's include.

    Raises:
        RefusalError: 400, with the parameter that is no good.
    """
    query.only("filter", "sort", "include", "page[size]", "page[cursor]", "fields")
    size = _size(listing, query)
    takes = (*listing.includes, *((BETA_INCLUDE,) if beta and listing.kind == "campaign-message" else ()))
    _check_shape(query, listing.kind, takes, renderer)
    conditions = parse_filter(query.filter, listing.fields, now) if query.filter else []
    for needed in listing.required:
        if not any(one.field == needed for one in conditions):
            raise invalid("filter", f"A filter on {needed!r} is required: equals({needed},'email')")
    if "messages.channel" in listing.required:
        channel = next(one.value for one in conditions if one.field == "messages.channel")
        if channel not in ("email", "sms", "mobile_push"):
            raise invalid("filter", f"{channel!r} is not a valid channel: email, sms, mobile_push")
        if not any(one.field == "archived" for one in conditions):
            # Legacy lists leave the archived ones out unless they are asked for.
            conditions += parse_filter("equals(archived,false)", listing.fields, now)
    field_name = query.sort.removeprefix("-") or (listing.sorts[0] if listing.sorts else "id")
    if query.sort and field_name not in listing.sorts:
        raise invalid("sort", f"{query.sort!r} is not a valid sort: {', '.join(listing.sorts)}")
    found = [
        record
        for record in world.all(listing.kind)
        if all(one.holds(renderer.value(record, one.field)) for one in conditions)
    ]
    found.sort(key=lambda one: _rank(renderer, one, field_name), reverse=query.sort.startswith("-"))
    place = _place(query)
    start = _after(found, place, renderer, field_name, query.sort.startswith("-"))
    page = found[start : start + size]
    following = None
    if start + size < len(found):
        last = page[-1]
        state = {"of": query.mark(), "after": _rank(renderer, last, field_name), "page": query.page + 1}
        following = link(url, query, closed(state))
    return _document(
        page, renderer, query, {"self": link(url, query, query.cursor), "next": following, "prev": None}
    )


def one_record(record: Record, query: Query, renderer: Renderer, url: str) -> dict[str, Any]:
    """A single record. Raises RefusalError: 400 for an include or a field that it does not take."""
    query.only("include", "fields")
    _check_shape(query, record["type"], one_includes(record["type"], renderer.revision), renderer)
    document = _document([record], renderer, query, {"self": url})
    document["data"] = document["data"][0]
    return document


def related(record: Record, name: str, query: Query, renderer: Renderer, url: str) -> dict[str, Any]:
    """The records of a relationship, whole: a list, or one record or null.

    Raises:
        RefusalError: 404 when there is no such relationship, 400 for a parameter that is no good.
    """
    found = _addressed(record, name, renderer)
    takes = related_includes(record["type"], name)
    query.only("fields", *(("include",) if takes else ()), *_paged(name))
    _check_shape(query, kind_of(name), takes, renderer)
    if query.cursor:
        raise _foreign_cursor()
    if not name.endswith("s"):
        document = _document(found, renderer, query, {"self": url})
        document["data"] = document["data"][0] if found else None
        return document
    return _document(found, renderer, query, {"self": url, "next": None, "prev": None})


def estimation(campaign: Record, query: Query, url: str) -> dict[str, Any]:
    """How many people a campaign will be sent to: made up, and the same each time it is asked for.

    Raises:
        RefusalError: 400 for a parameter that is no good.
    """
    kind = "campaign-recipient-estimation"
    query.only("fields")
    check_fields(query, kind, (), omni=True)
    count = 200 + zlib.crc32(campaign["id"].encode()) % 5000
    attributes = {"estimated_recipient_count": count}
    one = {"type": kind, "id": campaign["id"], "attributes": attributes, "links": {"self": url}}
    return {"data": sparse(one, query), "links": {"self": url}}


def relationship(record: Record, name: str, query: Query, renderer: Renderer, url: str) -> dict[str, Any]:
    """The type and id of what a relationship names, and nothing more of it.

    Raises:
        RefusalError: 404 when there is no such relationship, 400 for a parameter that is no good.
    """
    found = [{"type": one["type"], "id": one["id"]} for one in _addressed(record, name, renderer)]
    query.only(*_paged(name))
    if query.cursor:
        raise _foreign_cursor()
    links: dict[str, str | None] = {"self": url}
    if name.endswith("s"):
        return {"data": found, "links": links | {"next": None, "prev": None}}
    return {"data": found[0] if found else None, "links": links}


def _addressed(record: Record, name: str, renderer: Renderer) -> list[Record]:
    if name not in addressed(record["type"], omni=renderer.omni):
        raise RefusalError(404, f"{name} of a {record['type']} does not exist.")
    return renderer.related(record, name)


def _paged(name: str) -> tuple[str, ...]:
    """Lists of messages have cursors, though here they always fit on a page."""
    return ("page[cursor]",) if name == "campaign-messages" else ()


def _check_shape(query: Query, kind: str, includes: Sequence[str], renderer: Renderer) -> None:
    for name in query.include:
        if name not in includes:
            told = f"'{name}' is not a valid relationship to include; valid ones are: {', '.join(includes)}"
            raise invalid("include", told)
    check_fields(query, kind, [kind_of(one) for one in includes], omni=renderer.omni)


def _foreign_cursor() -> RefusalError:
    return invalid("page[cursor]", "The cursor is of another query.")


def _document(
    page: Sequence[Record], renderer: Renderer, query: Query, links: Mapping[str, str | None]
) -> dict[str, Any]:
    included: dict[tuple[str, str], dict[str, Any]] = {}
    for record in page:
        for name in query.include:
            for other in renderer.related(record, name):
                included.setdefault((other["type"], other["id"]), sparse(renderer.resource(other), query))
    document: dict[str, Any] = {
        "data": [sparse(renderer.resource(one, query.include), query) for one in page]
    }
    if query.include:
        document["included"] = list(included.values())
    document["links"] = dict(links)
    return document


def _size(listing: Listing, query: Query) -> int:
    if query.size is None:
        return listing.default_size or listing.fixed_size
    if listing.default_size is None:
        raise invalid("page[size]", "'page[size]' is not a valid query parameter for this resource.")
    if not 1 <= query.size <= MAX_SIZE:
        raise invalid("page[size]", "Page size must be an integer between 1 and 100.")
    return query.size


def _rank(renderer: Renderer, record: Record, name: str) -> list[str]:
    value = renderer.value(record, name)
    if value is None:
        return ["", record["id"]]
    try:
        return [parse(str(value)).isoformat(timespec="microseconds"), record["id"]]
    except ValueError:
        return [str(value), record["id"]]


def _after(found: list[Record], place: list[str] | None, renderer: Renderer, name: str, down: bool) -> int:
    if place is None:
        return 0
    for number, record in enumerate(found):
        rank = _rank(renderer, record, name)
        if (rank < place) if down else (rank > place):
            return number
    return len(found)


def _place(query: Query) -> list[str] | None:
    if not query.cursor:
        return None
    state = opened(query.cursor)
    if state["of"] != query.mark():
        raise _foreign_cursor()
    return None if state["after"] is None else list(state["after"])


def again(query: Query, url: str) -> str:
    """A next link that leads to the very page that was asked for, by another cursor."""
    state = {"of": query.mark(), "after": None} | (opened(query.cursor) if query.cursor else {})
    return link(url, query, closed({**state, "again": state.get("again", 0) + 1, "page": query.page + 1}))
