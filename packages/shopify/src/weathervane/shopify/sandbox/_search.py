"""Shopify's search syntax: `updated_at:>='2026-11-01T00:00:00Z' AND (status:open OR -tag:vip)`.

A term (docs, search syntax) is `field:value`, with `<`, `>`, `<=`, `>=` before the value, or a bare word.
Terms stand side by side (AND), or are joined by AND, OR, NOT, `-` and parentheses. As the vendor does, a term
whose field does not exist is left out, with a warning. Stricter than the vendor, whose parser silently drops
the offset of an unquoted date: here such a date is refused.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from weathervane.shopify.sandbox._search_terms import SearchError, Token, moments, shown, tokens_of, within

__all__ = ["Found", "SearchError", "SearchField", "epoch", "search"]

Record = Mapping[str, Any]
Test = Callable[[Record], bool]


@dataclass(frozen=True)
class SearchField:
    """One field that a search string can name.

    Attributes:
        kind: how values are compared.
        get: the value, or values, of a record.
    """

    kind: Literal["time", "number", "bool", "text", "word"]
    get: Callable[[Record], Any]


@dataclass
class Found:
    """A search string, understood.

    Attributes:
        test: whether a record is among the results.
        warnings: terms that were ignored, as in `extensions.search[].warnings`.
        parsed: the whole as JSON, as in `extensions.search[].parsed`.
    """

    test: Test
    warnings: list[dict[str, str]] = field(default_factory=list)
    parsed: dict[str, Any] = field(default_factory=dict)


def search(
    text: str,
    fields: Mapping[str, SearchField],
    *,
    now: datetime,
    documented: frozenset[str] = frozenset(),
    loose: bool = False,
) -> Found:
    """Read a search string.

    Args:
        text: the search string.
        fields: the fields that can be searched; "default" serves bare words.
        now: what the value `now` means.
        documented: fields that the vendor knows; one of them that is not in `fields` is refused, not ignored.
        loose: treat `>` as `>=` and `<` as `<=`, as was seen in life.

    Raises:
        SearchError: the string does not parse, or asks what the sandbox cannot do.
    """
    found = Found(lambda _: True)
    reader = _Reader(list(tokens_of(text)), fields, now, documented, loose, found.warnings)
    if not reader.tokens:
        return found
    tested, parsed = reader.alternatives()
    if reader.tokens:
        raise SearchError("Search syntax error: unbalanced parenthesis")
    found.parsed = parsed
    if tested is not None:
        found.test = tested
    return found


@functools.lru_cache(maxsize=65_536)
def epoch(text: str | None) -> int | None:
    """Return a record's time as whole seconds since 1970: searching and sorting know no finer."""
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() // 1)


@dataclass
class _Reader:
    tokens: list[Token]
    fields: Mapping[str, SearchField]
    now: datetime
    documented: frozenset[str]
    loose: bool
    warnings: list[dict[str, str]]

    def alternatives(self) -> tuple[Test | None, dict[str, Any]]:
        parts = [self._conjunction()]
        while self._at("OR"):
            self.tokens.pop(0)
            parts.append(self._conjunction())
        tests = [test for test, _ in parts if test is not None]
        parsed = parts[0][1] if len(parts) == 1 else {"or": [shown for _, shown in parts]}
        return (_any(tests) if tests else None), parsed

    def _conjunction(self) -> tuple[Test | None, dict[str, Any]]:
        parts = [self._negation()]
        while self.tokens and not self._at("OR") and not self._at(")"):
            if self._at("AND"):
                self.tokens.pop(0)
            parts.append(self._negation())
        tests = [test for test, _ in parts if test is not None]
        parsed = parts[0][1] if len(parts) == 1 else {"and": [shown for _, shown in parts]}
        return (_all(tests) if tests else None), parsed

    def _negation(self) -> tuple[Test | None, dict[str, Any]]:
        if not self._at("NOT"):
            return self._primary()
        self.tokens.pop(0)
        test, shown = self._negation()
        return (None if test is None else _not(test)), {"not": shown}

    def _primary(self) -> tuple[Test | None, dict[str, Any]]:
        if not self.tokens:
            raise SearchError("Search syntax error: a term is missing at the end")
        token = self.tokens.pop(0)
        if token.kind == "(":
            inner = self.alternatives()
            if not self._at(")"):
                raise SearchError("Search syntax error: unbalanced parenthesis")
            self.tokens.pop(0)
            return inner
        if token.kind != "term":
            raise SearchError(f"Search syntax error: unexpected {token.kind}")
        return self._term(token), shown(token)

    def _term(self, token: Token) -> Test | None:
        name = token.name or "default"
        known = self.fields.get(name)
        if known is None:
            if name in self.documented or name.startswith("metafields."):
                raise SearchError(
                    f"The sandbox does not search by {name}: it serves {', '.join(sorted(self.fields))}"
                )
            self._warn(name, "Invalid search field for this query.", "invalid_field")
            return None
        if token.value == "*" and not token.quoted:
            return lambda record: known.get(record) not in (None, "", [])
        try:
            return self._compare(known, token)
        except (ValueError, InvalidOperation) as error:
            if isinstance(error, SearchError):
                raise
            self._warn(
                name, f"Input `{token.value}` is not an accepted {known.kind}.", f"invalid_{known.kind}"
            )
            return None

    def _compare(self, known: SearchField, token: Token) -> Test:
        get = known.get
        if known.kind == "time":
            low, high = moments(token, self.now)
            return lambda record: within(epoch(get(record)), token.op, low, high, self.loose)
        if known.kind == "number":
            wanted = Decimal(token.value)
            if not wanted.is_finite():
                raise ValueError(token.value)
            return lambda record: any(
                within(one, token.op, wanted, None, self.loose) for one in _many(get(record))
            )
        if known.kind == "bool":
            if token.value.lower() not in ("true", "false"):
                raise ValueError(token.value)
            yes = token.value.lower() == "true"
            return lambda record: bool(get(record)) is yes
        words = [token.value] if token.quoted else token.value.split(",")
        wanted_words = [word.strip().lower() for word in words if word.strip()]
        matches = _contains if known.kind == "word" else _equals
        return lambda record: any(
            matches(str(one).lower(), word)
            for one in _many(get(record))
            if one is not None
            for word in wanted_words
        )

    def _warn(self, name: str, message: str, code: str) -> None:
        self.warnings.append({"field": name, "message": message, "code": code})

    def _at(self, kind: str) -> bool:
        return bool(self.tokens) and self.tokens[0].kind == kind


def _many(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple, set)) else [value]


def _equals(value: str, word: str) -> bool:
    return value.startswith(word[:-1]) if word.endswith("*") and len(word) > 1 else value == word


def _contains(value: str, word: str) -> bool:
    return word.rstrip("*") in value


def _all(tests: list[Test]) -> Test:
    return tests[0] if len(tests) == 1 else lambda record: all(test(record) for test in tests)


def _any(tests: list[Test]) -> Test:
    return tests[0] if len(tests) == 1 else lambda record: any(test(record) for test in tests)


def _not(test: Test) -> Test:
    return lambda record: not test(record)
