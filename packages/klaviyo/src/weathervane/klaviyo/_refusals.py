"""What Klaviyo says is wrong: `errors` of whatever shape, in whatever place of an answer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["Problem", "problems_of", "problems_within", "told", "without_key"]

_NAMES = ("errors", "error")
_KEY = re.compile(r"pk_[\w-]+")
_MASK = "pk_…"


@dataclass(frozen=True)
class Problem:
    """One element of `errors`, as far as it can be read: JSON:API promises texts and an object."""

    status: int | None
    code: str
    said: str
    """Its detail, or else its title or code; empty when it has no word."""
    parameter: str | None
    place: str
    id: str


def problems_of(document: object) -> list[Problem] | None:
    """The errors that a document names at its top; None when it is no JSON:API document with errors at all."""
    if not isinstance(document, dict) or not any(name in document for name in _NAMES):
        return None
    return [problem for name in _NAMES for problem in _listed(document.get(name))]


def problems_within(document: object) -> list[Problem]:
    """All errors of a document: beside its data, in a resource that it holds or includes, in a row of a report.

    Not those within a resource's attributes, where a word is the account's own matter; a report's attributes are its
    answer.
    """
    return [problem for found in _places(document) for problem in _listed(found)]


def told(problems: Sequence[Problem]) -> str:
    """The errors in Klaviyo's own words, with the place each is about and the id of the first."""
    said = [
        (one.said or "an error without a word")[:200] + (f" [{one.place[:80]}]" if one.place else "")
        for one in problems[:5]
    ]
    words = "; ".join(said) or "no reason"
    error_id = next((one.id for one in problems[:1] if one.id), "")
    return words + (f"; error id {error_id[:40]}" if error_id else "")


def without_key(problems: Sequence[Problem], key: str) -> list[Problem]:
    """The errors without this key and any other, in whatever part; before anything is cut, or a part would stay."""

    def bare(text: str) -> str:
        return _KEY.sub(_MASK, text.replace(key, _MASK) if key else text)

    return [
        replace(
            one,
            code=bare(one.code),
            said=bare(one.said),
            parameter=one.parameter and bare(one.parameter),
            place=bare(one.place),
            id=bare(one.id),
        )
        for one in problems
    ]


def _places(document: object) -> Iterator[object]:
    open_: list[object] = [document]
    while open_:
        one = open_.pop()
        if isinstance(one, list):
            open_ += one
        elif isinstance(one, dict):
            yield from (one[name] for name in _NAMES if name in one)
            kind = one.get("type")
            if kind in _NAMES:
                yield one.get("attributes") or one
            free = not (isinstance(kind, str) and kind.endswith("-report"))
            open_ += [
                inner
                for name, inner in one.items()
                if name not in _NAMES and not (free and name == "attributes" and "type" in one)
            ]


def _listed(found: Any) -> list[Problem]:
    """Errors of any shape; none for what says that there is none: nothing, null, false, an empty list or text."""
    if not found:
        return []
    return [_problem(one) for one in (found if isinstance(found, list) else [found])]


def _problem(one: Any) -> Problem:
    if not isinstance(one, dict):
        return Problem(None, "", _text(one), None, "", "")
    source = one.get("source")
    source = source if isinstance(source, dict) else {}
    code, parameter = _text(one.get("code")), source.get("parameter")
    words = (_text(one.get(name)) for name in ("detail", "title", "message"))
    return Problem(
        _status(one.get("status")),
        code,
        next((word for word in words if word), code),
        parameter if isinstance(parameter, str) else None,
        _text(source.get("pointer")) or _text(parameter),
        _text(one.get("id")),
    )


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _status(value: Any) -> int | None:
    """A status that is one of an error; Klaviyo sends a number, JSON:API wants a text."""
    text = str(value)
    return int(text) if re.fullmatch(r"[45][0-9]{2}", text, re.ASCII) else None
