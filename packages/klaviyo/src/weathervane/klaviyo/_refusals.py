"""What Klaviyo says is wrong: `errors` of whatever shape, in whatever place of an answer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from weathervane.source import masked

__all__ = ["Refusal", "refusals_of", "refusals_within", "sentence", "without_key"]

_NAMES = ("errors", "error")
_KEY = re.compile(r"pk_[\w-]+")


@dataclass(frozen=True)
class Refusal:
    """One element of `errors`, as far as it can be read: JSON:API promises texts and an object."""

    status: int | None
    code: str
    said: str
    """Its detail, or else its title or code; empty when it has no word."""
    parameter: str | None
    place: str
    id: str


def refusals_of(document: object) -> list[Refusal] | None:
    """The errors that a document names at its top; None when it is no JSON:API document with errors at all."""
    if not isinstance(document, dict) or not any(name in document for name in _NAMES):
        return None
    return [refusal for name in _NAMES for refusal in _listed(document.get(name))]


def refusals_within(document: object) -> list[Refusal]:
    """All errors of a document: beside its data, in a resource that it holds or includes, in a row of a report.

    Not those within a resource's attributes, where a word is the account's own matter; a report's attributes are its
    answer.
    """
    return [refusal for found in _places(document) for refusal in _listed(found)]


def sentence(refusals: Sequence[Refusal]) -> str:
    """The errors in Klaviyo's own words, with the place each is about and the id of the first."""
    said = [
        (one.said or "an error without a word")[:200] + (f" [{one.place[:80]}]" if one.place else "")
        for one in refusals[:5]
    ]
    words = "; ".join(said) or "no reason"
    error_id = next((one.id for one in refusals[:1] if one.id), "")
    return words + (f"; error id {error_id[:40]}" if error_id else "")


def without_key(refusals: Sequence[Refusal], key: str) -> list[Refusal]:
    """The errors without this key and any other, in whatever part; before anything is cut, or a part would stay."""

    def bare(text: str) -> str:
        return masked(text, [key], _KEY)

    return [
        replace(
            one,
            code=bare(one.code),
            said=bare(one.said),
            parameter=one.parameter and bare(one.parameter),
            place=bare(one.place),
            id=bare(one.id),
        )
        for one in refusals
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
            elif kind is None and "detail" in one and one.keys() & {"status", "code"}:
                yield one  # in a record's place, by no name
            free = not (isinstance(kind, str) and kind.endswith("-report"))
            open_ += [
                inner
                for name, inner in one.items()
                if name not in _NAMES and not (free and name == "attributes" and "type" in one)
            ]


def _listed(found: Any) -> list[Refusal]:
    """Errors of any shape; none for what says that there is none: nothing, null, false, an empty list or text."""
    if not found:
        return []
    return [_refusal_from(one) for one in (found if isinstance(found, list) else [found])]


def _refusal_from(one: Any) -> Refusal:
    if not isinstance(one, dict):
        return Refusal(None, "", _text(one), None, "", "")
    source = one.get("source")
    source = source if isinstance(source, dict) else {}
    code, parameter = _text(one.get("code")), source.get("parameter")
    words = (_text(one.get(name)) for name in ("detail", "title", "message"))
    return Refusal(
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
