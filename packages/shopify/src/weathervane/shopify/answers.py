"""What Shopify's answers mean. An answer of status 200 may be a refusal: any `errors` make the page a failed one."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import httpx
import msgspec

from weathervane.source.errors import (
    ConfigurationError,
    ContractError,
    CredentialsError,
    SourceError,
    ThrottledError,
    UnavailableError,
)
from weathervane.source.http import Accept, Fail, Retry, Verdict, classify_by_status
from weathervane.source.quota import ThrottleStatus

__all__ = ["PageTooDearError", "classifier", "requested_cost", "throttle_status"]


class PageTooDearError(ConfigurationError):
    """The query asks for more points than one may have; a smaller page asks for less."""


class _Throttle(msgspec.Struct, rename="camel"):
    maximum_available: float
    currently_available: float
    restore_rate: float


class _Cost(msgspec.Struct, rename="camel"):
    requested_query_cost: float | None = None
    throttle_status: _Throttle | None = None


class _Search(msgspec.Struct):
    warnings: list[Any] | None = None


class _Extensions(msgspec.Struct):
    cost: _Cost | None = None
    search: list[_Search] | None = None


class _ErrorExtensions(msgspec.Struct, rename="camel"):
    code: str = ""
    required_access: str = ""


class _Error(msgspec.Struct):
    message: str = ""
    extensions: _ErrorExtensions | None = None


class _Envelope(msgspec.Struct):
    """An answer without its data, which is only looked at for being there."""

    data: msgspec.Raw = msgspec.Raw(b"null")
    errors: list[_Error] | str | None = None
    extensions: _Extensions | None = None


def throttle_status(response: httpx.Response) -> ThrottleStatus | None:
    """The shop's bucket as this answer describes it."""
    envelope = _envelope(response)
    cost = envelope.extensions.cost if envelope and envelope.extensions else None
    if cost is None or cost.throttle_status is None:
        return None
    status = cost.throttle_status
    return ThrottleStatus(status.maximum_available, status.currently_available, status.restore_rate)


def requested_cost(response: httpx.Response) -> float | None:
    """The points that the query asked for."""
    envelope = _envelope(response)
    cost = envelope.extensions.cost if envelope and envelope.extensions else None
    return cost.requested_query_cost if cost else None


def classifier(api_version: str) -> Any:
    """The judge of this version's answers."""

    def classify(response: httpx.Response) -> Verdict:
        if not 200 <= response.status_code < 300:
            return _by_status(response)
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
                    f"Shopify answered with API version {used[:20]} instead of {api_version}, which it no longer"
                    " supports",
                    reason="FELL_FORWARD",
                )
            )
        if envelope.errors:
            return _by_errors(envelope)
        if bytes(envelope.data) == b"null":
            return Retry(UnavailableError("Shopify's answer has neither data nor errors", reason="NO_DATA"))
        for search in (envelope.extensions.search if envelope.extensions else None) or ():
            if search.warnings:
                return Fail(
                    ContractError(
                        f"Shopify ignored a part of the search: {str(search.warnings)[:200]}",
                        reason="SEARCH_IGNORED",
                    )
                )
        return Accept()

    return classify


def _envelope(response: httpx.Response) -> _Envelope | None:
    if "weathervane.shopify" not in response.extensions:
        envelope = None
        with contextlib.suppress(msgspec.DecodeError, ValueError, RecursionError):
            envelope = msgspec.json.decode(response.content, type=_Envelope)
        response.extensions["weathervane.shopify"] = envelope
    found: _Envelope | None = response.extensions["weathervane.shopify"]
    return found


def _by_status(response: httpx.Response) -> Verdict:
    status = response.status_code
    meanings: dict[int, tuple[type[SourceError], str, str]] = {
        402: (CredentialsError, "SHOP_FROZEN", "the shop is frozen or has not paid its bill"),
        403: (CredentialsError, "SHOP_FORBIDS", "the merchant has not approved this access"),
        404: (ConfigurationError, "NO_SHOP", "there is no such shop"),
        423: (CredentialsError, "SHOP_LOCKED", "the shop is locked"),
    }
    if status in meanings:
        kind, reason, message = meanings[status]
        return Fail(kind(f"{message} (HTTP {status})", reason=reason))
    return classify_by_status(response)


def _by_errors(envelope: _Envelope) -> Verdict:
    if isinstance(envelope.errors, str) or envelope.errors is None:
        return Fail(
            ContractError(f"Shopify refuses the call: {str(envelope.errors)[:200]}", reason="REFUSED")
        )
    error = envelope.errors[0]
    code = error.extensions.code if error.extensions else ""
    if code == "THROTTLED":
        after = None
        cost = envelope.extensions.cost if envelope.extensions else None
        if cost and cost.throttle_status and cost.requested_query_cost is not None:
            status = cost.throttle_status
            missing = cost.requested_query_cost - status.currently_available
            after = max(0.0, missing / status.restore_rate) if status.restore_rate > 0 else None
        return Retry(ThrottledError("Shopify limits the rate", reason="THROTTLED", retry_after=after), after)
    if code == "INTERNAL_SERVER_ERROR":
        return Retry(UnavailableError(f"Shopify has an internal error: {error.message[:120]}", reason=code))
    if code == "MAX_COST_EXCEEDED":
        return Fail(PageTooDearError("the query asks for more points than Shopify allows one", reason=code))
    if code == "ACCESS_DENIED":
        needed = error.extensions.required_access if error.extensions else ""
        return Fail(
            CredentialsError(
                f"{error.message[:200]} The app needs: {needed[:120] or 'see the message'}",
                reason="ACCESS_DENIED",
            )
        )
    if code == "SHOP_INACTIVE":
        return Fail(CredentialsError("the shop is inactive", reason=code))
    return Fail(ContractError(f"Shopify refuses the query: {error.message[:200]}", reason=_reason(code)))


def _reason(code: str) -> str:
    """A code as a reason: `undefinedField` -> `UNDEFINED_FIELD`; `GRAPHQL_ERROR` for what is no code."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", code).upper()
    return name if re.fullmatch(r"[A-Z][A-Z0-9_]{2,62}", name) else "GRAPHQL_ERROR"
