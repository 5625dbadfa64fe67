"""The storage's failures as statuses: named and countable for the caller, the library's words in the log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import grpc
import stamina

from weathervane.lake.model import TableRef
from weathervane.lake.server.admission import precondition
from weathervane.lake.server.delta import STORAGE_ERRORS
from weathervane.lake.server.files import (
    CommitConflictError,
    CommitUnknownError,
    DamagedTableError,
    OutsideLakeError,
)
from weathervane.rpc import StatusError

__all__ = ["no_table", "storage_failures", "until_first"]

log = logging.getLogger(__name__)

_T = TypeVar("_T")


@contextmanager
def storage_failures(what: object, *, again: str = "send the write again") -> Iterator[None]:
    """Names the storage's failures; the library's words stay in the log.

    Args:
        what: What was asked for, e.g. the table.
        again: What to do when the storage is mended.

    Raises:
        StatusError: UNAVAILABLE, DATA_LOSS, or FAILED_PRECONDITION for a table outside of the lake.
    """
    try:
        yield
    except CommitUnknownError as error:
        log.error("%s: outcome unknown", what, exc_info=error)
        raise StatusError(
            grpc.StatusCode.UNAVAILABLE,
            "OUTCOME_UNKNOWN",
            f"{error}; ask again, or {again}",
        ) from error
    except DamagedTableError as error:
        raise StatusError(grpc.StatusCode.DATA_LOSS, "DAMAGED_TABLE", str(error)) from error
    except STORAGE_ERRORS as error:
        log.error("%s: storage failed", what, exc_info=error)
        number = getattr(error, "errno", None)
        raise StatusError(
            grpc.StatusCode.UNAVAILABLE,
            "STORAGE_FAILED",
            f"{what}: the lake's storage failed ({type(error).__name__}{f', errno {number}' if number else ''});"
            f" nothing was committed. The server's log has the details; {again} when it is mended",
        ) from error
    except OutsideLakeError as error:
        raise precondition("BAD_TABLE", str(error)) from error


def no_table(ref: TableRef) -> StatusError:
    """There is no such table."""
    return StatusError(
        grpc.StatusCode.NOT_FOUND, "NO_TABLE", f"{ref}: there is no such table; no write has made it yet"
    )


def until_first(ref: TableRef, attempts: int, attempt: Callable[[], _T], *, again: str) -> _T:
    """Plans and commits anew until nobody else has committed first.

    Args:
        ref: The table.
        attempts: At most.
        attempt: Opens the table at its newest version, and commits; CommitConflictError when it came second.
        again: What to do when all attempts came second.

    Raises:
        StatusError: ABORTED, CONTENTION: others committed first, too often.
    """
    try:
        for turn in stamina.retry_context(
            on=CommitConflictError,
            attempts=attempts,
            timeout=None,
            wait_initial=0.02,
            wait_max=0.5,
            wait_jitter=0.1,
        ):
            with turn:
                return attempt()
    except CommitConflictError:
        pass
    raise StatusError(
        grpc.StatusCode.ABORTED,
        "CONTENTION",
        f"{ref}: other writers committed first {attempts} times; {again}",
    )
