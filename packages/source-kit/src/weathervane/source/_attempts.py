"""How often and how long one call is tried: the bounds, and the one retry loop (stamina's)."""

import logging
import random
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import httpx
import stamina

from weathervane.source._answers import Fail, Retry, Verdict
from weathervane.source.errors import (
    ConfigurationError,
    DeferredError,
    RetriableError,
    ThrottledError,
    UnavailableError,
)
from weathervane.source.waiting import tell

__all__ = ["HttpLimits", "retrying", "surely_did_nothing", "verdict_of_transport"]

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
