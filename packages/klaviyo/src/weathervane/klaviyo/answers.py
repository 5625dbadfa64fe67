"""What Klaviyo's answers mean: JSON:API errors become typed ones, and an answer without data is a failed one."""

from __future__ import annotations

import re

import httpx
import msgspec

from weathervane.source.errors import ConfigurationError, ContractError, CredentialsError, UnavailableError
from weathervane.source.http import Accept, Fail, Retry, Verdict, classify_by_status

__all__ = ["IncludeRefusedError", "NotFoundError", "classify", "pause"]


class NotFoundError(ContractError):
    """There is no such record (any more)."""


class IncludeRefusedError(ContractError):
    """This endpoint does not take this `include`."""


class _Source(msgspec.Struct):
    pointer: str | None = None
    parameter: str | None = None


class _Error(msgspec.Struct):
    id: str = ""
    code: str = ""
    title: str | None = None
    detail: str | None = None
    source: _Source | None = None


class _Envelope(msgspec.Struct):
    """An answer without its data, which is only looked at for being there."""

    data: msgspec.Raw = msgspec.Raw(b"")
    errors: list[_Error] | None = None


def classify(response: httpx.Response) -> Verdict:
    """Judges one answer.

    Klaviyo sends errors as `errors[]` with status, code, detail and source. A 403 that is not such a document comes
    from an edge server and passes.
    """
    status = response.status_code
    if 200 <= status < 300:
        return _good(response)
    errors = _errors(response)
    if status in (408, 425, 429) or status >= 500:
        return classify_by_status(response)
    if not errors:
        if status == 403:
            return Retry(
                UnavailableError("an edge server refuses (HTTP 403 without a reason)", reason="EDGE_REFUSED")
            )
        return classify_by_status(response)
    told = f"Klaviyo says: {_told(errors)} (HTTP {status})"
    if status == 401:
        return Fail(CredentialsError(told, reason="KEY_REFUSED"))
    if status == 403:
        return Fail(CredentialsError(told, reason="MISSING_SCOPE"))
    if status == 404:
        return Fail(NotFoundError(told, reason="NOT_FOUND"))
    if status == 410:
        return Fail(ConfigurationError(f"the revision is retired; {told}", reason="REVISION_RETIRED"))
    if status == 400 and any(_is_about_include(error) for error in errors):
        return Fail(IncludeRefusedError(told, reason="INCLUDE_REFUSED"))
    return Fail(ContractError(told, reason=_reason(errors[0].code)))


def pause(response: httpx.Response, verdict: Verdict) -> float | None:
    """Seconds for which an endpoint's quota of the minute is used up, by an answer's RateLimit headers."""
    if not isinstance(verdict, Accept) or response.headers.get("ratelimit-remaining") != "0":
        return None
    reset = response.headers.get("ratelimit-reset", "")
    return min(float(reset), 60.0) if re.fullmatch(r"[0-9]{1,4}", reset) else None


def _good(response: httpx.Response) -> Verdict:
    try:
        envelope = msgspec.json.decode(response.content, type=_Envelope)
    except (msgspec.DecodeError, ValueError, RecursionError):
        # Not the shape at all: HTML from a proxy, a cut body, depth. The kit's judge says which.
        verdict = classify_by_status(response)
        broken = UnavailableError("Klaviyo's answer is not a JSON:API document", reason="NOT_JSON_API")
        return Retry(broken) if isinstance(verdict, Accept) else verdict
    if bytes(envelope.data) in (b"", b"null"):
        # Never an empty page: an answer that lost its data looks just like one.
        return Retry(UnavailableError("Klaviyo's answer has no data", reason="NO_DATA"))
    return Accept()


def _errors(response: httpx.Response) -> list[_Error]:
    try:
        return msgspec.json.decode(response.content, type=_Envelope).errors or []
    except (msgspec.DecodeError, ValueError, RecursionError):
        return []


def _told(errors: list[_Error]) -> str:
    said = []
    for error in errors[:5]:
        place = error.source and (error.source.pointer or error.source.parameter)
        said.append((error.detail or error.title or error.code)[:200] + (f" [{place[:80]}]" if place else ""))
    return "; ".join(said) + (f"; error id {errors[0].id[:40]}" if errors[0].id else "")


def _is_about_include(error: _Error) -> bool:
    parameter = error.source.parameter if error.source else None
    return parameter == "include" or (parameter is None and "include" in (error.detail or ""))


def _reason(code: str) -> str:
    """A code as a reason: `invalid` -> `INVALID`."""
    name = re.sub(r"[^A-Z0-9]+", "_", code.upper()).strip("_")
    return name if re.fullmatch(r"[A-Z][A-Z0-9_]{2,62}", name) else "REFUSED"
