"""Conditions of `filtering`: on objects, each at its own level, and on the metrics of a row of insights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from weathervane.meta_ads.sandbox._errors import GraphError
from weathervane.meta_ads.sandbox._fields import ADDITIVE, LEVELS, STATUSES
from weathervane.meta_ads.sandbox._values import bad, parsed
from weathervane.meta_ads.sandbox._world import Thing

__all__ = ["EVER", "Filter", "keeps_thing", "parse_filters", "parse_object_filters"]

EVER = datetime.max.replace(tzinfo=UTC)
"""The moment of rows that came from a file, whose objects have no history."""
_TIMES = ("created_time", "updated_time")
_STATUSES = ("effective_status", "delivery_info")
_NAMES = {
    "account": ("id", "name", "effective_status"),
    "campaign": ("id", "name", *_STATUSES, "objective", "buying_type", *_TIMES),
    "adset": ("id", "name", *_STATUSES, "optimization_goal", *_TIMES),
    "ad": ("id", "name", *_STATUSES, *_TIMES),
}
"""Level -> what a condition can be on, besides metrics."""
_LISTED = ("IN", "NOT_IN", "IN_RANGE", "NOT_IN_RANGE")
_COMPARED: dict[str, Callable[[Decimal], bool]] = {
    "GREATER_THAN": lambda more: more > 0,
    "GREATER_THAN_OR_EQUAL": lambda more: more >= 0,
    "LESS_THAN": lambda more: more < 0,
    "LESS_THAN_OR_EQUAL": lambda more: more <= 0,
}
_DELIVERY = {
    "ACTIVE": "active",
    "PAUSED": "inactive",
    "CAMPAIGN_PAUSED": "inactive",
    "ADSET_PAUSED": "inactive",
    "ARCHIVED": "archived",
    "DELETED": "deleted",
}
"""Effective status -> what `delivery_info` says of it, as Ads Manager's column Delivery does."""
# ALL, ANY and NONE are of lists of labels, which nothing here has.
_OPERATORS = ("EQUAL", "NOT_EQUAL", "CONTAIN", "NOT_CONTAIN", *_LISTED, *_COMPARED)


@dataclass(frozen=True)
class Filter:
    """One condition: `adset.id IN [...]`, `spend GREATER_THAN 0`."""

    level: str
    """"" for the row itself."""
    name: str
    operator: str
    value: Any

    @property
    def of_status(self) -> bool:
        """Whether it chooses by what became of the objects: then deleted ones are shown too."""
        return self.name in _STATUSES

    def keeps(self, found: Any) -> bool:
        """Whether a value passes."""
        operator = self.operator.removeprefix("NOT_")
        wanted = operator == self.operator
        if operator == "IN":
            return (str(found) in [str(one) for one in self.value]) == wanted
        if operator == "EQUAL":
            return (str(found) == str(self.value)) == wanted
        if operator == "CONTAIN":
            return (str(self.value).lower() in str(found).lower()) == wanted
        try:
            if operator == "IN_RANGE":
                low, high = (_number(one) for one in self.value)
                return (low <= _number(found) <= high) == wanted
            return _COMPARED[operator](_number(found) - _number(self.value))
        except (InvalidOperation, ValueError):
            return False


def parse_filters(params: Mapping[str, str], level: str) -> list[Filter]:
    """The conditions of an insights call; one that names no level is on what the rows are about."""
    given = params.get("filtering")
    if not given:
        return []
    found = parsed(given, "filtering")
    if not isinstance(found, list):
        raise bad("Param filtering must be an array.")
    return [_filter(one, level) for one in found]


def parse_object_filters(params: Mapping[str, str], level: str) -> list[Filter]:
    """The conditions of a list of objects: on the objects and on what is above them, not on metrics."""
    filters = parse_filters(params, level)
    above = LEVELS[1 : LEVELS.index(level) + 1]
    for one in filters:
        if one.level not in above:
            raise _unsupported(f"{one.level}.{one.name}".strip("."), one.operator)
    return filters


def keeps_thing(filters: Iterable[Filter], thing: Thing, now: datetime) -> bool:
    """Whether a thing, or what is above it at a condition's level, passes every condition on objects."""
    for one in filters:
        at = thing.at(one.level) if one.level not in ("", "account") else None
        if at is not None and not one.keeps(_value(at, one.name, now)):
            return False
    return True


def _filter(one: Any, default: str) -> Filter:
    if not isinstance(one, dict) or not {"field", "operator", "value"} <= one.keys():
        raise bad("Param filtering[0] must have field, operator and value.")
    level, _, name = str(one["field"]).rpartition(".")
    operator, value = str(one["operator"]).upper(), one["value"]
    metric = name in ADDITIVE
    if level not in ("", *LEVELS) or not (metric or name in _NAMES[level or default]):
        raise _unsupported(str(one["field"]), operator)
    if operator not in _OPERATORS or (operator in _LISTED) != isinstance(value, list):
        raise _unsupported(str(one["field"]), operator)
    if operator.endswith("IN_RANGE") and len(value) != 2:
        raise _unsupported(str(one["field"]), operator)
    level = level or default
    if name == "effective_status" and (strange := _strange_statuses(level, value)):
        raise bad(f"Param filtering[0][value] must be one of {STATUSES.get(level)}; got {strange}")
    return Filter("" if metric else level, name, operator, value)


def _unsupported(field: str, operator: str) -> GraphError:
    return bad(f"Filtering field '{field}' with operation '{operator.lower()}' is not supported")


def _strange_statuses(level: str, value: Any) -> list[str]:
    given = value if isinstance(value, list) else [value]
    return [one for one in given if one not in STATUSES.get(level, ())]


def _value(thing: Thing, name: str, now: datetime) -> Any:
    if name in _STATUSES:
        status = "ACTIVE" if now == EVER else thing.effective_status(now)
        return status if name == "effective_status" else _DELIVERY[status]
    if name in _TIMES:
        moment = thing.created if name == "created_time" else thing.updated(now)
        return thing.extra.get(name) or moment.isoformat()
    return thing.id if name == "id" else thing.name if name == "name" else thing.extra.get(name, "")


def _number(value: Any) -> Decimal:
    """A number, or the seconds of a time: Meta takes both for times."""
    try:
        return Decimal(str(value))
    except InvalidOperation:
        moment = datetime.fromisoformat(str(value))
        return Decimal(int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()))
