"""What Google Ads takes and refuses of a well-formed query: fields, resources, segments, dates."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from weathervane.google_ads.sandbox._beside import beside, figures
from weathervane.google_ads.sandbox._dates import floor_of, floor_of_months, period, predefined
from weathervane.google_ads.sandbox._errors import GoogleAdsError
from weathervane.google_ads.sandbox._fields import CORE_DATES, Field, enum_values, field, is_resource
from weathervane.google_ads.sandbox._gaql import Condition, Query, refuse
from weathervane.google_ads.sandbox._limits import check_changes, check_clicks, is_change_time, without_during

__all__ = ["Bound", "bind"]

_ORDERED = {"<", "<=", ">", ">=", "BETWEEN"}
_CONVERSION_METRICS = re.compile(r"metrics\.(all_)?conversions|metrics\.value_per|metrics\.view_through")


@dataclass(frozen=True)
class Bound:
    """A query that is allowed, with its names looked up."""

    query: Query
    version: str
    select: tuple[Field, ...]
    conditions: tuple[tuple[Field, Condition], ...]
    """Without those on core dates, which are in `days`."""
    days: tuple[date, date] | None
    """First and last day of the date filter; None when there is none."""

    @property
    def resource(self) -> str:
        """The FROM resource."""
        return self.query.resource

    @property
    def metrics(self) -> tuple[Field, ...]:
        """The selected metrics."""
        return tuple(one for one in self.select if one.resource == "metrics")

    @property
    def segments(self) -> tuple[Field, ...]:
        """The selected segments."""
        return tuple(one for one in self.select if one.resource == "segments")

    @property
    def reports(self) -> bool:
        """Whether it asks for figures, and not only for attributes."""
        asked = [one.resource for one, _ in self.conditions]
        return bool(self.metrics or self.segments or self.days or {"metrics", "segments"} & set(asked))


def bind(query: Query, version: str, today: date, *, manager: bool) -> Bound:
    """Check a query against the rules of a version.

    Args:
        query: what was parsed.
        version: `v26`.
        today: the day in the account's time zone.
        manager: whether the account is a manager, which has no metrics.

    Raises:
        GoogleAdsError: it is not allowed.
    """
    if not is_resource(query.resource, version):
        raise refuse(
            "BAD_RESOURCE_TYPE_IN_FROM_CLAUSE", f"'{query.resource}' is no resource.", query.resource
        )
    select = tuple(dict.fromkeys(_known(name, version) for name in query.select))
    for one in select:
        _belongs(one, query.resource, "SELECT", version)
    conditions = [(_known(one.field, version), without_during(one, today)) for one in query.where]
    for found, condition in conditions:
        _belongs(found, query.resource, "WHERE", version)
        _operand(found, condition, version)
    names = {one.name for one in select}
    for found, _ in conditions:
        if found.resource == "segments" and found.name not in names | CORE_DATES:
            raise refuse(
                "EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE",
                f"'{found.name}' stands in WHERE, so it must stand in SELECT.",
                found.name,
            )
    for name, _ in query.order_by:
        if _known(name, version).kind == "MESSAGE":
            raise refuse("PROHIBITED_FIELD_IN_ORDER_BY_CLAUSE", f"'{name}' cannot be sorted by.", name)
        if name not in names:
            raise refuse(
                "EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE",
                f"'{name}' stands in ORDER BY but not in SELECT.",
                name,
            )
    _combinations(select, conditions)
    reports = any(one.resource == "metrics" for one in [*select, *(found for found, _ in conditions)])
    if manager and reports:
        raise refuse(
            "REQUESTED_METRICS_FOR_MANAGER",
            "Metrics cannot be requested for a manager account. To retrieve metrics, issue separate requests against"
            " each client account under the manager account.",
        )
    days = _days([one for found, one in conditions if found.name in CORE_DATES], today)
    if query.resource == "click_view":
        check_clicks(days, today)
    check_changes(query.resource, [one for _, one in conditions], query.limit, today)
    if names & CORE_DATES and days is None:
        raise refuse(
            "EXPECTED_FILTERS_ON_DATE_RANGE", "A date segment in SELECT needs a finite date range in WHERE."
        )
    if days is not None:
        _retention(names, days, version, today)
    rest = tuple((found, one) for found, one in conditions if found.name not in CORE_DATES)
    return Bound(query, version, select, rest, days)


def _known(name: str, version: str) -> Field:
    found = field(name, version)
    if found is None:
        raise refuse("UNRECOGNIZED_FIELD", f"Unrecognized field in the query: '{name}'.", name)
    return found


def _belongs(one: Field, resource: str, clause: str, version: str) -> None:
    if one.resource in ("metrics", "segments"):
        taken = figures(resource)
        if taken is not None and one.name not in taken:
            what = one.resource.removesuffix("s").upper()
            raise refuse(
                f"PROHIBITED_{what}_IN_SELECT_OR_WHERE_CLAUSE",
                f"'{one.name}' does not go with {resource}.",
                one.name,
            )
    elif one.resource not in beside(resource, version):
        raise refuse(
            f"PROHIBITED_RESOURCE_TYPE_IN_{clause}_CLAUSE",
            f"'{one.name}' cannot stand in {clause} of a query FROM {resource}.",
            one.name,
        )


def _operand(found: Field, condition: Condition, version: str) -> None:
    operator = condition.operator
    if operator == "DURING" and is_change_time(found.name):
        raise refuse(
            "INVALID_VALUE_WITH_DURING_OPERATOR",
            f"Invalid date literal supplied for DURING operator: {condition.values[0]}.",
            condition.values[0],
        )
    if operator == "DURING" and found.name != "segments.date":
        raise refuse("OPERATOR_FIELD_MISMATCH", f"DURING does not go with '{found.name}'.", found.name)
    if found.kind == "MESSAGE" and operator not in ("IS NULL", "IS NOT NULL"):
        raise refuse("PROHIBITED_FIELD_IN_WHERE_CLAUSE", f"'{found.name}' cannot be filtered.", found.name)
    if found.kind == "ENUM" and operator in _ORDERED:
        raise refuse("OPERATOR_FIELD_MISMATCH", f"{operator} does not go with '{found.name}'.", found.name)
    if "CONTAINS" in operator and not found.repeated:
        raise refuse("OPERATOR_FIELD_MISMATCH", f"{operator} needs a list, not '{found.name}'.", found.name)
    if "LIKE" in operator and found.kind != "STRING":
        raise refuse(
            "INVALID_VALUE_WITH_LIKE_OPERATOR", f"LIKE needs a text, not '{found.name}'.", found.name
        )
    if "REGEXP" in operator:
        _regular(condition.values[0])
    for value in condition.values:
        if found.kind == "ENUM" and value not in enum_values(found.enum or "", version):
            raise refuse("BAD_ENUM_CONSTANT", f"'{value}' is no value of '{found.name}'.", value)
        if found.kind in ("INT64", "INT32", "DOUBLE") and not re.fullmatch(r"-?\d+(\.\d+)?", value):
            raise refuse("BAD_NUMBER", f"'{value}' is no number for '{found.name}'.", value)


def _regular(pattern: str) -> None:
    """Refuse what is no regular expression, or none of RE2, which is Google's: it looks neither around nor back."""
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        taken = False
    else:
        taken = not re.search(r"(?<!\\)(\\\\)*(\(\?(=|!|<=|<!|>|\(|P=|#)|\\[1-9])", pattern)
    if not taken:
        raise refuse(
            "BAD_VALUE", f"Error in query: invalid regular expression: {pattern[:60]}.", pattern[:60]
        )


def _combinations(select: tuple[Field, ...], conditions: list[tuple[Field, Condition]]) -> None:
    every = [*select, *(found for found, _ in conditions)]
    actions = [one.name for one in every if one.name.startswith("segments.conversion_")]
    for one in every:
        if actions and one.resource == "metrics" and not _CONVERSION_METRICS.match(one.name):
            raise refuse(
                "PROHIBITED_SEGMENT_WITH_METRIC_IN_SELECT_OR_WHERE_CLAUSE",
                f"Cannot select or filter on the following segments: '{actions[0]}', since segments are incompatible"
                f" with the metric '{one.name}'.",
                actions[0],
            )


def _days(conditions: list[Condition], today: date) -> tuple[date, date] | None:
    low, high = date.min, date.max
    for condition in conditions:
        name, operator = condition.field.removeprefix("segments."), condition.operator
        if operator == "DURING":
            found = predefined(condition.values[0].upper(), today)
            if found is None:
                raise refuse(
                    "INVALID_VALUE_WITH_DURING_OPERATOR",
                    f"Invalid date literal supplied for DURING operator: {condition.values[0]}.",
                    condition.values[0],
                )
            first, last = found
        elif operator in ("=", ">=", "<=", ">", "<", "BETWEEN"):
            spans = [period(name, value) for value in condition.values]
            first, last = spans[0][0], spans[-1][1]
            if operator in (">=", ">"):
                first, last = spans[0][0] if operator == ">=" else _after(spans[0][1]), date.max
            elif operator in ("<=", "<"):
                first, last = date.min, spans[0][1] if operator == "<=" else _before(spans[0][0])
        else:
            raise refuse(
                "OPERATOR_FIELD_MISMATCH", f"{operator} does not go with dates here.", condition.field
            )
        low, high = max(low, first), min(high, last)
    if low == date.min or high == date.max:
        return None
    if low > high:
        raise refuse("DATE_RANGE_TOO_NARROW", "The filters on dates have a start date after the end date.")
    return low, high


def _after(day: date) -> date:
    return date.fromordinal(min(day.toordinal() + 1, date.max.toordinal()))


def _before(day: date) -> date:
    return date.fromordinal(max(day.toordinal() - 1, 1))


def _retention(names: set[str], days: tuple[date, date], version: str, today: date) -> None:
    fine = bool(names & {"segments.date", "segments.week", "segments.hour", "segments.day_of_week"})
    aligned = days[0].day == 1 and (_after(days[1]).day == 1 or days[1] >= today)
    if days[0] >= floor_of(today) or (not fine and aligned and days[0] >= floor_of_months(today)):
        return
    code = "INVALID_DATE" if version == "v23" else "REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED"
    raise GoogleAdsError(
        "dateRangeError",
        code,
        "Data of this granularity is available for the last 37 months only, of whole months for the last 11 years.",
        field="query",
        trigger=days[0].isoformat(),
    )
