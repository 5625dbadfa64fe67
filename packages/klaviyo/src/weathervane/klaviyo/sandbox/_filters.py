"""Klaviyo's filter grammar: `op(field,value)`, several joined by commas or in `and(a,b)`; there is no OR here.

Strings are quoted, times and booleans are not, lists are `["a","b"]`. What an endpoint takes is in its table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from weathervane.klaviyo.sandbox._problems import RefusalError, invalid
from weathervane.klaviyo.sandbox._world import parse

__all__ = ["BOOLEAN", "COMPARE", "TEXT", "TIME", "Condition", "Fields", "parse_filter"]

TEXT, BOOLEAN, TIME = "string", "boolean", "datetime"
COMPARE = ("greater-or-equal", "greater-than", "less-or-equal", "less-than")
Fields = Mapping[str, tuple[str, Sequence[str]]]
"""Field -> its type and the operators that it takes."""

_CALL = re.compile(r"\s*([a-z-]+)\(")
_FIELD = re.compile(r"\s*([a-z_.]+)\s*")
_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?")
_LISTS = ("any", "contains-any", "contains-all")


@dataclass(frozen=True)
class Condition:
    """One comparison."""

    operator: str
    field: str
    value: Any

    def holds(self, found: Any) -> bool:
        """Whether it holds for a record's value; a list holds when one of its members does."""
        if isinstance(found, list):
            return any(self.holds(one) for one in found)
        if found is None:
            return False
        if isinstance(self.value, datetime):
            moment, bound = parse(str(found)), self.value
            return {
                "greater-or-equal": moment >= bound,
                "greater-than": moment > bound,
                "less-or-equal": moment <= bound,
                "less-than": moment < bound,
            }[self.operator]
        if self.operator == "any":
            return found in self.value
        if self.operator == "contains":
            return str(self.value).casefold() in str(found).casefold()
        return bool(found == self.value)


def parse_filter(text: str, fields: Fields, now: datetime) -> list[Condition]:
    """The conditions of a filter, all of which must hold.

    Raises:
        RefusalError: it is no filter, or not one of this endpoint: 400.
    """
    found: list[Condition] = []
    rest = _conditions(text, fields, now, found)
    if rest.strip():
        raise invalid("filter", f"Invalid filter provided: unexpected {rest.strip()[:40]!r}")
    return found


def _conditions(text: str, fields: Fields, now: datetime, into: list[Condition]) -> str:
    while True:
        call = _CALL.match(text)
        if call is None:
            raise invalid("filter", f"Invalid filter provided: expected an operator at {text[:40]!r}")
        text = text[call.end() :]
        if call[1] == "and":
            text = _conditions(text, fields, now, into)
        else:
            text = _condition(call[1], text, fields, now, into)
        if not text.startswith(")"):
            raise invalid("filter", f"Invalid filter provided: expected ')' at {text[:40]!r}")
        text = text[1:].lstrip()
        if not text.startswith(","):
            return text
        text = text[1:]


def _condition(operator: str, text: str, fields: Fields, now: datetime, into: list[Condition]) -> str:
    name = _FIELD.match(text)
    if name is None or not text[name.end() :].startswith(","):
        raise invalid("filter", f"Invalid filter provided: expected a field at {text[:40]!r}")
    if name[1] not in fields:
        raise invalid(
            "filter", f"Invalid filter provided: {name[1]!r} is not a filterable field for this resource"
        )
    kind, operators = fields[name[1]]
    if operator not in operators:
        told = ", ".join(operators)
        raise invalid(
            "filter", f"Invalid filter provided: {operator!r} is not allowed for {name[1]!r} ({told})"
        )
    text = text[name.end() + 1 :].lstrip()
    value: Any
    if operator in _LISTS:
        value, text = _list(text)
    else:
        value, text = _value(kind, name[1], text)
    if isinstance(value, datetime) and value >= now:
        moment = value.isoformat(timespec="seconds")[:19]
        raise RefusalError(400, f"End date may not be in the future: {moment}", {"pointer": name[1]})
    into.append(Condition(operator, name[1], value))
    return text.lstrip()


def _value(kind: str, name: str, text: str) -> tuple[Any, str]:
    if kind == BOOLEAN:
        for word, meant in (("true", True), ("false", False)):
            if text.startswith(word):
                return meant, text[len(word) :]
        raise invalid("filter", f"Invalid filter provided: {name!r} takes true or false, unquoted")
    if kind == TIME:
        moment = _TIME.match(text)
        try:
            return parse(moment[0] if moment else ""), text[moment.end() if moment else 0 :]
        except ValueError:
            told = f"Invalid filter provided: {name!r} takes a datetime, unquoted"
            raise invalid("filter", told) from None
    return _text(text)


def _text(text: str) -> tuple[str, str]:
    quote = text[:1]
    if quote not in ("'", '"'):
        raise invalid("filter", f"Invalid filter provided: expected a quoted string at {text[:40]!r}")
    position = 1
    while position < len(text) and text[position] != quote:
        position += 2 if text[position] == "\\" else 1
    if position >= len(text):
        raise invalid("filter", "Invalid filter provided: a string does not end")
    return re.sub(r"\\(.)", r"\1", text[1:position]), text[position + 1 :]


def _list(text: str) -> tuple[list[str], str]:
    end = text.find("]")
    try:
        value = json.loads(text[: end + 1].replace("'", '"')) if text.startswith("[") and end > 0 else None
    except ValueError:
        value = None
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise invalid("filter", f"Invalid filter provided: expected a list of strings at {text[:40]!r}")
    return value, text[end + 1 :]
