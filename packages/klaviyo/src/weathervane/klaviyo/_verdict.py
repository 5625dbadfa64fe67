"""What Klaviyo's answers mean: JSON:API errors become typed ones, and an answer without data is a failed one."""

from __future__ import annotations

import re
from collections.abc import Sequence

import httpx

from weathervane.klaviyo._refusals import Refusal, refusals_of, refusals_within, sentence, without_key
from weathervane.source import (
    Accept,
    ConfigurationError,
    ContractError,
    CredentialsError,
    Fail,
    Retry,
    SourceError,
    ThrottledError,
    UnavailableError,
    Verdict,
    classify_by_status,
    decode_json,
    retry_after,
)

__all__ = ["IncludeRefusedError", "NotFoundError", "classify", "pause"]


class NotFoundError(ContractError):
    """There is no such record (any more)."""


class IncludeRefusedError(ContractError):
    """This endpoint does not take this `include`."""


def classify(response: httpx.Response, *, key: str = "") -> Verdict:
    """Judges one answer; `key` is what no message may tell, whatever it looks like.

    Klaviyo sends errors as `errors[]` with status, code, detail and source; one that stands in a good answer, wherever
    it does, makes that answer a refused one. A 403 that is no such document comes from an edge server and passes.

    Raises:
        SourceError: A good answer is no JSON, or too deep: the kit's own verdict of it.
    """
    status = response.status_code
    if status == 200:
        return _good(response, key)
    if status < 300:
        # Of every call that is made here Klaviyo's answer is a 200: another one is a proxy's, and may be a part.
        return Retry(UnavailableError(f"not Klaviyo's own answer (HTTP {status})", reason=f"HTTP_{status}"))
    refusals = _refusals(response, key)
    if _passes(status):
        return _later(response, status, refusals) if refusals else classify_by_status(response)
    if refusals is None:
        if status == 403:
            return Retry(
                UnavailableError("an edge server refuses (HTTP 403 without a reason)", reason="EDGE_REFUSED")
            )
        return classify_by_status(response)
    said = f"Klaviyo says: {sentence(refusals)} (HTTP {status})"
    if status == 404 and _names_missing(response):
        return Fail(NotFoundError(said, reason="NOT_FOUND"))
    if status == 400 and any(_is_about_include(one) for one in refusals):
        return Fail(IncludeRefusedError(said, reason="INCLUDE_REFUSED"))
    return Fail(_error_of(status, said, refusals))


def pause(response: httpx.Response, verdict: Verdict) -> float | None:
    """Seconds for which an endpoint's quota of the minute is used up, by an answer's RateLimit headers."""
    if not isinstance(verdict, Accept) or response.headers.get("ratelimit-remaining") != "0":
        return None
    reset = response.headers.get("ratelimit-reset", "")
    return min(float(reset), 60.0) if re.fullmatch(r"[0-9]{1,4}", reset) else None


def _good(response: httpx.Response, key: str) -> Verdict:
    document = decode_json(response)
    if not isinstance(document, dict):
        return Retry(UnavailableError("Klaviyo's answer is not a JSON:API document", reason="NOT_JSON_API"))
    if refusals := refusals_within(document):
        return _spoilt(response, without_key(refusals, key))
    if document.get("data") is None:
        # Never an empty page: an answer that lost its data looks just like one.
        return Retry(UnavailableError("Klaviyo's answer has no data", reason="NO_DATA"))
    return Accept()


def _spoilt(response: httpx.Response, refusals: Sequence[Refusal]) -> Verdict:
    """A good answer with errors in it: final when all of them say so, by their own statuses.

    Never a NotFoundError: what is missing in a list is not the list, and a campaign is not gone because a part is.
    """
    statuses = [one.status for one in refusals if one.status is not None]
    if not statuses or any(map(_passes, statuses)):
        passing = next(filter(_passes, statuses), None)
        return _later(response, passing, refusals)
    said = f"Klaviyo says: {sentence(refusals)} (HTTP {response.status_code}, with an error of {statuses[0]} in it)"
    return Fail(_error_of(statuses[0], said, refusals))


def _passes(status: int) -> bool:
    return status in (408, 425, 429) or status >= 500


def _later(response: httpx.Response, status: int | None, refusals: Sequence[Refusal]) -> Verdict:
    after = retry_after(response)
    said = f"Klaviyo says: {sentence(refusals)} (HTTP {response.status_code})"
    if status == 429:
        return Retry(ThrottledError(said, reason="THROTTLED", retry_after=after), after)
    reason = "ERROR_IN_ANSWER" if response.status_code < 400 else f"HTTP_{response.status_code}"
    return Retry(UnavailableError(said, reason=reason), after)


def _error_of(status: int, said: str, refusals: Sequence[Refusal]) -> SourceError:
    if status == 401:
        return CredentialsError(said, reason="KEY_REFUSED")
    if status == 403:
        return CredentialsError(said, reason="MISSING_SCOPE")
    if status == 410:
        return ConfigurationError(f"the revision is retired; {said}", reason="REVISION_RETIRED")
    return ContractError(said, reason=_reason(refusals[0].code if refusals else ""))


def _refusals(response: httpx.Response, key: str) -> list[Refusal] | None:
    """The errors of a refusal; None when it is no document of Klaviyo's."""
    try:
        found = refusals_of(decode_json(response))
        return None if found is None else without_key(found, key)
    except SourceError:
        return None


def _names_missing(response: httpx.Response) -> bool:
    """Whether a 404 is Klaviyo's own word that there is no such record; a gateway has none for it as well."""
    document = decode_json(response)
    errors = refusals_of({"errors": document.get("errors")} if isinstance(document, dict) else document)
    return any(one.status == 404 or one.code == "not_found" for one in errors or ())


def _is_about_include(refusal: Refusal) -> bool:
    return refusal.parameter == "include" or (refusal.parameter is None and "include" in refusal.said)


def _reason(code: str) -> str:
    """A code as a reason: `invalid` -> `INVALID`."""
    name = re.sub(r"[^A-Z0-9]+", "_", code.upper()).strip("_")
    return name if re.fullmatch(r"[A-Z][A-Z0-9_]{2,62}", name) else "REFUSED"
