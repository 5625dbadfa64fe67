"""Faults of a good document: what is missing, unknown, repeated or led astray."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from weathervane.klaviyo.sandbox._lists import again
from weathervane.klaviyo.sandbox._queries import Query
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
    if document.get("included"):
        left_out = faults.take("not_included", **facts)
        if left_out is not None:
            kind = left_out.args.get("kind")
            document["included"] = [one for one in document["included"] if kind not in (None, one["type"])]
            if not document["included"]:
                document.pop("included")
    bare = faults.take("links_only", **facts)
    if bare is not None:
        _strip(document, bare.args.get("relationship"))
    if faults.take("cursor_loop", **facts):
        links["next"] = links.get("self")
    foreign = faults.take("foreign_next", **facts)
    if foreign is not None:
        links["next"] = str(foreign.args.get("location", "http://127.0.0.1:9/api/campaigns"))
    inside = faults.take("errors_inside", **facts)
    if inside is not None:
        _put_errors(document, inside.args)
    if faults.take("agent_hints", **facts):
        document["meta"] = {"agent_hints": {"next_steps": ["Ask for the messages of a campaign next."]}}
    for one in _resources(document):
        if "attributes" not in one:
            # A relationship's own address gives types and ids.
            continue
        if faults.standing("extra_members", **facts):
            one["meta"] = {"nobody": "knows"}
            one["attributes"]["brand_new"] = [{"deep": {"er": 1}}]
        if faults.standing("fractions", **facts):
            _add_fractions(one["attributes"])
    return document


def _resources(document: dict[str, Any]) -> list[dict[str, Any]]:
    data = document["data"]
    many = data if isinstance(data, list) else [] if data is None else [data]
    return [*many, *(document.get("included") or ())]


def _put_errors(document: dict[str, Any], args: Mapping[str, Any]) -> None:
    """Puts errors beside what is as it should be; into the document where the place has nothing."""
    records, below = _resources(document), document.get("included") or []
    relationships = [one for record in records for one in (record.get("relationships") or {}).values()]
    report = (records[0].get("attributes") or {}).get("results") if records else None
    places = {"data": records, "included": below, "relationships": relationships, "results": report}
    one = {
        "id": "e1",
        "status": 500,
        "code": "error",
        "title": "An error.",
        "detail": "Something is missing.",
    }
    where = next(iter(places.get(args.get("place", "document")) or ()), document)
    where[args.get("member", "errors")] = args.get("errors", [one])


def _strip(document: dict[str, Any], wanted: str | None) -> None:
    """Takes the ids out of a relationship, or of all; its links stay."""
    for one in _resources(document):
        for name, relationship in (one.get("relationships") or {}).items():
            if wanted in (None, name):
                relationship.pop("data", None)


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
