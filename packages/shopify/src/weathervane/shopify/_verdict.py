"""What Shopify's answers mean. One of status 200 may be a refusal: any error in it makes the page a failed one."""

from __future__ import annotations

import contextlib
import math
from dataclasses import replace
from typing import Any, TypeVar, cast

import httpx
import msgspec

from weathervane.shopify._refusals import (
    PageTooDearError,
    Refusal,
    error_of,
    gravest,
    refusals_in,
    refusals_within,
    safe,
    shown,
)
from weathervane.source import (
    LONGEST_DELAY,
    Accept,
    ConfigurationError,
    ContractError,
    CredentialsError,
    Fail,
    RetriableError,
    Retry,
    SourceError,
    ThrottledError,
    ThrottleStatus,
    UnavailableError,
    Verdict,
    classify_by_status,
    decode,
)

__all__ = ["PageTooDearError", "by_status", "classifier", "requested_cost", "throttle_status"]

_T = TypeVar("_T")
_NULL = msgspec.Raw(b"null")
_ANSWER = "Shopify's answer"


class _Throttle(msgspec.Struct, rename="camel"):
    maximum_available: float
    currently_available: float
    restore_rate: float


class _Cost(msgspec.Struct, rename="camel"):
    requested_query_cost: float | None = None
    throttle_status: msgspec.Raw = _NULL


class _Extensions(msgspec.Struct):
    cost: msgspec.Raw = _NULL
    search: msgspec.Raw = _NULL
    errors: msgspec.Raw = _NULL
    error: msgspec.Raw = _NULL
    code: msgspec.Raw = _NULL


class _Data(msgspec.Struct, rename="camel"):
    """What does not belong into the data of an answer."""

    errors: msgspec.Raw = _NULL
    error: msgspec.Raw = _NULL
    user_errors: msgspec.Raw = _NULL


class _Envelope(msgspec.Struct, rename="camel"):
    """An answer without its data, which is only looked at for being there."""

    data: msgspec.Raw = _NULL
    errors: msgspec.Raw = _NULL
    error: msgspec.Raw = _NULL
    user_errors: msgspec.Raw = _NULL
    extensions: msgspec.Raw = _NULL


def throttle_status(response: httpx.Response) -> ThrottleStatus | None:
    """The shop's bucket as this answer describes it; None where it does not, or not in numbers that can be."""
    cost = _cost_of(response)
    status = _perhaps(cost.throttle_status, _Throttle) if cost else None
    if status is None or not (status.restore_rate > 0 and status.maximum_available > 0):
        return None
    if not (status.maximum_available - status.currently_available) / status.restore_rate <= LONGEST_DELAY:
        return None  # seconds; a real bucket is full within a minute
    return ThrottleStatus(status.maximum_available, status.currently_available, status.restore_rate)


def requested_cost(response: httpx.Response) -> float | None:
    """The points that the query asked for; None where the answer does not say."""
    cost = _cost_of(response)
    points = cost.requested_query_cost if cost else None
    return points if points is not None and points > 0 else None


def classifier(api_version: str) -> Any:
    """The judge of this version's answers."""

    def classify(response: httpx.Response) -> Verdict:
        if not 200 <= response.status_code < 300:
            return by_status(response)
        envelope = _envelope(response)
        if envelope is None:
            # Not the shape at all: HTML from a proxy, a cut body, depth. The kit's judge says which.
            verdict = classify_by_status(response)
            broken = UnavailableError("Shopify's answer is not a GraphQL answer", reason="NOT_GRAPHQL")
            return Retry(broken) if isinstance(verdict, Accept) else verdict
        used = response.headers.get("x-shopify-api-version")
        if used and used != api_version:
            return Fail(
                ContractError(
                    f"Shopify answered with API version {safe(used, 20)} instead of {api_version}, which it no longer"
                    " supports",
                    reason="FELL_FORWARD",
                )
            )
        try:
            refusals = _refusals(envelope)
            ignored = _ignored(envelope)
        except SourceError:
            return Retry(UnavailableError("Shopify's answer is not a GraphQL answer", reason="NOT_GRAPHQL"))
        if refusals:
            return _by_errors(refusals, response, executed=not _is_null(envelope.data))
        if _is_null(envelope.data):
            return Retry(UnavailableError("Shopify's answer has neither data nor errors", reason="NO_DATA"))
        if ignored:
            return Fail(
                ContractError(
                    f"Shopify ignored a part of the search: {safe(ignored)}", reason="SEARCH_IGNORED"
                )
            )
        return Accept()

    return classify


def _envelope(response: httpx.Response) -> _Envelope | None:
    if "weathervane.shopify" not in response.extensions:
        envelope = None
        with contextlib.suppress(SourceError):  # the classifier says what it is instead
            envelope = decode(response.content, _Envelope, _ANSWER)
        response.extensions["weathervane.shopify"] = envelope
    found: _Envelope | None = response.extensions["weathervane.shopify"]
    return found


def _extensions(envelope: _Envelope) -> _Extensions:
    return decode(envelope.extensions, _Extensions | None, _ANSWER) or _Extensions()  # type: ignore[arg-type]


def _refusals(envelope: _Envelope) -> list[Refusal]:
    """All errors of an answer, wherever they stand.

    Raises:
        SourceError: A place for errors holds what cannot be read.
    """
    extensions, within = _extensions(envelope), _Data()
    if bytes(envelope.data).lstrip()[:1] == b"{":
        within = decode(envelope.data, _Data, _ANSWER)
    places: list[_Envelope | _Extensions | _Data] = [envelope, extensions, within]
    refusals = [
        one for part in places for place in (part.errors, part.error) for one in refusals_in(_values(place))
    ]
    if not refusals:
        refusals += refusals_within(envelope.data)
    # Beside what a mutation did: there an empty list says that all is well.
    for place in (envelope.user_errors, within.user_errors):
        refusals += refusals_in(_values(place) or None)
    code = _values(extensions.code)
    return refusals if code is None else [*refusals, *refusals_in({"code": code})]


def _ignored(envelope: _Envelope) -> str:
    """What Shopify says to have left out of a search; "" when nothing."""
    found = _values(_extensions(envelope).search)
    told = []
    for one in found if isinstance(found, list) else [found]:
        # A report on a search comes with warnings only when something was ignored, or when it was asked for.
        warnings = one.get("warnings") if isinstance(one, dict) else one
        if warnings:
            told.append(shown(warnings))
    return "; ".join(told)


def _values(place: msgspec.Raw) -> Any:
    return None if _is_null(place) else decode(place, cast(Any, Any), _ANSWER)


def _is_null(place: msgspec.Raw) -> bool:
    return bytes(place).strip() == b"null"


def _cost_of(response: httpx.Response) -> _Cost | None:
    envelope = _envelope(response)
    extensions = _perhaps(envelope.extensions, _Extensions) if envelope else None
    return _perhaps(extensions.cost, _Cost) if extensions else None


def _perhaps(place: msgspec.Raw, kind: type[_T]) -> _T | None:
    """What stands at a place that no row depends on; None for what is not as documented."""
    try:
        return None if _is_null(place) else decode(place, kind, _ANSWER)
    except SourceError:
        return None


def by_status(response: httpx.Response) -> Verdict:
    """The judge of an answer by its status alone, with Shopify's own sentence."""
    status = response.status_code
    meanings: dict[int, tuple[type[SourceError], str, str]] = {
        402: (CredentialsError, "SHOP_FROZEN", "the shop is frozen or has not paid its bill"),
        403: (CredentialsError, "SHOP_FORBIDS", "the merchant has not approved this access"),
        404: (ConfigurationError, "NO_SHOP", "there is no such shop"),
        423: (CredentialsError, "SHOP_LOCKED", "the shop is locked"),
    }
    verdict = classify_by_status(response)
    envelope = _envelope(response)
    try:
        told = next((one.message for one in _refusals(envelope)), "") if envelope else ""
    except SourceError:
        told = ""
    said = f": {safe(told)}" if told else ""
    if isinstance(verdict, Accept):
        return verdict
    if status not in meanings or isinstance(verdict, Retry):  # a 403 of an edge server passes
        return _saying(verdict, said)
    kind, reason, message = meanings[status]
    return Fail(kind(f"{message} (HTTP {status}){said}", reason=reason))


def _saying(verdict: Retry | Fail, said: str) -> Retry | Fail:
    error = verdict.error
    message = error.message + said
    if isinstance(error, ThrottledError):
        return Retry(
            ThrottledError(message, reason=error.reason, retry_after=error.retry_after), error.retry_after
        )
    if isinstance(verdict, Retry):
        return replace(verdict, error=type(verdict.error)(message, reason=error.reason))
    return replace(verdict, error=type(error)(message, reason=error.reason))


def _by_errors(refusals: list[Refusal], response: httpx.Response, *, executed: bool) -> Verdict:
    error = error_of(gravest(refusals), executed=executed)
    if isinstance(error, ThrottledError):
        after = _until_affordable(response)
        return Retry(ThrottledError(error.message, reason=error.reason, retry_after=after), after)
    if isinstance(error, RetriableError):
        return Retry(error)
    return Fail(error, refresh=error.reason == "TOKEN_REFUSED")


def _until_affordable(response: httpx.Response) -> float | None:
    """Seconds until the bucket holds what the query asks for; a full bucket is enough for any."""
    status, cost = throttle_status(response), requested_cost(response)
    if status is None or cost is None:
        return None
    seconds = max(0.0, (min(cost, status.maximum) - status.available) / status.restore_rate)
    return seconds if math.isfinite(seconds) else None
