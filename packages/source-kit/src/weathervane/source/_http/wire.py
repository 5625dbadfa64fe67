"""One HTTP/1.1 exchange that is bounded in time and size, whatever the other side does.

httpx's timeouts are per socket operation: a vendor that drips one byte a second, in the head or in the
body, is never timed out (measured: a 1 s timeout ran 8.8 s). Its decoders are not bounded either, stack as
often as the answer says, and take a gzip body that was cut for a whole one. So both ends are done here.
"""

import contextlib
import functools
import ssl
import time
import zlib
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Any

import httpcore
import httpx

from weathervane.source._errors import ContractError, IncompleteError

__all__ = ["WireTransport", "deadline", "decoded", "remaining"]

_PIECE = 1 << 18
_GZIP = 16 + zlib.MAX_WBITS
_until: ContextVar[float | None] = ContextVar("weathervane_exchange_deadline", default=None)

# httpcore and httpx name their transport errors alike; httpx's are the ones that a transport may raise.
_HTTPX_ERRORS: dict[type[Exception], type[httpx.TransportError]] = {
    getattr(httpcore, name): getattr(httpx, name)
    for name in (
        "ConnectError",
        "ConnectTimeout",
        "LocalProtocolError",
        "PoolTimeout",
        "ProxyError",
        "ReadError",
        "ReadTimeout",
        "RemoteProtocolError",
        "UnsupportedProtocol",
        "WriteError",
        "WriteTimeout",
    )
}


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Bound everything this thread does on a `WireTransport` inside the block to ``seconds`` in all."""
    token = _until.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _until.reset(token)


def remaining(timeout: float | None = None) -> float | None:
    """Seconds that the next operation may take: ``timeout``, or less when the deadline is nearer.

    Raises httpx.ReadTimeout once the deadline has passed. None means without end.
    """
    until = _until.get()
    if until is None:
        return timeout
    left = until - time.monotonic()
    if left <= 0:
        raise httpx.ReadTimeout("the whole exchange took too long")
    return left if timeout is None else min(left, timeout)


class _Stream(httpcore.NetworkStream):
    """A socket whose every operation also knows the deadline of the whole exchange."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, remaining(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # In pieces: below this, one `send` per timeout would let a slow reader hold a big body for ever.
        view = memoryview(buffer)
        for start in range(0, len(view), _PIECE):
            self._inner.write(bytes(view[start : start + _PIECE]), remaining(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, remaining(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.SyncBackend):
    """TCP whose streams know the deadline. Name resolution has the operating system's own bounds."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> _Stream:
        return _Stream(super().connect_tcp(host, port, remaining(timeout), local_address, socket_options))


@functools.cache
def _default_tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()  # 30 ms each: one for the process; SSL_CERT_FILE is honoured


class WireTransport(httpx.BaseTransport):
    """httpx.HTTPTransport (HTTP/1.1, pooled), plus a deadline that no drip-feed can outlive.

    Raises httpx.TransportError like any httpx transport. The answer's stream is raw: nothing is decoded.
    ``tls`` overrides the default trust (certifi's roots, or SSL_CERT_FILE).
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls or _default_tls(), keepalive_expiry=30.0, network_backend=_Backend()
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request and return the head of its answer; the body follows in ``.stream``."""
        url = request.url
        with _as_httpx():
            answer = self._pool.handle_request(
                httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(
                        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                    ),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        return httpx.Response(
            answer.status, headers=answer.headers, stream=_Body(answer), extensions=answer.extensions
        )

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        with _as_httpx():
            yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


@contextlib.contextmanager
def _as_httpx() -> Iterator[None]:
    try:
        yield
    except tuple(_HTTPX_ERRORS) as error:
        raise _HTTPX_ERRORS[type(error)](str(error)) from error


def decoded(stream: Iterable[bytes], content_encoding: str, *, max_bytes: int) -> Iterator[bytes]:
    """Yield the decoded body in pieces of at most 256 KiB; one gzip layer at most, as asked for.

    Raises ContractError for more than ``max_bytes`` (raw or decoded) or another encoding, IncompleteError
    for a body that is cut or damaged. httpx's timeouts, the deadline's too, pass through.
    """
    coding = content_encoding.strip().lower()
    pieces = _counted(stream, max_bytes)
    if coding in ("gzip", "x-gzip"):
        pieces = _counted(_gunzip(pieces), max_bytes)
    elif coding not in ("", "identity"):
        raise ContractError("the answer's Content-Encoding was not asked for", reason="CONTENT_ENCODING")
    cut = False
    try:
        yield from pieces
    except (httpx.RemoteProtocolError, httpx.ReadError):
        cut = True
    if cut:
        raise IncompleteError("the answer was cut", reason="BODY_CUT")


def _counted(pieces: Iterable[bytes], max_bytes: int) -> Iterator[bytes]:
    total = 0
    for piece in pieces:
        remaining()  # a transport other than ours may not know the deadline
        total += len(piece)
        if total > max_bytes:
            raise ContractError(f"the answer is larger than {max_bytes:,} bytes", reason="BODY_TOO_LARGE")
        yield piece


def _gunzip(stream: Iterable[bytes]) -> Iterator[bytes]:
    member = zlib.decompressobj(_GZIP)
    empty = True
    damaged = False
    try:
        for data in stream:
            while data:
                empty = False
                if member.eof:  # a gzip file may have several members (RFC 1952 §2.2)
                    member = zlib.decompressobj(_GZIP)
                yield member.decompress(data, _PIECE)
                data = member.unused_data if member.eof else member.unconsumed_tail
        while not member.eof and (piece := member.decompress(b"", _PIECE)):
            yield piece
    except zlib.error:
        damaged = True
    if damaged:
        raise IncompleteError("the answer's gzip stream is damaged", reason="BODY_DAMAGED")
    if not (member.eof or empty):
        raise IncompleteError("the answer's gzip stream ends too early", reason="BODY_CUT")
