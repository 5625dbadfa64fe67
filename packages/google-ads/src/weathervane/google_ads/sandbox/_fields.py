"""Which GAQL fields there are, by API version: the catalogue that was made from the official protos."""

from __future__ import annotations

import gzip
import json
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

__all__ = [
    "CORE_DATES",
    "VERSIONS",
    "Field",
    "camel",
    "enum_values",
    "field",
    "is_resource",
    "names",
    "parts",
    "resources",
]

VERSIONS = ("v23", "v24", "v25", "v26")
"""Versions that answer; every other one is dead or unborn."""

CORE_DATES = frozenset(
    {"segments.date", "segments.week", "segments.month", "segments.quarter", "segments.year"}
)
"""The segments that may stand in WHERE without standing in SELECT."""


@dataclass(frozen=True)
class Field:
    """One field of a row."""

    name: str
    kind: str
    """INT64, INT32, DOUBLE, BOOLEAN, STRING, ENUM or MESSAGE."""
    repeated: bool
    enum: str | None
    empty: bool = False
    """Of a MESSAGE that has no members: it says only that it is there."""

    @property
    def resource(self) -> str:
        """The first part of the name: `campaign`, `metrics`, `segments`."""
        return self.name.partition(".")[0]

    @property
    def data_type(self) -> str:
        """As GoogleAdsField names the type."""
        if self.name in CORE_DATES - {"segments.year"}:
            return "DATE"
        if self.name.endswith("resource_name"):
            return "RESOURCE_NAME"
        return self.kind


@lru_cache(maxsize=1)
def _catalogue() -> dict[str, Any]:
    packed = files("weathervane.google_ads.sandbox").joinpath("schema/fields.json.gz").read_bytes()
    catalogue: dict[str, Any] = json.loads(gzip.decompress(packed))
    return catalogue


@lru_cache(maxsize=20_000)
def field(name: str, version: str) -> Field | None:
    """The field of this name in a version (`v26`), or None."""
    entry = _catalogue()["fields"].get(name)
    if entry is None or version[1:][-1] not in entry[1]:
        return None
    kind, _, enum = entry[0].removesuffix("[]").partition(":")
    empty = kind == "EMPTY"
    return Field(name, "MESSAGE" if empty else kind, entry[0].endswith("[]"), enum or None, empty)


@lru_cache(maxsize=2_000)
def enum_values(enum: str, version: str) -> frozenset[str]:
    """The names of an enum's values in a version."""
    known = _catalogue()["enums"].get(enum, {})
    return frozenset(name for name, versions in known.items() if version[-1] in versions)


@lru_cache(maxsize=2_000)
def is_resource(name: str, version: str) -> bool:
    """Whether rows have a resource of this name."""
    return name not in ("metrics", "segments") and field(f"{name}.resource_name", version) is not None


@lru_cache(maxsize=8)
def resources(version: str) -> tuple[str, ...]:
    """All resources that rows may have, sorted."""
    return tuple(sorted({name.partition(".")[0] for name in names(version)} - {"metrics", "segments"}))


@lru_cache(maxsize=20_000)
def camel(name: str) -> str:
    """`metrics.cost_micros` as JSON spells it: `metrics.costMicros`."""
    parts = []
    for part in name.split("."):
        first, *rest = part.split("_")
        parts.append(first + "".join(word[:1].upper() + word[1:] for word in rest))
    return ".".join(parts)


@lru_cache(maxsize=20_000)
def parts(name: str, version: str) -> tuple[str, ...]:
    """The fields of a message, at every depth; none of what is no message, or is known as a whole only."""
    every = names(version)
    return every[bisect_left(every, f"{name}.") : bisect_left(every, f"{name}/")]


@lru_cache(maxsize=8)
def names(version: str) -> tuple[str, ...]:
    """All fields of a version, sorted."""
    return tuple(sorted(name for name, entry in _catalogue()["fields"].items() if version[-1] in entry[1]))
