"""One day's figures by hour and by conversion action: parts that add up to the day's own numbers, to the last micro."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from weathervane.google_ads.sandbox._traffic import COUNTS, Fact

__all__ = ["by_action", "by_hour"]

HOUR = "segments.hour"
ACTION = "segments.conversion_action"

_COIN = 1_000_000
_ALL = {
    "metrics.all_conversions": "metrics.conversions",
    "metrics.all_conversions_value": "metrics.conversions_value",
}
"""What counts every action -> what counts only those that are included in the metric."""
_OF_CONVERSIONS = (*_ALL.values(), "metrics.view_through_conversions")


def by_hour(facts: Iterable[Fact], hours: int) -> list[Fact]:
    """Every fact as one for each of the first hours of the day; as even as whole clicks and coins can be."""
    found = []
    for fact in facts:
        if HOUR in fact.segments or not hours:
            found.append(fact)
            continue
        split = {name: _parts(name, value, hours) for name, value in fact.metrics.items()}
        found += [
            Fact({**fact.segments, HOUR: hour}, {name: parts[hour] for name, parts in split.items()})
            for hour in range(hours)
        ]
    return found


def by_action(facts: Iterable[Fact], actions: Sequence[Mapping[str, Any]]) -> list[Fact]:
    """The conversions of every fact as one for each enabled conversion action; what is no conversion is left out.

    `conversions` are those of the actions that are included in it, `all_conversions` those of all actions.
    """
    enabled = [one for one in actions if one.get("conversion_action.status", "ENABLED") == "ENABLED"]
    # Unset is true: Google's own default.
    included = [one for one in enabled if one.get("conversion_action.include_in_conversions_metric", True)]
    others = [one for one in enabled if one not in included]
    found = []
    for fact in facts:
        if ACTION in fact.segments or not enabled:
            found.append(fact)
            continue
        metrics: list[dict[str, float]] = [{} for _ in enabled]
        for name in _OF_CONVERSIONS:
            _share(metrics, enabled, included or enabled, name, fact.metrics.get(name))
        for name, own in _ALL.items():
            value, counted = fact.metrics.get(name), fact.metrics.get(own, 0)
            if included and others and value is not None and math.isfinite(value - counted):
                _share(metrics, enabled, included, name, counted)
                _share(metrics, enabled, others, name, round(value - counted, 6))
            else:
                _share(metrics, enabled, enabled, name, value)
        found += [
            Fact({**fact.segments, **_named(action)}, figures)
            for action, figures in zip(enabled, metrics, strict=True)
        ]
    return found


def _share(
    metrics: list[dict[str, float]],
    every: Sequence[Mapping[str, Any]],
    among: Sequence[Mapping[str, Any]],
    name: str,
    value: float | None,
) -> None:
    if value is None:
        return
    parts = iter(_parts(name, value, len(among)))
    for action, figures in zip(every, metrics, strict=True):
        if action in among:
            figures[name] = next(parts)


def _named(action: Mapping[str, Any]) -> dict[str, Any]:
    """An action as segments tell it."""
    return {
        ACTION: action.get("conversion_action.resource_name"),
        f"{ACTION}_name": action.get("conversion_action.name"),
        f"{ACTION}_category": action.get("conversion_action.category", "DEFAULT"),
    }


def _parts(name: str, value: float, count: int) -> list[float]:
    """A value in parts: differences of its running share, so that no rounding is lost."""
    if not math.isfinite(value):
        return [value, *[0.0] * (count - 1)]
    if name not in COUNTS:
        ends = [round(value * number / count, 6) for number in range(count + 1)]
        return [round(high - low, 6) for low, high in pairwise(ends)]
    # An amount of cents is not split below cents, and one of yen not below yen.
    unit = (math.gcd(int(value), _COIN) or 1) if name == "metrics.cost_micros" else 1
    marks = [int(value) // unit * number // count * unit for number in range(count + 1)]
    return [high - low for low, high in pairwise(marks)]
