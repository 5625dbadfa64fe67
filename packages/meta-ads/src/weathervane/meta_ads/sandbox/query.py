"""Reads the parameters of an insights call as the API does, and refuses what it refuses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from weathervane.meta_ads.sandbox.errors import GraphError
from weathervane.meta_ads.sandbox.fields import (
    ADDITIVE,
    BREAKDOWNS,
    COMBINATIONS,
    INSIGHTS_FIELDS,
    LEVELS,
    STATUSES,
    WINDOWS,
)
from weathervane.meta_ads.sandbox.world import Account

__all__ = ["Filter", "Query", "bad", "listed", "parse_filters", "parse_query"]

RETENTION = timedelta(days=1127)
"""37 months; the API publishes no rule by days."""
_DEFAULT_LIMIT = 25


@dataclass(frozen=True)
class Filter:
    """One condition: `adset.id IN [...]`, `spend GREATER_THAN 0`."""

    level: str
    """"" for the row itself."""
    name: str
    operator: str
    value: Any

    def keeps(self, found: Any) -> bool:
        """Whether a value passes."""
        if self.operator in ("IN", "NOT_IN"):
            return (str(found) in [str(one) for one in self.value]) == (self.operator == "IN")
        if self.operator in ("EQUAL", "NOT_EQUAL"):
            return (str(found) == str(self.value)) == (self.operator == "EQUAL")
        if self.operator in ("CONTAIN", "NOT_CONTAIN"):
            return (str(self.value).lower() in str(found).lower()) == (self.operator == "CONTAIN")
        try:
            more = Decimal(str(found)) - Decimal(str(self.value))
        except InvalidOperation:
            return False
        return more > 0 if self.operator == "GREATER_THAN" else more < 0


@dataclass(frozen=True)
class Query:
    """What an insights call asks for."""

    account: Account
    node: str
    """The id of the node asked, without `act_`."""
    level: str
    fields: tuple[str, ...] | None
    periods: tuple[tuple[date, date], ...]
    breakdowns: tuple[str, ...]
    windows: tuple[str, ...]
    filters: tuple[Filter, ...]
    summary: tuple[str, ...] | None

    @property
    def days(self) -> int:
        """How many days are asked for."""
        return sum((until - since).days + 1 for since, until in self.periods)


def bad(message: str, *, subcode: int | None = None) -> GraphError:
    """An invalid parameter."""
    return GraphError(100, f"(#100) {message}", subcode=subcode)


def parse_query(params: Mapping[str, str], account: Account, node: str, level: str, today: date) -> Query:
    """The query of an insights call.

    Args:
        params: The parameters as they came: lists by commas or as JSON, objects as JSON.
        account: The account.
        node: The id of the node asked.
        level: The level of that node.
        today: The account's own day.

    Raises:
        GraphError: As the API would.
    """
    wanted = params.get("level", level)
    if wanted not in LEVELS:
        raise bad(f"level must be one of the following values: {', '.join(LEVELS)}")
    if LEVELS.index(wanted) < LEVELS.index(level):
        wanted = level
    fields = listed(params, "fields")
    unknown = [name for name in fields or () if name not in INSIGHTS_FIELDS]
    if unknown:
        raise bad(
            f"{', '.join(unknown)} are not valid for fields param. please check https://developers.facebook.com"
        )
    breakdowns = tuple(listed(params, "breakdowns") or ())
    if unknown := [name for name in breakdowns if name not in BREAKDOWNS]:
        raise bad(
            f"breakdowns[0] must be one of the following values: {', '.join(BREAKDOWNS)}; got {unknown[0]}"
        )
    if frozenset(breakdowns) not in COMBINATIONS:
        raise bad(f"Current combination of data breakdown columns ({', '.join(breakdowns)}) is invalid")
    windows = tuple(listed(params, "action_attribution_windows") or ())
    if unknown := [name for name in windows if name not in WINDOWS]:
        raise bad(
            f"action_attribution_windows[0] must be one of the following values: {', '.join(sorted(WINDOWS))}"
        )
    summary = listed(params, "summary") if params.get("summary") not in ("true", "false", None) else None
    return Query(
        account,
        node,
        wanted,
        tuple(fields) if fields is not None else None,
        _periods(params, today),
        breakdowns,
        windows,
        tuple(parse_filters(params)),
        tuple(summary) if summary else None,
    )


def listed(params: Mapping[str, str], name: str) -> list[str] | None:
    """A list by commas or as a JSON array; None when it is not given."""
    given = params.get(name)
    if given is None or not given.strip():
        return None
    if given.lstrip().startswith("["):
        found = _json(given, name)
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise bad(f"Param {name} must be an array of strings.")
        return found
    return [part.strip() for part in given.split(",") if part.strip()]


def parse_limit(params: Mapping[str, str]) -> int:
    """The page's size; 25 when it is not given."""
    given = params.get("limit", str(_DEFAULT_LIMIT))
    if not given.isdigit() or not int(given):
        raise bad("Param limit must be an integer greater than 0")
    return int(given)


def parse_filters(params: Mapping[str, str]) -> list[Filter]:
    """The conditions of `filtering`."""
    given = params.get("filtering")
    if not given:
        return []
    found = _json(given, "filtering")
    if not isinstance(found, list):
        raise bad("Param filtering must be an array.")
    filters = []
    for one in found:
        if not isinstance(one, dict) or not {"field", "operator", "value"} <= one.keys():
            raise bad("Param filtering[0] must have field, operator and value.")
        level, _, name = str(one["field"]).rpartition(".")
        operator = str(one["operator"]).upper()
        if level not in ("", *LEVELS) or (
            name not in ("id", "name", "effective_status") and name not in ADDITIVE
        ):
            raise bad(
                f"Filtering field '{one['field']}' with operation '{operator.lower()}' is not supported"
            )
        if operator not in _OPERATORS or (operator in ("IN", "NOT_IN")) != isinstance(one["value"], list):
            raise bad(
                f"Filtering field '{one['field']}' with operation '{operator.lower()}' is not supported"
            )
        if name == "effective_status" and (strange := _strange_statuses(level, one["value"])):
            raise bad(f"Param filtering[0][value] must be one of {STATUSES.get(level)}; got {strange}")
        filters.append(Filter("" if name in ADDITIVE else level, name, operator, one["value"]))
    return filters


_OPERATORS = ("EQUAL", "NOT_EQUAL", "IN", "NOT_IN", "CONTAIN", "NOT_CONTAIN", "GREATER_THAN", "LESS_THAN")


def _strange_statuses(level: str, value: Any) -> list[str]:
    given = value if isinstance(value, list) else [value]
    return [one for one in given if one not in STATUSES.get(level, ())]


def _periods(params: Mapping[str, str], today: date) -> tuple[tuple[date, date], ...]:
    if params.get("time_ranges"):
        ranges = _json(params["time_ranges"], "time_ranges")
        if not isinstance(ranges, list) or not ranges:
            raise bad("Param time_ranges must be an array.")
        return tuple(_range(one, today) for one in ranges)
    if params.get("time_range"):
        since, until = _range(_json(params["time_range"], "time_range"), today)
    else:
        since, until = _preset(params.get("date_preset", "last_30d"), today)
    increment = params.get("time_increment", "all_days").strip('"')
    if increment == "all_days":
        return ((since, until),)
    if increment == "monthly":
        return tuple(_months(since, until))
    if not increment.isdigit() or not 1 <= int(increment) <= 90:
        raise bad("Param time_increment must be an integer from 1 to 90, monthly or all_days")
    step = timedelta(days=int(increment))
    starts = [since + n * step for n in range((until - since).days // step.days + 1)]
    return tuple((start, min(until, start + step - timedelta(days=1))) for start in starts)


def _range(given: Any, today: date) -> tuple[date, date]:
    try:
        since, until = (date.fromisoformat(str(given[name])) for name in ("since", "until"))
    except (KeyError, TypeError, ValueError):
        if (
            isinstance(given, dict)
            and str(given.get("since", ""))[:2].isdigit()
            and "-" in str(given["since"])[:3]
        ):
            # A year of two digits is read as 19xx.
            raise _too_old() from None
        raise bad("Must be a date representation in the format YYYY-MM-DD") from None
    if since > until:
        raise bad("time range since must be before until", subcode=1487851)
    if since < today - RETENTION:
        raise _too_old()
    return since, until


def _too_old() -> GraphError:
    return GraphError(
        3018, "(#3018) The start date of the time range cannot be beyond 37 months from the current date"
    )


def _months(since: date, until: date) -> list[tuple[date, date]]:
    months = []
    while since <= until:
        after = (since.replace(day=1) + timedelta(days=32)).replace(day=1)
        months.append((since, min(until, after - timedelta(days=1))))
        since = after
    return months


def _preset(name: str, today: date) -> tuple[date, date]:
    day = timedelta(days=1)
    if name in ("maximum", "data_maximum"):
        return today - RETENTION, today
    if name in ("today", "yesterday"):
        one = today - day * (name == "yesterday")
        return one, one
    if name == "this_month":
        return today.replace(day=1), today
    if name == "last_month":
        last = today.replace(day=1) - day
        return last.replace(day=1), last
    if name.startswith("last_") and name.endswith("d") and name[5:-1] in ("3", "7", "14", "28", "30", "90"):
        return today - int(name[5:-1]) * day, today - day
    raise bad(
        "date_preset must be one of the following values: today, yesterday, this_month, last_month, last_3d, …"
    )


def _json(given: str, name: str) -> Any:
    try:
        return json.loads(given)
    except ValueError:
        raise bad(f"Param {name} must be valid JSON.") from None
