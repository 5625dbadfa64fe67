"""Answers and the errors in them, in the vendor's words (Shopify docs, rate limits and status codes)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import FieldNode, GraphQLError

from weathervane.shopify.sandbox._cost import MAX_COST
from weathervane.shopify.sandbox._documents import error_dict
from weathervane.shopify.sandbox._paging import MAX_FIRST
from weathervane.shopify.sandbox._throttle import Bucket

__all__ = [
    "Answer",
    "cost_report",
    "failed",
    "field_report",
    "make_partial",
    "max_cost",
    "merge",
    "size_problems",
    "throttled",
    "variable_error",
]


RATE_LIMITS = "https://shopify.dev/api/usage/rate-limits"


@dataclass
class Answer:
    """The body of an answer, always with HTTP status 200.

    Attributes:
        body: the JSON.
        deprecated: whether the query uses a deprecated field.
        note: what the recorder keeps: operation, cost, error codes.
    """

    body: dict[str, Any]
    deprecated: bool = False
    note: dict[str, Any] = field(default_factory=dict)


def failed(message: str, code: str, **more: Any) -> Answer:
    """Return an answer without data, with one error of a code."""
    return Answer({"errors": [{"message": message, "extensions": {"code": code, **more}}]})


def max_cost(cost: int) -> Answer:
    """Return MAX_COST_EXCEEDED for a query that asks for too much."""
    message = (
        f"Query cost is {cost}, which exceeds the single query max cost limit ({MAX_COST}).\n\n"
        f"See {RATE_LIMITS} for more information on how the cost of a query is calculated.\n\n"
        "To query larger amounts of data with fewer limits, bulk operations should be used instead.\n"
    )
    return failed(message, "MAX_COST_EXCEEDED", cost=cost, maxCost=MAX_COST, documentation=RATE_LIMITS)


def throttled(requested: int, bucket: Bucket) -> Answer:
    """Return THROTTLED: no data, and what the bucket holds."""
    refusal = failed("Throttled", "THROTTLED", documentation=RATE_LIMITS)
    refusal.body["extensions"] = {"cost": cost_report(requested, None, bucket)}
    return refusal


def cost_report(requested: int, actual: int | None, bucket: Bucket) -> dict[str, Any]:
    """Return the `extensions.cost` of an answer; `actual` is None when nothing was executed."""
    return {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": bucket.status()}


def field_report(
    path: list[str], own: int, total: int, children: int | None, factor: float
) -> dict[str, Any]:
    """Return one entry of `extensions.cost.fields` (Shopify docs, limits, `Shopify-GraphQL-Cost-Debug`)."""
    return {
        "path": path,
        "definedCost": math.ceil(own * factor),
        "requestedTotalCost": math.ceil(total * factor),
        "requestedChildrenCost": None if children is None else math.ceil(children * factor),
    }


def size_problems(node: FieldNode, first: Any, last: Any) -> list[dict[str, Any]]:
    """Return the errors of a connection whose `first` or `last` is missing or out of bounds."""
    name = node.alias.value if node.alias else node.name.value
    problems = []
    if first is None and last is None:
        problems.append("you must provide one of first or last")
    if first is not None and last is not None:
        problems.append("providing both first and last is not supported")
    for word, size in (("first", first), ("last", last)):
        if isinstance(size, int) and not 0 <= size <= MAX_FIRST:
            problems.append(f"{word} must be between 0 and {MAX_FIRST}, got {size}")
    where = node.loc.start_token if node.loc else None
    locations = [{"line": where.line, "column": where.column}] if where else []
    return [
        {"message": problem, "locations": locations, "path": [name], "extensions": {"code": "BAD_REQUEST"}}
        for problem in problems
    ]


def variable_error(error: GraphQLError) -> dict[str, Any]:
    """Return the error of a variable that does not fit its type."""
    return {**error_dict(error), "extensions": {"code": "INVALID_VARIABLE", "problems": []}}


def merge(answer: Any, members: Mapping[str, Any]) -> None:
    """Put members into an answer, beside and over its own; into a list by place: `{"nodes": {"0": {…}}}`."""
    for name, value in members.items():
        place: Any = int(name) if isinstance(answer, list) else name
        held = answer[place] if isinstance(answer, list) else answer.get(name)
        if isinstance(value, dict) and isinstance(held, dict | list):
            merge(held, value)
        else:
            answer[place] = value


def make_partial(body: dict[str, Any]) -> None:
    """Lose the second half of the answer's first list, and report it as an error beside the data."""
    for name, value in (body.get("data") or {}).items():
        for key in ("nodes", "edges"):
            if isinstance(value, dict) and isinstance(value.get(key), list):
                kept = value[key][: len(value[key]) // 2]
                path = [name, key, len(kept)]
                value[key] = kept
                break
        else:
            continue
        break
    else:
        path = list(body.get("data") or {})[:1]
    error = {"message": "Internal error", "path": path, "extensions": {"code": "INTERNAL_SERVER_ERROR"}}
    body["errors"] = [*body.get("errors", ()), error]
