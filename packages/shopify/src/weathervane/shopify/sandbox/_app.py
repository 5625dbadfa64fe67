"""The shop's two hosts as ASGI applications: the Admin API with its control routes, and the storage host."""

from __future__ import annotations

import gzip
import json
import uuid
from collections.abc import Mapping
from random import Random
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from weathervane.shopify.sandbox._admin_schema import served_version
from weathervane.shopify.sandbox._execute import Asked, answer, facts_of, handles_of
from weathervane.shopify.sandbox._refusals import Answer
from weathervane.shopify.sandbox._rest import shop_json
from weathervane.shopify.sandbox._shop import PretendShop
from weathervane.source.sandbox import control_routes, json_bytes, replacement, spoiled

__all__ = ["admin_app", "storage_app"]

INVALID_TOKEN = "[API] Invalid API key or access token (unrecognized login or wrong password)"
DEPRECATED = "https://shopify.dev/api/usage/versioning#deprecation-practices"
STATUS_TEXTS = {
    401: INVALID_TOKEN,
    402: "Unavailable Shop",
    403: "[API] This action requires merchant approval for read_orders scope.",
    404: "Not Found",
    423: "Unavailable Shop",
    429: "Exceeded 2 calls per second for api client. Reduce request rates to resume uninterrupted service.",
    430: "Shopify Security Rejection",
    500: "Internal Server Error",
}
GZIP_FROM = 1024
"""Bytes from which an answer is compressed for a client that accepts it."""

JSON = "application/json; charset=utf-8"


def admin_app(shop: PretendShop) -> Starlette:
    """Return the Admin host of a shop, with the control routes under `/_sandbox`."""
    host = _AdminHost(shop)
    routes = [
        *control_routes(shop),
        Route("/admin/api/{version}/graphql.json{slash:path}", host.graphql, methods=["POST"]),
        Route("/admin/api/graphql.json{slash:path}", host.graphql, methods=["POST"]),
        Route("/admin/api/{version}/shop.json", host.shop, methods=["GET"]),
        Route("/admin/oauth/access_token", host.oauth, methods=["POST"]),
        Route("/admin/oauth/access_scopes.json", host.scopes, methods=["GET"]),
        Route("/{rest:path}", host.missing, methods=["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]),
    ]
    return Starlette(routes=routes)


def storage_app(shop: PretendShop) -> Starlette:
    """Return the storage host of a shop: it serves the files of bulk operations, and needs no credentials."""

    async def file(request: Request) -> Response:
        facts = {"host": "storage", "path": request.url.path}
        response = replacement(shop.faults, _status_body, **facts)
        # A client that sends the shop's token to another host has leaked it. The real host does not care.
        leaked = sorted({"x-shopify-access-token", "authorization"} & set(request.headers))
        if response is None and leaked and shop.options.storage_refuses_tokens:
            response = Response("credentials do not belong here", 400, media_type="text/plain")
        if response is None:
            now = await run_in_threadpool(shop.now)
            status, body, headers = await run_in_threadpool(
                shop.bulk.files.answer, request.path_params["name"], request.url.query, now
            )
            kind = "application/jsonl" if status == 200 else "application/xml"
            response = _reply(request, status, body, kind)
            response.headers.update(headers)
        note = {"leaked": leaked} if leaked else {}
        _record(shop, "storage", request, b"", response.status_code, note)
        return await spoiled(shop.faults, response, **facts)

    return Starlette(routes=[Route("/bulk/{name:path}", file, methods=["GET", "HEAD"])])


class _AdminHost:
    def __init__(self, shop: PretendShop) -> None:
        self._shop = shop
        self._ids = Random(f"{shop.options.seed} requests")

    async def graphql(self, request: Request) -> Response:
        shop, body = self._shop, await request.body()
        if request.path_params.get("slash") not in (None, "", "/"):
            return await self.missing(request)
        version = served_version(request.path_params.get("version"))
        forced = None if version is None else shop.faults.take("fall_forward")
        version = str(forced.args.get("version", "2026-07")) if forced else version
        request_id = str(uuid.UUID(int=self._ids.getrandbits(128), version=4))
        headers = {"X-Request-Id": request_id, "X-Shopify-API-Version": version or ""}
        asked, malformed = _read(request, body, version or "", request_id)
        facts = {"host": "admin", "path": request.url.path}
        if asked is not None and version is not None:
            facts |= await run_in_threadpool(facts_of, asked)
        note: Mapping[str, Any] = {}
        response = replacement(shop.faults, _status_body, **facts)
        token = request.headers.get("x-shopify-access-token")
        if response is None:
            now = await run_in_threadpool(shop.now)
            if shop.faults.take("token_expired", **facts):
                shop.tokens.revoke(token)
            if version is None:
                response = _json(request, 404, {"errors": "Not Found"})
            elif not shop.tokens.valid(token, now):
                response = _json(request, 401, {"errors": INVALID_TOKEN})
            elif asked is None:
                response = _json(request, *malformed)
            else:
                result: Answer = await run_in_threadpool(
                    lambda: answer(
                        asked,
                        world=shop.world,
                        faults=shop.faults,
                        bulk=shop.bulk,
                        bucket=shop.bucket,
                        now=now,
                    )
                )
                note = result.note
                if result.deprecated:
                    headers["X-Shopify-API-Deprecated-Reason"] = DEPRECATED
                response = await run_in_threadpool(_json, request, 200, result.body)
        response.headers.update({name: value for name, value in headers.items() if value})
        _record(shop, "admin", request, body, response.status_code, note)
        return await spoiled(shop.faults, response, **facts)

    async def oauth(self, request: Request) -> Response:
        shop, body = self._shop, await request.body()
        facts = {"host": "oauth", "path": request.url.path}
        response = replacement(shop.faults, _status_body, **facts)
        if response is None:
            now = await run_in_threadpool(shop.now)
            scopes = ",".join(handles_of(shop.options, shop.faults))
            status, answered = shop.tokens.grant(_form(request, body), now, scopes)
            response = _json(request, status, answered)
        _record(shop, "oauth", request, body, response.status_code, {})
        return await spoiled(shop.faults, response, **facts)

    async def scopes(self, request: Request) -> Response:
        shop = self._shop
        valid = shop.tokens.valid(request.headers.get("x-shopify-access-token"), shop.clock.now())
        if valid:
            handles = [{"handle": scope} for scope in handles_of(shop.options, shop.faults)]
            response = _json(request, 200, {"access_scopes": handles})
        else:
            response = _json(request, 401, {"errors": INVALID_TOKEN})
        _record(shop, "admin", request, b"", response.status_code, {})
        return response

    async def shop(self, request: Request) -> Response:
        shop = self._shop
        version = served_version(request.path_params["version"])
        response = replacement(shop.faults, _status_body, host="admin", path=request.url.path)
        if response is None:
            now = await run_in_threadpool(shop.now)
            if version is None:
                response = _json(request, 404, {"errors": "Not Found"})
            elif not shop.tokens.valid(request.headers.get("x-shopify-access-token"), now):
                response = _json(request, 401, {"errors": INVALID_TOKEN})
            else:
                body = shop_json(shop.options, now, request.query_params.get("fields", ""))
                response = _json(request, 200, body)
                response.headers["X-Shopify-API-Version"] = version
                response.headers["X-Shopify-Shop-Api-Call-Limit"] = "1/40"
        _record(shop, "admin", request, b"", response.status_code, {})
        return response

    async def missing(self, request: Request) -> Response:
        body = await request.body()
        response = _json(request, 404, {"errors": "Not Found"})
        _record(self._shop, "admin", request, body, response.status_code, {})
        return response


def _read(
    request: Request, body: bytes, version: str, request_id: str
) -> tuple[Asked | None, tuple[int, dict[str, Any]]]:
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    missing = (400, {"errors": {"query": "Required parameter missing or invalid"}})
    if kind == "application/graphql":
        sent: Any = {"query": body.decode("utf-8", "replace")}
    elif kind == "application/json":
        try:
            sent = json.loads(body)
        except (ValueError, RecursionError):
            return None, (400, {"errors": "Bad Request"})
    else:
        return None, (415, {"errors": "Unsupported Media Type"})
    if not isinstance(sent, dict) or not isinstance(sent.get("query"), str) or not sent["query"].strip():
        return None, missing
    variables = sent.get("variables") or {}
    name = sent.get("operationName")
    if not isinstance(variables, dict) or not isinstance(name, str | None):
        return None, (400, {"errors": {"variables": "Required parameter missing or invalid"}})
    search, cost = (
        request.headers.get(f"shopify-{name}-debug") == "1" for name in ("search-query", "graphql-cost")
    )
    return Asked(version, sent["query"], variables, name or None, request_id, search, cost), missing


def _form(request: Request, body: bytes) -> dict[str, Any]:
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            sent = json.loads(body)
        except (ValueError, RecursionError):
            return {}
        return sent if isinstance(sent, dict) else {}
    return dict(parse_qsl(body.decode("utf-8", "replace")))


def _json(request: Request, status: int, body: Any) -> Response:
    return _reply(request, status, json_bytes(body), JSON)


def _reply(request: Request, status: int, body: bytes, media_type: str) -> Response:
    headers = {"Vary": "Accept-Encoding"}
    if len(body) >= GZIP_FROM and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, 5, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(body, status, headers, media_type=media_type)


def _status_body(status: int) -> tuple[str, str]:
    return JSON, json.dumps({"errors": STATUS_TEXTS.get(status, "Error")})


def _record(
    shop: PretendShop, host: str, request: Request, body: bytes, status: int, note: Mapping[str, Any]
) -> None:
    shop.recorder.record(
        host=host,
        method=request.method,
        path=request.url.path,
        query=request.url.query,
        headers=request.headers,
        body=body,
        status=status,
        note=note,
    )
