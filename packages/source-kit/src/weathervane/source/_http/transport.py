"""The one transport of every vendor client: origin, pace, one bounded exchange, verdict, retry."""

import logging
import math
import random
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
import stamina

from weathervane.source._errors import (
    ConfigurationError,
    ContractError,
    DeferredError,
    RetriableError,
    SourceError,
    ThrottledError,
    UnavailableError,
)
from weathervane.source._http.auth import REFRESH_WANTED, REFRESHABLE
from weathervane.source._http.pace import NoPace, Pace
from weathervane.source._http.paging import origin_of, plain_host
from weathervane.source._http.verdict import (
    Accept,
    Classify,
    Fail,
    Retry,
    Verdict,
    classify_by_status,
    verdict_of,
)
from weathervane.source._http.wire import WireTransport, deadline, decoded
from weathervane.source._progress import tell

__all__ = [
    "MAX_BODY",
    "ONCE",
    "HttpLimits",
    "VendorTransport",
    "redirect_error",
    "retrying",
    "surely_did_nothing",
    "verdict_of_transport",
]

T = TypeVar("T")

# Its own word of a retry, "stamina.retry_scheduled", says neither of what nor why; `retrying` says both.
logging.getLogger("stamina").setLevel(logging.ERROR)


@dataclass(frozen=True, kw_only=True)
class HttpLimits:
    """The bounds of one call. Seconds and bytes."""

    connect: float = 10.0
    """To open a connection, for each address of the host (Klaviyo: a client without one was seen to hang)."""
    read: float = 60.0
    """Of silence from the vendor; a slow report may need more (Google Ads searchStream: 300 is usual)."""
    exchange: float = 180.0
    """For one attempt, from connecting to the last byte: what a vendor that drips bytes can cost."""
    max_body: int = 64 * 1024 * 1024
    """Bytes of an answer, raw or decoded: far above a page of any vendor, far below a worker's memory."""
    attempts: int = 5
    """In all. With back-off of 1, 2, 4, 8 s and jitter: about 17 s until the run is left to the scheduler."""
    max_wait: float = 60.0
    """The longest vendor delay that is slept in place; a longer one raises DeferredError."""


def retrying(
    call: Callable[[int], T | Retry],
    limits: HttpLimits,
    *,
    what: str,
    may_repeat: Callable[[RetriableError], bool] = lambda _: True,
) -> T:
    """Call until it gives something else than a Retry; return that. ``call`` gets the attempt's number.

    Waits what the Retry says and up to a quarter more, or 1, 2, 4, … s and up to 1 s more, and tells of it, naming
    the call by ``what``. Raises the Retry's error once attempts are used up or ``may_repeat`` says no, DeferredError
    for a delay over ``limits.max_wait``. What ``call`` raises is not retried.
    """
    wait: float | bool = False
    longest = min(30.0, limits.max_wait)

    def back_off(_: Exception) -> float | bool:
        return wait

    for attempt in stamina.retry_context(
        on=back_off,
        attempts=limits.attempts,
        timeout=None,
    ):
        with attempt:
            wait = False
            result = call(attempt.num)
            if not isinstance(result, Retry):
                return result
            after = result.after
            if after is not None and after > limits.max_wait:
                raise DeferredError(
                    f"{result.error.message}; the vendor asks to wait {after:.0f} s, more than the "
                    f"{limits.max_wait:.0f} s that are waited in place",
                    reason=result.error.reason,
                    retry_after=after,
                )
            if may_repeat(result.error):
                # Jitter: all that were told the same delay must not come back in the same instant.
                grown = min(2.0 ** (attempt.num - 1), longest) + random.uniform(0, 1)
                wait = grown if after is None else after * random.uniform(1, 1.25)
                if attempt.num < limits.attempts:
                    next_one = f"attempt {attempt.num + 1} of {limits.attempts}"
                    tell(f"{what}: {result.error.message}; tried again in {wait:.0f} s, {next_one}")
            raise result.error
    raise AssertionError("unreachable: the last attempt raises")


def surely_did_nothing(error: RetriableError) -> bool:
    """Whether the call that failed so cannot have had an effect at the vendor."""
    return isinstance(error, ThrottledError) or error.reason == "CONNECT_FAILED"


def verdict_of_transport(error: httpx.TransportError) -> Verdict:
    """Give the verdict for a failed exchange, in an error that holds nothing of the request.

    httpx's error holds the request itself, and h11's text may quote a header.
    """
    if _is_certificate_problem(error):
        untrusted = "the vendor's TLS certificate is not trusted"
        return Fail(ConfigurationError(untrusted, reason="TLS_CERTIFICATE"))
    if isinstance(error, httpx.LocalProtocolError | httpx.UnsupportedProtocol):
        illegal = "the request cannot be sent: a header or its URL is illegal"
        return Fail(ConfigurationError(illegal, reason="ILLEGAL_REQUEST"))
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.ProxyError):
        return Retry(UnavailableError("no connection to the vendor", reason="CONNECT_FAILED"))
    if isinstance(error, httpx.TimeoutException):
        return Retry(UnavailableError("the vendor did not answer in time", reason="TIMEOUT"))
    return Retry(UnavailableError("the connection to the vendor broke", reason="CONNECTION_BROKE"))


def _is_certificate_problem(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


MAX_BODY = "weathervane.max_body"
"""``extensions={MAX_BODY: 1_000_000}``: bytes of this call's answer, when fewer than the client's limits allow; for
answers that can be asked for in parts."""
ONCE: dict[str, Any] = {"weathervane.once": True}
"""``client.post(…, extensions=ONCE)``: a call that starts something (a bulk operation). It is repeated only
when it surely did nothing (no connection, or throttled), never after a timeout or a 5xx."""

_log = logging.getLogger("weathervane.source")
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
