"""Rows as the API writes them: proto3 JSON, exactly as the official protos take it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random
from typing import Any

from weathervane.google_ads.sandbox._execute import Answer
from weathervane.google_ads.sandbox._fields import Field, camel, enum_values, field, parts
from weathervane.google_ads.sandbox._rules import Bound

__all__ = ["field_mask", "results", "row_object", "summary_row"]


def results(bound: Bound, found: Answer, rng: Random) -> list[dict[str, Any]]:
    """The rows of an answer; members of every object in any order, as the vendor promises none."""
    resources = {bound.resource, *(one.resource for one in bound.select)} - {"metrics", "segments"}
    fields = list(bound.select)
    if ("omit_unselected_resource_names", "true") not in bound.query.parameters:
        names = [f"{resource}.resource_name" for resource in sorted(resources)]
        if "ad_group_ad" in resources and any(one.name.startswith("ad_group_ad.ad.") for one in fields):
            names.append("ad_group_ad.ad.resource_name")
        fields += [known for name in names if (known := field(name, bound.version)) and known not in fields]
    return [_object(fields, row, bound.version, rng) for row in found.rows]


def summary_row(bound: Bound, found: Answer, rng: Random) -> dict[str, Any]:
    """A row with the sums of the selected metrics, and nothing else."""
    return _object(list(bound.metrics), found.summary, bound.version, rng)


def field_mask(bound: Bound) -> str:
    """What was selected, as one text."""
    return ",".join(camel(one.name) for one in bound.select)


def _object(fields: list[Field], row: Mapping[str, Any], version: str, rng: Random) -> dict[str, Any]:
    made: dict[str, Any] = {}
    fields = list(dict.fromkeys(each for one in fields for each in (one, *_parts(one, row, version))))
    for one in rng.sample(fields, len(fields)):
        value = row.get(one.name)
        if value is None or value == []:
            continue
        *path, last = camel(one.name).split(".")
        at = made
        for part in path:
            at = at.setdefault(part, {})
        if value == {}:
            # A message whose parts, if it has any, are written by themselves.
            at.setdefault(last, {})
            continue
        at[last] = (
            [_value(one, each, version) for each in value] if one.repeated else _value(one, value, version)
        )
    return made


def _parts(one: Field, row: Mapping[str, Any], version: str) -> list[Field]:
    """What a row has of a message that is asked for whole."""
    if one.kind != "MESSAGE":
        return []
    return [known for name in parts(one.name, version) if name in row and (known := field(name, version))]


def _value(one: Field, value: Any, version: str) -> Any:
    if one.kind == "INT64":
        return str(value)
    if one.kind == "DOUBLE":
        if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        return int(value) if float(value).is_integer() and abs(value) < 1e15 else value
    if one.kind == "ENUM":
        # A value that this version does not know arrives as UNKNOWN.
        return value if value in enum_values(one.enum or "", version) else "UNKNOWN"
    return value


def row_object(row: Mapping[str, Any], version: str = "v26") -> dict[str, Any]:
    """All of a row by GAQL names as the API would write it."""
    fields = [known for name in row if (known := field(name, version))]
    return _object(fields, row, version, Random(0))
