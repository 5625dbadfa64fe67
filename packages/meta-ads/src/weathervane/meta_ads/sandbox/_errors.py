"""The Graph API's errors: one envelope, told apart by code and subcode, and each of them as a fault."""

from __future__ import annotations

import hashlib
from typing import Any

__all__ = ["ERROR_FAULTS", "GraphError", "error_of"]


class GraphError(Exception):
    """An answer that is an error. HTTP status is usually 400; clients decide by code and subcode."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        subcode: int | None = None,
        status: int = 400,
        kind: str = "OAuthException",
        transient: bool = False,
        title: str | None = None,
        data: Any = None,
        regain: int | None = None,
        reset: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.subcode, self.message, self.status = code, subcode, message, status
        self.kind, self.transient, self.title, self.data = kind, transient, title, data
        self.reset = reset
        """Seconds until the ad account's score is free again, for its header; None leaves what it is."""
        self.regain = regain
        """Minutes until the limit is over, for the usage headers; None when this is no throttle."""

    def body(self, trace: int) -> dict[str, Any]:
        """The envelope, with a trace id that is the same for the same number."""
        error: dict[str, Any] = {"message": self.message, "type": self.kind, "code": self.code}
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        if self.transient:
            error["is_transient"] = True
        if self.title is not None:
            error["error_user_title"] = self.title
            # Localized for people: no client may read it.
            error["error_user_msg"] = "Es tut uns leid, versuchen Sie es bitte erneut."
        if self.data is not None:
            error["error_data"] = self.data
        error["fbtrace_id"] = "A" + hashlib.sha256(str(trace).encode()).hexdigest()[:22]
        return {"error": error}


_Row = tuple[int, int | None, int, str]
# Name -> code, subcode, HTTP status, message. Texts as reported by users of the API.
_REDUCE = "Please reduce the amount of data you're asking for, then retry your request"
_TEMPORARY = "An unexpected error has occurred. Please retry your request later."
_ERRORS: dict[str, _Row] = {
    "reduce_data": (1, None, 500, _REDUCE),
    "unknown_error": (1, 99, 500, "An unknown error occurred"),
    "data_limit": (100, 1487534, 400, "(#100) Too much data was requested"),
    "sync_timeout": (100, 1504018, 400, "(#100) Request timed out"),
    "sync_timeout_2": (2, 1504038, 500, "Service temporarily unavailable"),
    "service_fault": (2, None, 500, _TEMPORARY),
    "service_fault_insights": (2, 1504044, 500, _TEMPORARY),
    "invalid_breakdowns": (2, 1504041, 400, "Invalid combination of breakdowns"),
    "app_limit": (4, None, 403, "(#4) Application request limit reached"),
    "insights_limit": (4, 1504022, 403, "(#4) There have been too many calls from this app. Wait a bit."),
    "insights_limit_2": (4, 1504039, 403, "(#4) Too many calls from this app."),
    "account_limit": (17, 2446079, 400, "(#17) User request limit reached"),
    "account_limit_613": (613, 1487742, 400, "(#613) There have been too many calls from this ad-account."),
    "page_limit": (32, None, 403, "(#32) Page request limit reached"),
    "abuse_limit": (613, None, 400, "(#613) Calls to this api have exceeded the rate limit."),
    "insights_calls": (80000, 2446079, 400, "(#80000) There have been too many calls from this ad-account."),
    "management_calls": (80004, 2446079, 400, "(#80004) There have been too many calls to this ad-account."),
    "token_app_removed": (190, 458, 400, "Error validating access token: The user has not authorized it."),
    "token_checkpoint": (190, 459, 400, "Error validating access token: The user must log in."),
    "token_password": (190, 460, 400, "Error validating access token: The password has changed."),
    "token_expired": (190, 463, 401, "Error validating access token: Session has expired on Monday."),
    "token_invalid": (190, 467, 401, "Error validating access token: This session is invalid."),
    "token_refused": (190, None, 401, "Invalid OAuth access token - Cannot parse access token"),
    "session_invalid": (102, None, 401, "Session key invalid or no longer valid"),
    "permission_10": (10, None, 403, "(#10) Application does not have permission for this action"),
    "permission": (
        200,
        None,
        403,
        "(#200) Ad account owner has NOT grant ads_management or ads_read permission",
    ),
    "permission_account": (100, 3191001, 400, "(#100) Missing permissions"),
    "capability": (3, None, 400, "(#3) Application does not have the capability to make this API call."),
    "invalid_parameter": (100, None, 400, "(#100) Invalid parameter"),
    "unparsable": (2500, None, 400, 'Syntax error "Expected end of string" at character 4'),
    "version_dead": (
        2635,
        None,
        400,
        "(#2635) You are calling a deprecated version of the Ads API. Please update to the latest: v26.0.",
    ),
    "invalid_cursor": (2642, None, 400, "(#2642) Invalid cursors values"),
    "too_old": (3018, None, 400, "(#3018) The start date of the time range cannot be beyond 37 months"),
    "temporarily_blocked": (368, None, 400, "(#368) The action attempted has been deemed abusive"),
    "application_limit": (341, None, 400, "(#341) Feed action request limit reached"),
    "batch_timeout": (960, None, 400, "(#960) Request aborted. A timeout occurred in a batch"),
    "incorrect_signature": (104, None, 400, "(#104) Requires valid signature"),
    "unavailable": (2, None, 503, "Service temporarily unavailable"),
    "report_unknown": (100, 33, 400, "Unsupported get request. Object with ID '601' does not exist"),
    "report_inaccessible": (2601, 1815107, 400, "(#2601) Error accessing adreport job."),
    "report_incomplete": (100, None, 400, "(#100) The adreport job is not completed yet"),
    "summary_transient": (
        100,
        None,
        400,
        "(#100) Cannot include spend in summary param because they weren't there while creating the report run",
    ),
}
_TRANSIENT = {1, 2, 4, 17, 32, 341, 368, 613, 960, 80000, 80004}
_THROTTLES = {4, 17, 32, 613, 80000, 80004}

ERROR_FAULTS = {
    **{
        name: f"answer HTTP {status}, code {code}" + (f"/{subcode}" if subcode else "") + f": {message}"
        for name, (code, subcode, status, message) in _ERRORS.items()
    },
    "error": "answer any error: code, subcode, message, status (400), transient (bool)",
}
"""Fault name -> what happens. All take `regain` (minutes), `reset` (seconds) and `http_200` (it comes as a 200)."""


def error_of(name: str, args: dict[str, Any]) -> GraphError:
    """The error that an armed fault stands for."""
    if name == "error":
        code, subcode = int(args.get("code", 1)), args.get("subcode")
        message, status = str(args.get("message", "An unknown error occurred")), int(args.get("status", 400))
    else:
        code, subcode, status, message = _ERRORS[name]
    status = 200 if args.get("http_200") else status
    return GraphError(
        code,
        message,
        subcode=subcode,
        status=status,
        transient=bool(args.get("transient", code in _TRANSIENT)),
        title="Ad Account Has Too Many API Calls" if code in _THROTTLES else None,
        regain=int(args.get("regain", 0)) if code in _THROTTLES else None,
        reset=int(args["reset"]) if "reset" in args else None,
    )
