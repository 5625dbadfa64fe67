"""Lists, single records and what hangs below them: parameters in, a JSON:API document out."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, quote

from weathervane.klaviyo.sandbox.endpoints import BETA_INCLUDE, CHILD_INCLUDES, ONE_INCLUDES, Listing
from weathervane.klaviyo.sandbox.filters import parse_filter
from weathervane.klaviyo.sandbox.problems import RefusalError, invalid
from weathervane.klaviyo.sandbox.render import Renderer
from weathervane.klaviyo.sandbox.world import Record, World, parse

__all__ = ["Query", "again", "child_list", "list_page", "one_record", "read_query"]

MAX_SIZE = 100
KEPT = ("type", "id", "relationships", "links")


@dataclass
class Query:
    """The parameters of a request, taken apart."""

    filter: str = ""
    sort: str = ""
    include: tuple[str, ...] = ()
    size: int | None = None
    cursor: str = ""
    fields: dict[str, tuple[str, ...]] = field(default_factory=dict)
    page: int = 1


def read_query(text: str) -> Query:
    """Takes a query string apart.

    Raises:
        RefusalError: a parameter is unknown, given twice or no good: 400.
    """
    query, seen = Query(), set()
    for name, value in parse_qsl(text, keep_blank_values=True):
        if name in seen:
            raise invalid(name, f"{name!r} is given twice; list arguments are comma-separated")
        seen.add(name)
        if name == "filter":
            query.filter = value
        elif name == "sort":
            query.sort = value
        elif name == "include":
            query.include = tuple(one for one in value.split(",") if one)
        elif name == "page[size]":
            query.size = int(value) if value.isascii() and value.isdigit() else -1
        elif name == "page[cursor]":
            query.cursor = value
            query.page = int(_opened(value).get("page", 1))
        elif name.startswith("fields[") and name.endswith("]"):
            query.fields[name[7:-1]] = tuple(one for one in value.split(",") if one)
        else:
            raise invalid(name, f"'{name}' is not a valid query parameter for this resource.")
    return query


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
    size = _size(listing, query)
    takes = (*listing.includes, *((BETA_INCLUDE,) if beta and listing.kind == "campaign-message" else ()))
    _check_include(query, takes)
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
        state = {"of": _mark(query), "after": _rank(renderer, last, field_name), "page": query.page + 1}
        following = _link(url, query, _closed(state))
    return _document(
        page, renderer, query, {"self": _link(url, query, query.cursor), "next": following, "prev": None}
    )


def one_record(record: Record, query: Query, renderer: Renderer, url: str) -> dict[str, Any]:
    """A single record. Raises RefusalError: 400 for an include that it does not take."""
    _check_include(
        query, ONE_INCLUDES.get(record["type"], ()) if renderer.omni else ("campaign", "campaign-messages")
    )
    document = _document([record], renderer, query, {"self": url})
    document["data"] = document["data"][0]
    return document


def child_list(record: Record, name: str, query: Query, renderer: Renderer, url: str) -> dict[str, Any]:
    """What hangs below a record, whole. Raises RefusalError: 404 when nothing of that name does."""
    if (record["type"], name) not in CHILD_INCLUDES or (not renderer.omni and name == "campaign-variations"):
        raise RefusalError(404, f"{name} of a {record['type']} does not exist.")
    _check_include(query, CHILD_INCLUDES[record["type"], name])
    return _document(
        renderer.related(record, name), renderer, query, {"self": url, "next": None, "prev": None}
    )


def _document(
    page: Sequence[Record], renderer: Renderer, query: Query, links: Mapping[str, str | None]
) -> dict[str, Any]:
    included: dict[tuple[str, str], dict[str, Any]] = {}
    for record in page:
        for name in query.include:
            for other in renderer.related(record, name):
                included.setdefault((other["type"], other["id"]), _sparse(renderer.resource(other), query))
    document: dict[str, Any] = {
        "data": [_sparse(renderer.resource(one, query.include), query) for one in page]
    }
    if query.include:
        document["included"] = list(included.values())
    document["links"] = dict(links)
    return document


def _sparse(resource: dict[str, Any], query: Query) -> dict[str, Any]:
    wanted = query.fields.get(resource["type"])
    if wanted is None:
        return resource
    kept: dict[str, Any] = {}
    for path in wanted:
        source, target = resource["attributes"], kept
        *parents, last = path.split(".")
        for name in parents:
            source, target = (source or {}).get(name) or {}, target.setdefault(name, {})
        if isinstance(source, dict) and last in source:
            target[last] = source[last]
    return {**{name: resource[name] for name in KEPT if name in resource}, "attributes": kept}


def _size(listing: Listing, query: Query) -> int:
    if query.size is None:
        return listing.default_size or MAX_SIZE
    if listing.default_size is None:
        raise invalid("page[size]", "'page[size]' is not a valid query parameter for this resource.")
    if not 1 <= query.size <= MAX_SIZE:
        raise invalid("page[size]", "Page size must be an integer between 1 and 100.")
    return query.size


def _check_include(query: Query, takes: Sequence[str]) -> None:
    for name in query.include:
        if name not in takes:
            told = f"'{name}' is not a valid relationship to include; valid ones are: {', '.join(takes)}"
            raise invalid("include", told)


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
    state = _opened(query.cursor)
    if state.get("of") != _mark(query):
        raise invalid("page[cursor]", "The cursor is of another query.")
    return None if state["after"] is None else list(state["after"])


def again(query: Query, url: str) -> str:
    """A next link that leads to the very page that was asked for, by another cursor."""
    state = {"of": _mark(query), "after": None} | (_opened(query.cursor) if query.cursor else {})
    return _link(url, query, _closed({**state, "again": state.get("again", 0) + 1, "page": query.page + 1}))


def _mark(query: Query) -> str:
    told = json.dumps([query.filter, query.sort, query.include, sorted(query.fields.items())])
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def _closed(state: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(state, separators=(",", ":")).encode()).decode()


def _opened(cursor: str) -> dict[str, Any]:
    try:
        state = json.loads(base64.urlsafe_b64decode(cursor))
    except ValueError:
        raise invalid("page[cursor]", "Invalid cursor provided.") from None
    if not isinstance(state, dict) or "after" not in state:
        raise invalid("page[cursor]", "Invalid cursor provided.")
    return state


def _link(url: str, query: Query, cursor: str) -> str:
    given = [("filter", query.filter), ("sort", query.sort), ("include", ",".join(query.include))]
    given += [("page[size]", "" if query.size is None else str(query.size))]
    given += [(f"fields[{kind}]", ",".join(names)) for kind, names in query.fields.items()]
    given += [("page[cursor]", cursor)]
    text = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in given if value)
    return f"{url}?{text}" if text else url
