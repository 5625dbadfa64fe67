"""One call of the Graph API and one answer, however they travel, and the small things that both are made of."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

__all__ = ["Call", "Reply", "form", "plain", "split_path", "usage_headers"]

_VERSION = re.compile(r"v\d+\.\d+")
# Deeper than any parameter of the API.
_BRACKETS = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\]){1,8})")


@dataclass(frozen=True)
class Call:
    """One call, however it came."""

    method: str
    path: str
    """Without the leading slash."""
    params: Mapping[str, str]
    """Query and form, merged; the token too, wherever it stood."""
    base: str
    """The URL before the path, for `paging.next`."""
    depth: int = 0
    """How many lists and references an expanded field is within; 0 for a call that came."""


@dataclass
class Reply:
    """One answer."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)
    note: dict[str, Any] = field(default_factory=dict)


def split_path(path: str) -> tuple[str | None, list[str]]:
    """A path's version, if it names one, and its other parts."""
    parts = [part for part in path.split("/") if part]
    return (parts[0], parts[1:]) if parts and _VERSION.fullmatch(parts[0]) else (None, parts)


def usage_headers(account: str, args: Mapping[str, Any]) -> dict[str, str]:
    """Usage headers as a fault wants them."""
    percent, app = args.get("percent", 0), args.get("app_percent", 0)
    entry = {"type": "ads_insights", "call_count": percent, "total_cputime": 0, "total_time": 0}
    entry["estimated_time_to_regain_access"] = args.get("regain", 0)
    return {
        "x-business-use-case-usage": json.dumps({account: [entry]}),
        "x-ad-account-usage": json.dumps(
            {"acc_id_util_pct": percent, "reset_time_duration": args.get("reset", 0)}
        ),
        "x-fb-ads-insights-throttle": json.dumps({"app_id_util_pct": app, "acc_id_util_pct": percent}),
        "x-app-usage": json.dumps({"call_count": app, "total_time": 0, "total_cputime": 0}),
    }


def form(body: bytes) -> dict[str, str]:
    """The fields of a form or a query."""
    return plain(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def plain(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Fields by name, the last one of a name; those in brackets as the JSON that they stand for.

    `time_range[since]=..&time_range[until]=..` is an object and `fields[]=..` or `fields[0]=..` a list, as PHP decodes
    forms, and with it the Graph API.
    """
    found: dict[str, Any] = {}
    for name, value in pairs:
        match = _BRACKETS.fullmatch(name)
        *above, last = [match[1], *match[2][1:-1].split("][")] if match else [name]
        at = found
        for key in above:
            key = key or _free(at)
            if not isinstance(at.get(key), dict):
                at[key] = {}
            at = at[key]
        at[last if last or not match else _free(at)] = value
    return {name: one if isinstance(one, str) else json.dumps(_lists(one)) for name, one in found.items()}


def _free(found: Mapping[str, Any]) -> str:
    return next(key for key in map(str, itertools.count(len(found))) if key not in found)


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    numbers = [str(n) for n in range(len(value))]
    if value.keys() == set(numbers):
        return [_lists(value[n]) for n in numbers]
    return {key: _lists(one) for key, one in value.items()}
