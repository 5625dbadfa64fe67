"""Bulk operations: Shopify runs the query by itself and leaves a file.

A file is taken only when the operation is COMPLETED, the download is whole and it has as many lines as Shopify counted;
everything else fails the slice. What FAILED left behind is never trusted.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from weathervane.shopify import _queries as queries
from weathervane.shopify._client import ShopifyClient
from weathervane.shopify._refusals import error_of, gravest, refusals_in, safe
from weathervane.source import (
    ConfigurationError,
    ContractError,
    CredentialsError,
    DeferredError,
    IncompleteError,
    LongWait,
    SourceError,
    UnavailableError,
    download,
    parse_amount,
)

__all__ = ["BulkFile", "bulk_file"]

# What Shopify says when all of an app's slots on a shop are taken, by us or by another run of the app.
_BUSY = frozenset({"OPERATION_IN_PROGRESS", "LIMIT_REACHED"})
_BUSY_WORDS = re.compile("already in progress", re.IGNORECASE)


@dataclass(frozen=True)
class BulkFile:
    """The result of one operation."""

    path: Path | None
    """None for an operation that found nothing."""
    root_objects: int
    """How many parents the file holds, by Shopify's own count."""
    objects: int = 0
    """How many objects of all kinds it holds, by the same."""

    def chunks(self, lines: int = 5_000) -> Iterator[list[bytes]]:
        """The file's lines in bounded lists."""
        if self.path is None:
            return
        with self.path.open("rb") as file:
            while chunk := list(itertools.islice(file, lines)):
                yield chunk


@contextmanager
def bulk_file(
    client: ShopifyClient,
    query: str,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[BulkFile]:
    """Runs a bulk query and gives its file for the length of a `with` block. A long wait is told now and then.

    Raises:
        IncompleteError: The operation failed, was cancelled or left less than it counted.
        DeferredError: It is not done after `bulk_patience`; come back.
        ConfigurationError: Shopify does not take the query.
    """
    deadline = clock() + client.settings.bulk_patience.total_seconds()
    number = _start(client, query, deadline, sleep, clock)
    try:
        operation = _wait(client, number, deadline, sleep, clock)
    except IncompleteError:
        raise  # it has ended
    except BaseException:
        # Ours, and nobody will come for it: it would hold one of the five slots.
        with contextlib.suppress(SourceError):
            client.query(queries.BULK_CANCEL, {"id": number})
        raise
    with tempfile.TemporaryDirectory(prefix="weathervane-") as folder:
        yield _fetch(client, operation, Path(folder) / "bulk.jsonl")


def _start(
    client: ShopifyClient,
    query: str,
    deadline: float,
    sleep: Callable[[float], None],
    clock: Callable[[], float],
) -> str:
    wait = LongWait("a bulk operation of this shop", clock=clock)
    while True:
        result = client.ask(queries.BULK_RUN, {"query": query}, _Run, once=True).bulk_operation_run_query
        if result.bulk_operation is not None and not result.user_errors:
            return result.bulk_operation.id
        error = result.user_errors[0] if result.user_errors else _UserError()
        if error.code not in _BUSY and not _BUSY_WORDS.search(error.message):
            told = gravest(list(refusals_in({"message": error.message})))
            if told.code:  # a throttle, or a fault of Shopify's, in a sentence of its own
                raise error_of(told)
            raise ConfigurationError(
                f"Shopify does not take the bulk query: {safe(error.code or 'no code')}: {safe(error.message)}",
                reason="BULK_REFUSED",
            )
        if clock() > deadline:
            raise DeferredError(
                "all bulk operations that Shopify runs at once for this app are taken",
                reason="BULK_BUSY",
                retry_after=900,
            )
        wait.goes_on("all that Shopify runs at once for this app are taken")
        sleep(client.settings.bulk_slot_seconds)


def _wait(
    client: ShopifyClient,
    number: str,
    deadline: float,
    sleep: Callable[[float], None],
    clock: Callable[[], float],
) -> _Operation:
    waits = itertools.chain(
        client.settings.bulk_poll_seconds, itertools.repeat(client.settings.bulk_poll_seconds[-1])
    )
    wait = LongWait("Shopify's bulk operation", clock=clock)
    for seconds in waits:
        operation = client.ask(queries.BULK_POLL, {"id": number}, _Poll).bulk_operation
        if operation is None:
            raise IncompleteError("Shopify has lost the bulk operation", reason="BULK_LOST")
        if operation.status == "COMPLETED" and not operation.error_code and not operation.partial_data_url:
            return operation
        if operation.error_code == "ACCESS_DENIED":
            raise CredentialsError(
                "Shopify denied the bulk operation the access to a part of what it asks for; see which scopes the app"
                " has by the check command",
                reason="ACCESS_DENIED",
            )
        if operation.status == "COMPLETED":
            raise IncompleteError(
                f"the bulk operation is complete in name only ({safe(operation.error_code or 'with partial data')})",
                reason="BULK_PARTIAL",
            )
        if operation.status not in ("CREATED", "RUNNING"):
            raise IncompleteError(
                f"the bulk operation ended as {safe(operation.status, 40)}"
                f" ({safe(operation.error_code or 'no error code', 60)}); what it"
                " left is not used",
                reason="BULK_" + (operation.status if operation.status.isalpha() else "STATUS"),
            )
        if clock() > deadline:
            raise DeferredError("the bulk operation is not done", reason="BULK_SLOW", retry_after=900)
        wait.goes_on(
            f"{safe(operation.status, 40).lower()}, {safe(operation.object_count, 20)} objects so far"
        )
        sleep(seconds)
    raise AssertionError("the waits are endless")


def _fetch(client: ShopifyClient, operation: _Operation, path: Path) -> BulkFile:
    counted, roots = _whole(operation.object_count), _whole(operation.root_object_count)
    if operation.url is None:
        if counted:
            raise IncompleteError(
                f"the bulk operation counted {counted:,} objects and left no file", reason="BULK_NO_FILE"
            )
        return BulkFile(None, roots)
    try:
        download(
            operation.url,
            path,
            max_bytes=client.settings.max_bulk_bytes,
            # The link leads to another host and is signed; the shop's token has no business there.
            expected_origins=(lambda origin: True) if client.trusts_plain_http else None,
        )
    except UnavailableError as error:
        raise IncompleteError(
            f"the bulk file could not be fetched: {error.message}", reason="BULK_FILE"
        ) from error
    lines = _count_lines(path)
    if lines < counted:
        raise IncompleteError(
            f"the bulk file has {lines:,} lines and Shopify counted {counted:,} objects", reason="BULK_SHORT"
        )
    return BulkFile(path, roots, counted)


def _whole(text: str) -> int:
    number = parse_amount(text, "the bulk operation's count")
    if number != number.to_integral_value() or not 0 <= number < 10**15:
        raise ContractError(f"the bulk operation's count {number} is no count", reason="BAD_AMOUNT")
    return int(number)


def _count_lines(path: Path) -> int:
    lines, last = 0, b"\n"
    with path.open("rb") as file:
        while block := file.read(1024 * 1024):
            lines += block.count(b"\n")
            last = block[-1:]
    return lines + (last != b"\n")


class _UserError(msgspec.Struct):
    message: str = ""
    code: str | None = None


class _Operation(msgspec.Struct, rename="camel"):
    id: str
    status: str
    error_code: str | None = None
    object_count: str = "0"
    root_object_count: str = "0"
    url: str | None = None
    partial_data_url: str | None = None


class _Started(msgspec.Struct, rename="camel"):
    bulk_operation: _Operation | None = None
    user_errors: list[_UserError] = []


class _Run(msgspec.Struct, rename="camel"):
    bulk_operation_run_query: _Started


class _Poll(msgspec.Struct, rename="camel"):
    bulk_operation: _Operation | None = None
