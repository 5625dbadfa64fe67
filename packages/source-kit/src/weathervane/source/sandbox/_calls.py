"""How long a call takes, and how many are in flight: what a client makes of waiting can be measured by it."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.responses import JSONResponse

__all__ = ["Calls"]


class Calls:
    """The calls of all of a vendor's hosts, each answered after `latency` seconds of real time.

    `GET /_sandbox/calls` tells `{"calls", "in_flight", "most_in_flight"}`, and DELETE begins the counts anew. The
    control routes are no calls.
    """

    def __init__(self, latency: float) -> None:
        self._latency = latency
        self._calls = self._in_flight = self._most = 0

    def of(self, app: Any) -> Any:
        """The application of one host, with its calls counted and delayed. All hosts run in one event loop."""

        async def counted(scope: Any, receive: Any, send: Any) -> None:
            path = scope.get("path", "")
            if scope["type"] != "http" or (path.startswith("/_sandbox") and path != "/_sandbox/calls"):
                await app(scope, receive, send)
            elif path == "/_sandbox/calls":
                if scope["method"] == "DELETE":
                    self._calls, self._most = 0, self._in_flight
                counts = {"calls": self._calls, "in_flight": self._in_flight, "most_in_flight": self._most}
                await JSONResponse(counts)(scope, receive, send)
            else:
                self._calls += 1
                self._in_flight += 1
                self._most = max(self._most, self._in_flight)
                try:
                    await asyncio.sleep(self._latency)
                    await app(scope, receive, send)
                finally:
                    self._in_flight -= 1

        return counted
