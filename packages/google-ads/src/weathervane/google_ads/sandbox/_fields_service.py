"""GoogleAdsFieldService: the catalogue of fields, asked by a query without FROM."""

from __future__ import annotations

import re
from typing import Any

from weathervane.google_ads.sandbox._beside import beside, figures
from weathervane.google_ads.sandbox._errors import GoogleAdsError
from weathervane.google_ads.sandbox._fields import enum_values, field, is_resource, names, resources
from weathervane.google_ads.sandbox._gaql import Condition, parse, refuse

__all__ = ["one", "search"]

_KNOWN = {
    "name",
    "category",
    "data_type",
    "selectable",
    "filterable",
    "sortable",
    "is_repeated",
    "enum_values",
    "resource_name",
    "type_url",
    "attribute_resources",
    "metrics",
    "segments",
    "selectable_with",
}


def one(path: str, version: str) -> dict[str, Any]:
    """The metadata of one field."""
    if field(path, version) is None and not is_resource(path, version):
        raise GoogleAdsError("requestError", "RESOURCE_NOT_FOUND", f"There is no field {path}.", status=404)
    return _described(path, version, _KNOWN)


def search(sent: dict[str, Any], version: str) -> dict[str, Any]:
    """Answer `googleAdsFields:search`: SELECT and WHERE over the fields' own attributes."""
    text = str(sent["query"])
    if re.search(r"\bFROM\b", text, re.IGNORECASE):
        raise refuse("UNEXPECTED_FROM_CLAUSE", "A query for fields has no FROM clause.")
    before, keyword, after = re.match(
        r"(.*?)(\bWHERE\b|\bORDER\b|\bLIMIT\b|$)(.*)", text, re.I | re.S
    ).groups()  # type: ignore[union-attr]
    query = parse(f"{before} FROM google_ads_field {keyword}{after}")
    for name in (*query.select, *(condition.field for condition in query.where)):
        if name not in _KNOWN:
            raise refuse("UNRECOGNIZED_FIELD", f"Unrecognized field in the query: '{name}'.", name)
    every = sorted({*names(version), *resources(version)})
    found = [name for name in every if all(_holds(one, name, version) for one in query.where)]
    rows = [_described(name, version, set(query.select)) for name in found[: query.limit]]
    size = int(sent.get("pageSize") or 10_000)
    start = int(sent["pageToken"]) if str(sent.get("pageToken") or "").isdigit() else 0
    body: dict[str, Any] = {"results": rows[start : start + size], "totalResultsCount": str(len(found))}
    if start + size < len(rows):
        body["nextPageToken"] = str(start + size)
    return body


def _described(name: str, version: str, wanted: set[str]) -> dict[str, Any]:
    if is_resource(name, version):
        return _written(
            name, {"name": name, "category": "RESOURCE", **_beside(name, version, wanted)}, wanted
        )
    known = field(name, version)
    assert known is not None
    kind = {"metrics": "METRIC", "segments": "SEGMENT"}.get(known.resource, "ATTRIBUTE")
    message = known.kind == "MESSAGE"
    values: dict[str, Any] = {
        "name": name,
        "category": kind,
        "data_type": known.data_type,
        "selectable": True,
        "filterable": not message,
        "sortable": not message and not known.repeated,
        "is_repeated": known.repeated,
    }
    if known.enum:
        values["enum_values"] = sorted(enum_values(known.enum, version))
    if "selectable_with" in wanted:
        values |= _beside(known.resource, version, {"selectable_with"})
    return _written(name, values, wanted)


def _beside(resource: str, version: str, wanted: set[str]) -> dict[str, Any]:
    """What may be selected with a resource, or with a metric or a segment."""
    if not wanted & {"attribute_resources", "metrics", "segments", "selectable_with"}:
        return {}
    figures_of = {one: figures(one) for one in resources(version)}
    if resource in ("metrics", "segments"):
        others = [one for one, taken in figures_of.items() if taken is None]
        taken = None
    else:
        others, taken = sorted(beside(resource, version) - {resource}), figures_of[resource]
    fields = [one for one in names(version) if taken is None or one in taken]
    metrics = [one for one in fields if one.startswith("metrics.")]
    segments = [one for one in fields if one.startswith("segments.")]
    return {
        "attribute_resources": others,
        "metrics": metrics,
        "segments": segments,
        "selectable_with": [*others, *metrics, *segments],
    }


def _written(name: str, values: dict[str, Any], wanted: set[str]) -> dict[str, Any]:
    made = {
        re.sub(r"_([a-z])", lambda m: m[1].upper(), key): value
        for key, value in values.items()
        if key in wanted
    }
    return {"resourceName": f"googleAdsFields/{name}", **made}


def _holds(condition: Condition, name: str, version: str) -> bool:
    value = str(_described(name, version, {condition.field}).get(_camel(condition.field), ""))
    wanted = [one if value not in ("True", "False") else one.capitalize() for one in condition.values]
    if condition.operator in ("=", "IN"):
        return value in wanted
    if condition.operator in ("!=", "NOT IN"):
        return value not in wanted
    if condition.operator == "LIKE":
        pattern = ".*".join(re.escape(part) for part in wanted[0].split("%"))
        return re.fullmatch(pattern, value) is not None
    raise refuse("OPERATOR_FIELD_MISMATCH", f"{condition.operator} does not go with '{condition.field}'.")


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)
