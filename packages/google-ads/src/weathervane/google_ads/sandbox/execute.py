"""Answering an allowed query: rows of the resource, figures summed over what was not selected."""

from __future__ import annotations

import math
import operator as op
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from weathervane.google_ads.sandbox.dates import derived
from weathervane.google_ads.sandbox.gaql import Condition
from weathervane.google_ads.sandbox.rules import LEVELS, Bound
from weathervane.google_ads.sandbox.traffic import COUNTS
from weathervane.google_ads.sandbox.world import Account, Moment, Values, World

__all__ = ["Answer", "answer"]

Row = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """The rows of a query, by GAQL name, and the sum of its metrics."""

    rows: list[Row]
    summary: Row


def answer(bound: Bound, world: World, account: Account, moment: Moment) -> Answer:
    """Answer a query of one account."""
    rows = list(_rows(bound, world, account, moment))
    totals = _sum(rows, [one.name for one in bound.metrics])
    for name, descends in reversed(bound.query.order_by):
        rows.sort(key=lambda row: (row.get(name) is not None, row.get(name)), reverse=descends)
    return Answer(rows[: bound.query.limit], totals)


def _rows(bound: Bound, world: World, account: Account, moment: Moment) -> Iterator[Row]:
    if bound.resource not in LEVELS:
        yield from _listed(bound, world, account)
        return
    for node in account.node.at(bound.resource):
        attributes = node.attributes()
        if not _pass(bound, attributes, lambda name: name not in ("metrics", "segments")):
            continue
        if not bound.reports:
            yield attributes
            continue
        first = node.first_day()
        low, high = bound.days or (first or moment.today, moment.today)
        facts: list[Row] = []
        day = max(low, first or low)
        while day <= min(high, moment.today):
            dates = derived(day)
            facts += [{**dates, **fact.segments, **fact.metrics} for fact in node.facts(day, moment)]
            day += timedelta(days=1)
        yield from _grouped(bound, attributes, facts)


def _grouped(bound: Bound, attributes: Values, facts: list[Row]) -> Iterator[Row]:
    """One row for each combination of the selected segments; rows of zeros only when there are no segments."""
    segments = [one.name for one in bound.segments]
    groups: dict[tuple[Any, ...], list[Row]] = {} if segments else {(): []}
    for fact in facts:
        if _pass(bound, fact, lambda name: name == "segments"):
            groups.setdefault(tuple(fact.get(name) for name in segments), []).append(fact)
    names = [one.name for one in bound.metrics]
    asked = [found.name for found, _ in bound.conditions if found.resource == "metrics"]
    for key, members in groups.items():
        figures = _sum(members, [*names, *asked])
        shown = figures if names else _sum(members, sorted(COUNTS))
        if segments and not any(shown.values()):
            continue
        if _pass(bound, figures, lambda name: name == "metrics"):
            yield {**attributes, **dict(zip(segments, key, strict=True)), **figures}


def _listed(bound: Bound, world: World, account: Account) -> Iterator[Row]:
    if bound.resource == "customer_client":
        rows: list[Row] = [_client(world, account, one, level) for one, level in world.below(account.id)]
    elif bound.resource == "conversion_action":
        rows = [{**account.node.values, **action} for action in account.actions]
    else:
        rows = account.others.get(bound.resource, [])
        if bound.days:
            low, high = bound.days
            rows = [row for row in rows if low <= _day(row) <= high]
        rows = [{**account.node.values, **derived(_day(row)), **row} for row in rows]
    for row in rows:
        if _pass(bound, row, lambda _: True):
            yield row


def _day(row: Row) -> date:
    return date.fromisoformat(str(row.get("segments.date", "1970-01-01")))


def _client(world: World, manager: Account, customer: str, level: int) -> Row:
    values = world.accounts[customer].node.values
    names = ("id", "descriptive_name", "currency_code", "time_zone", "manager", "status", "test_account")
    return {
        **manager.node.values,
        "customer_client.resource_name": f"customers/{manager.id}/customerClients/{customer}",
        "customer_client.client_customer": f"customers/{customer}",
        "customer_client.level": level,
        "customer_client.hidden": False,
        **{f"customer_client.{name}": values[f"customer.{name}"] for name in names},
    }


def _sum(rows: list[Row], names: list[str]) -> Row:
    total: Row = {}
    for name in names:
        if name in _RATIOS:
            upper, lower, factor = _RATIOS[name]
            parts = _sum(rows, [upper, lower])
            if parts.get(lower):
                total[name] = factor * parts[upper] / parts[lower]
            continue
        values = [row[name] for row in rows if row.get(name) is not None]
        if values:
            added = math.fsum(values)
            total[name] = int(added) if name in COUNTS and math.isfinite(added) else round(added, 6)
        elif name in _ZERO:
            total[name] = 0
    return total


_ZERO = COUNTS | {"metrics.conversions", "metrics.conversions_value", "metrics.all_conversions"}
_ZERO |= {"metrics.all_conversions_value"}
_RATIOS = {
    "metrics.ctr": ("metrics.clicks", "metrics.impressions", 1.0),
    "metrics.average_cpc": ("metrics.cost_micros", "metrics.clicks", 1.0),
    "metrics.average_cost": ("metrics.cost_micros", "metrics.interactions", 1.0),
    "metrics.average_cpm": ("metrics.cost_micros", "metrics.impressions", 1000.0),
    "metrics.cost_per_conversion": ("metrics.cost_micros", "metrics.conversions", 1.0),
    "metrics.interaction_rate": ("metrics.interactions", "metrics.impressions", 1.0),
}
"""Metric -> (of, by, factor); absent when it would be divided by zero."""


def _pass(bound: Bound, values: Mapping[str, Any], of: Callable[[str], bool]) -> bool:
    return all(_holds(one, values.get(found.name)) for found, one in bound.conditions if of(found.resource))


def _holds(condition: Condition, value: Any) -> bool:
    operator, wanted = condition.operator, condition.values
    if operator in ("IS NULL", "IS NOT NULL"):
        return (value is None) == (operator == "IS NULL")
    if operator.startswith("CONTAINS"):
        held = {str(one) for one in value or ()}
        found = sum(one in held for one in wanted)
        return {"ANY": found > 0, "ALL": found == len(wanted), "NONE": found == 0}[operator[9:]]
    if value is None:
        return operator.startswith(("NOT", "!"))
    texts = [_alike(value, one) for one in wanted]
    one = texts[0]
    if operator in _COMPARE:
        return bool(_COMPARE[operator](value, one))
    if operator == "BETWEEN":
        return bool(one <= value <= texts[-1])
    found = {
        "IN": lambda: value in texts,
        "LIKE": lambda: _like(str(value), str(one)),
        "REGEXP_MATCH": lambda: re.fullmatch(str(one), str(value)) is not None,
    }[operator.removeprefix("NOT ")]()
    return found != operator.startswith("NOT ")


_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": op.eq,
    "!=": op.ne,
    "<": op.lt,
    "<=": op.le,
    ">": op.gt,
    ">=": op.ge,
}


def _alike(value: Any, text: str) -> Any:
    if isinstance(value, bool):
        return text.lower() == "true"
    return float(text) if isinstance(value, int | float) else text


def _like(value: str, pattern: str) -> bool:
    parts = re.split(r"(\[.\]|%|_)", pattern)
    made = "".join(
        {"%": ".*", "_": "."}.get(part, re.escape(part[1:-1] if part.startswith("[") else part))
        for part in parts
    )
    return re.fullmatch(made, value, re.IGNORECASE | re.DOTALL) is not None
