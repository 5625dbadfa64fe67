"""A lock for each table, first come, first served, for threads and event loops alike."""

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
    """The turns at all tables. Any thread or event loop may take one; waiting in an event loop needs no thread.

    Turns only save work. Correctness does not depend on them: without a turn, the writer that commits second plans
    again.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._queues: dict[TableRef, deque[Future[None]]] = {}

    @asynccontextmanager
    async def take(self, table: TableRef) -> AsyncIterator[None]:
        """Waits for the table's turn without a thread. A waiter that is cancelled leaves the queue."""
        turn = self._enter(table)
        try:
            await asyncio.wrap_future(turn)
            yield
        finally:
            self._leave(table, turn)

    @contextmanager
    def __getitem__(self, table: TableRef) -> Iterator[None]:
        """The same for threads: `with turns[table]:`."""
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
                # A cancelled future is done too. Its waiter leaves by itself, and then the next one gets its turn.
                queue[0].set_result(None)
