"""The errors in an answer of Shopify's, of whichever shape and wherever they stand, and what each means."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterator
from typing import Any, cast

import msgspec
from pydantic import SecretStr

from weathervane.source import (
    ConfigurationError,
    ContractError,
    CredentialsError,
    SourceError,
    ThrottledError,
    UnavailableError,
    decode,
    masked,
)

__all__ = [
    "PageTooDearError",
    "Refusal",
    "error_of",
    "gravest",
    "hide",
    "refusals_in",
    "refusals_within",
    "safe",
    "shown",
]

# Access, refresh and app tokens of Shopify's, if ever a sentence quotes one.
_TOKEN = re.compile(r"\bsh[a-z]{2,4}_\w+")
# What this process holds of secrets, which have no form of their own; a few thousand at most.
_hidden: dict[str, None] = {}
_MAX_HIDDEN = 5_000
# What may be a member for errors; JSON may also write any of its letters as an escape.
_ERROR = re.compile(rb'"errors?"|\\u00[67]')
_SHORTEST_HIDDEN = 6

# Any JSON in a few words, whatever its depth: `str` of a list within a list within … ends in a RecursionError.
_repr = reprlib.Repr()
_repr.maxlevel, _repr.maxdict, _repr.maxstring, _repr.maxother = 4, 20, 400, 400

_FINAL = ("ACCESS_DENIED", "SHOP_INACTIVE", "MAX_COST_EXCEEDED", "TOKEN_REFUSED")
_PASSING = ("THROTTLED", "INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE", "TIMEOUT")
_WORDS = (
    (re.compile(r"throttled|exceeded \d+ calls", re.IGNORECASE), "THROTTLED"),
    (re.compile(r"access token|unrecognized login", re.IGNORECASE), "TOKEN_REFUSED"),
    (re.compile(r"access denied|requires merchant approval", re.IGNORECASE), "ACCESS_DENIED"),
    (
        re.compile(
            r"internal (server )?error|went wrong on our end|time[d]? ?out|try again|unavailable",
            re.IGNORECASE,
        ),
        "INTERNAL_SERVER_ERROR",
    ),
)
"""What a sentence says -> the code that it stands for, where it comes without one."""


class PageTooDearError(ConfigurationError):
    """The query asks for more points than one may have; a smaller page asks for less."""


class Refusal(msgspec.Struct):
    """One error of an answer."""

    message: str
    code: str = ""
    """`THROTTLED`, or what the message's words stand for; "" for what nobody knows."""
    needed: str = ""
    """The access that is missing, in Shopify's words."""


def refusals_in(found: Any) -> Iterator[Refusal]:
    """What stands at a place for errors, as JSON values: a list, a text, an object, or anything but null.

    The place itself says that something failed, so also an empty list is one.
    """
    if found is None:
        return
    if isinstance(found, list) and found:
        for one in found:
            yield _refusal(one)
    else:
        yield _refusal(found)


def refusals_within(sent: bytes | msgspec.Raw) -> list[Refusal]:
    """The errors that stand in the objects and lists of some JSON: what holds one was not answered whole."""
    if not _ERROR.search(sent):
        return []
    found: list[Refusal] = []
    left = [decode(sent, cast(Any, Any), "Shopify's answer")]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            found += [each for name in ("errors", "error") for each in refusals_in(one.get(name))]
            left += one.values()
        elif isinstance(one, list):
            left += one
    return found


def gravest(refusals: list[Refusal]) -> Refusal:
    """The error that decides: one that a repetition does not mend, then one that passes, then what nobody knows."""

    def rank(one: Refusal) -> int:
        return 0 if one.code in _FINAL else 1 if one.code in _PASSING else 2 if one.code else 3

    return min(refusals, key=rank)


def error_of(refusal: Refusal, *, executed: bool = False) -> SourceError:
    """The error that a refusal is raised as.

    Args:
        refusal: The error.
        executed: The query was executed and has data beside the error: what has no code then is a fault of Shopify's.
    """
    code, said = refusal.code, safe(refusal.message) or "no word"
    if code == "THROTTLED":
        return ThrottledError("Shopify limits the rate", reason=code)
    if code in _PASSING:
        return UnavailableError(f"Shopify has an internal error: {said}", reason=code)
    if code == "MAX_COST_EXCEEDED":
        return PageTooDearError("the query asks for more points than Shopify allows one", reason=code)
    if code == "ACCESS_DENIED":
        needed = f" The app needs: {safe(refusal.needed)}" if refusal.needed else ""
        return CredentialsError(f"{said}{needed}", reason=code)
    if code == "SHOP_INACTIVE":
        return CredentialsError("the shop is inactive", reason=code)
    if code == "TOKEN_REFUSED":
        return CredentialsError(f"Shopify refuses the access token: {said}", reason=code)
    if executed and not code:
        return UnavailableError(f"Shopify answers a part only: {said}", reason="GRAPHQL_ERROR")
    return ContractError(f"Shopify refuses the query: {said}", reason=_reason(code))


def safe(text: str, length: int = 200) -> str:
    """A sentence of Shopify's, on one line, bounded, and without any token, or secret of ours (see `hide`)."""
    return " ".join(masked(text, _hidden, _TOKEN).split())[:length]


def hide(*secrets: SecretStr | str | None) -> None:
    """From now on `safe` leaves these out. Texts so short that they are part of other words stay."""
    for one in secrets:
        secret = one.get_secret_value() if isinstance(one, SecretStr) else one
        if secret and len(secret) >= _SHORTEST_HIDDEN:
            _hidden.pop(secret, None)
            _hidden[secret] = None
    while len(_hidden) > _MAX_HIDDEN:
        _hidden.pop(next(iter(_hidden)))  # the oldest: a token of long ago


def shown(value: Any) -> str:
    """A JSON value in a few words."""
    return value if isinstance(value, str) else _repr.repr(value)


def _refusal(value: Any) -> Refusal:
    extensions: dict[str, Any] = {}
    if isinstance(value, dict):
        found = value.get("extensions")
        extensions = found if isinstance(found, dict) else {}
        message = next(
            (value[name] for name in ("message", "error_description", "error") if value.get(name)), None
        )
        text = (
            message
            if isinstance(message, str)
            else "; ".join(f"{name}: {shown(one)}" for name, one in value.items())
        )
    else:
        text = value if isinstance(value, str) else "" if value in ([], {}) else shown(value)
    code = extensions.get("code") or (value.get("code") if isinstance(value, dict) else None)
    if not isinstance(code, str) or not code:
        code = next((word for pattern, word in _WORDS if pattern.search(text)), "")
    needed = extensions.get("requiredAccess")
    return Refusal(text, code, needed if isinstance(needed, str) else "")


def _reason(code: str) -> str:
    """A code as a reason: `undefinedField` -> `UNDEFINED_FIELD`; `GRAPHQL_ERROR` for what is no code."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", code).upper()
    return name if re.fullmatch(r"[A-Z][A-Z0-9_]{2,62}", name) else "GRAPHQL_ERROR"
