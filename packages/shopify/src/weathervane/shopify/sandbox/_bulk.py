"""Bulk operations: started, polled, complete, failed, cancelled, expired (Shopify docs, bulk operations)."""

from __future__ import annotations

import logging
import random
import threading
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from graphql import execute_sync

from weathervane.shopify.sandbox._admin_schema import admin_schema
from weathervane.shopify.sandbox._bulk_files import FILES_KEPT, BulkFiles
from weathervane.shopify.sandbox._bulk_query import BulkQuery, BulkQueryError, lines_of, read_bulk_query
from weathervane.shopify.sandbox._context import View
from weathervane.shopify.sandbox._resolve import resolve_field, resolve_type
from weathervane.shopify.sandbox._world import Record, World, stamp
from weathervane.source.sandbox import Clock, Faults, json_bytes

__all__ = ["SLOTS", "BulkOperations"]

log = logging.getLogger(__name__)

SLOTS = 5
"""Query operations of one app and shop that may run at once, from 2026-01."""

LONGEST = timedelta(days=10)
BY_CLOCK = timedelta(minutes=10)
"""Shop time after which an operation is complete, whether it was polled or not."""

ACTIVE = ("CREATED", "RUNNING", "CANCELING")
SLICE = 500
AT_ONCE = 2000
"""Shops of up to so many records are read when the operation is started; bigger ones in a thread."""


@dataclass
class _Operation:
    record: Record
    created: datetime
    polls_needed: int
    foreign: bool = False
    polls: int = 0
    ended: datetime | None = None
    outcome: str = "COMPLETED"
    error_code: str | None = None
    children: int | None = None
    objects: int = 0
    roots: int = 0
    file: Path | None = None
    work: threading.Thread | None = None


class BulkOperations:
    """The bulk operations of one app on one shop, and the files that they leave.

    Attributes:
        files: the files, as the storage host serves them.
    """

    def __init__(self, world: World, faults: Faults, clock: Clock) -> None:
        self._world = world
        self._clock = clock
        self._faults = faults
        self._operations: dict[str, _Operation] = {}
        self.files = BulkFiles(faults)

    def close(self) -> None:
        """Delete the files."""
        self.files.close()

    def run(self, view: View, text: str, group: bool) -> dict[str, Any]:
        """Start an operation; answer `bulkOperationRunQuery`."""
        try:
            query = read_bulk_query(view.version, text)
        except BulkQueryError as error:
            return _refused("INVALID", str(error), ["query"])
        busy = self._busy(view)
        if busy is not None:
            return busy
        operation = self._new(view.now, text)
        self._arm(operation)
        work = replace(view, window=slice(0, SLICE), searches=[], to_touch=[])
        job = threading.Thread(
            target=self._read, args=(work, operation, query, group), name="shopify-sandbox-bulk", daemon=True
        )
        if len(self._world.orders) + len(self._world.products) <= AT_ONCE:
            job.run()
        else:
            operation.work = job
            job.start()
        return {"bulkOperation": operation.record, "userErrors": []}

    def cancel(self, operation_id: str, now: datetime) -> dict[str, Any]:
        """Cancel an operation; answer `bulkOperationCancel`. It is CANCELING until the next poll."""
        operation = self._operations.get(operation_id)
        if operation is None:
            return {"bulkOperation": None, "userErrors": [_error("Bulk operation does not exist", ["id"])]}
        if operation.record["status"] not in ACTIVE:
            word = operation.record["status"].lower()
            message = f"A bulk operation cannot be canceled when it is {word}"
            return {"bulkOperation": operation.record, "userErrors": [_error(message, ["id"])]}
        operation.record["status"] = "CANCELING"
        return {"bulkOperation": operation.record, "userErrors": []}

    def find(self, operation_id: str) -> Record | None:
        """Answer a poll for one operation."""
        operation = self._operations.get(operation_id)
        return None if operation is None else self._polled(operation)

    def rows(self) -> list[Record]:
        """Answer a poll for all operations."""
        return [self._polled(operation) for operation in self._operations.values()]

    def newest(self, kind: str) -> Record | None:
        """Answer `currentBulkOperation`: the operation of a kind that was started last."""
        own = [one for one in self._operations.values() if not one.foreign and one.record["type"] == kind]
        return self._polled(own[-1]) if own else None

    def _new(self, now: datetime, text: str, *, foreign: bool = False) -> _Operation:
        record: Record = {
            "id": self._world.next_id("BulkOperation", 4_101_234_000_001),
            "type": "QUERY",
            "status": "CREATED",
            "errorCode": None,
            "createdAt": stamp(now),
            "completedAt": None,
            "objectCount": "0",
            "rootObjectCount": "0",
            "fileSize": None,
            "url": None,
            "partialDataUrl": None,
            "query": text,
        }
        operation = _Operation(record, now, self._world.options.bulk_polls, foreign)
        self._operations[record["id"]] = operation
        return operation

    def _busy(self, view: View) -> dict[str, Any] | None:
        foreign = [one for one in self._operations.values() if one.foreign]
        if self._faults.take("slots_busy"):
            if not foreign:
                foreign = [self._new(view.now, "{ customers { edges { node { id } } } }", foreign=True)]
            foreign[0].record["status"] = "RUNNING"
            return _in_progress(foreign[0].record["id"])
        for one in foreign:
            one.record["status"] = "COMPLETED"
        active = [one for one in self._operations.values() if one.record["status"] in ACTIVE]
        if len(active) < SLOTS:
            return None
        for one in active:  # a refused start takes time, too: the running ones move on
            self._polled(one)
        return _in_progress(active[0].record["id"])

    def _arm(self, operation: _Operation) -> None:
        slow = self._faults.take("bulk_slow")
        if slow is not None:
            operation.polls_needed = int(slow.args.get("polls", 20))
        failed = self._faults.take("bulk_failed")
        if failed is not None:
            operation.outcome = "FAILED"
            operation.error_code = str(failed.args.get("error_code", "INTERNAL_SERVER_ERROR"))
        short = self._faults.take("bulk_short_children")
        if short is not None:
            operation.children = int(short.args.get("keep", 100))
        if self._faults.take("bulk_canceled"):
            operation.outcome = "CANCELED"

    def _read(self, view: View, operation: _Operation, query: BulkQuery, group: bool) -> None:
        """Read everything that a query asks for into a file, slice by slice."""
        order = random.Random(operation.record["id"])
        path = self.files.path(f"{operation.record['id'].rsplit('/', 1)[-1]}.jsonl")
        late: list[bytes] = []
        start = 0
        with path.open("wb") as out:
            while True:
                view.window = slice(start, start + SLICE)
                with self._world.lock:
                    found = self._slice(view, operation, query)
                roots = sum(root for _, root in found)
                operation.objects += len(found)
                operation.roots += roots
                lines = [(_line(line), root) for line, root in found]
                if (
                    not group
                ):  # nothing is promised about the order: parents after children, children far away
                    order.shuffle(lines)
                    late += [
                        text for number, (text, root) in enumerate(lines) if not root and number % 3 == 0
                    ]
                    lines = [(text, root) for number, (text, root) in enumerate(lines) if root or number % 3]
                out.writelines(text for text, _ in lines)
                start += SLICE
                if roots < SLICE or operation.error_code == "ACCESS_DENIED":
                    break
            order.shuffle(late)
            out.writelines(late)
        operation.file = path

    def _slice(
        self, view: View, operation: _Operation, query: BulkQuery
    ) -> list[tuple[dict[str, Any], bool]]:
        result = execute_sync(
            admin_schema(view.version).schema,
            query.document,
            root_value={},
            context_value=view,
            field_resolver=resolve_field,
            type_resolver=resolve_type,
        )
        if result.errors:
            first = result.errors[0]
            # The vendor says no more than a code; whoever runs the sandbox may know more.
            log.warning("%s fails at %s: %s", operation.record["id"], first.path, first.message)
            code = (first.extensions or {}).get("code")
            operation.outcome = "FAILED"
            operation.error_code = "ACCESS_DENIED" if code == "ACCESS_DENIED" else "INTERNAL_SERVER_ERROR"
            return []
        return list(lines_of(result.data, query.layout, children=operation.children))

    def _polled(self, operation: _Operation) -> Record:
        record, now = operation.record, self._clock.now()
        status = record["status"]
        if status == "CANCELING":
            record["status"] = "CANCELED"
        elif status in ("CREATED", "RUNNING") and not operation.foreign:
            operation.polls += 1
            done = operation.polls >= operation.polls_needed
            # A slow operation is slow by the clock, too, until the vendor gives it up.
            by_clock = operation.polls_needed == self._world.options.bulk_polls
            done = done or (by_clock and now - operation.created >= BY_CLOCK)
            record["status"] = "RUNNING"
            record["objectCount"] = str(operation.objects // 2)
            record["rootObjectCount"] = str(operation.roots // 2)
            if now - operation.created >= LONGEST:
                operation.outcome, operation.error_code, done = "FAILED", "TIMEOUT", True
            if done and not (operation.work and operation.work.is_alive()):
                self._end(operation, now)
        elif status == "COMPLETED" and operation.ended and now - operation.ended >= FILES_KEPT:
            record["status"], record["url"] = "EXPIRED", None
        return record

    def _end(self, operation: _Operation, now: datetime) -> None:
        record = operation.record
        operation.ended = now
        record["status"] = operation.outcome
        record["objectCount"] = str(operation.objects)
        record["rootObjectCount"] = str(operation.roots)
        if operation.outcome == "FAILED":
            record["errorCode"] = operation.error_code
            if operation.objects and operation.file:
                lines = operation.file.read_bytes().splitlines(keepends=True)
                partial = operation.file.with_name(f"partial-{operation.file.name}")
                partial.write_bytes(b"".join(lines[: max(1, len(lines) // 2)]))
                record["partialDataUrl"] = self.files.url(partial.name, now)
        elif operation.outcome == "COMPLETED":
            record["completedAt"] = stamp(now)
            if operation.objects and operation.file:  # no rows, no file
                record["fileSize"] = str(operation.file.stat().st_size)
                record["url"] = self.files.url(operation.file.name, now)


def _line(value: dict[str, Any]) -> bytes:
    return json_bytes(value) + b"\n"


def _error(message: str, path: list[str] | None) -> dict[str, Any]:
    return {"field": path, "message": message}


def _refused(code: str, message: str, path: list[str] | None) -> dict[str, Any]:
    return {"bulkOperation": None, "userErrors": [{"code": code, **_error(message, path)}]}


def _in_progress(operation_id: str) -> dict[str, Any]:
    message = f"A bulk query operation for this app and shop is already in progress: {operation_id}."
    return _refused("OPERATION_IN_PROGRESS", message, None)
