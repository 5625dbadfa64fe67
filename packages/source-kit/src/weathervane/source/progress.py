"""What a run tells while it goes on. Listeners hear it in the run's own thread; without one it costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from weathervane.lake import WriteResult

__all__ = ["Listener", "Progress", "announce", "listening"]


@dataclass(frozen=True)
class Progress:
    """One piece of news of a run."""

    message: str
    tenant: str
    slice: str | None = None
    result: WriteResult | None = None
    """The receipt, when a dataset's part of a slice was committed."""


Listener = Callable[[Progress], None]

_listener: ContextVar[Listener | None] = ContextVar("weathervane_listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Sends the news of runs within the `with` block (and the flows called from it) to `listener`."""
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
