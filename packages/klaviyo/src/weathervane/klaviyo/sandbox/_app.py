"""The account's API host as an ASGI application, with the control routes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from random import Random
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from weathervane.klaviyo.sandbox._account import PretendAccount
from weathervane.klaviyo.sandbox._accounts import account_document
from weathervane.klaviyo.sandbox._endpoints import listing_of
from weathervane.klaviyo.sandbox._lists import estimation, list_page, one_record, related, relationship
from weathervane.klaviyo.sandbox._problems import RefusalError, body_of, invalid
from weathervane.klaviyo.sandbox._queries import Query, read_query
from weathervane.klaviyo.sandbox._render import Renderer
from weathervane.klaviyo.sandbox._reports import report
from weathervane.klaviyo.sandbox._revisions import BETAS, OMNI, admit, is_omni
from weathervane.klaviyo.sandbox._spoiling import spoil
from weathervane.klaviyo.sandbox._world import Record
from weathervane.source.sandbox import control_routes, json_bytes, replacement, spoiled

__all__ = ["api_app"]

JSON_API = "application/vnd.api+json"
SCOPES = {"accounts": "accounts:read", "metrics": "metrics:read", "tags": "tags:read"}
"""First part of a path -> the scope that it needs; campaigns:read for all others."""
SIZES = {"accounts": "XS", "tags": "S", "campaign-values-reports": "report"}
"""What is counted -> its rate limit; M for all others."""


def api_app(account: PretendAccount) -> Starlette:
    """Return the API host of an account, with the control routes under `/_sandbox`."""
    host = _Host(account)
    # A slash at the end is taken, as Klaviyo does.
    return Starlette(
        routes=[
            *control_routes(account),
            Route("/{path:path}", host.answer, methods=["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]),
        ]
    )


class _Host:
    def __init__(self, account: PretendAccount) -> None:
        self._account = account
        self._ids = Random(f"{account.options.seed} errors")

    async def answer(self, request: Request) -> Response:
        account, body = self._account, await request.body()
        parts = [part for part in request.url.path.split("/") if part]
        facts: dict[str, Any] = {
            "path": request.url.path,
            "method": request.method,
            "endpoint": _endpoint(parts),
        }
        note: dict[str, Any] = {"endpoint": facts["endpoint"], "revision": request.headers.get("revision")}
        try:
            of = f"{'/'.join(parts)} {request.headers.get('revision')}"
            query = read_query(request.url.query, of)
            problem = None
        except RefusalError as refusal:
            query, problem = Query(), refusal
        facts |= {
            "page": query.page,
            "archived": _archived(query),
            "revision": request.headers.get("revision"),
        }
        note["page"] = query.page
        response = replacement(account.faults, self._status_body, **facts)
        if response is None:
            response = await run_in_threadpool(self._reply, request, parts, query, problem, body, facts)
        account.recorder.record(
            host="api",
            method=request.method,
            path=request.url.path,
            query=request.url.query,
            headers=request.headers,
            body=body,
            status=response.status_code,
            note=note,
        )
        after = account.faults.take("change_after_page", **facts)
        if after is not None:
            given = dict(after.args)
            await run_in_threadpool(lambda: account.change(given.pop("change"), **given))
        return await spoiled(account.faults, response, **facts)

    def _reply(
        self,
        request: Request,
        parts: list[str],
        query: Query,
        problem: RefusalError | None,
        body: bytes,
        facts: Mapping[str, Any],
    ) -> Response:
        account = self._account
        if account.faults.take("html_403", **facts):
            page = "<html><head><title>Just a moment...</title></head><body>cloudflare</body></html>"
            return HTMLResponse(page, 403)
        size, endpoint = SIZES.get(_limit(parts), "M"), facts["endpoint"]
        headers = account.limits.told(size, endpoint)
        try:
            revision = self._admit(request, parts, query)
            throttled = account.faults.take("throttled", **facts)
            if throttled is not None:
                wait = str(throttled.args.get("retry_after", 1))
                told = f"Request was throttled. Expected available in {wait} seconds."
                raise RefusalError(429, told, headers={"Retry-After": wait})
            headers = account.limits.spend(size, endpoint)
            if problem is not None:
                raise problem
            document = self._document(request, parts, query, body, revision, facts)
        except RefusalError as refusal:
            # Of a throttled one nothing is said but how long to wait.
            limits = {} if refusal.status == 429 else headers
            return _json(refusal.status, body_of(refusal, self._ids), {**limits, **refusal.headers})
        return _json(200, document, headers)

    def _admit(self, request: Request, parts: list[str], query: Query) -> str:
        account, options = self._account, self._account.options
        if parts[:1] == ["api"] and parts[1:2] in (["v1"], ["v2"]):
            # Those knew neither this way to show a key nor a revision.
            raise RefusalError(410, f"The API {parts[1]} is retired; the latest revision is {OMNI}.")
        given = request.headers.get("authorization", "")
        keys = {f"Klaviyo-API-Key {options.api_key}"} if not account.revoked else set()
        if options.access_token:
            keys.add(f"Bearer {options.access_token}")
        if not given:
            raise RefusalError(401, "Missing or invalid authorization header.")
        if given not in keys:
            raise RefusalError(401, "Missing or invalid private key.")
        revision = request.headers.get("revision", "")
        admit(revision, account.clock.now().date())
        for needed in _scopes(parts, query) if parts[:1] == ["api"] else ():
            if needed not in options.scopes:
                raise RefusalError(403, f"The API key does not have the required scope: {needed}.")
        return revision

    def _document(
        self,
        request: Request,
        parts: list[str],
        query: Query,
        body: bytes,
        revision: str,
        facts: Mapping[str, Any],
    ) -> dict[str, Any]:
        account = self._account
        base = f"{request.url.scheme}://{request.url.netloc}"
        url = f"{base}/{'/'.join(parts)}" + ("" if is_omni(revision) else "/")
        renderer = Renderer(account.world, base, revision)
        now = account.now()
        if parts[:1] != ["api"] or not 2 <= len(parts) <= (5 if parts[3:4] == ["relationships"] else 4):
            raise RefusalError(404, f"The path {request.url.path} could not be found.")
        name = parts[1]
        if name == "campaign-values-reports" and len(parts) == 2:
            self._only("POST", request)
            if request.headers.get("content-type", "").split(";")[0] != JSON_API:
                raise RefusalError(415, f"The content type must be {JSON_API}.")
            with account.world.lock:
                options = account.options
                document = report(
                    account.world, body, query, options.timezone, now, url, options.report_page_size
                )
            if account.faults.take("empty_report", **facts):
                document["data"]["attributes"]["results"] = []
                document["data"]["relationships"]["campaigns"]["data"] = []
            return spoil(account.faults, document, query, url, facts)
        self._only("GET", request)
        if name == "accounts":
            document = account_document(account.options, parts, query, base, url)
            return spoil(account.faults, document, query, url, facts)
        refused = account.faults.take("refuse_include", **facts)
        if refused is not None and refused.args.get("include") in query.include:
            raise invalid("include", f"'{refused.args['include']}' is not a valid relationship to include")
        with account.world.lock:
            listing = listing_of(name, revision) if len(parts) == 2 else None
            if listing is not None:
                beta = account.options.variations_include or revision in BETAS
                document = list_page(account.world, listing, query, renderer, url, now, beta=beta)
            elif name == "campaign-recipient-estimations" and len(parts) == 3:
                document = estimation(self._record("campaign", parts[2], renderer), query, url)
            elif len(parts) == 2:
                raise RefusalError(404, f"The path {request.url.path} could not be found.")
            else:
                record = self._record(name.removesuffix("s"), parts[2], renderer)
                if len(parts) == 3:
                    document = one_record(record, query, renderer, url)
                elif len(parts) == 4:
                    document = related(record, parts[3], query, renderer, url)
                else:
                    document = relationship(record, parts[4], query, renderer, url)
            return spoil(account.faults, document, query, url, facts)

    def _record(self, kind: str, record_id: str, renderer: Renderer) -> Record:
        world = self._account.world
        record = world.find(kind, record_id) if kind in world.records else None
        hidden = any(one.args.get("id") == record_id for one in self._account.faults.standing("gone"))
        if not renderer.omni and kind in ("campaign-variation", "campaign-audience"):
            record = None
        if record is None or hidden:
            raise RefusalError(404, f"A {kind} with id {record_id} does not exist.")
        return record

    def _only(self, method: str, request: Request) -> None:
        if request.method != method:
            raise RefusalError(405, f"Method {request.method!r} not allowed.")

    def _status_body(self, status: int) -> tuple[str, str]:
        return JSON_API, json.dumps(
            body_of(RefusalError(status, f"A pretended answer of status {status}."), self._ids)
        )


def _limit(parts: list[str]) -> str:
    """What a path is counted and admitted as."""
    if parts[-1:] == ["tags"]:
        return "tags"
    return parts[1] if len(parts) > 1 else ""


def _scopes(parts: list[str], query: Query) -> list[str]:
    """What a key needs: tags take their own scope as well, wherever they are asked for."""
    needed = SCOPES.get(parts[1] if len(parts) > 1 else "", "campaigns:read")
    tags = parts[-1:] == ["tags"] or "tags" in query.include
    return list(dict.fromkeys((needed, *((SCOPES["tags"],) if tags else ()))))


def _endpoint(parts: list[str]) -> str:
    """`campaign-messages/{id}/campaign-variations`."""
    return "/".join("{id}" if number == 1 else part for number, part in enumerate(parts[1:]))


def _archived(query: Query) -> bool | None:
    for word, meant in (("equals(archived,true)", True), ("equals(archived,false)", False)):
        if word in query.filter:
            return meant
    return None


def _json(status: int, body: Any, headers: Mapping[str, str]) -> Response:
    return Response(json_bytes(body), status, dict(headers), media_type=JSON_API)
