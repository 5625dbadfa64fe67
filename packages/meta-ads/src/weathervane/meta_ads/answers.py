"""What Meta's answers mean: decided by code and subcode, hardly by status, never by texts for people.

An answer of status 200 may be an error; a throttle may be a 400; and code 100 may be a matter of credentials.
"""

from __future__ import annotations

from collections.abc import Callable

import httpx
import msgspec

from weathervane.meta_ads.throttle import regain_seconds
from weathervane.source.errors import (
    ConfigurationError,
    ContractError,
    CredentialsError,
    DeferredError,
    IncompleteError,
    ThrottledError,
    UnavailableError,
)
from weathervane.source.http import Accept, Fail, Retry, Verdict, classify_by_status

__all__ = ["AccountRefusedError", "TooFarBackError", "TooMuchDataError", "classifier"]


class TooMuchDataError(UnavailableError):
    """The same call, made again, will fail again: ask for a smaller page, fewer days, or a report run."""


class TooFarBackError(ContractError):
    """The range begins before what Meta keeps (37 months)."""


class AccountRefusedError(CredentialsError):
    """The token may not read this account; it may read others."""


class _Error(msgspec.Struct):
    code: int = 0
    error_subcode: int | None = None
    message: str = ""
    type: str = ""
    is_transient: bool = False
    fbtrace_id: str = ""


class _Envelope(msgspec.Struct):
    """An answer without its data."""

    error: _Error | None = None


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


def classifier(default_wait: float, abuse_pause: float) -> Callable[[httpx.Response], Verdict]:
    """The judge of Meta's answers.

    Args:
        default_wait: Seconds to wait for a throttle that does not say how long.
        abuse_pause: Seconds to stay away when Meta takes the calls for abuse.
    """

    def classify(response: httpx.Response) -> Verdict:
        try:
            error = msgspec.json.decode(response.content, type=_Envelope).error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            # No JSON object at all: an edge's HTML, a cut body, depth. The kit's judge says which.
            verdict = classify_by_status(response)
            broken = UnavailableError("Meta's answer is not a JSON object", reason="NOT_GRAPH")
            return Retry(broken) if isinstance(verdict, Accept) else verdict
        if error is None:
            if response.status_code == 200:
                return Accept()
            return classify_by_status(response)
        return _judge(error, response, default_wait, abuse_pause)

    return classify


def _judge(error: _Error, response: httpx.Response, default_wait: float, abuse_pause: float) -> Verdict:
    code, subcode = error.code, error.error_subcode
    said = f"Meta: {error.message[:200]} ({_numbers(error)})"
    verdict = _of_credentials(error, said) or _of_limits(error, response, said, default_wait, abuse_pause)
    if verdict is not None:
        return verdict
    if (code, subcode) in _TOO_MUCH:
        # Elsewhere code 1 is just an unknown error; for insights it is how a timeout looks.
        if code != 1 or response.request.url.path.rstrip("/").endswith("/insights"):
            return Fail(TooMuchDataError(said, reason="TOO_MUCH_DATA"))
        return Retry(UnavailableError(said, reason="UNKNOWN_ERROR"))
    if subcode in _BREAKDOWNS:
        return Fail(ConfigurationError(said, reason="INVALID_BREAKDOWNS"))
    if code in _TEMPORARY or (code, subcode) == (-2, 2490547):
        return Retry(UnavailableError(said, reason="SERVICE_FAULT"))
    if code == 2635:
        return Fail(ContractError(said, reason="API_VERSION_DEAD"))
    if code == 2642:
        # Rows of this read were taken already: it begins anew as a whole.
        return Fail(IncompleteError(said, reason="CURSOR_INVALID"))
    if code == 3018:
        return Fail(TooFarBackError(said, reason="TOO_FAR_BACK"))
    if code == 100 and "in summary param because" in error.message:
        return Retry(UnavailableError(said, reason="SERVICE_FAULT"))
    if code in (100, 2500):
        return Fail(ContractError(said, reason="INVALID_CALL"))
    if error.is_transient or response.status_code >= 500:
        return Retry(UnavailableError(said, reason="SERVICE_FAULT"))
    return Fail(ContractError(said, reason="REFUSED"))


def _numbers(error: _Error) -> str:
    """By what Meta's support finds it."""
    numbers = f"code {error.code}" + (f"/{error.error_subcode}" if error.error_subcode is not None else "")
    return numbers + (f", trace {error.fbtrace_id[:40]}" if error.fbtrace_id else "")


def _of_credentials(error: _Error, said: str) -> Verdict | None:
    code, subcode = error.code, error.error_subcode
    if code in (102, 190):
        why = _DEAD_TOKEN.get(subcode or 0, "Meta refuses it")
        # Not its message, which may be `Malformed access token` and the token.
        told = f"the access token is of no use: {why} ({_numbers(error)})"
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
    error: _Error, response: httpx.Response, said: str, default_wait: float, abuse_pause: float
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
