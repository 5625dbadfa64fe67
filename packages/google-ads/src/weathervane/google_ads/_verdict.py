"""What Google Ads' answers mean. A failure is an object on some methods and in an array on searchStream: both are read,
and the error's enum decides, never its text. An answer that holds an error of any shape is never accepted, whatever its
HTTP status and the rows beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

import httpx

from weathervane.google_ads._refusals import ENUM, Refusal, refusal_of, status_of
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
    retry_after,
)

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


class RefusedError(SourceError):
    """Mixed into the errors that Google Ads named itself."""

    refusal: Refusal | None = None


class AccountNotEnabledError(RefusedError, CredentialsError):
    """The account is closed, suspended or not set up; other accounts may go on."""


class AccessDeniedError(RefusedError, CredentialsError):
    """The user, the project or the account type lacks a right."""


class ApiNotEnabledError(RefusedError, ConfigurationError):
    """The Google Ads API is not enabled in the Cloud project that owns the OAuth client or the service account."""

    advice = (
        "enable the Google Ads API in that Cloud project (in its console), wait some minutes, then run again"
    )


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
        "ACTION_NOT_PERMITTED_FOR_SUSPENDED_ACCOUNT",
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
_TOO_LATE = frozenset({"DEADLINE_EXCEEDED", "RPC_DEADLINE_TOO_SHORT"})
_REQUEST = frozenset({"clickViewError", "dateError", "dateRangeError", "headerError", "queryError"})
"""Categories that are about what was asked."""
_PASSING = frozenset({"ABORTED", "CANCELLED", "DATA_LOSS", "INTERNAL", "UNAVAILABLE", "UNKNOWN"})
"""Statuses of a call that may succeed when it is made again."""
_R = TypeVar("_R", bound=RefusedError)


def classifier(quota_delay: float, secrets: Collection[str] = ()) -> Callable[[httpx.Response], Verdict]:
    """The judge of Google Ads' answers; `quota_delay`: see the settings; `secrets`: what no message may hold."""

    def classify(response: httpx.Response) -> Verdict:
        try:
            refusal = refusal_of(response, secrets)
        except SourceError:
            pass  # no answer of Google Ads
        else:
            if refusal is not None:
                return _judge(refusal, response, quota_delay)
            if response.status_code == 200:
                return Accept()
        if response.status_code in (409, 499):
            given_up = f"Google gave up the call (HTTP {response.status_code})"
            return Retry(
                UnavailableError(given_up, reason=status_of(response.status_code)), retry_after(response)
            )
        verdict = classify_by_status(response)
        broken = UnavailableError("the answer is not one of Google Ads", reason="NOT_GOOGLE_ADS")
        return Retry(broken) if isinstance(verdict, Accept) else verdict

    return classify


def _judge(refusal: Refusal, response: httpx.Response, quota_delay: float) -> Verdict:
    category, code = refusal.category, refusal.code
    if category == "quotaError" and code != "ACCESS_PROHIBITED":
        after = refusal.retry_delay
        if after is None and code == "RESOURCE_EXHAUSTED":
            after = quota_delay
        return _throttled(refusal, after)
    if code in _TOO_LATE:
        return Fail(_made(QueryTooHeavyError, refusal, "Google Ads did not finish the query in time"))
    if category == "internalError" or code == "CONCURRENT_MODIFICATION":
        return _passing(refusal, response)
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
    if category in _REQUEST or code in {*_WRONG_CUSTOMER, "INVALID_CUSTOMER_ID", "UNSUPPORTED_VERSION"}:
        return Fail(_made(BadRequestError, refusal, "Google Ads refuses the request"))
    return _judge_status(refusal, response)


def _judge_status(refusal: Refusal, response: httpx.Response) -> Verdict:
    """What the front end says, or an error of the API that this source does not know."""
    status = refusal.status
    if status == "RESOURCE_EXHAUSTED":
        after = refusal.retry_delay
        return _throttled(refusal, retry_after(response) if after is None else after)
    if status == "DEADLINE_EXCEEDED":
        return Fail(_made(QueryTooHeavyError, refusal, "Google Ads did not finish the query in time"))
    if status in _PASSING or not status:
        return _passing(refusal, response)
    if status == "UNAUTHENTICATED":
        return Fail(_made(AccessDeniedError, refusal, "Google refuses the access token"), refresh=True)
    if refusal.code == "SERVICE_DISABLED":
        return Fail(_made(ApiNotEnabledError, refusal, "the Google Ads API is not enabled"))
    if status == "PERMISSION_DENIED":
        return Fail(_made(AccessDeniedError, refusal, "Google denies the access"))
    return Fail(_made(UnknownRefusalError, refusal, "Google Ads refuses the call"))


def _throttled(refusal: Refusal, after: float | None) -> Verdict:
    quota = _made(QuotaError, refusal, "Google Ads' quota is used up")
    quota.retry_after = after
    return Retry(quota, after)


def _passing(refusal: Refusal, response: httpx.Response) -> Verdict:
    internal = _made(InternalError, refusal, "Google Ads has an internal error")
    return Retry(internal, refusal.retry_delay if refusal.retry_delay is not None else retry_after(response))


def _made(kind: type[_R], refusal: Refusal, what: str) -> _R:
    message = refusal.message[:300]
    told = f"{what}: {refusal.category or 'status'}.{refusal.code or 'not told'}: {message}"
    if refusal.link and refusal.link not in message:
        told += f"; see {refusal.link}"
    reason = refusal.code if ENUM.fullmatch(refusal.code) else "GOOGLE_ADS_ERROR"
    error = kind(f"{told} (request id {refusal.request_id[:60] or 'unknown'})", reason=reason)
    error.refusal = refusal
    return error
