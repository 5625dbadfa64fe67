"""The guarded way in for a vendor's bytes and texts: whatever they hold, what comes out is a value or a SourceError.

A source decodes by nothing else (tests/house refuses it): the libraries' own errors are many (`msgspec.DecodeError`,
`UnicodeDecodeError`, `RecursionError`, `ZoneInfoNotFoundError`, `IsADirectoryError`, `OverflowError`,
`decimal.InvalidOperation`), and the one that was forgotten ends a run as a fault of ours. No message holds what the
vendor sent, but for a short text of a kind that is no secret: the name of a time zone, a day, a time, an amount.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, TypeVar, cast
from zoneinfo import ZoneInfo

import msgspec

from weathervane.source._errors import ContractError, UnavailableError

__all__ = [
    "decode",
    "marked",
    "parse_amount",
    "parse_time",
    "parse_vendor_day",
    "parse_zone",
    "replaced",
    "restored",
]

# Every escape is taken whole: what follows an escaped backslash is no escape, and a proper pair is left as it is.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u([dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_MARK = re.compile(rb"\\(?:u([eE][0-7][0-9a-fA-F]{2})|.)", re.DOTALL)
_MARKS = re.compile(rb"\\u[eE][0-7]")
_SURROGATES = {b"d": b"89abcdef", b"D": b"89ABCDEF"}


def replaced(body: bytes) -> bytes | None:
    r"""The document with `\ufffd` for each lone half; None when it holds none."""
    text, halves = _sub(body, lambda half: b"fffd")
    return text if halves else None


def marked(body: bytes) -> tuple[bytes, bool] | None:
    r"""The document with a private-use escape (U+E000 to U+E7FF) for each lone half; None when it holds none.

    The second is whether `restored` may undo it: not when the document had such escapes of its own, which is then
    what `replaced` makes of it.
    """
    if _MARKS.search(body):
        text = replaced(body)
        return None if text is None else (text, False)
    text, halves = _sub(body, _mark)
    return (text, True) if halves else None


def restored(part: bytes) -> bytes:
    """A part of a marked document as it was sent."""
    return _MARK.sub(lambda found: b"\\u" + _unmark(found[1]) if found[1] else found[0], part)


def _sub(body: bytes, change: Callable[[bytes], bytes]) -> tuple[bytes, int]:
    halves = 0

    def put(found: re.Match[bytes]) -> bytes:
        nonlocal halves
        if found[1] is None:
            return found[0]
        halves += 1
        return b"\\u" + change(found[1])

    return _ESCAPE.sub(put, body), halves


def _mark(half: bytes) -> bytes:
    return (b"e" if half[:1] == b"d" else b"E") + b"%d" % (int(half[1:2], 16) - 8) + half[2:]


def _unmark(mark: bytes) -> bytes:
    first = b"d" if mark[:1] == b"e" else b"D"
    digit = int(mark[1:2])
    return first + _SURROGATES[first][digit : digit + 1] + mark[2:]


T = TypeVar("T")

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_AMOUNT = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d{1,3})?", re.ASCII)
_MAX_AMOUNT_CHARS = 100
_QUOTED = re.compile(r"'[^']*'")
_SHOWN = 60


def decode(body: bytes | str | msgspec.Raw, kind: type[T], what: str) -> T:
    """What a vendor sent, as JSON of a kind that msgspec knows; members that the kind does not name are skipped.

    Half of a surrogate pair (half an emoji), which no text can hold, is read as U+FFFD.

    An amount in it is taken as text or as `Decimal` and then read by `parse_amount`: msgspec takes "NaN" and 1E+999999
    for decimals.

    Args:
        body: One JSON document.
        kind: A struct, `list[msgspec.Raw]`, `dict[str, str]` …
        what: Names it in an error: "the list of accounts".

    Raises:
        UnavailableError: It is no whole JSON document, or not UTF-8 (MALFORMED_JSON): the way to the vendor, or its
            front end, spoilt it.
        ContractError: It is JSON of another kind (UNEXPECTED_JSON; says where, never what stands there), or nested too
            deeply (JSON_TOO_DEEP).
    """
    return _decode(
        body, kind, what, lambda text: None if (whole := replaced(text)) is None else (whole, False)
    )[0]


def decode_marked(body: bytes | str | msgspec.Raw, kind: type[T], what: str) -> tuple[T, bool]:
    """As `decode`, for who hands on raw parts of an answer with halves of emoji as they were sent.

    The second is whether each part needs `restored` of `_surrogates.py`; never for an ordinary answer.
    """
    return _decode(body, kind, what, marked)


def _decode(
    body: bytes | str | msgspec.Raw,
    kind: type[T],
    what: str,
    mend: Callable[[bytes], tuple[bytes, bool] | None],
) -> tuple[T, bool]:
    decoder: msgspec.json.Decoder[T] = _decoder(cast(Any, kind))
    try:
        return decoder.decode(body), False
    except msgspec.ValidationError as error:
        # The first wrong value is met before the end of what was cut.
        problem: Exception = _syntax_error(body) or error
    except (ValueError, OverflowError, RecursionError) as error:
        problem = error
    if isinstance(problem, RecursionError):
        raise ContractError(f"{what} is nested too deeply to be read", reason="JSON_TOO_DEEP")
    if isinstance(problem, msgspec.ValidationError):
        where = _QUOTED.sub("'…'", str(problem))
        raise ContractError(f"{what} is not as documented: {where}", reason="UNEXPECTED_JSON")
    if (mended := mend(_bytes(body))) is not None:
        whole, marks = mended
        return _decode(whole, kind, what, lambda text: None)[0], marks
    # The decoder's own words name a position, never content; other errors' may hold it.
    why = str(problem) if isinstance(problem, msgspec.DecodeError) else "it is not UTF-8"
    raise UnavailableError(f"{what} ({_size(body):,} bytes) is not JSON: {why}", reason="MALFORMED_JSON")


def parse_zone(name: str, what: str) -> ZoneInfo:
    """The IANA time zone of this name; `what` names it in an error.

    Raises:
        ContractError: No zone has this name here, by the system's data and the package `tzdata` (UNKNOWN_TIME_ZONE).
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, TypeError, OSError):
        pass  # seen for names that are none: IsADirectoryError ("America"), "File name too long"
    raise ContractError(f"{what} {_shown(name)} is no time zone", reason="UNKNOWN_TIME_ZONE")


def parse_vendor_day(text: str, what: str) -> date:
    """The day of a text such as `2026-11-02`, and of no other form; `what` names it in an error.

    Raises:
        ContractError: It is none (BAD_DAY).
    """
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except (ValueError, TypeError):
        pass
    raise ContractError(f"{what} {_shown(text)} is not a day such as 2026-11-02", reason="BAD_DAY")


def parse_time(text: str, what: str = "the time") -> datetime:
    """The time of an ISO 8601 text that names its zone, in UTC; `what` names it in an error.

    Raises:
        ContractError: It is none, or names no zone (BAD_TIME).
    """
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is not None:
            return time.astimezone(UTC)
        why = "does not name its time zone"
    except (ValueError, TypeError, OverflowError):
        why = "is not a time such as 2026-11-02T09:14:07Z"
    raise ContractError(f"{what} {_shown(text)} {why}", reason="BAD_TIME")


def parse_amount(text: str | int | Decimal, what: str) -> Decimal:
    """The decimal number of a text, exact, as it stands: no NaN, no infinity, no white space, no grouping.

    Args:
        text: Or what JSON's number was read as; a float is none, it has lost digits already.
        what: Names it in an error.

    Raises:
        ContractError: It is none, or is longer than 100 characters or beyond 1e±999 (BAD_AMOUNT).
    """
    try:
        plain = str(text) if isinstance(text, str | int | Decimal) and not isinstance(text, bool) else ""
        if len(plain) <= _MAX_AMOUNT_CHARS and _AMOUNT.fullmatch(plain):
            return Decimal(plain)
    except (InvalidOperation, ValueError):
        pass  # an int of more than 4,300 digits has no text
    raise ContractError(f"{what} {_shown(text)} is not a number", reason="BAD_AMOUNT")


@lru_cache(maxsize=256)
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def _syntax_error(body: bytes | str | msgspec.Raw) -> Exception | None:
    try:
        _decoder(msgspec.Raw).decode(body)
    except (ValueError, RecursionError) as error:
        return error
    return None


def _bytes(body: bytes | str | msgspec.Raw) -> bytes:
    return body.encode("utf-8", "replace") if isinstance(body, str) else bytes(body)


def _size(body: bytes | str | msgspec.Raw) -> int:
    return len(body) if isinstance(body, str) else memoryview(body).nbytes


def _shown(text: object) -> str:
    if isinstance(text, str):
        return ascii(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
    return f"({type(text).__name__})"
