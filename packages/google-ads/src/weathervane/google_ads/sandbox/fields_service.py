"""GoogleAdsFieldService: the catalogue of fields, asked by a query without FROM."""

from __future__ import annotations

import re
from typing import Any

from weathervane.google_ads.sandbox.errors import GoogleAdsError
from weathervane.google_ads.sandbox.fields import enum_values, field, names
from weathervane.google_ads.sandbox.gaql import Condition, parse, refuse

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
}


def one(path: str, version: str) -> dict[str, Any]:
    """The metadata of one field."""
    if field(path, version) is None:
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
    found = [name for name in names(version) if all(_holds(one, name, version) for one in query.where)]
    rows = [_described(name, version, set(query.select)) for name in found[: query.limit]]
    size = int(sent.get("pageSize") or 10_000)
    start = int(sent["pageToken"]) if str(sent.get("pageToken") or "").isdigit() else 0
    body: dict[str, Any] = {"results": rows[start : start + size], "totalResultsCount": str(len(found))}
    if start + size < len(rows):
        body["nextPageToken"] = str(start + size)
    return body


def _described(name: str, version: str, wanted: set[str]) -> dict[str, Any]:
    known = field(name, version)
    assert known is not None
    kind = {"metrics": "METRIC", "segments": "SEGMENT"}.get(known.resource, "ATTRIBUTE")
    leaf = known.kind != "MESSAGE" or known.repeated
    values: dict[str, Any] = {
        "name": name,
        "category": kind,
        "data_type": known.data_type,
        "selectable": leaf,
        "filterable": leaf and known.kind != "MESSAGE",
        "sortable": leaf and not known.repeated,
        "is_repeated": known.repeated,
    }
    if known.enum:
        values["enum_values"] = sorted(enum_values(known.enum, version))
    made = {
        re.sub(r"_([a-z])", lambda m: m[1].upper(), key): value
        for key, value in values.items()
        if key in wanted
    }
    return {"resourceName": f"googleAdsFields/{name}", **made}


def _holds(condition: Condition, name: str, version: str) -> bool:
    value = str(_described(name, version, _KNOWN).get(_camel(condition.field), ""))
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
