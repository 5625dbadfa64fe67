"""Query strings, taken apart and put together, and the opaque cursors in them."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote

from weathervane.klaviyo.sandbox._problems import RefusalError, invalid

__all__ = ["REPORT_CURSOR", "Query", "closed", "link", "opened", "read_query"]

REPORT_CURSOR = "page_cursor"
"""What a report calls its cursor; all others call theirs page[cursor]."""


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
    names: tuple[str, ...] = ()
    """The parameters that were given."""
    of: str = ""
    """Path and revision: a cursor is of one list of one revision."""

    def mark(self, more: str = "") -> str:
        """What a cursor of this query is known by: all that was asked but for the page."""
        told = json.dumps([self.of, self.filter, self.sort, self.include, sorted(self.fields.items()), more])
        return hashlib.sha256(told.encode()).hexdigest()[:12]

    def only(self, *names: str) -> None:
        """Refuses all parameters but these; `fields` stands for any fields[...]."""
        for name in self.names:
            if name not in names and ("fields" not in names or not name.startswith("fields[")):
                raise _unknown(name)


def read_query(text: str, of: str = "") -> Query:
    """Takes a query string apart.

    Args:
        text: as it was sent.
        of: path and revision.

    Raises:
        RefusalError: a parameter is unknown, given twice or no good: 400.
    """
    query, seen = Query(of=of), dict[str, None]()
    for name, value in parse_qsl(text, keep_blank_values=True):
        if name in seen:
            raise invalid(name, f"{name!r} is given twice; list arguments are comma-separated")
        seen[name] = None
        if name == "filter":
            query.filter = value
        elif name == "sort":
            query.sort = value
        elif name == "include":
            query.include = tuple(one for one in value.split(",") if one)
        elif name == "page[size]":
            query.size = int(value) if value.isascii() and value.isdigit() else -1
        elif name in ("page[cursor]", REPORT_CURSOR):
            query.cursor = value
            query.page = opened(value, name)["page"]
        elif name.startswith("fields[") and name.endswith("]"):
            query.fields[name[7:-1]] = tuple(one for one in value.split(",") if one)
        else:
            raise _unknown(name)
    query.names = tuple(seen)
    return query


def closed(state: Mapping[str, Any]) -> str:
    """A place in a list as a cursor."""
    return base64.urlsafe_b64encode(json.dumps(state, separators=(",", ":")).encode()).decode()


def opened(cursor: str, name: str = "page[cursor]") -> dict[str, Any]:
    """The place that a cursor stands for: `of`, `after` (None or the last record's rank), `page`, perhaps `again`.

    Raises:
        RefusalError: it is none of ours: 400.
    """
    try:
        state = json.loads(base64.urlsafe_b64decode(cursor))
        after, numbers = state["after"], [state["page"], state.get("again", 0)]
        ours = isinstance(state["of"], str) and all(type(one) is int for one in numbers)
        ours = ours and (after is None or all(isinstance(one, str) for one in list(after)))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        ours = False
    if not ours or not isinstance(after, list | None):
        raise invalid(name, "Invalid cursor provided.")
    return dict(state)


def link(url: str, query: Query, cursor: str, name: str = "page[cursor]") -> str:
    """The address of another page of a query."""
    given = [("filter", query.filter), ("sort", query.sort), ("include", ",".join(query.include))]
    given += [("page[size]", "" if query.size is None else str(query.size))]
    given += [(f"fields[{kind}]", ",".join(names)) for kind, names in query.fields.items()]
    given += [(name, cursor)]
    text = "&".join(f"{quote(one, safe='')}={quote(value, safe='')}" for one, value in given if value)
    return f"{url}?{text}" if text else url


def _unknown(name: str) -> RefusalError:
    return invalid(name, f"'{name}' is not a valid query parameter for this resource.")
