"""A tiny real HTTP server for answers that no proper server gives: raw bytes, drips, cuts, bombs."""

import contextlib
import gzip
import json
import pickle
import socketserver
import ssl
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from weathervane.source._http.client import vendor_client
from weathervane.source._http.transport import HttpLimits
from weathervane.source._http.verdict import decode_json

LIMITS = HttpLimits(connect=2, read=2, exchange=5, max_body=1_000_000, attempts=3)
CANARY = "canary-7f3a9"
"""What no error, log line or other host may ever hold."""


@dataclass(frozen=True)
class Call:
    """A request as it arrived."""

    number: int
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Script = Callable[[Call], Iterable[bytes]]
"""Gives the bytes to send, in pieces; the connection is closed after an empty piece."""


@dataclass
class VendorStub:
    """The running server: where it is, and what arrived."""

    port: int
    calls: list[Call] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    connections: int = 0
    scheme: str = "http"

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def drip(self, data: bytes, pause: float) -> Iterator[bytes]:
        """Send byte by byte with ``pause`` seconds between, until the stub stops."""
        for at in range(len(data)):
            yield data[at : at + 1]
            if self.stopping.wait(pause):
                return


def answer(
    body: bytes | object = b"", status: int = 200, headers: dict[str, str] | None = None, *, cut: int = 0
) -> list[bytes]:
    """One HTTP/1.1 answer; ``cut`` drops that many bytes from its end and closes the connection."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = {"Content-Type": "application/json", "Content-Length": str(len(data)), **(headers or {})}
    lines = [f"HTTP/1.1 {status} X", *(f"{k}: {v}" for k, v in head.items() if v), "", ""]
    whole = "\r\n".join(lines).encode() + data
    return [whole[:-cut], b""] if cut else [whole]


@contextlib.contextmanager
def vendor_stub(script: Script, *, certificate: Path | None = None) -> Iterator[VendorStub]:
    """Serve ``script`` on a free loopback port, over TLS with a certificate; it listens when this yields."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    if certificate is not None:
        tls.load_cert_chain(certificate)

    class Handler(socketserver.StreamRequestHandler):
        def setup(self) -> None:
            stub.connections += 1
            if certificate is not None:
                self.request = tls.wrap_socket(self.request, server_side=True, do_handshake_on_connect=False)
            super().setup()

        def finish(self) -> None:
            with contextlib.suppress(OSError):
                super().finish()
            self.request.close()

        def handle(self) -> None:
            with contextlib.suppress(OSError):
                while (call := self._read()) is not None:
                    for piece in script(call):
                        if not piece:
                            return
                        self.wfile.write(piece)

        def _read(self) -> Call | None:
            line = self.rfile.readline().decode("latin-1").split()
            if len(line) != 3:
                return None
            headers = {}
            while (header := self.rfile.readline().decode("latin-1").rstrip("\r\n")) != "":
                name, _, value = header.partition(":")
                headers[name.lower()] = value.strip()
            body = self.rfile.read(int(headers.get("content-length", 0)))
            call = Call(len(stub.calls) + 1, line[0], line[1], headers, body)
            stub.calls.append(call)
            return call

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as server:
        stub = VendorStub(port=server.server_address[1], scheme="https" if certificate else "http")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield stub
        finally:
            stub.stopping.set()
            server.shutdown()
            thread.join()


def bomb(layers: int = 1) -> bytes:
    """32 MiB of nothing in a few KiB, or in a few bytes."""
    data = b" " * 32 * 1024 * 1024
    for _ in range(layers):
        data = gzip.compress(data)
    return data


def get(stub: VendorStub, path: str = "/", *, limits: HttpLimits = LIMITS, **options: object) -> object:
    """One GET through a vendor client, decoded."""
    with vendor_client(stub.url, limits=limits, **options) as client:  # type: ignore[arg-type]
        return decode_json(client.get(path))


class FixedAuth(httpx.Auth):
    """A token that never changes."""

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
        """Put it on."""
        request.headers["Authorization"] = f"Bearer {CANARY}"
        yield request


def everything_said_by(error: BaseException) -> str:
    """All text that a log, a state or an error tracker can get out of an error, and of all behind it."""
    said = ["".join(traceback.format_exception(error))]
    chain: list[BaseException] = [error]
    while chain:
        link = chain.pop()
        said += [str(link), repr(link), repr(link.args), repr(vars(link))]
        chain += [e for e in (link.__cause__, link.__context__) if e is not None]
    return "\n".join([*said, str(pickle.dumps(error))])
