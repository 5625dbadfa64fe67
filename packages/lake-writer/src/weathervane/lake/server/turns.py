"""Whose turn it is at a table: one at a time, first come, first served."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager

from weathervane.lake._model import TableRef

__all__ = ["Turns"]


class Turns:
    """The turns at all tables. Any thread and any event loop may ask for one; who only waits costs nothing.

    A turn spares work and is no promise: without one, whoever commits second plans again.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._queues: dict[TableRef, deque[Future[None]]] = {}

    @asynccontextmanager
    async def take(self, table: TableRef) -> AsyncIterator[None]:
        """Waits without a thread; a waiter that is cancelled leaves the queue."""
        turn = self._enter(table)
        try:
            await asyncio.wrap_future(turn)
            yield
        finally:
            self._leave(table, turn)

    @contextmanager
    def __getitem__(self, table: TableRef) -> Iterator[None]:
        """`with turns[table]:`, the same for a thread of one's own."""
        turn = self._enter(table)
        try:
            turn.result()
            yield
        finally:
            self._leave(table, turn)

    def _enter(self, table: TableRef) -> Future[None]:
        turn: Future[None] = Future()
        with self._guard:
            queue = self._queues.setdefault(table, deque())
            queue.append(turn)
            if len(queue) == 1:
                turn.set_result(None)
        return turn

    def _leave(self, table: TableRef, turn: Future[None]) -> None:
        with self._guard:
            queue = self._queues[table]
            queue.remove(turn)
            if not queue:
                del self._queues[table]
            elif not queue[0].done():
                # A cancelled one is done too; it leaves by itself, and then this is asked again.
                queue[0].set_result(None)
