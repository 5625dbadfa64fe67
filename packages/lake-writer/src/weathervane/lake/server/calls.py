"""Helpers of the servicers: running work off the event loop, refusals, and paging."""

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
    """Runs `work` in a thread: of the loop's default executor, for short work, or of `threads`."""
    return await asyncio.get_running_loop().run_in_executor(threads, work)


def named(work: Callable[[], _T]) -> _T:
    """Runs `work`; an InvalidNameError becomes INVALID_ARGUMENT (BAD_NAME)."""
    try:
        return work()
    except InvalidNameError as error:
        refuse("BAD_NAME", str(error))


def page(names: Sequence[str], size: int, token: str) -> tuple[Sequence[str], str]:
    """One page of sorted names (100, if `size` is 0), and the token of the next page ("" if it is the last one).

    Raises:
        StatusError: INVALID_ARGUMENT, BAD_PAGE_SIZE.
    """
    if not 0 <= size <= 1_000:
        refuse("BAD_PAGE_SIZE", f"page_size {size} is not 0 to 1,000")
    later = [name for name in names if name > token]
    chosen = later[: size or 100]
    return chosen, chosen[-1] if len(later) > len(chosen) else ""


def refuse(reason: str, message: str) -> NoReturn:
    """Raises INVALID_ARGUMENT: the call is wrong, whatever the lake holds."""
    raise StatusError(grpc.StatusCode.INVALID_ARGUMENT, reason, message)
