"""The Graph host as an ASGI application: any path, any of the ways in which clients send a call, and batches."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from weathervane.meta_ads.sandbox._calls import Call, Reply, form, plain, split_path
from weathervane.meta_ads.sandbox._errors import GraphError
from weathervane.meta_ads.sandbox._graph import MAX_BATCH, Graph
from weathervane.meta_ads.sandbox._meta import PretendMeta
from weathervane.source.sandbox import control_routes, json_bytes, replacement, spoiled

__all__ = ["graph_app"]

JSON = "application/json; charset=UTF-8"


def graph_app(meta: PretendMeta) -> Starlette:
    """Return the Graph host, with the control routes under `/_sandbox`."""
    host = _Host(meta)
    routes = [
        *control_routes(meta),
        Route("/{rest:path}", host.call, methods=["GET", "POST", "DELETE", "PUT"]),
    ]
    return Starlette(routes=routes)


class _Host:
    def __init__(self, meta: PretendMeta) -> None:
        self._meta = meta
        self._graph = Graph(meta)

    async def call(self, request: Request) -> Response:
        body = await request.body()
        call = _call(request, body)
        facts = await run_in_threadpool(self._graph.facts, call)
        note: dict[str, Any] = {}
        response = replacement(self._meta.faults, _status_body, **facts)
        if response is None:
            reply = await run_in_threadpool(self._reply, call)
            note = reply.note
            response = Response(
                json_bytes(reply.body),
                reply.status,
                reply.headers,
                media_type=JSON,
            )
        self._meta.recorder.record(
            host="graph",
            method=request.method,
            path=request.url.path,
            query=request.url.query,
            headers=dict(request.headers),
            body=body,
            status=response.status_code,
            note=note,
        )
        return await spoiled(self._meta.faults, response, **facts)

    def _reply(self, call: Call) -> Reply:
        batch = call.params.get("batch")
        if call.method == "POST" and batch is not None:
            try:
                return Reply(200, self._batch(call, batch), note={"kind": "batch"})
            except GraphError as error:
                return Reply(
                    error.status, error.body(0), note={"kind": "batch", "error": [error.code, error.subcode]}
                )
        if call.method not in ("GET", "POST"):
            refused = GraphError(
                100, f"Unsupported {call.method.lower()} request.", kind="GraphMethodException"
            )
            return Reply(refused.status, refused.body(0))
        return self._graph.answer(call)

    def _batch(self, call: Call, batch: str) -> list[Any]:
        try:
            parts = json.loads(batch)
        except ValueError:
            raise GraphError(100, "(#100) batch parameter must be a JSON array") from None
        if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
            raise GraphError(100, "(#100) batch parameter must be a JSON array")
        if len(parts) > MAX_BATCH:
            raise GraphError(1, f"Too many requests in batch message. Maximum batch size is {MAX_BATCH}")
        token = call.params.get("access_token")
        # The app itself may send batches too: what a token is, it alone may ask.
        if token != self._meta.app_token:
            self._meta.let_in(token, call.params.get("appsecret_proof"))
        version = call.path.strip("/")
        answers: list[Any] = []
        for part in parts:
            if self._meta.faults.take("batch_null") is not None:
                answers.append(None)
                continue
            one = _part(call, part, version)
            reply = self._graph.answer(one)
            headers = [
                {"name": name, "value": value}
                for name, value in {**reply.headers, "Content-Type": JSON}.items()
            ]
            answers.append({"code": reply.status, "headers": headers, "body": json.dumps(reply.body)})
        return answers


def _part(call: Call, part: dict[str, Any], version: str) -> Call:
    url = urlsplit(str(part.get("relative_url", "")))
    path = url.path.strip("/")
    if version and split_path(path)[0] is None:
        path = f"{version}/{path}"
    shared = {name: call.params[name] for name in ("access_token", "appsecret_proof") if name in call.params}
    params = {**shared, **form(url.query.encode()), **form(str(part.get("body", "")).encode())}
    return Call(str(part.get("method", "GET")).upper(), path, params, call.base)


def _call(request: Request, body: bytes) -> Call:
    params = plain(request.query_params.multi_items())
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == "application/json" and body:
        try:
            sent = json.loads(body)
        except ValueError:
            sent = None
        if isinstance(sent, dict):
            params |= {key: one if isinstance(one, str) else json.dumps(one) for key, one in sent.items()}
    elif kind == "multipart/form-data":
        params |= _multipart(request.headers["content-type"], body)
    elif body:
        params |= form(body)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() in ("bearer", "oauth") and token:
        params.setdefault("access_token", token.strip())
    method = params.pop("method", request.method).upper() if request.method == "POST" else request.method
    base = f"{request.url.scheme}://{request.headers.get('host', request.url.netloc)}"
    return Call(method, request.path_params["rest"].strip("/"), params, base)


def _multipart(kind: str, body: bytes) -> dict[str, str]:
    """The plain fields of a multipart form; files are not taken."""
    found: list[tuple[str, str]] = []
    boundary = kind.partition("boundary=")[2].strip('" ')
    for part in body.split(b"--" + boundary.encode()):
        head, _, value = part.partition(b"\r\n\r\n")
        name = head.partition(b'name="')[2].partition(b'"')[0]
        if name and b"filename=" not in head:
            text = value.removesuffix(b"\r\n")
            found.append((name.decode("utf-8", "replace"), text.decode("utf-8", "replace")))
    return plain(found)


def _status_body(status: int) -> tuple[str, str]:
    error = GraphError(2, "An unexpected error has occurred. Please retry your request later.", status=status)
    return JSON, json.dumps(error.body(status))
