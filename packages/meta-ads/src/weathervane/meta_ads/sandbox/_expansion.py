"""Field expansion: `campaigns.limit(5){id,insights{spend}}` asks for a list, or a node referred to, within a node."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from weathervane.meta_ads.sandbox._calls import Call, split_path
from weathervane.meta_ads.sandbox._errors import GraphError
from weathervane.meta_ads.sandbox._nodes import EDGES, NODE_TYPES, node_fields
from weathervane.meta_ads.sandbox._values import bad, listed

__all__ = ["MAX_DEPTH", "picked"]

MAX_DEPTH = 5
"""Lists within lists that one call may ask for. Graph has a bound too, which it does not publish."""
_NAME = re.compile(r"\w+")
_INSIGHTS = ("account", "campaign", "adset", "ad")
_REFERENCES = ("campaign", "adset")
_SHARED = ("access_token", "appsecret_proof")
_CLOSING = {"{": "}", "(": ")"}


@dataclass(frozen=True)
class _Asked:
    """One member of `fields`: `name.modifier(value){fields}`; `params` holds the modifiers and the fields."""

    name: str
    params: Mapping[str, str]

    @property
    def key(self) -> str:
        return self.params.get("as", self.name)


def picked(
    call: Call, node: dict[str, Any], kind: str, *, default: tuple[str, ...], nested: Callable[[Call], Any]
) -> dict[str, Any]:
    """The fields of a node that a call asks for, and its id.

    Args:
        call: The call; its `fields` may expand lists of the node and nodes that it refers to.
        node: All that is known of the node.
        kind: What it is.
        default: What it shows when no fields are named.
        nested: Answers the call that an expanded field stands for. A list without members is absent.

    Raises:
        GraphError: There is no such field, or `fields` cannot be read.
    """
    version = split_path(call.path)[0]
    known = node_fields(kind, version)
    lists = EDGES.get(kind, frozenset()) | ({"insights"} if kind in _INSIGHTS else frozenset())
    found: dict[str, Any] = {}
    for one in [_asked(text) for text in [*(listed(call.params, "fields") or default), "id"]]:
        if one.name in lists:
            body = nested(_within(call, [version, node["id"], one.name], one))
            if body["data"]:
                found[one.key] = body
        elif one.name in _REFERENCES and f"{one.name}_id" in node:
            found[one.key] = nested(_within(call, [version, node[f"{one.name}_id"]], one))
        elif one.name in node:
            found[one.key] = node[one.name]
        elif one.name not in known:
            raise bad(f"Tried accessing nonexisting field ({one.name}) on node type ({NODE_TYPES[kind]})")
    return found


def _within(call: Call, path: list[str | None], asked: _Asked) -> Call:
    if call.depth == MAX_DEPTH:
        raise GraphError(
            1, "Please reduce the amount of data you're asking for, then retry your request", status=500
        )
    shared = {name: call.params[name] for name in _SHARED if name in call.params}
    params = {**shared, **{name: value for name, value in asked.params.items() if name != "as"}}
    return replace(call, method="GET", path="/".join(filter(None, path)), params=params, depth=call.depth + 1)


def _asked(text: str) -> _Asked:
    name = _NAME.match(text)
    if name is None:
        raise _unreadable(text, 0)
    params: dict[str, str] = {}
    at = name.end()
    while at < len(text):
        modifier = _NAME.match(text, at + 1) if text[at] == "." else None
        start = modifier.end() if modifier else at
        if text[start : start + 1] != ("(" if modifier else "{"):
            raise _unreadable(text, start)
        at = _end(text, start)
        params[modifier[0] if modifier else "fields"] = text[start + 1 : at - 1]
    return _Asked(name[0], params)


def _end(text: str, start: int) -> int:
    """The place after the bracket that closes the one at `start`; brackets within quotes are text."""
    closing: list[str] = []
    quote = ""
    for at in range(start, len(text)):
        letter = text[at]
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter in _CLOSING:
            closing.append(_CLOSING[letter])
        elif letter in _CLOSING.values() and letter != closing.pop():
            raise _unreadable(text, at)
        if not closing:
            return at + 1
    raise _unreadable(text, len(text))


def _unreadable(text: str, at: int) -> GraphError:
    return GraphError(2500, f"Syntax error at character {at}: {text[:100]}")
