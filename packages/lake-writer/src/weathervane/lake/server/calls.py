"""What the servicers share: work off the event loop, refusals, pages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import NoReturn, TypeVar

import grpc

from weathervane.lake._model import InvalidNameError
from weathervane.rpc import StatusError

__all__ = ["named", "off_loop", "page", "refuse"]

_T = TypeVar("_T")


async def off_loop(work: Callable[[], _T], threads: Executor | None = None) -> _T:
    """Runs it in a thread: of those for short work, or of others for what may take long."""
    return await asyncio.get_running_loop().run_in_executor(threads, work)


def named(work: Callable[[], _T]) -> _T:
    """Does it; a name that is none is the caller's mistake."""
    try:
        return work()
    except InvalidNameError as error:
        refuse("BAD_NAME", str(error))


def page(names: Sequence[str], size: int, token: str) -> tuple[Sequence[str], str]:
    """A page of sorted names, and the token for the next one (empty: there is none).

    Raises:
        StatusError: INVALID_ARGUMENT, the size.
    """
    if not 0 <= size <= 1_000:
        refuse("BAD_PAGE_SIZE", f"page_size {size} is not 0 to 1,000")
    later = [name for name in names if name > token]
    chosen = later[: size or 100]
    return chosen, chosen[-1] if len(later) > len(chosen) else ""


def refuse(reason: str, message: str) -> NoReturn:
    """Refuses the call: it is wrong whatever the lake holds."""
    raise StatusError(grpc.StatusCode.INVALID_ARGUMENT, reason, message)
