"""Finding the error of an answer, of whichever shape and in whichever place; it is read as far as it can be."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

import httpx
import msgspec

from weathervane.source import ContractError, SourceError, bounded_delay, decode, masked

__all__ = ["ENUM", "Refusal", "readable", "refusal_of", "status_of"]


@dataclass(frozen=True)
class Refusal:
    """The first error of a GoogleAdsFailure, or one of the front end, which knows none."""

    category: str
    """The member of `errorCode`: `queryError`; empty for the front end's."""
    code: str
    """Its enum: `UNRECOGNIZED_FIELD`; of the front end the reason of an ErrorInfo, or else the status."""
    message: str
    request_id: str
    retry_delay: float | None = None
    """Seconds."""
    scope: str = ""
    """Of a quota: ACCOUNT (one customer) or DEVELOPER (all of a Cloud project)."""
    status: str = ""
    """The canonical status (google.rpc.Code), as told, or as its number or the HTTP status says; empty: none does."""
    link: str = ""
    """Where Google says that it can be mended."""


_CODES = (
    *("CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE"),
    *("UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)
"""google.rpc.Code, from 1 on."""
_HTTP = {
    **{401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 408: "UNAVAILABLE"},
    **{409: "ABORTED", 425: "UNAVAILABLE", 429: "RESOURCE_EXHAUSTED", 499: "CANCELLED"},
    **{501: "UNIMPLEMENTED", 502: "UNAVAILABLE", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"},
}
"""HTTP status -> google.rpc.Code, beside INVALID_ARGUMENT of the other 4xx and INTERNAL of the other 5xx."""
_SECONDS = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s", re.ASCII)
ENUM = re.compile(r"[A-Z][A-Z0-9_]{2,62}", re.ASCII)
_TOKEN = re.compile(r"Bearer [^\s,;]+|ya29\.[\w.-]+|\b1//[\w-]+", re.ASCII)
"""Access and refresh tokens, should a sentence ever quote one; whoever knows their values takes these out too."""
_LINK = re.compile(r"https://[a-z.]+\.google\.com/[\w./?=&%-]{1,200}", re.ASCII)


class _Quota(msgspec.Struct, rename="camel"):
    rate_scope: str = ""
    retry_delay: str = ""


class _Details(msgspec.Struct, rename="camel"):
    quota_error_details: _Quota | None = None


class _GoogleAdsError(msgspec.Struct, rename="camel"):
    error_code: dict[str, str | int] = {}
    message: str = ""
    details: _Details | None = None


class _Failure(msgspec.Struct, rename="camel"):
    errors: list[msgspec.Raw] = []
    request_id: str = ""


class _Link(msgspec.Struct):
    url: str = ""


class _Detail(msgspec.Struct, rename="camel"):
    """What is read of google.rpc's details: of a RetryInfo, an ErrorInfo, a Help."""

    retry_delay: str = ""
    reason: str = ""
    metadata: dict[str, str] = {}
    links: list[_Link] = []


class _Status(msgspec.Struct):
    """google.rpc.Status, as Google's front end writes it."""

    code: Any = None
    message: Any = None
    status: Any = None
    details: msgspec.Raw = msgspec.Raw(b"[]")


_ERRORS = frozenset({"error", "errors", "partialFailureError", "Error", "exception"})
_SIGNS = _ERRORS | {"code", "status", "message"}
"""Members that no good answer has, and no chunk or sum of one: those of an error, a GoogleAdsFailure, a
google.rpc.Status."""
_CHUNK = frozenset({"results", "fieldMask", "summaryRow", "queryResourceConsumption", "requestId"})
_SUSPECT = re.compile(rb'"(?:errors?|partialFailureError|Error|exception)"|\\u00[4-7]')
"""A name of `_ERRORS`, also with a letter that is escaped."""
_ANSWER: Any = list[dict[str, msgspec.Raw]] | dict[str, msgspec.Raw]
_T = TypeVar("_T")


def refusal_of(response: httpx.Response, secrets: Collection[str] = ()) -> Refusal | None:
    """The error of an answer, wherever it stands in it and however little it says; None when there is none.

    An error may follow good chunks in the array of searchStream, in an answer of status 200.

    Args:
        response: What Google answered.
        secrets: Texts that no word of it may hold, should Google quote one.

    Raises:
        UnavailableError: The body is no JSON: cut, or HTML.
        ContractError: It is JSON of another shape.
    """
    decoded = decode(response.content, _ANSWER, "Google Ads' answer")
    for chunk in decoded if isinstance(decoded, list) else [decoded]:
        summary = readable(chunk.get("summaryRow", b""), dict[str, msgspec.Raw]) or {}
        metrics = readable(summary.get("metrics", b""), dict[str, msgspec.Raw]) or {}
        for part in (chunk, summary, metrics):
            if part.keys() & _SIGNS:
                told = part.get("error", part.get("partialFailureError"))
                sent = bytes(told if told is not None else msgspec.json.encode(part))
                return _without(secrets, _refusal(sent, response))
        if isinstance(decoded, list) and chunk and not chunk.keys() & _CHUNK:
            raise ContractError("a chunk has no member that is known here", reason="UNEXPECTED_JSON")
    told = next(_within(response.content), None) if _SUSPECT.search(response.content) else None
    return None if told is None else _without(secrets, _refusal(msgspec.json.encode(told), response))


def _within(body: bytes) -> Iterator[object]:
    """The errors further inside of an answer: in a row, a resource, a metric. Not within a field that was selected: a
    resource may have errors of its own (`offline_conversion_upload_client_summary.alerts`).
    """
    decoded = decode(body, object, "Google Ads' answer")
    for chunk in decoded if isinstance(decoded, list) else [decoded]:
        mask = chunk.get("fieldMask") if isinstance(chunk, dict) else None
        selected = frozenset(mask.split(",")) if isinstance(mask, str) else frozenset()
        rows = chunk.pop("results", None) if isinstance(chunk, dict) else None
        parts: list[tuple[object, str]] = [(chunk, ""), (rows, "")]
        while parts:  # a nest of any depth
            part, path = parts.pop()
            if isinstance(part, list):
                parts += [(one, path) for one in part]
            elif isinstance(part, dict) and path not in selected:
                below = [(value, f"{path}.{name}".lstrip(".")) for name, value in part.items()]
                found = _ERRORS & part.keys()
                yield from (part[name] for name in found if f"{path}.{name}".lstrip(".") not in selected)
                parts += below


def _without(secrets: Collection[str], refusal: Refusal) -> Refusal:
    texts = {name: masked(text, secrets) for name, text in vars(refusal).items() if isinstance(text, str)}
    return replace(refusal, **cast(Any, texts))


def _refusal(sent: bytes, response: httpx.Response) -> Refusal:
    error = readable(sent, _Status) or _Status(message=readable(sent, str))
    message = masked(error.message if isinstance(error.message, str) else "", shaped=_TOKEN)
    status = _status(error, response.status_code)
    parts = readable(error.details, list[msgspec.Raw]) or []
    details = _those(parts, _Detail)
    delay = next((found for one in details if (found := _seconds(one.retry_delay)) is not None), None)
    request_id = response.headers.get("request-id", "")
    # A GoogleAdsFailure is among the details, or stands in the error's own place.
    for failure in _those([*parts, sent], _Failure):
        for one in _those(failure.errors, _GoogleAdsError):
            for category, code in one.error_code.items():
                quota = one.details.quota_error_details if one.details else None
                return Refusal(
                    category,
                    str(code),
                    masked(one.message, shaped=_TOKEN) or message,
                    failure.request_id or request_id,
                    _seconds(quota.retry_delay) if quota else delay,
                    quota.rate_scope if quota else "",
                    status,
                )
    told = next((one.reason for one in details if ENUM.fullmatch(one.reason)), "")
    code = told if told and status in ("PERMISSION_DENIED", "UNAUTHENTICATED") else status
    links = [one.metadata.get("activationUrl", "") for one in details]
    links += [link.url for one in details for link in one.links]
    link = next((url for url in links if _LINK.fullmatch(url)), "")
    return Refusal("", code, message, request_id, delay, status=status, link=link)


def _those(parts: Iterable[bytes], kind: type[_T]) -> list[_T]:
    return [found for one in parts if (found := readable(one, kind)) is not None]


def readable(sent: bytes, kind: type[_T]) -> _T | None:
    """A part of an error, if it is one of this kind: an error is read as far as it can be, and never believed away."""
    try:
        return decode(sent, kind, "a part of the answer")
    except SourceError:
        return None


def _status(error: _Status, http: int) -> str:
    if error.status in _CODES:
        return str(error.status)
    for number in (error.code, http):
        if isinstance(number, int) and 1 <= number <= len(_CODES):
            return _CODES[number - 1]
        if isinstance(number, int) and number >= 400:
            return status_of(number)
    return ""


def status_of(http: int) -> str:
    """The canonical status that stands behind an HTTP status of an error."""
    return _HTTP.get(http, "INTERNAL" if http >= 500 else "INVALID_ARGUMENT")


def _seconds(text: str) -> float | None:
    match = _SECONDS.fullmatch(text)
    return bounded_delay(float(match[1])) if match else None
