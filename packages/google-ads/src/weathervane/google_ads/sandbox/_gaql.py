"""The Google Ads Query Language, read: text to clauses, with Google's own error codes for what is no query."""

from __future__ import annotations

import re
from dataclasses import dataclass

from weathervane.google_ads.sandbox._errors import GoogleAdsError

__all__ = ["Condition", "Query", "parse", "refuse"]

_TOKEN = re.compile(
    r"\s*(?:(?P<name>[A-Za-z_][A-Za-z0-9_.]*)|(?P<number>-?\d+(?:\.\d+)?)|(?P<symbol><=|>=|!=|[=<>(),;])"
    r"|(?P<quote>['\"]))"
)
_WORD_OPERATORS = ("BETWEEN", "CONTAINS", "DURING", "IN", "IS", "LIKE", "NOT", "REGEXP_MATCH")
_ENDS = {"FROM", "WHERE", "ORDER", "LIMIT", "PARAMETERS", "AND"}
_PARAMETERS = {"include_drafts", "omit_unselected_resource_names"}
_MAX_VALUES = 20_000


@dataclass(frozen=True)
class Condition:
    """One condition of WHERE."""

    field: str
    operator: str
    """=, !=, <, <=, >, >=, IN, NOT IN, BETWEEN, DURING, LIKE, NOT LIKE, CONTAINS ANY/ALL/NONE, IS NULL, …"""
    values: tuple[str, ...]
    """As written, without quotes."""


@dataclass(frozen=True)
class Query:
    """A query's clauses."""

    select: tuple[str, ...]
    resource: str
    where: tuple[Condition, ...] = ()
    order_by: tuple[tuple[str, bool], ...] = ()
    """Field, and whether it descends."""
    limit: int | None = None
    parameters: tuple[tuple[str, str], ...] = ()


def refuse(code: str, message: str, trigger: str | None = None) -> GoogleAdsError:
    """A queryError."""
    return GoogleAdsError("queryError", code, message, field="query", trigger=trigger)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str

    @property
    def word(self) -> str:
        return self.text.upper() if self.kind == "name" else ""


def parse(text: str) -> Query:
    """Read a query.

    Raises:
        GoogleAdsError: it is none; the code says what was expected.
    """
    return _Parser(_tokens(text)).query()


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            rest = text[at:].strip()[:20]
            code = "BAD_FIELD_NAME" if rest[:1] in "*`" else "BAD_SYMBOL"
            raise refuse(code, f"Error in query: unexpected input {rest}.", rest)
        at = match.end()
        if match["quote"]:
            value, at = _string(text, at, match["quote"])
            found.append(_Token("string", value))
        else:
            kind = match.lastgroup or ""
            found.append(_Token(kind, match[kind]))
    if found and found[-1].text == ";":
        found.pop()
    return found


def _string(text: str, at: int, quote: str) -> tuple[str, int]:
    value = ""
    while at < len(text):
        char = text[at]
        if char == quote:
            return value, at + 1
        if char == "\n":
            raise refuse("PROHIBITED_NEWLINE_IN_STRING", "Error in query: newline in a string.")
        if char == "\\":
            at += 1
            if at == len(text) or text[at] not in "\\'\"nrt":
                raise refuse("BAD_ESCAPE_SEQUENCE", "Error in query: bad escape sequence.")
            char = {"n": "\n", "r": "\r", "t": "\t"}.get(text[at], text[at])
        value += char
        at += 1
    raise refuse("STRING_NOT_TERMINATED", "Error in query: string is not terminated.")


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def query(self) -> Query:
        if not self._take("SELECT"):
            raise refuse("EXPECTED_SELECT", "Error in query: a query begins with SELECT.")
        select = self._fields()
        if not self._take("FROM"):
            raise refuse("EXPECTED_FROM", "Error in query: expected FROM.", self._peek().text or None)
        resource = self._name("BAD_RESOURCE_TYPE_IN_FROM_CLAUSE").lower()
        where: list[Condition] = []
        if self._take("WHERE"):
            where.append(self._condition())
            while self._take("AND"):
                where.append(self._condition())
            if self._peek().word == "OR":
                raise refuse("EXPECTED_AND", "Error in query: conditions are joined by AND only.", "OR")
        order: list[tuple[str, bool]] = []
        if self._take("ORDER"):
            if not self._take("BY"):
                raise refuse("EXPECTED_BY", "Error in query: expected BY.")
            while True:
                name = self._name("BAD_FIELD_NAME").lower()
                descends = self._take("DESC")
                if not descends:
                    self._take("ASC")
                order.append((name, descends))
                if not self._symbol(","):
                    break
        limit = self._limit() if self._take("LIMIT") else None
        parameters = self._parameters() if self._take("PARAMETERS") else []
        if self._at < len(self._tokens):
            text = self._peek().text
            raise refuse("UNEXPECTED_INPUT", f"Error in query: unexpected input {text}.", text)
        return Query(tuple(select), resource, tuple(where), tuple(order), limit, tuple(parameters))

    def _fields(self) -> list[str]:
        fields = [self._name("BAD_FIELD_NAME").lower()]
        while self._symbol(","):
            fields.append(self._name("BAD_FIELD_NAME").lower())
        return fields

    def _condition(self) -> Condition:
        field = self._name("BAD_FIELD_NAME").lower()
        token = self._next()
        if token.kind == "symbol" and token.text in ("=", "!=", "<", "<=", ">", ">="):
            return Condition(field, token.text, (self._value(),))
        word = token.word
        if word not in _WORD_OPERATORS:
            raise refuse("BAD_OPERATOR", f"Error in query: {token.text} is no operator.", token.text)
        if word == "NOT":
            inner = self._next().word
            if inner not in ("IN", "LIKE", "REGEXP_MATCH"):
                raise refuse("BAD_OPERATOR", "Error in query: NOT goes with IN, LIKE or REGEXP_MATCH.")
            word = f"NOT {inner}"
        if word == "BETWEEN":
            low = self._value()
            if not self._take("AND"):
                raise refuse("EXPECTED_VALUE_WITH_BETWEEN_OPERATOR", "Error in query: BETWEEN takes a AND b.")
            return Condition(field, word, (low, self._value()))
        if word == "IS":
            negated = self._take("NOT")
            if not self._take("NULL"):
                raise refuse("BAD_OPERATOR", "Error in query: IS takes NULL or NOT NULL.")
            return Condition(field, "IS NOT NULL" if negated else "IS NULL", ())
        if word == "CONTAINS":
            kind = self._next().word
            if kind not in ("ANY", "ALL", "NONE"):
                raise refuse("BAD_OPERATOR", "Error in query: CONTAINS takes ANY, ALL or NONE.")
            return Condition(field, f"CONTAINS {kind}", self._list())
        if word in ("IN", "NOT IN"):
            return Condition(field, word, self._list())
        return Condition(field, word, (self._value(),))

    def _list(self) -> tuple[str, ...]:
        if not self._symbol("("):
            raise refuse("EXPECTED_LIST", "Error in query: expected a list in parentheses.")
        if self._symbol(")"):
            raise refuse("PROHIBITED_EMPTY_LIST_IN_CONDITION", "Error in query: the list is empty.")
        values = [self._value()]
        while self._symbol(","):
            values.append(self._value())
        if not self._symbol(")"):
            raise refuse("EXPECTED_LIST", "Error in query: the list is not closed.")
        if len(values) > _MAX_VALUES:
            raise refuse("FILTER_HAS_TOO_MANY_VALUES", f"A filter has at most {_MAX_VALUES} values.")
        return tuple(values)

    def _value(self) -> str:
        token = self._next()
        if token.kind in ("string", "number"):
            return token.text
        if token.kind == "name" and token.word not in _ENDS:
            return token.text
        if token.text == "(":
            raise refuse("EXPECTED_SINGLE_VALUE", "Error in query: expected one value, not a list.")
        raise refuse("BAD_VALUE", f"Error in query: {token.text} is no value.", token.text or None)

    def _limit(self) -> int:
        token = self._next()
        if token.kind != "number" or "." in token.text:
            raise refuse("BAD_LIMIT_VALUE", "Error in query: LIMIT takes a whole number.", token.text)
        if int(token.text) < 1:
            raise refuse("LIMIT_VALUE_TOO_LOW", "Error in query: LIMIT takes at least 1.", token.text)
        return int(token.text)

    def _parameters(self) -> list[tuple[str, str]]:
        found = []
        while True:
            name = self._name("BAD_PARAMETER_NAME").lower()
            if name not in _PARAMETERS:
                raise refuse("BAD_PARAMETER_NAME", f"Error in query: {name} is no parameter.", name)
            if not self._symbol("="):
                raise refuse("BAD_OPERATOR", "Error in query: a parameter takes =.")
            value = self._value().lower()
            if value not in ("true", "false"):
                raise refuse("BAD_PARAMETER_VALUE", f"Error in query: {name} takes true or false.", value)
            found.append((name, value))
            if not self._symbol(","):
                return found

    def _peek(self) -> _Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else _Token("end", "")

    def _next(self) -> _Token:
        token = self._peek()
        if token.kind == "end":
            raise refuse("UNEXPECTED_END_OF_QUERY", "Error in query: unexpected end.")
        self._at += 1
        return token

    def _take(self, word: str) -> bool:
        taken = self._peek().word == word
        self._at += taken
        return taken

    def _symbol(self, text: str) -> bool:
        token = self._peek()
        taken = token.kind == "symbol" and token.text == text
        self._at += taken
        return taken

    def _name(self, code: str) -> str:
        token = self._peek()
        if token.kind != "name" or token.word in _ENDS:
            raise refuse(
                code, f"Error in query: expected a name, got {token.text or 'the end'}.", token.text or None
            )
        self._at += 1
        return token.text
