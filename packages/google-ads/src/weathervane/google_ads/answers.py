"""What Google Ads' answers mean. A failure is an object on some methods and in an array on searchStream: both are read,
and the error's enum decides, never its text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
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

__all__ = [
    "PER_ACCOUNT",
    "AccountNotEnabledError",
    "OutOfRetentionError",
    "QueryTooHeavyError",
    "QuotaError",
    "Refusal",
    "RefusedError",
    "classifier",
    "refusal_of",
]


@dataclass(frozen=True)
class Refusal:
    """The first error of a GoogleAdsFailure."""

    category: str
    """The member of `errorCode`: `queryError`."""
    code: str
    """Its enum: `UNRECOGNIZED_FIELD`."""
    message: str
    request_id: str
    retry_delay: float | None = None
    """Seconds."""
    scope: str = ""
    """Of a quota: ACCOUNT (one customer) or DEVELOPER (all of a Cloud project)."""


class RefusedError(SourceError):
    """Mixed into the errors that Google Ads named itself."""

    refusal: Refusal | None = None


class AccountNotEnabledError(RefusedError, CredentialsError):
    """The account is closed, suspended or not set up; other accounts may go on."""


class AccessDeniedError(RefusedError, CredentialsError):
    """The user, the project or the account type lacks a right."""


class OutOfRetentionError(RefusedError, ConfigurationError):
    """Days older than the 37 months that Google keeps were asked for."""


class BadRequestError(RefusedError, ConfigurationError):
    """The query, a customer id or the API version is wrong."""


class UnknownRefusalError(RefusedError, ContractError):
    """An error that this source does not know."""


class QuotaError(RefusedError, ThrottledError):
    """Too many operations, or too dear ones."""


class InternalError(RefusedError, UnavailableError):
    """Google's own failure."""


class QueryTooHeavyError(RefusedError, UnavailableError):
    """Google did not finish in time; half of the days may be answered."""


PER_ACCOUNT = frozenset(
    {
        "ACCESS_DENIED_FOR_ACCOUNT_TYPE",
        "CUSTOMER_NOT_FOUND",
        "INCOMPLETE_SIGNUP",
        "INVALID_LOGIN_CUSTOMER_ID_SERVING_CUSTOMER_ID_COMBINATION",
        "METRIC_ACCESS_DENIED",
        "SERVICE_ACCESS_DENIED",
        "USER_PERMISSION_DENIED",
    }
)
"""Refusals of one account, after which others can still be read."""

_REFRESHABLE = frozenset({"OAUTH_TOKEN_EXPIRED", "OAUTH_TOKEN_INVALID"})
_WRONG_CUSTOMER = frozenset({"CLIENT_CUSTOMER_ID_INVALID", "CUSTOMER_NOT_FOUND"})
_TOO_OLD = frozenset({"INVALID_DATE", "REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED"})
_PAGE_TOKENS = frozenset({"EXPIRED_PAGE_TOKEN", "INVALID_PAGE_TOKEN"})
_SECONDS = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s", re.ASCII)
_ENUM = re.compile(r"[A-Z][A-Z0-9_]{2,62}", re.ASCII)


class _Quota(msgspec.Struct, rename="camel"):
    rate_scope: str = ""
    retry_delay: str = ""


class _Details(msgspec.Struct, rename="camel"):
    quota_error_details: _Quota | None = None


class _GoogleAdsError(msgspec.Struct, rename="camel"):
    error_code: dict[str, str] = {}
    message: str = ""
    details: _Details | None = None


class _Detail(msgspec.Struct, rename="camel"):
    errors: list[_GoogleAdsError] = []
    request_id: str = ""
    retry_delay: str = ""
    """Of a RetryInfo."""


class _Error(msgspec.Struct):
    message: str = ""
    status: str = ""
    details: list[_Detail] = []


class _Part(msgspec.Struct):
    error: _Error | None = None


_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(list[_Part] | _Part)


def refusal_of(response: httpx.Response) -> Refusal | None:
    """The error of an answer, wherever it stands in it; None when there is none.

    An error may follow good chunks in the array of searchStream, in an answer of status 200.

    Raises:
        msgspec.DecodeError: The body is no such JSON: cut, HTML, or of another shape.
    """
    decoded = _decoder.decode(response.content)
    for part in decoded if isinstance(decoded, list) else [decoded]:
        if part.error is not None:
            return _refusal(part.error, response.headers.get("request-id", ""))
    return None


def _refusal(error: _Error, request_id: str) -> Refusal:
    delay = next((found for one in error.details if (found := _seconds(one.retry_delay)) is not None), None)
    for detail in error.details:
        for one in detail.errors:
            category, code = next(iter(one.error_code.items()), ("", ""))
            quota = one.details.quota_error_details if one.details else None
            return Refusal(
                category,
                code,
                one.message or error.message,
                detail.request_id or request_id,
                _seconds(quota.retry_delay) if quota else delay,
                quota.rate_scope if quota else "",
            )
    return Refusal("", error.status, error.message, request_id, delay)


def _seconds(text: str) -> float | None:
    match = _SECONDS.fullmatch(text)
    return float(match[1]) if match else None


def classifier(quota_delay: float) -> Callable[[httpx.Response], Verdict]:
    """The judge of Google Ads' answers; `quota_delay`: see the settings."""

    def classify(response: httpx.Response) -> Verdict:
        try:
            refusal = refusal_of(response)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            verdict = classify_by_status(response)
            broken = UnavailableError("the answer is not one of Google Ads", reason="NOT_GOOGLE_ADS")
            return Retry(broken) if isinstance(verdict, Accept) else verdict
        if refusal is None:
            return classify_by_status(response) if response.status_code != 200 else Accept()
        return _judge(refusal, response, quota_delay)

    return classify


def _judge(refusal: Refusal, response: httpx.Response, quota_delay: float) -> Verdict:
    category, code = refusal.category, refusal.code
    if category == "quotaError" and code != "ACCESS_PROHIBITED":
        after = refusal.retry_delay
        if after is None and code == "RESOURCE_EXHAUSTED":
            after = quota_delay
        quota = _made(QuotaError, refusal, "Google Ads' quota is used up")
        assert isinstance(quota, QuotaError)
        quota.retry_after = after
        return Retry(quota, after)
    if code == "DEADLINE_EXCEEDED":
        return Fail(_made(QueryTooHeavyError, refusal, "Google Ads did not finish the query in time"))
    if category == "internalError" or (not category and code in ("INTERNAL", "UNAVAILABLE")):
        internal = _made(InternalError, refusal, "Google Ads has an internal error")
        assert isinstance(internal, InternalError)
        return Retry(internal, refusal.retry_delay)
    if not category:
        return classify_by_status(response)
    if category == "authenticationError" and code not in _WRONG_CUSTOMER:
        refused = _made(AccessDeniedError, refusal, "Google refuses the credentials")
        return Fail(refused, refresh=code in _REFRESHABLE)
    if code == "CUSTOMER_NOT_ENABLED":
        return Fail(_made(AccountNotEnabledError, refusal, "the account is not enabled"))
    if category in ("authorizationError", "quotaError"):
        return Fail(_made(AccessDeniedError, refusal, "Google Ads denies the access"))
    if category == "dateRangeError" and code in _TOO_OLD:
        return Fail(
            _made(OutOfRetentionError, refusal, "the days are older than those that Google Ads keeps")
        )
    if code in _PAGE_TOKENS:
        return Fail(_made(InternalError, refusal, "Google Ads no longer knows the page"))
    if category in ("queryError", "dateRangeError", "headerError") or code in {
        *_WRONG_CUSTOMER,
        "INVALID_CUSTOMER_ID",
        "UNSUPPORTED_VERSION",
    }:
        return Fail(_made(BadRequestError, refusal, "Google Ads refuses the request"))
    return Fail(_made(UnknownRefusalError, refusal, "Google Ads refuses the call"))


def _made(kind: type[RefusedError], refusal: Refusal, what: str) -> RefusedError:
    told = f"{what}: {refusal.category or 'status'}.{refusal.code}: {refusal.message[:200]}"
    reason = refusal.code if _ENUM.fullmatch(refusal.code) else "GOOGLE_ADS_ERROR"
    error = kind(f"{told} (request id {refusal.request_id[:60] or 'unknown'})", reason=reason)
    error.refusal = refusal
    return error
