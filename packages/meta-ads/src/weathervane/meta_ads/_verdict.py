"""What Meta's answers mean: decided by code and subcode, hardly by status, never by texts for people.

An answer of status 200 may be an error, or hold one beside its data; a throttle may be a 400; and code 100 may be a
matter of credentials.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import httpx

from weathervane.meta_ads._pace import regain_seconds
from weathervane.meta_ads._refusals import Refusal, numbers, refusals_in, sentence
from weathervane.source import (
    Accept,
    ConfigurationError,
    ContractError,
    CredentialsError,
    DeferredError,
    Fail,
    IncompleteError,
    Retry,
    SourceError,
    ThrottledError,
    UnavailableError,
    Verdict,
    classify_by_status,
)

__all__ = [
    "REPORT",
    "AccountRefusedError",
    "ReportLostError",
    "TooFarBackError",
    "TooMuchDataError",
    "classifier",
    "of_account",
    "of_report",
    "reworded",
]

REPORT = "weathervane.meta_ads.report"
"""Request extension: the call is about a report run, which Meta may not know yet when it has just been made."""


class TooMuchDataError(UnavailableError):
    """The same call, made again, will fail again: ask for a smaller page, fewer days, or a report run."""


class ReportLostError(UnavailableError):
    """Meta does not know a report run that it made: asked again some times, then to be made anew."""


class TooFarBackError(ContractError):
    """The range begins before what Meta keeps (37 months)."""


class AccountRefusedError(CredentialsError):
    """The token may not read this account; it may read others."""


_TOO_MUCH = {(1, None), (1, 99), (100, 1487534), (100, 1504018), (2, 1504038), (-3, 1504045)}
_DEAD_TOKEN = {
    458: "the app was removed by the user",
    459: "the user must pass a checkpoint",
    460: "the user's password has changed",
    463: "it has expired",
    464: "the user is not confirmed",
    467: "it is invalid",
    492: "its session is not valid",
}
_BUSINESS = frozenset({80000, 80001, 80002, 80003, 80004, 80005, 80006, 80008, 80009, 80014})
_BREAKDOWNS = {1504041, 1504042}
_TEMPORARY = {2, 104, 341, 368, 960}
_LOST = (2601, 1815107)
"""Error accessing the job of a report run."""
_E = TypeVar("_E", bound=SourceError)


def classifier(default_wait: float, abuse_pause: float) -> Callable[[httpx.Response], Verdict]:
    """The judge of Meta's answers.

    Args:
        default_wait: Seconds to wait for a throttle that does not say how long.
        abuse_pause: Seconds to stay away when Meta takes the calls for abuse.
    """

    def classify(response: httpx.Response) -> Verdict:
        try:
            error = next(refusals_in(response), None)
        except (SourceError, RecursionError):
            return _of_no_object(response)
        if error is None and response.status_code == 200:
            return Accept()
        if error is None and response.is_success:
            told = f"Meta answers with HTTP {response.status_code}, which is no whole answer"
            return Retry(UnavailableError(told, reason="NOT_WHOLE"))
        if error is None or (not error.code and not response.is_success):
            return _by_status(response, error)
        return _judge(error, response, default_wait, abuse_pause)

    return classify


def _by_status(response: httpx.Response, error: Refusal | None) -> Verdict:
    """The kit's verdict, with Meta's sentence if there is one."""
    verdict = classify_by_status(response)
    if error is None or not error.message or isinstance(verdict, Accept):
        return verdict
    said = f"{verdict.error.message}. {sentence(error, response.request)}"
    if isinstance(verdict, Retry):
        return replace(verdict, error=reworded(verdict.error, said))
    return replace(verdict, error=reworded(verdict.error, said))


def of_account(error: SourceError) -> bool:
    """It concerns the account at hand, and others can be read."""
    if isinstance(error, ThrottledError | DeferredError):
        return error.reason in ("ACCOUNT_LIMIT", "ABUSE_LIMIT")
    if isinstance(error, ContractError):
        return error.reason != "API_VERSION_DEAD"
    return isinstance(error, AccountRefusedError | IncompleteError | UnavailableError)


def reworded(error: _E, message: str) -> _E:
    """The same error in other words."""
    again = copy.copy(error)
    again.message = " ".join(message.split())
    return again


def of_report(code: int | None, subcode: int | None, message: str) -> SourceError | None:
    """What the error of a report run that failed says of every run like it; None when another one may do better."""
    error = Refusal(code or 0, subcode, message)
    said = f"a report run failed: {sentence(error)}"
    if (code, subcode) in _TOO_MUCH and code != 1:
        return TooMuchDataError(said, reason="TOO_MUCH_DATA")
    if subcode in _BREAKDOWNS:
        return ConfigurationError(said, reason="INVALID_BREAKDOWNS")
    # Code 100 is told of runs that Meta lost, too.
    verdict = _of_credentials(error, said) if code != 100 else None
    return verdict.error if verdict is not None else None


def _of_no_object(response: httpx.Response) -> Verdict:
    """An edge's HTML, a cut body, depth: the kit's judge says which; the Graph itself refuses in JSON only."""
    verdict = classify_by_status(response)
    # 404 and 405 are of an address that is not Meta's.
    refused = isinstance(verdict, Fail) and isinstance(verdict.error, ContractError)
    if isinstance(verdict, Accept) or (refused and response.status_code not in (404, 405)):
        return Retry(UnavailableError("Meta's answer is not a JSON object", reason="NOT_GRAPH"))
    return verdict


def _judge(error: Refusal, response: httpx.Response, default_wait: float, abuse_pause: float) -> Verdict:
    code, subcode, request = error.code, error.error_subcode, response.request
    said = sentence(error, request)
    about_run = REPORT in request.extensions and code == 100
    if (code, subcode) == _LOST or (about_run and (subcode == 33 or "adreport job" in error.message)):
        # Just made, and not known everywhere yet.
        return Retry(ReportLostError(said, reason="REPORT_UNKNOWN"))
    verdict = _of_credentials(error, said) or _of_limits(error, response, said, default_wait, abuse_pause)
    if verdict is not None:
        return verdict
    if (code, subcode) in _TOO_MUCH:
        # Of insights code 1 is how a timeout looks, and of any list when Meta says so; elsewhere it is unknown.
        less = "limit" in request.url.params and "reduce the amount" in error.message
        if code != 1 or less or request.url.path.rstrip("/").endswith("/insights"):
            return Fail(TooMuchDataError(said, reason="TOO_MUCH_DATA"))
    if code in (0, 1):
        return Retry(UnavailableError(said, reason="UNKNOWN_ERROR"))
    if subcode in _BREAKDOWNS:
        return Fail(ConfigurationError(said, reason="INVALID_BREAKDOWNS"))
    if code == 2635:
        return Fail(ContractError(said, reason="API_VERSION_DEAD"))
    if code == 2642:
        # Rows of this read were taken already: it begins anew as a whole.
        return Fail(IncompleteError(said, reason="CURSOR_INVALID"))
    if code == 3018:
        return Fail(TooFarBackError(said, reason="TOO_FAR_BACK"))
    passing = error.is_transient or response.status_code == 503 or (code, subcode) == (-2, 2490547)
    if passing or code in _TEMPORARY or (code == 100 and "in summary param because" in error.message):
        return Retry(UnavailableError(said, reason="SERVICE_FAULT"))
    if code in (100, 2500):
        return Fail(ContractError(said, reason="INVALID_CALL"))
    if response.status_code >= 500:
        return Retry(UnavailableError(said, reason="SERVICE_FAULT"))
    return Fail(ContractError(said, reason="REFUSED"))


def _of_credentials(error: Refusal, said: str) -> Fail | None:
    code, subcode = error.code, error.error_subcode
    if code in (102, 190):
        why = _DEAD_TOKEN.get(subcode or 0, "Meta refuses it")
        # Not its message, which may be `Malformed access token` and the token.
        told = f"the access token is of no use: {why} ({numbers(error)})"
        return Fail(CredentialsError(told, reason="TOKEN_REFUSED"))
    if code == 100 and "appsecret_proof" in error.message:
        return Fail(CredentialsError(f"the app's secret is missing or wrong. {said}", reason="APP_SECRET"))
    missing = code == 100 and (subcode == 3191001 or "Missing permissions" in error.message)
    # 33: the account does not exist for this token, which is how an unassigned one looks.
    if code == 10 or 200 <= code <= 299 or missing or (code == 100 and subcode == 33):
        return Fail(AccountRefusedError(f"the token may not read this. {said}", reason="PERMISSION"))
    if code == 3:
        return Fail(CredentialsError(f"the app lacks a capability. {said}", reason="CAPABILITY"))
    return None


def _of_limits(
    error: Refusal, response: httpx.Response, said: str, default_wait: float, abuse_pause: float
) -> Verdict | None:
    code = error.code
    if code == 613 and error.error_subcode is None:
        return Fail(DeferredError(said, reason="ABUSE_LIMIT", retry_after=abuse_pause))
    if code == 4:
        reason = "APP_LIMIT"
    elif code in (17, 32, 613) or code in _BUSINESS:
        reason = "ACCOUNT_LIMIT"
    else:
        return None
    wait = regain_seconds(response) or default_wait
    return Retry(ThrottledError(said, reason=reason, retry_after=wait), wait)
