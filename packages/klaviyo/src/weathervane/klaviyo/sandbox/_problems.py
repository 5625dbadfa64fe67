"""What Klaviyo says when it refuses: JSON:API errors."""

from __future__ import annotations

from random import Random
from typing import Any
from uuid import UUID

__all__ = ["RefusalError", "body_of", "invalid"]

_TITLES = {
    400: ("invalid", "Invalid input."),
    401: ("not_authenticated", "Authentication credentials were not provided."),
    403: ("permission_denied", "You do not have permission to perform this action."),
    404: ("not_found", "Not found."),
    405: ("method_not_allowed", "Method not allowed."),
    410: ("gone", "This API is no longer available."),
    415: ("unsupported_media_type", "Unsupported media type."),
    429: ("throttled", "Request was throttled."),
}


class RefusalError(Exception):
    """A request that Klaviyo refuses.

    Attributes:
        status: the HTTP status.
        detail: one sentence.
        source: `{"pointer": ...}` or `{"parameter": ...}`.
        headers: more headers of the answer.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        source: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.source = source or {"pointer": "/data/"}
        self.headers = headers or {}


def invalid(parameter: str, detail: str) -> RefusalError:
    """A query parameter that is no good."""
    return RefusalError(400, detail, {"parameter": parameter})


def body_of(refusal: RefusalError, ids: Random) -> dict[str, Any]:
    """The body that says so."""
    code, title = _TITLES.get(refusal.status, ("error", "A server error occurred."))
    return {
        "errors": [
            {
                "id": str(UUID(int=ids.getrandbits(128), version=4)),
                "status": refusal.status,
                "code": code,
                "title": title,
                "detail": refusal.detail,
                "source": refusal.source,
                "links": {},
                "meta": {},
            }
        ]
    }
