"""The API's methods: who may call, what a body may hold, and what comes back."""

from __future__ import annotations

import base64
import re
import threading
from dataclasses import dataclass, field
from random import Random
from typing import Any

from weathervane.google_ads.sandbox import _fields_service as fields_service
from weathervane.google_ads.sandbox._bodies import (
    FrontEndError,
    check_summary,
    read_body,
    search_settings,
    stream_summary,
)
from weathervane.google_ads.sandbox._errors import GoogleAdsError, error_body, front_end_error, plain_error
from weathervane.google_ads.sandbox._execute import Answer, answer
from weathervane.google_ads.sandbox._fields import VERSIONS
from weathervane.google_ads.sandbox._gaql import parse
from weathervane.google_ads.sandbox._pages import Pages
from weathervane.google_ads.sandbox._rules import Bound, bind
from weathervane.google_ads.sandbox._vendor import PretendGoogleAds, quota_error
from weathervane.google_ads.sandbox._wire import field_mask, results, summary_row
from weathervane.google_ads.sandbox._world import Account

__all__ = ["Call", "Calls", "Reply"]


@dataclass(frozen=True)
class Call:
    """One call as it arrived."""

    version: str
    method: str
    token: str | None = field(repr=False)
    login: str | None
    developer_token: str | None = field(repr=False)
    body: bytes
    customer: str = ""

    def facts(self) -> dict[str, Any]:
        """What a fault may be aimed at."""
        resource = re.search(rb"\bFROM\s+([a-z_]+)", self.body, re.IGNORECASE)
        return {
            "version": self.version,
            "method": self.method,
            "customer": self.customer,
            "login": self.login,
            "resource": resource[1].decode().lower() if resource else None,
        }


@dataclass(frozen=True)
class Reply:
    """What goes back."""

    status: int
    body: Any
    request_id: str
    note: dict[str, Any] = field(default_factory=dict)
    keep: float = 1.0
    """The share of the text that is sent."""


class Calls:
    """The methods of one pretend vendor."""

    def __init__(self, vendor: PretendGoogleAds) -> None:
        self._vendor = vendor
        self._rng = Random(f"{vendor.options.seed} requests")
        self._lock = threading.Lock()
        self._pages = Pages()

    def answer(self, call: Call) -> Reply:
        """Answer a call."""
        with self._lock:
            rng = Random(self._rng.getrandbits(64))
        request_id = base64.urlsafe_b64encode(rng.randbytes(16)).decode().rstrip("=")
        note: dict[str, Any] = {}
        keep = 1.0
        try:
            self._admit(call)
            if call.method == "listAccessibleCustomers":
                body: Any = {"resourceNames": [f"customers/{one}" for one in self._vendor.world.accessible]}
            elif call.method == "field":
                body = fields_service.one(call.customer, call.version)
            else:
                sent = read_body(call.method, call.body)
                if call.method == "fieldsSearch":
                    body = fields_service.search(sent, call.version)
                else:
                    bound, found, account = self._run(call, sent)
                    note = {"resource": bound.resource, "rows": len(found.rows), "customer": account.id}
                    with self._vendor.world.lock:
                        if call.method == "search":
                            body = self._page(call, bound, found, sent, rng)
                        else:
                            body, keep = self._chunks(call, bound, found, sent, rng, request_id)
        except FrontEndError as error:
            return Reply(400, self._wrapped(call, plain_error(400, str(error))), request_id)
        except GoogleAdsError as error:
            version = call.version if call.version in VERSIONS else VERSIONS[-1]
            refused = error_body(version, [error], request_id)
            note = {"error": f"{error.category}.{error.code}".strip(".")}
            return Reply(error.status, self._wrapped(call, refused), request_id, note)
        return Reply(200, body, request_id, note, keep)

    def _wrapped(self, call: Call, error: dict[str, Any]) -> Any:
        return [error] if call.method == "searchStream" else error

    def _admit(self, call: Call) -> None:
        vendor = self._vendor
        if call.version not in VERSIONS:
            raise GoogleAdsError(
                "requestError",
                "UNSUPPORTED_VERSION",
                f"Version {call.version} is deprecated. Requests are blocked.",
            )
        if vendor.faults.take("token_expired", **call.facts()):
            vendor.tokens.expire(call.token)
        state = vendor.tokens.state(call.token, vendor.clock.now())
        if state != "valid":
            raise GoogleAdsError(
                "authenticationError", f"OAUTH_TOKEN_{state.upper()}", f"OAuth token is {state}."
            )
        wanted = vendor.options.developer_token
        if wanted and call.developer_token != wanted:
            if call.developer_token is None:
                raise GoogleAdsError(
                    "requestError",
                    "DEVELOPER_TOKEN_PARAMETER_MISSING",
                    "The developer-token header is missing.",
                )
            raise GoogleAdsError(
                "authenticationError", "DEVELOPER_TOKEN_INVALID", "The developer token is not valid."
            )
        fault = vendor.faults.take("error", **call.facts())
        if fault is not None:
            raise _armed(fault.args)

    def _run(self, call: Call, sent: dict[str, Any]) -> tuple[Bound, Answer, Account]:
        vendor, world = self._vendor, self._vendor.world
        if not re.fullmatch(r"\d{10}", call.customer):
            raise GoogleAdsError(
                "requestError", "INVALID_CUSTOMER_ID", f"Invalid customer ID '{call.customer}'."
            )
        if call.login is not None and not re.fullmatch(r"\d{10}", call.login):
            raise GoogleAdsError(
                "headerError", "INVALID_LOGIN_CUSTOMER_ID", "The login customer ID is not ten digits."
            )
        if call.method == "search" and sent.get("pageSize"):
            raise GoogleAdsError(
                "requestError",
                "PAGE_SIZE_NOT_SUPPORTED",
                "Setting the page size is not supported. Search Responses will have fixed page size of 10000 rows.",
                field="page_size",
            )
        with world.lock:
            account = world.accounts.get(call.customer)
            if account is None:
                raise GoogleAdsError(
                    "authenticationError",
                    "CUSTOMER_NOT_FOUND",
                    "No customer found for the provided customer id.",
                )
            if not world.reaches(call.login, call.customer):
                raise GoogleAdsError(
                    "authorizationError",
                    "USER_PERMISSION_DENIED",
                    "User doesn't have permission to access customer. Note: If you're accessing a client customer, the"
                    " manager's customer id must be set in the 'login-customer-id' header.",
                )
            if account.status != "ENABLED":
                raise GoogleAdsError(
                    "authorizationError",
                    "CUSTOMER_NOT_ENABLED",
                    "The customer account can't be accessed because it is not yet enabled or has been deactivated.",
                )
            try:
                start = self._start(call, sent)
            except GoogleAdsError:
                # Only a page with a good token is free.
                vendor.spend()
                raise
            if not start:
                vendor.spend()
            moment = account.moment(vendor.clock.now())
            bound = bind(
                parse(str(sent.get("query") or "")), call.version, moment.today, manager=account.manager
            )
            return bound, answer(bound, world, account, moment), account

    def _start(self, call: Call, sent: dict[str, Any]) -> int:
        """The row with which the wanted page begins; 0 is the first page, which has no token."""
        token = str(sent.get("pageToken") or "")
        now = self._vendor.clock.now()
        return self._pages.start(call.customer, str(sent.get("query")), token, now) if token else 0

    def _left_out(self, call: Call, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        fault = self._vendor.faults.take("missing_rows", **call.facts()) if rows else None
        return rows[: -int(fault.args.get("rows", 1))] if fault else rows

    def _chunks(
        self, call: Call, bound: Bound, found: Answer, sent: dict[str, Any], rng: Random, request_id: str
    ) -> tuple[list[Any], float]:
        vendor = self._vendor
        summary = stream_summary(sent)
        check_summary(bound, summary.startswith("SUMMARY"))
        rows = [] if summary == "SUMMARY_ROW_ONLY" else self._left_out(call, results(bound, found, rng))
        shared = {"fieldMask": field_mask(bound), "requestId": request_id}
        size = vendor.options.chunk_rows
        chunks: list[Any] = [{"results": rows[n : n + size], **shared} for n in range(0, len(rows), size)]
        if summary.startswith("SUMMARY"):
            chunks.append({"summaryRow": summary_row(bound, found, rng), **shared})
        fault = vendor.faults.take("error_after_chunks", **call.facts())
        if fault is not None:
            refused = _armed({"code": "internalError.INTERNAL_ERROR", **fault.args})
            body = error_body(call.version, [refused], request_id)
            return [*chunks[: int(fault.args.get("chunks", 1))], body], 1.0
        if not chunks and vendor.faults.take("empty_array", **call.facts()):
            return [], 1.0
        if not chunks:
            chunks.append(dict(shared))
        chunks[-1]["queryResourceConsumption"] = str(100 + 3 * len(rows))
        truncated = vendor.faults.take("truncated", **call.facts())
        return chunks, 0.6 if truncated else 1.0

    def _page(
        self, call: Call, bound: Bound, found: Answer, sent: dict[str, Any], rng: Random
    ) -> dict[str, Any]:
        settings = search_settings(sent)
        check_summary(bound, bool(settings.get("returnSummaryRow")))
        if sent.get("validateOnly"):
            return {}
        start, size = self._start(call, sent), self._vendor.options.page_rows
        rows = [] if settings.get("omitResults") else results(bound, found, rng)
        body: dict[str, Any] = {
            "fieldMask": field_mask(bound),
            "queryResourceConsumption": str(100 + len(rows)),
        }
        if page_rows := self._left_out(call, rows[start : start + size]):
            body["results"] = page_rows
        if settings.get("returnTotalResultsCount"):
            body["totalResultsCount"] = str(found.total)
        if start + size < len(rows):
            now = self._vendor.clock.now()
            body["nextPageToken"] = self._pages.token(
                call.customer, str(sent.get("query")), start + size, now, rng
            )
        elif settings.get("returnSummaryRow"):
            body["summaryRow"] = summary_row(bound, found, rng)
        return body


def _armed(args: dict[str, Any]) -> GoogleAdsError:
    category, _, code = str(args.get("code", "internalError.INTERNAL_ERROR")).partition(".")
    if not code:
        error = front_end_error(category, args.get("message"))
    elif category == "quotaError":
        error = quota_error(code, args.get("retry_delay"), args.get("rate_scope"))
    else:
        error = GoogleAdsError(category, code, str(args.get("message", "The call failed.")))
    error.status = int(args.get("http_status", error.status))
    return error
