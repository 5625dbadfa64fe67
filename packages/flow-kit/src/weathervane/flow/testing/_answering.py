"""A server that is no Prefect, or a sick one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["PASSWORD", "SICK", "answering", "sick_prefect"]

PASSWORD = "canary-77ab10"
"""In the address of a sick server; it must not be told."""
_PAGE = "<!doctype html><title>Sign in</title>"
SICK = {
    "another path": (404, '{"detail": "Not Found"}', "PREFECT_URL"),
    "another server's 404": (404, "404 page not found", "PREFECT_URL"),
    "a login page": (200, _PAGE, "PREFECT_URL"),
    "other JSON": (200, '{"hello": 1}', "PREFECT_URL"),
    "refused": (401, '{"exception_message": "Unauthorized"}', "PREFECT_REFUSED"),
    "forbidden": (403, _PAGE, "PREFECT_REFUSED"),
    "broken": (500, '{"exception_message": "Internal Server Error"}', "PREFECT_API"),
    "overloaded": (503, _PAGE, "PREFECT_API"),
    "slowed down": (429, "slower", "PREFECT_API"),
    "gone": (0, "", "PREFECT_API"),
}
"""What answers: a status (0: nobody), a text, and the reason that is told."""


@contextmanager
def answering(status: int, body: str) -> Iterator[str]:
    """A server that answers whatever it is asked with this; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            # Prefect's client waits before it gives up, also when it is told to try once.
            self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(body.encode())

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *arguments: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@contextmanager
def sick_prefect(how: str) -> Iterator[tuple[str, str]]:
    """Has Prefect's settings lead to what answers so: one of `SICK`; its address, and the reason to be told."""
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_CLIENT_MAX_RETRIES,
        PREFECT_SERVER_ALLOW_EPHEMERAL_MODE,
        temporary_settings,
    )

    status, body, reason = SICK[how]
    with ExitStack() as stack:
        if status:
            address = stack.enter_context(answering(status, body))
        else:
            taken = stack.enter_context(socket.socket())
            taken.bind(("127.0.0.1", 0))  # bound and not listening: refused, and nobody else's
            address = f"127.0.0.1:{taken.getsockname()[1]}"
        settings: Any = {
            PREFECT_API_URL: f"http://operator:{PASSWORD}@{address}/api",
            PREFECT_CLIENT_MAX_RETRIES: 0,
            PREFECT_SERVER_ALLOW_EPHEMERAL_MODE: False,
        }
        stack.enter_context(temporary_settings(settings))
        yield address, reason
