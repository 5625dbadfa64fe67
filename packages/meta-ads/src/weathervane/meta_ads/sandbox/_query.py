"""Reads the parameters of an insights call as the API does, and refuses what it refuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from weathervane.meta_ads.sandbox._errors import GraphError
from weathervane.meta_ads.sandbox._fields import (
    ACTION_BREAKDOWNS,
    BREAKDOWNS,
    COMBINATIONS,
    DEFAULT_FIELDS,
    LEVELS,
    LISTS,
    UNSEEN,
    WINDOWS,
    insights_fields,
)
from weathervane.meta_ads.sandbox._filters import Filter, parse_filters
from weathervane.meta_ads.sandbox._values import bad, listed, parsed, truthy
from weathervane.meta_ads.sandbox._world import Account

__all__ = ["Query", "parse_limit", "parse_query", "parse_summary"]

RETENTION = timedelta(days=1127)
"""37 months; the API publishes no rule by days."""
_DEFAULT_LIMIT = 25


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
    """What is to be added up over all rows; None for no summary."""
    sort: tuple[str, bool] | None = None
    """A field, and whether the largest comes first; None leaves the API's own order."""

    @property
    def days(self) -> int:
        """How many days are asked for."""
        return sum((until - since).days + 1 for since, until in self.periods)


def parse_query(
    params: Mapping[str, str], account: Account, node: str, level: str, today: date, version: str | None
) -> Query:
    """The query of an insights call.

    Args:
        params: The parameters as they came: lists by commas or as JSON, objects as JSON.
        account: The account.
        node: The id of the node asked.
        level: The level of that node.
        today: The account's own day.
        version: Of the API; it says which fields there are.

    Raises:
        GraphError: As the API would.
    """
    wanted = params.get("level", level)
    if wanted not in LEVELS:
        raise bad(f"level must be one of the following values: {', '.join(LEVELS)}")
    if LEVELS.index(wanted) < LEVELS.index(level):
        wanted = level
    fields, known = listed(params, "fields"), insights_fields(version)
    unknown = [name for name in fields or () if name not in known]
    if unknown:
        raise bad(
            f"{', '.join(unknown)} are not valid for fields param. please check https://developers.facebook.com"
        )
    breakdowns = tuple(listed(params, "breakdowns") or ())
    if unknown := [name for name in breakdowns if name not in BREAKDOWNS and name not in UNSEEN]:
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
    for name in ("action_breakdowns", "summary_action_breakdowns"):
        if unknown := [one for one in listed(params, name) or () if one not in ACTION_BREAKDOWNS]:
            raise bad(
                f"{name}[0] must be one of the following values: {', '.join(sorted(ACTION_BREAKDOWNS))}"
            )
    return Query(
        account,
        node,
        wanted,
        tuple(fields) if fields is not None else None,
        _periods(params, today),
        breakdowns,
        windows,
        tuple(parse_filters(params, wanted)),
        parse_summary(params, fields, version),
        _sort(params, breakdowns, known),
    )


def parse_summary(
    params: Mapping[str, str], fields: Sequence[str] | None, version: str | None
) -> tuple[str, ...] | None:
    """What a summary is to have: the fields that `summary` names, else by `default_summary` those of the rows."""
    given = params.get("summary", "").strip('"').lower()
    if given not in ("", "true", "false"):
        named = listed(params, "summary") or []
        if unknown := [name for name in named if name not in insights_fields(version)]:
            raise bad(f"{', '.join(unknown)} are not valid for summary param.")
        return tuple(named)
    if given != "true" and not truthy(params, "default_summary"):
        return None
    return DEFAULT_FIELDS if fields is None else tuple(fields)


def _sort(
    params: Mapping[str, str], breakdowns: Sequence[str], fields: frozenset[str]
) -> tuple[str, bool] | None:
    given = listed(params, "sort") or []
    if not given:
        return None
    name, _, direction = given[0].rpartition("_")
    # `actions:link_click_descending` goes by one type of action.
    field, _, entry = name.partition(":")
    known = field in LISTS if entry else field in fields - {*LISTS} or field in breakdowns
    if len(given) > 1 or direction not in ("ascending", "descending") or not known:
        raise bad("Param sort must be one field with _ascending or _descending after it")
    return name, direction == "descending"


def parse_limit(params: Mapping[str, str]) -> int:
    """The page's size; 25 when it is not given."""
    given = params.get("limit", str(_DEFAULT_LIMIT))
    if not given.isdigit() or not int(given):
        raise bad("Param limit must be an integer greater than 0")
    return int(given)


def _periods(params: Mapping[str, str], today: date) -> tuple[tuple[date, date], ...]:
    if params.get("time_ranges"):
        ranges = parsed(params["time_ranges"], "time_ranges")
        if not isinstance(ranges, list) or not ranges:
            raise bad("Param time_ranges must be an array.")
        return tuple(_range(one, today) for one in ranges)
    if params.get("time_range"):
        since, until = _range(parsed(params["time_range"], "time_range"), today)
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
    if name in ("this_week_mon_today", "last_week_mon_sun"):
        return _calendar(name, today - day * today.weekday(), today, lambda last: last - 6 * day)
    if name in ("this_week_sun_today", "last_week_sun_sat"):
        return _calendar(name, today - day * (today.isoweekday() % 7), today, lambda last: last - 6 * day)
    if name in ("this_month", "last_month"):
        return _calendar(name, today.replace(day=1), today, lambda last: last.replace(day=1))
    if name in ("this_quarter", "last_quarter"):
        return _calendar(name, _quarter(today), today, _quarter)
    if name in ("this_year", "last_year"):
        return _calendar(
            name, today.replace(month=1, day=1), today, lambda last: last.replace(month=1, day=1)
        )
    if name.startswith("last_") and name.endswith("d") and name[5:-1] in ("3", "7", "14", "28", "30", "90"):
        return today - int(name[5:-1]) * day, today - day
    raise bad(
        "date_preset must be one of the following values: today, yesterday, this_month, last_month, last_3d, …"
    )


def _calendar(name: str, first: date, today: date, begin: Callable[[date], date]) -> tuple[date, date]:
    """A week, month, quarter or year: this one, which began on `first`, up to today, or the whole one before it."""
    if name.startswith("this_"):
        return first, today
    last = first - timedelta(days=1)
    return begin(last), last


def _quarter(day: date) -> date:
    return day.replace(month=day.month - (day.month - 1) % 3, day=1)
