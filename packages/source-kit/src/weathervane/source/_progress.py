"""What a run says of itself while it works and while it waits: every slice, every retry, every long wait.

Listeners hear it in the run's own thread (a terminal, the gRPC service); without one a wait is a warning in the log,
which a deployment sends to Prefect. Whether the lake is there at all is asked here too, before a vendor is.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from weathervane.lake import BusyError, WriteResult, lake_address
from weathervane.rpc import health
from weathervane.source._errors import ConfigurationError

__all__ = ["Listener", "LongWait", "Progress", "announce", "listening", "reach_lake", "tell"]


@dataclass(frozen=True)
class Progress:
    """One thing that a run says while it works."""

    message: str
    tenant: str
    slice: str | None = None
    result: WriteResult | None = None
    """The receipt, when a dataset's part of a slice was committed."""


Listener = Callable[[Progress], None]

_listener: ContextVar[Listener | None] = ContextVar("weathervane_listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Sends what runs say within the `with` block (and the flows called from it) to `listener`."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def announce(progress: Progress) -> bool:
    """Tells the listener; False when there is none."""
    listener = _listener.get()
    if listener is not None:
        listener(progress)
    return listener is not None


log = logging.getLogger("weathervane.source")

_LAKE = "weathervane.lake.v1.LakeWriterService"
_ASK_SECONDS = 5.0
"""A lake writer that is there answers within milliseconds, whatever its storage does."""
_ADDRESS = re.compile(
    r"(?:dns|ipv4|ipv6|unix|unix-abstract|xds):\S+|(?:\[[0-9a-fA-F:.%]+\]|[\w.-]+):[0-9]{1,5}", re.ASCII
)
"""`host:port`, or another form that gRPC knows (grpc/doc/naming.md)."""
_FIRST, _SELDOM = 15.0, 300.0
"""Seconds after which a wait is told, each time twice as many, and the longest pause between two lines."""


def tell(message: str, *, tenant: str = "", slice: str | None = None) -> None:
    """Says something of a run that goes on: to its listener, or to the log when there is none.

    Args:
        message: One line: what waits, why, for how long, and what comes next. No secret.
        tenant: Whose run it is, where that is known.
        slice: Of which slice.
    """
    heard = announce(Progress(message, tenant, slice))
    whose = f"{tenant}: " if tenant and not message.startswith(tenant) else ""
    # Once is enough: in a terminal both would stand below each other.
    log.log(logging.INFO if heard else logging.WARNING, "%s%s", whose, message)


class LongWait:
    """Tells now and then how long something has been waited for: after 15 s, 30 s, 1 minute, and so on to every 5.

    Args:
        what: What is waited for: "the bulk operation of acme.myshopify.com".
        clock: Seconds.
    """

    def __init__(self, what: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._clock = clock
        self._began = clock()
        self._next = _FIRST

    def goes_on(self, state: str) -> None:
        """Says how far it is, if it is time to; call it as often as you look."""
        waited = self._clock() - self._began
        if waited >= self._next:
            tell(f"{self._what}: {state}; waited for {waited:,.0f} s so far")
            self._next = waited + min(waited, _SELDOM)


def reach_lake() -> None:
    """Asks the lake writer whether it is there: one quick call, before a vendor is asked for what nobody could keep.

    Raises:
        BusyError: Nobody answers at `WEATHERVANE_LAKE_ADDRESS`, or who does is no lake writer, or one that does not
            serve (LAKE_NOT_THERE).
        ConfigurationError: It is no address (BAD_LAKE_ADDRESS).
    """
    address = lake_address()
    host, _, port = address.rpartition(":")
    if not _ADDRESS.fullmatch(address) or (host and port.isdecimal() and int(port) > 65_535):
        raise ConfigurationError(
            f"WEATHERVANE_LAKE_ADDRESS is {address[:60]!a}, which is no address: write host:port, e.g."
            " 127.0.0.1:50051",
            reason="BAD_LAKE_ADDRESS",
        )
    found = health(address, _LAKE, timeout=_ASK_SECONDS)
    # Some proxies pass no health checks on; they pass on writes.
    if found in ("SERVING", "UNIMPLEMENTED"):
        return
    why = {
        "NOT_SERVING": "it is there and does not serve: it starts, or ends",
        "NOT_FOUND": "who answers there is no lake writer",
        "DEADLINE_EXCEEDED": f"nobody answered within {_ASK_SECONDS:.0f} s",
        "UNAVAILABLE": "nobody answers there",
    }.get(found, found)
    raise BusyError(
        f"no lake writer at {address} ({why}); WEATHERVANE_LAKE_ADDRESS says where it is. The vendor was not asked",
        reason="LAKE_NOT_THERE",
    )
