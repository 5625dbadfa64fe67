"""The one transport of every vendor client: origin, pace, one bounded exchange, verdict, retry."""

import logging
import math
import time
from typing import Any

import httpx

from weathervane.source._answers import Accept, Classify, Fail, Retry, Verdict, classify_by_status, verdict_of
from weathervane.source._attempts import HttpLimits, retrying, surely_did_nothing, verdict_of_transport
from weathervane.source._auth import REFRESH_WANTED, REFRESHABLE
from weathervane.source._wire import WireTransport, deadline, decoded
from weathervane.source.errors import ConfigurationError, ContractError, SourceError
from weathervane.source.paging import origin_of, plain_host
from weathervane.source.quota import NoPace, Pace

__all__ = ["MAX_BODY", "ONCE", "VendorTransport", "redirect_error"]

MAX_BODY = "weathervane.max_body"
"""``extensions={MAX_BODY: 1_000_000}``: bytes of this call's answer, when fewer than the client's limits allow; for
answers that can be asked for in parts."""
ONCE: dict[str, Any] = {"weathervane.once": True}
"""``client.post(…, extensions=ONCE)``: a call that starts something (a bulk operation). It is repeated only
when it surely did nothing (no connection, or throttled), never after a timeout or a 5xx."""

_log = logging.getLogger("weathervane.source.http")
# What described the wire no longer holds once the body is decoded; cookies would carry state between calls.
_DROPPED_HEADERS = frozenset({"content-encoding", "content-length", "transfer-encoding", "set-cookie"})


class VendorTransport(httpx.BaseTransport):
    """Carries requests to one origin, and gives back only whole answers that ``classify`` accepted.

    Raises ConfigurationError for a request to another origin (before anything is sent), ContractError for
    a redirect (never followed) or an answer over the bounds, DeferredError for a delay over
    ``limits.max_wait``, and the last verdict's error when attempts are used up. ``inner`` carries the bytes;
    one that is not a `WireTransport` still has its body bounded, but may let a vendor drip the head.
    """

    def __init__(
        self,
        base_url: httpx.URL,
        *,
        classify: Classify = classify_by_status,
        limits: HttpLimits | None = None,
        pace: Pace | None = None,
        inner: httpx.BaseTransport | None = None,
    ) -> None:
        self._host = plain_host(base_url)
        self._origin = origin_of(base_url)
        self._classify = classify
        self._limits = limits or HttpLimits()
        self._pace = pace or NoPace()
        self._inner = inner or WireTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Carry one request, in as many attempts as its failures deserve."""
        if origin_of(request.url) != self._origin:
            # httpx sends every client header, the token too, to whatever absolute URL it is given.
            raise ConfigurationError(
                f"refused to send a request to {plain_host(request.url)}: "
                f"this client talks to {self._host} only",
                reason="FOREIGN_ORIGIN",
            )

        def attempt(number: int) -> httpx.Response | Retry:
            self._pace.before(request)
            verdict, response = self._attempt(request, number)
            if isinstance(verdict, Retry):
                return verdict
            if isinstance(verdict, Fail):
                if response is None or not (verdict.refresh and request.extensions.get(REFRESHABLE)):
                    raise verdict.error
                response.extensions[REFRESH_WANTED] = True
            assert response is not None
            return response

        once = request.extensions.get("weathervane.once", False)
        path = request.url.raw_path.partition(b"?")[0].decode("ascii")
        what = f"{request.method} {self._host}{path[:80]}"
        may_repeat = surely_did_nothing if once else lambda _: True
        return retrying(attempt, self._limits, what=what, may_repeat=may_repeat)

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()

    def _attempt(self, request: httpx.Request, number: int) -> tuple[Verdict, httpx.Response | None]:
        started = time.monotonic()
        response: httpx.Response | None = None
        verdict: Verdict
        # Verdicts are made inside the handlers but raised outside: a raised error must not drag along, as its
        # context, a foreign one that holds the request.
        try:
            response = self._exchange(request)
            verdict = self._judge(response)
        except SourceError as error:
            # The frames of its traceback hold what was read of an answer, and this one holds the error: a cycle.
            verdict = verdict_of(error.with_traceback(None))
        except httpx.TransportError as error:
            verdict = verdict_of_transport(error)
        if response is not None:
            self._pace.after(response, verdict)
        _log.debug(
            "%s %s%s attempt %d: %s, %s, %.0f ms",
            request.method,
            request.url.host,
            request.url.path,
            number,
            "no whole answer" if response is None else response.status_code,
            "accepted" if isinstance(verdict, Accept) else verdict.error,
            1000 * (time.monotonic() - started),
        )
        return verdict, response

    def _exchange(self, request: httpx.Request) -> httpx.Response:
        with deadline(self._limits.exchange):
            raw = self._inner.handle_request(request)
            try:
                encoding = raw.headers.get("content-encoding", "")
                most = min(self._limits.max_body, request.extensions.get(MAX_BODY, math.inf))
                body = b"".join(decoded(raw.iter_raw(), encoding, max_bytes=most))
            finally:
                raw.close()
        # As bytes, for httpx reads any that come and makes only ASCII ones of texts.
        kept = [(k, v) for k, v in raw.headers.raw if k.decode("latin-1").lower() not in _DROPPED_HEADERS]
        headers = httpx.Headers(kept)
        return httpx.Response(raw.status_code, headers=headers, content=body, request=request)

    def _judge(self, response: httpx.Response) -> Verdict:
        if 300 <= response.status_code < 400:
            raise redirect_error(response, response.request.url)
        try:
            return self._classify(response)
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            # A shape that nobody thought of. Say where it was met, not what it was: that may be secret.
            place, trace = "", error.__traceback__
            while trace is not None:
                place, trace = f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}", trace.tb_next
            met = f"{type(error).__name__} in {place}"
        raise ContractError(f"the answer's shape is beyond the source ({met})", reason="UNEXPECTED_SHAPE")


def redirect_error(response: httpx.Response, asked: httpx.URL) -> ContractError:
    """Say where a redirect leads, by host alone: its path and query may be signed."""
    try:
        host = plain_host(asked.join(response.headers.get("location", "")))
    except (httpx.InvalidURL, ValueError):
        host = "an unreadable place"
    return ContractError(
        f"HTTP {response.status_code}: the vendor redirects to {host}; not followed", reason="REDIRECTED"
    )
