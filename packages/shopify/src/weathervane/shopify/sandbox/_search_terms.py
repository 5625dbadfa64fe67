"""The terms of a search string: tokens, dates, comparators."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

__all__ = ["SearchError", "Token", "moments", "shown", "tokens_of", "within"]


_TOKEN = re.compile(
    r"""\s*(?:(?P<open>\()|(?P<close>\))
      |(?P<minus>-)(?=[\w(])
      |(?P<name>[A-Za-z_][\w.]*):(?P<op><=|>=|<|>)?\s*(?P<value>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s()]+)
      |(?P<word>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s()]+))""",
    re.VERBOSE,
)
_DATE = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2}))?(?:\.\d+)?(Z|[+-]\d{2}:?\d{2})?)?)?)?$"
)


class SearchError(ValueError):
    """The search string cannot be used; the message is for the caller of the API."""


@dataclass(frozen=True)
class Token:
    """One token: a parenthesis, AND, OR, NOT, or a term with its field, comparator and value."""

    kind: str
    name: str = ""
    op: str = ""
    value: str = ""
    quoted: bool = False


def tokens_of(text: str) -> Iterator[Token]:
    """Yield the tokens of a search string. SearchError: it cannot be cut into tokens."""
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:  # pragma: no cover - the last alternative takes any word
            raise SearchError(f"Search syntax error at {text[at : at + 20]!r}")
        at = match.end()
        if match["open"]:
            yield Token("(")
        elif match["close"]:
            yield Token(")")
        elif match["minus"]:
            yield Token("NOT")
        elif match["word"] in ("AND", "OR", "NOT"):
            yield Token(match["word"])
        else:
            raw = match["value"] if match["name"] else match["word"]
            quoted = len(raw) > 1 and raw[0] in "'\"" and raw[-1] == raw[0]
            value = re.sub(r"\\(.)", r"\1", raw[1:-1]) if quoted else raw
            if not quoted and raw[0] in "'\"":
                raise SearchError(f"Search syntax error: the quote in {raw!r} is not closed")
            yield Token("term", match["name"] or "", match["op"] or "", value, quoted)


def moments(token: Token, now: datetime) -> tuple[int, int]:
    """Return the first second of a value and the first second after it: a year is a year long."""
    if token.value.lower() == "now":
        present = int(now.timestamp())
        return present, present + 1
    match = _DATE.match(token.value)
    if match is None:
        raise ValueError(token.value)
    year, month, day, hour, minute, second, zone = match.groups()
    if zone not in (None, "Z") and not token.quoted:
        raise SearchError(
            f"The date {token.value} has an offset and no quotes: quote it, and write it in UTC with Z"
        )
    start = datetime.fromisoformat(
        f"{year}-{month or '01'}-{day or '01'}T{hour or '00'}:{minute or '00'}:{second or '00'}"
        f"{'+00:00' if zone in (None, 'Z') else zone}"
    )
    if month is None:
        end = start.replace(year=start.year + 1)
    elif day is None:
        end = (start.replace(day=28) + timedelta(days=4)).replace(day=1)
    else:
        end = start + timedelta(days=1 if hour is None else 0, minutes=0 if second or hour is None else 1)
        end += timedelta(seconds=1 if second else 0)
    return int(start.timestamp()), int(end.timestamp())


def within(value: Any, op: str, low: Any, high: Any, loose: bool) -> bool:
    """Say whether a value is where a comparator wants it; `high` is the first value after an equal one."""
    if value is None:
        return False
    end = high - 1 if high is not None else low
    if op == ">=" or (op == ">" and loose):
        return bool(value >= low)
    if op == "<=" or (op == "<" and loose):
        return bool(value <= end)
    if op == ">":
        return bool(value > end)
    if op == "<":
        return bool(value < low)
    return bool(low <= value <= end)


_RANGES = {">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}


def shown(token: Token) -> dict[str, Any]:
    """Return a term as JSON, as in `extensions.search[].parsed`."""
    name = token.name or "default"
    if token.op:
        return {"field": name, "range": {_RANGES[token.op]: token.value}}
    return {"field": name, "match_all": token.value}
