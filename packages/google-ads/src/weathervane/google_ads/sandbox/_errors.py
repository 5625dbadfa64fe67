"""Google Ads' errors: the code, the HTTP status that goes with it, and the JSON around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["STATUS_NAMES", "GoogleAdsError", "error_body", "front_end_error", "plain_error", "status_of"]

STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}

_MESSAGES = {
    400: "Request contains an invalid argument.",
    401: (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid"
        " authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
    ),
    403: "The caller does not have permission",
    404: "Requested entity was not found.",
    409: "The operation was aborted.",
    429: "Resource has been exhausted (e.g. check quota).",
    499: "The operation was cancelled.",
    500: "Internal error encountered.",
    501: "Operation is not implemented, or supported, or enabled.",
    503: "The service is currently unavailable.",
    504: "Deadline expired before operation could complete.",
}

_CONSOLE = (
    "https://console.developers.google.com/apis/api/googleads.googleapis.com/overview?project=407408718192"
)
_DISABLED = (
    "Google Ads API has not been used in project 407408718192 before or it is disabled. Enable it by visiting"
    f" {_CONSOLE} then retry. If you enabled this API recently, wait a few minutes for the action to propagate to"
    " our systems and retry."
)
_DISABLED_DETAILS = [
    {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "SERVICE_DISABLED",
        "domain": "googleapis.com",
        "metadata": {
            "consumer": "projects/407408718192",
            "containerInfo": "407408718192",
            "service": "googleads.googleapis.com",
            "serviceTitle": "Google Ads API",
            "activationUrl": _CONSOLE,
        },
    },
    {
        "@type": "type.googleapis.com/google.rpc.LocalizedMessage",
        "locale": "en-US",
        "message": _DISABLED,
    },
    {
        "@type": "type.googleapis.com/google.rpc.Help",
        "links": [{"description": "Google developers console API activation", "url": _CONSOLE}],
    },
]

_CATEGORY_STATUS = {
    "authenticationError": 401,
    "authorizationError": 403,
    "quotaError": 429,
    "internalError": 500,
}


class GoogleAdsError(Exception):
    """A refusal, as one entry of a GoogleAdsFailure.

    Args:
        category: the member of `errorCode`, for example `queryError`.
        code: its enum's name, for example `UNRECOGNIZED_FIELD`.
        message: one sentence.
        field: the name of the request's field that is to blame.
        trigger: the text that is to blame.
        details: an `ErrorDetails` in JSON.
        status: the HTTP status, when it is not the category's.
    """

    def __init__(
        self,
        category: str,
        code: str,
        message: str,
        *,
        field: str | None = None,
        trigger: str | None = None,
        details: Mapping[str, Any] | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.category = category
        self.code = code
        self.message = message
        self.field = field
        self.trigger = trigger
        self.details = dict(details or {})
        self.status = status or status_of(category, code)

    def as_dict(self) -> dict[str, Any]:
        """The error as JSON, ready for `GoogleAdsFailure.errors`."""
        found: dict[str, Any] = {"errorCode": {self.category: self.code}, "message": self.message}
        if self.trigger is not None:
            found["trigger"] = {"stringValue": self.trigger}
        if self.field is not None:
            found["location"] = {"fieldPathElements": [{"fieldName": self.field}]}
        if self.details:
            found["details"] = self.details
        return found


def status_of(category: str, code: str) -> int:
    """The HTTP status of an error code."""
    if category == "internalError" and code == "DEADLINE_EXCEEDED":
        return 504
    if category == "authenticationError" and code.startswith("ORGANIZATION_NOT_"):
        # Who calls is known; the organization of the project is not let in.
        return 403
    return _CATEGORY_STATUS.get(category, 400)


def front_end_error(code: str, message: str | None = None) -> GoogleAdsError:
    """An error that the front end writes: by a canonical status such as `CANCELLED`, or `SERVICE_DISABLED`.

    Raises:
        ValueError: the front end has no such error here.
    """
    numbers = {name: number for number, name in STATUS_NAMES.items()} | {"SERVICE_DISABLED": 403}
    if code not in numbers:
        raise ValueError(f"{code!r} is neither category.code nor one of {', '.join(numbers)}")
    if message is None:
        message = _DISABLED if code == "SERVICE_DISABLED" else _MESSAGES[numbers[code]]
    return GoogleAdsError("", code, message, status=numbers[code])


def error_body(version: str, errors: list[GoogleAdsError], request_id: str) -> dict[str, Any]:
    """The JSON object of a refusal; searchStream wraps it in a list."""
    status = errors[0].status
    if not errors[0].category:
        disabled = errors[0].code == "SERVICE_DISABLED"
        return plain_error(status, errors[0].message, _DISABLED_DETAILS if disabled else None)
    return {
        "error": {
            "code": status,
            "message": _MESSAGES.get(status, "Error"),
            "status": STATUS_NAMES.get(status, "UNKNOWN"),
            "details": [
                {
                    "@type": f"type.googleapis.com/google.ads.googleads.{version}.errors.GoogleAdsFailure",
                    "errors": [error.as_dict() for error in errors],
                    "requestId": request_id,
                }
            ],
        }
    }


def plain_error(status: int, message: str | None = None, details: list[Any] | None = None) -> dict[str, Any]:
    """A refusal by Google's front end, which knows no GoogleAdsFailure."""
    error: dict[str, Any] = {
        "code": status,
        "message": message or _MESSAGES.get(status, "Error"),
        "status": STATUS_NAMES.get(status, "UNKNOWN"),
    }
    if details:
        error["details"] = details
    return {"error": error}
