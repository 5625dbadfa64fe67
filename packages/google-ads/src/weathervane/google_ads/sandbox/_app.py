"""The pretend Google Ads as an ASGI application: the API's REST paths, the token endpoint, the control routes."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from weathervane.google_ads.sandbox._calls import Call, Calls, Reply
from weathervane.google_ads.sandbox._errors import plain_error
from weathervane.google_ads.sandbox._tokens import TOKEN_PATHS
from weathervane.google_ads.sandbox._vendor import PretendGoogleAds
from weathervane.source.sandbox import control_routes, json_bytes, replacement, spoiled

__all__ = ["google_ads_app"]

_CUSTOMER = re.compile(r"/(v\d+)/customers/([^/]+)/googleAds:(search|searchStream)")
_ACCESSIBLE = re.compile(r"/(v\d+)/customers:(listAccessibleCustomers)")
_FIELDS = re.compile(r"/(v\d+)/googleAdsFields(:search|/[a-z0-9_.]+)")

_GZIP_FROM = 1024
_JSON = "application/json; charset=UTF-8"
_NOT_FOUND = (
    "<!DOCTYPE html><html lang=en><title>Error 404 (Not Found)!!1</title><p><b>404.</b> <ins>That's an error.</ins>"
    "<p>The requested URL was not found on this server.  <ins>That's all we know.</ins>"
)


def google_ads_app(vendor: PretendGoogleAds) -> Starlette:
    """Return the vendor's host, with the control routes under `/_sandbox`."""
    host = _Host(vendor)
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]
    return Starlette(routes=[*control_routes(vendor), Route("/{path:path}", host.answer, methods=methods)])


class _Host:
    def __init__(self, vendor: PretendGoogleAds) -> None:
        self._vendor = vendor
        self._calls = Calls(vendor)

    async def answer(self, request: Request) -> Response:
        vendor, body = self._vendor, await request.body()
        path = request.url.path.rstrip("/") or "/"
        if path in TOKEN_PATHS:
            return await self._token(request, path, body)
        call = self._call(request, path, body)
        facts: dict[str, Any] = {"host": "api", "path": path}
        note: Mapping[str, Any] = {}
        if call is not None:
            facts |= call.facts()
        response = replacement(vendor.faults, _status_body, **facts)
        if response is None:
            if call is None:
                response = HTMLResponse(_NOT_FOUND, 404)
            else:
                reply: Reply = await run_in_threadpool(self._calls.answer, call)
                note = reply.note
                text = await run_in_threadpool(_dumped, reply)
                response = _reply(request, reply.status, text, {"request-id": reply.request_id})
        self._record("api", request, body, response.status_code, note)
        return await spoiled(vendor.faults, response, **facts)

    async def _token(self, request: Request, path: str, body: bytes) -> Response:
        vendor = self._vendor
        facts = {"host": "oauth", "path": path}
        response = replacement(vendor.faults, lambda status: (_JSON, '{"error":"internal_failure"}'), **facts)
        if response is None:
            refused = vendor.faults.take("token_error", **facts)
            if request.method != "POST":
                response = HTMLResponse(_NOT_FOUND, 404)
            elif refused:
                answered = {
                    "error": refused.args.get("error", "invalid_grant"),
                    "error_description": "Token has been expired or revoked.",
                }
                response = _reply(request, int(refused.args.get("http_status", 400)), json.dumps(answered))
            else:
                status, granted = await run_in_threadpool(
                    vendor.tokens.grant, _form(request, body), vendor.clock.now()
                )
                response = _reply(request, status, json.dumps(granted))
        self._record("oauth", request, body, response.status_code, {})
        return await spoiled(vendor.faults, response, **facts)

    def _call(self, request: Request, path: str, body: bytes) -> Call | None:
        """What is asked for; None when there is no such thing."""
        headers = request.headers
        shared: dict[str, Any] = {
            "token": _bearer(headers.get("authorization")),
            "login": headers.get("login-customer-id"),
            "developer_token": headers.get("developer-token"),
            "body": body,
        }
        wanted, call = "POST", None
        if match := _CUSTOMER.fullmatch(path):
            call = Call(match[1], match[3], customer=match[2], **shared)
        elif match := _ACCESSIBLE.fullmatch(path):
            wanted, call = "GET", Call(match[1], match[2], **shared)
        elif match := _FIELDS.fullmatch(path):
            many = match[2] == ":search"
            wanted = "POST" if many else "GET"
            call = Call(
                match[1], "fieldsSearch" if many else "field", customer=match[2].lstrip("/:"), **shared
            )
        return call if request.method == wanted else None

    def _record(self, host: str, request: Request, body: bytes, status: int, note: Mapping[str, Any]) -> None:
        self._vendor.recorder.record(
            host=host,
            method=request.method,
            path=request.url.path,
            query=request.url.query,
            headers=request.headers,
            body=body,
            status=status,
            note=note,
        )


def _bearer(header: str | None) -> str | None:
    kind, _, token = (header or "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


def _form(request: Request, body: bytes) -> dict[str, str]:
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            sent = json.loads(body)
        except (ValueError, RecursionError):
            return {}
        return {str(key): str(value) for key, value in sent.items()} if isinstance(sent, dict) else {}
    return dict(parse_qsl(body.decode("utf-8", "replace")))


def _dumped(reply: Reply) -> str:
    text = json_bytes(reply.body).decode()
    return text[: int(len(text) * reply.keep)] if reply.keep < 1 else text


def _reply(request: Request, status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    body = text.encode()
    sent = {
        "Vary": "Origin, X-Origin, Referer, Accept-Encoding",
        "Cache-Control": "private",
        **(headers or {}),
    }
    if len(body) >= _GZIP_FROM and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, 5, mtime=0)
        sent["Content-Encoding"] = "gzip"
    return Response(body, status, sent, media_type=_JSON)


def _status_body(status: int) -> tuple[str, str]:
    return _JSON, json.dumps(plain_error(status))
