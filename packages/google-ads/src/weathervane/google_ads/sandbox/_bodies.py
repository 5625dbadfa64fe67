"""What the body of a call may hold, and how the front end refuses what it does not know."""

from __future__ import annotations

import json
import re
from typing import Any

from weathervane.google_ads.sandbox._errors import GoogleAdsError
from weathervane.google_ads.sandbox._rules import Bound

__all__ = ["FrontEndError", "check_summary", "read_body", "search_settings", "stream_summary"]

_MEMBERS = {
    "searchStream": {"customerId", "query", "summaryRowSetting"},
    "search": {"customerId", "query", "pageToken", "pageSize", "validateOnly", "searchSettings"},
    "fieldsSearch": {"query", "pageToken", "pageSize"},
}
"""Members that a body may have; the front end refuses any other."""
_SETTINGS = {"omitResults", "returnSummaryRow", "returnTotalResultsCount"}
_SUMMARIES = {"UNSPECIFIED", "UNKNOWN", "NO_SUMMARY_ROW", "SUMMARY_ROW_WITH_RESULTS", "SUMMARY_ROW_ONLY"}


class FrontEndError(Exception):
    """A refusal by the HTTP front end, before the API sees the call."""


def stream_summary(sent: dict[str, Any]) -> str:
    """The summary that a stream asks for."""
    summary = sent.get("summaryRowSetting", "NO_SUMMARY_ROW")
    if summary not in _SUMMARIES:
        raise FrontEndError(f"Invalid value at 'summary_row_setting': \"{summary}\"")
    return str(summary)


def search_settings(sent: dict[str, Any]) -> dict[str, Any]:
    """The settings of a search."""
    settings = sent.get("searchSettings") or {}
    if not isinstance(settings, dict):
        raise FrontEndError("Invalid value at 'search_settings': a message is expected.")
    settings = _camel(settings)
    if unknown := set(settings) - _SETTINGS:
        raise _unknown(unknown, "search_settings")
    return settings


def read_body(method: str, body: bytes) -> dict[str, Any]:
    """The members of a body, in camelCase.

    Raises:
        FrontEndError: it is no JSON object, or has a member that the method does not know.
        GoogleAdsError: there is no query in it.
    """
    try:
        sent = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise FrontEndError("Invalid JSON payload received.") from None
    if not isinstance(sent, dict):
        raise FrontEndError('Invalid JSON payload received. Unknown name "": Root element must be a message.')
    sent = _camel(sent)
    unknown = set(sent) - _MEMBERS[method]
    if unknown:
        raise _unknown(unknown)
    if not isinstance(sent.get("query"), str) or not sent["query"].strip():
        raise GoogleAdsError(
            "requestError", "REQUIRED_FIELD_MISSING", "Required field is missing", field="query"
        )
    return sent


def _camel(sent: dict[str, Any]) -> dict[str, Any]:
    """The members by their names in JSON; proto3 takes the proto's own names too, at every depth."""
    return {re.sub(r"_([a-z])", lambda match: match[1].upper(), name): value for name, value in sent.items()}


def _unknown(names: set[str], where: str = "") -> FrontEndError:
    name = sorted(names)[0] if names else ""
    at = f" at '{where}'" if where else ""
    return FrontEndError(f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.')


def check_summary(bound: Bound, wanted: bool) -> None:
    """GoogleAdsError when a sum is asked of a query without metrics."""
    if wanted and not bound.metrics:
        raise GoogleAdsError(
            "requestError",
            "CANNOT_RETURN_SUMMARY_ROW_FOR_REQUEST_WITHOUT_METRICS",
            "Cannot return summary row when the request does not contain any metrics.",
        )
