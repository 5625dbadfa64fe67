"""Answering an allowed query: rows of the resource, figures summed over what was not selected."""

from __future__ import annotations

import math
import operator as op
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from weathervane.google_ads.sandbox._beside import LEVELS
from weathervane.google_ads.sandbox._dates import derived
from weathervane.google_ads.sandbox._fields import Field, parts
from weathervane.google_ads.sandbox._gaql import Condition
from weathervane.google_ads.sandbox._rules import Bound
from weathervane.google_ads.sandbox._spread import by_action, by_hour
from weathervane.google_ads.sandbox._traffic import ADDITIVE, COUNTS
from weathervane.google_ads.sandbox._world import Account, Moment, Node, Values, World

__all__ = ["Answer", "answer"]

Row = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """The rows of a query, by GAQL name, and the sum of its metrics."""

    rows: list[Row]
    summary: Row
    total: int
    """How many rows there are without LIMIT."""


def answer(bound: Bound, world: World, account: Account, moment: Moment) -> Answer:
    """Answer a query of one account."""
    rows = list(_rows(bound, world, account, moment))
    totals = _sum(rows, [one.name for one in bound.metrics])
    for name, descends in reversed(bound.query.order_by):
        rows.sort(key=lambda row: (row.get(name) is not None, row.get(name)), reverse=descends)
    return Answer(rows[: bound.query.limit], totals, len(rows))


def _rows(bound: Bound, world: World, account: Account, moment: Moment) -> Iterator[Row]:
    if bound.resource == "conversion_action" and bound.reports:
        yield from _by_action(bound, account, moment)
        return
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
        yield from _grouped(bound, attributes, _facts(bound, account, node, moment))


def _facts(bound: Bound, account: Account, node: Node, moment: Moment) -> list[Row]:
    """The figures of a node's days, as fine as the segments that are asked for."""
    asked = {one.name for one in bound.segments}
    actions = any(name.startswith("segments.conversion_action") for name in asked)
    first = node.first_day()
    low, high = bound.days or (first or moment.today, moment.today)
    rows: list[Row] = []
    day = max(low, first or low)
    while day <= min(high, moment.today):
        dates, facts = derived(day), node.facts(day, moment)
        if actions or bound.resource == "conversion_action":
            facts = by_action(facts, account.actions)
        if "segments.hour" in asked:
            facts = by_hour(facts, round(24 * moment.share_of_today) if day == moment.today else 24)
        rows += [{**dates, **fact.segments, **fact.metrics} for fact in facts]
        day += timedelta(days=1)
    return rows


def _by_action(bound: Bound, account: Account, moment: Moment) -> Iterator[Row]:
    """The conversions of each action of the account."""
    facts = _facts(bound, account, account.node, moment)
    for action in account.actions:
        attributes = {**account.node.values, **action}
        if _pass(bound, attributes, lambda name: name not in ("metrics", "segments")):
            name = action.get("conversion_action.resource_name")
            mine = [fact for fact in facts if fact.get("segments.conversion_action") == name]
            yield from _grouped(bound, attributes, mine)


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
        shown = figures if names else _sum(members, sorted(ADDITIVE))
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
    return all(
        _holds(one, _of(found, values, bound.version))
        for found, one in bound.conditions
        if of(found.resource)
    )


def _of(found: Field, values: Mapping[str, Any], version: str) -> Any:
    """A value; a message is there when it is there itself, or any part of it."""
    if found.kind != "MESSAGE":
        return values.get(found.name)
    names = (found.name, *parts(found.name, version))
    return next((values[name] for name in names if values.get(name) is not None), None)


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
