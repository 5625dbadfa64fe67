"""Faults of a good document: what is missing, unknown, repeated or led astray."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from weathervane.klaviyo.sandbox.lists import Query, again
from weathervane.source.sandbox import Faults

__all__ = ["spoil"]

_WHOLE_SECONDS = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\+00:00")


def spoil(
    faults: Faults, document: dict[str, Any], query: Query, url: str, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """The document as the armed faults make it; the account's own records stay as they are."""
    document = copy.deepcopy(document)
    links = document.get("links") or {}
    if faults.take("no_data", **facts):
        document.pop("data")
        return document
    if isinstance(document["data"], list) and document["data"] and faults.take("partial", **facts):
        kept = len(document["data"])
        document["data"] = document["data"][: kept - max(1, kept // 3)]
    if isinstance(document["data"], list) and faults.take("empty_page", **facts):
        document["data"], document["included"] = [], []
        links["next"] = again(query, url)
    if document.get("included") and faults.take("not_included", **facts):
        document.pop("included")
    if faults.take("cursor_loop", **facts):
        links["next"] = links.get("self")
    foreign = faults.take("foreign_next", **facts)
    if foreign is not None:
        links["next"] = str(foreign.args.get("location", "http://127.0.0.1:9/api/campaigns"))
    if faults.take("agent_hints", **facts):
        document["meta"] = {"agent_hints": {"next_steps": ["Ask for the messages of a campaign next."]}}
    many = document["data"] if isinstance(document["data"], list) else [document["data"]]
    for one in [*many, *(document.get("included") or ())]:
        if faults.standing("extra_members", **facts):
            one["meta"] = {"nobody": "knows"}
            one["attributes"]["brand_new"] = [{"deep": {"er": 1}}]
        if faults.standing("fractions", **facts):
            _add_fractions(one["attributes"])
    return document


def _add_fractions(value: Any) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, str):
                value[name] = _WHOLE_SECONDS.sub(r"\1.000000+00:00", inner)
            else:
                _add_fractions(inner)
    elif isinstance(value, list):
        for inner in value:
            _add_fractions(inner)
