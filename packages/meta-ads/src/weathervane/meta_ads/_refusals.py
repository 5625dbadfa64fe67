"""The errors in an answer of Meta's, of whichever shape and wherever they stand; and its sentences without tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import msgspec

from weathervane.source import SourceError, decode, masked

__all__ = ["TOKEN", "Refusal", "numbers", "refusals_in", "sentence"]


class Refusal(msgspec.Struct):
    """One error of an answer."""

    code: int = 0
    error_subcode: int | None = None
    message: str = ""
    is_transient: bool = False
    fbtrace_id: str = ""


class _Object(msgspec.Struct):
    """An answer of which nothing is read."""


class _Part(msgspec.Struct):
    """One answer of a batch."""

    body: str


_OTHERS = ("errors", "exception", "error_code", "error_subcode", "error_message", "error_msg")
"""Other names under which an error was seen to stand in a success."""
_NO_SUCCESS = (b"false", b"0", b"null", b'"false"', b'"0"', b'""')
_SUSPECT = re.compile(rb"error|success|exception|\\u00[4-7]")
"""Of the names of errors, also with a letter that is escaped."""
_MOST_NESTED = 10
_NUMBER = re.compile(r"-?[0-9]{1,9}")
TOKEN = re.compile(r"EAA[A-Za-z0-9_-]+|[0-9]+\|[A-Za-z0-9_-]+")
"""A token of a user or system user, and one of an app."""


def refusals_in(response: httpx.Response) -> Iterator[Refusal]:
    """The errors of an answer, wherever they stand: alone, beside data, in an element of a list, in a batch's text.

    As in Meta's own SDK a member `error` is one whatever it holds, and so is `success: false`.
    """
    body = response.content.strip()
    if _told_twice(body):
        yield Refusal(message="the answer has a list twice")
    if body[:1] == b"[":
        for part in decode(body, list[_Part | None], "Meta's answer") or [None]:
            told = Refusal(message="a call of a batch was not answered")
            yield from (told,) if part is None else _within(part.body.strip().encode(), batch=True)
    else:
        decode(body, _Object, "Meta's answer")
        yield from _within(body)


def _told_twice(body: bytes) -> bool:
    """A list or its paging is there twice: a reader sees the last one only."""
    for name in (b"data", b"paging"):
        places = (
            [found.start() for found in re.finditer(rb'"%b"\s*:' % name, body)] if body[:1] == b"{" else []
        )
        # Of those within rows, which are few if any, renaming one changes nothing at the top.
        for place in places[:_MOST_NESTED] if len(places) > 1 else ():
            other = body[:place] + b'"?' + body[place + 2 :]
            members = decode(other, dict[str, msgspec.Raw], "Meta's answer").keys()
            if {name.decode(), "?" + name.decode()[1:]} <= members:
                return True
    return False


def _within(part: bytes, name: str = "", *, batch: bool = False) -> Iterator[Refusal]:
    if not _SUSPECT.search(part):
        return
    if part[:1] == b"[":
        for one in decode(part, list[msgspec.Raw], "Meta's answer"):
            yield from _within(bytes(one), batch=batch)
    elif part[:1] == b"{":
        members = decode(part, dict[str, msgspec.Raw], "Meta's answer")
        if batch and name == "data" and "is_valid" in members:
            return  # what a token suffers from is what was asked, and no error of the answer
        if "error" in members or bytes(members.get("success", b"")).lower() in _NO_SUCCESS:
            yield _refusal_of(decode(members.get("error", b"null"), object, "Meta's error"))
        elif "async_status" not in members:  # a report run's own errors are those of the run
            found = {one: decode(members[one], object, "Meta's error") for one in _OTHERS if one in members}
            if any(found.values()):
                plural = found.pop("errors", None) or found.pop("exception", None)
                yield _refusal_of(
                    plural or {one.removeprefix("error_"): told for one, told in found.items() if told}
                )
        for member, one in members.items():
            yield from _within(bytes(one), member, batch=batch)


def _refusal_of(found: object) -> Refusal:
    """An error as it may be sent: an object, whose numbers may be texts, one in a list, or as a text, or nothing."""
    for _ in range(_MOST_NESTED):
        inner = found[0] if isinstance(found, list) and found else None
        if isinstance(found, dict) and "code" not in found:
            inner = found.get("error")
        elif isinstance(found, str) and found.strip()[:1] in ("{", "["):
            try:
                inner = decode(found, object, "Meta's error")
            except SourceError:
                inner = None
        if not isinstance(inner, dict | list | str) or not inner:
            break
        found = inner
    if not isinstance(found, dict):
        return Refusal(message=found if isinstance(found, str) else "")
    found = {"message": found.get("msg"), "error_subcode": found.get("subcode"), **found}
    texts = {name: found[name] for name in ("message", "fbtrace_id") if isinstance(found.get(name), str)}
    transient = found.get("is_transient") is True
    return Refusal(
        _whole(found.get("code")) or 0, _whole(found.get("error_subcode")), is_transient=transient, **texts
    )


def _whole(found: object) -> int | None:
    found = found.strip() if isinstance(found, str) else found
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    return int(found) if isinstance(found, int | str) and _NUMBER.fullmatch(str(found)) else None


def sentence(error: Refusal, request: httpx.Request | None = None) -> str:
    """Meta's own sentence, without the token that it may quote, and the numbers by which its support finds it."""
    held = request.headers.get("authorization", "").partition(" ")[2] if request is not None else ""
    return f"Meta: {masked(error.message, [held], TOKEN)[:200]} ({numbers(error)})"


def numbers(error: Refusal) -> str:
    numbers = f"code {error.code}" + (f"/{error.error_subcode}" if error.error_subcode is not None else "")
    return numbers + (f", trace {error.fbtrace_id[:40]}" if error.fbtrace_id else "")
