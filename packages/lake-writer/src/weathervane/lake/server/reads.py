"""Limits concurrent reads, because each holds a data file in memory until its caller has received all of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self, TypeVar
from weakref import WeakValueDictionary

import grpc

from weathervane.lake._model import TableRef
from weathervane.lake.server.calls import off_loop
from weathervane.lake.server.settings import LakeSettings
from weathervane.rpc import StatusError

__all__ = ["Reads"]

_T = TypeVar("_T")


class Reads:
    """`max_concurrent_reads` places for reads, with a thread each; one tenant gets at most half of the places."""

    def __init__(self, settings: LakeSettings) -> None:
        self._most = settings.max_concurrent_reads
        self._seconds = settings.read_wait_seconds
        self._all = asyncio.Semaphore(self._most)
        self._tenants: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._threads = ThreadPoolExecutor(self._most, "lake-read")

    async def begin(self, table: TableRef) -> Read:
        """Waits for a place; the result is an async context manager that returns it.

        Raises:
            StatusError: UNAVAILABLE, TOO_MANY_READS: no place was free within `read_wait_seconds`.
        """
        of_tenant = self._tenants.setdefault(table.tenant, asyncio.Semaphore(max(1, self._most // 2)))
        async with AsyncExitStack() as places:
            try:
                async with asyncio.timeout(self._seconds):
                    await places.enter_async_context(of_tenant)
                    await places.enter_async_context(self._all)
            except TimeoutError:
                raise StatusError(
                    grpc.StatusCode.UNAVAILABLE,
                    "TOO_MANY_READS",
                    f"{table}: no place was free for {self._seconds:g} s; this server has {self._most} for reads, and a"
                    " tenant half of them. Read to the end what was begun, and come back",
                ) from None
            places.pop_all()

        def release() -> None:
            self._all.release()
            of_tenant.release()

        return Read(self._threads, release)


class Read:
    """One read. Its place is free again when the read and its thread have ended; a hanging storage keeps the thread."""

    def __init__(self, threads: ThreadPoolExecutor, release: Callable[[], object]) -> None:
        self._threads = threads
        self._release = release
        self._last: asyncio.Future[Any] | None = None

    async def work(self, job: Callable[[], _T]) -> _T:
        """Runs one job in a thread for reads. The next may be started when it has returned."""
        self._last = last = asyncio.ensure_future(off_loop(job, self._threads))
        return await asyncio.shield(last)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._last is None or self._last.done():
            self._release()
        else:
            self._last.add_done_callback(self._ended)

    def _ended(self, last: asyncio.Future[Any]) -> None:
        # The caller is gone. The exception is retrieved, or asyncio would log that it never was.
        if not last.cancelled():
            last.exception()
        self._release()
