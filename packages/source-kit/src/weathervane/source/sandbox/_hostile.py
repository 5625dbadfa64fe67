"""HTTP faults that any vendor can show: answers that replace its own, and ways to spoil a good one."""

from __future__ import annotations

import asyncio
import functools
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from weathervane.source.sandbox._faults import Fault, Faults
from weathervane.source.sandbox._unfit import made_unfit, unpacked

__all__ = ["HTTP_FAULTS", "replacement", "spoiled"]

HTTP_FAULTS = {
    "status": "answer with an HTTP status: status (default 500), retry_after (header), body (text)",
    "redirect": "answer 302 to another host: location (an URL)",
    "html_200": "answer 200 with an HTML page",
    "wrong_content": "answer 200 with JSON of another shape: body (text, default [])",
    "gzip_bomb": "answer 200 with a small gzip body that unpacks to a huge one: megabytes (default 200)",
    "deep_json": "answer 200 with JSON nested beyond any use: depth (default 100000)",
    "nan_json": "answer 200 with NaN, which is not JSON",
    "slow": "wait before answering: seconds (default 5)",
    "drip": "send the answer in small pieces: seconds between pieces (default 0.2), pieces (default 50)",
    "unfit": "put a value that nobody declared into records of the answer: keys, members, path, values, count, every,"
    " enough, others, taken",
    "cut": "close the connection in the middle of the body",
}
"""Fault name -> what happens and which arguments it takes."""

MESSAGES = {502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}

Body = Callable[[int], tuple[str, str]]
"""A vendor's own error body for a status: status -> (media type, text)."""


def replacement(faults: Faults, body: Body, **facts: Any) -> Response | None:
    """Return the answer that an armed fault puts in place of the vendor's own, or None."""
    for name, make in _REPLACEMENTS.items():
        fault = faults.take(name, **facts)
        if fault is not None:
            return make(fault, body)
    return None


async def spoiled(faults: Faults, response: Response, **facts: Any) -> Response:
    """Return the vendor's answer, delayed, dripped or cut off as the armed faults say."""
    slow = faults.take("slow", **facts)
    if slow is not None:
        await asyncio.sleep(float(slow.args.get("seconds", 5)))
    response = _unfit(response, faults.standing("unfit", **facts))
    drip, cut = faults.take("drip", **facts), faults.take("cut", **facts)
    if drip is None and cut is None:
        return response
    body = bytes(response.body)
    stream = _cut(body) if drip is None else _drip(body, drip, cut is not None)
    # The length is announced in full: a client can tell a cut body from a short one.
    headers = {**response.headers, "content-length": str(len(body))}
    return StreamingResponse(stream, response.status_code, headers)


def _unfit(response: Response, faults: Sequence[Fault]) -> Response:
    if not faults:
        return response
    coding = response.headers.get("content-encoding", "")
    good = unpacked(bytes(response.body), coding)
    body = made_unfit(good, faults)
    if body is good:
        return response
    told = {
        name: value
        for name, value in response.headers.items()
        if name not in ("content-length", "content-encoding")
    }
    return Response(body, response.status_code, told)


def _status(fault: Fault, body: Body) -> Response:
    status = int(fault.args.get("status", 500))
    headers = {} if fault.args.get("retry_after") is None else {"Retry-After": str(fault.args["retry_after"])}
    if "body" in fault.args:
        return Response(str(fault.args["body"]), status, headers, media_type="application/json")
    if status in MESSAGES:
        page = f"<html><head><title>{status} {MESSAGES[status]}</title></head><body>nginx</body></html>"
        return HTMLResponse(page, status, headers)
    media_type, text = body(status)
    return Response(text, status, headers, media_type=media_type)


def _redirect(fault: Fault, _: Body) -> Response:
    return RedirectResponse(str(fault.args.get("location", "http://127.0.0.1:9/")), 302)


def _html(fault: Fault, _: Body) -> Response:
    return HTMLResponse("<!doctype html><html><body><h1>We'll be right back</h1></body></html>")


def _wrong(fault: Fault, _: Body) -> Response:
    # `\udcff` in the text is the byte 0xff: a body that is no UTF-8 can be armed by JSON too.
    body = str(fault.args.get("body", "[]")).encode("utf-8", "surrogateescape")
    return Response(body, media_type="application/json")


def _bomb(fault: Fault, _: Body) -> Response:
    packed = _packed(int(fault.args.get("megabytes", 200)))
    return Response(packed, headers={"Content-Encoding": "gzip"}, media_type="application/json")


def _deep(fault: Fault, _: Body) -> Response:
    depth = int(fault.args.get("depth", 100_000))
    return Response('{"data":' + "[" * depth + "]" * depth + "}", media_type="application/json")


def _nan(fault: Fault, _: Body) -> Response:
    return Response('{"data":{"value":NaN}}', media_type="application/json")


_REPLACEMENTS: dict[str, Callable[[Fault, Body], Response]] = {
    "status": _status,
    "redirect": _redirect,
    "html_200": _html,
    "wrong_content": _wrong,
    "gzip_bomb": _bomb,
    "deep_json": _deep,
    "nan_json": _nan,
}


@functools.lru_cache(maxsize=2)
def _packed(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)  # 31 = a gzip header, with the largest window
    parts = [packer.compress(b'{"data":"')]
    parts += [packer.compress(b"0" * 1_000_000) for _ in range(megabytes)]
    parts += [packer.compress(b'"}'), packer.flush()]
    return b"".join(parts)


async def _drip(body: bytes, fault: Fault, cut: bool) -> AsyncIterator[bytes]:
    pieces = max(1, int(fault.args.get("pieces", 50)))
    size = max(1, -(-len(body) // pieces))
    end = len(body) // 2 if cut else len(body)
    for start in range(0, end, size):
        yield body[start : min(start + size, end)]
        await asyncio.sleep(float(fault.args.get("seconds", 0.2)))
    if cut:
        raise ConnectionAbortedError("cut by the fault 'cut'")


async def _cut(body: bytes) -> AsyncIterator[bytes]:
    yield body[: len(body) // 2]
    # An ASGI server closes the connection when an application dies within a body.
    raise ConnectionAbortedError("cut by the fault 'cut'")
