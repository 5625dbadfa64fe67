"""Converts the storage's exceptions to statuses, and logs the libraries' messages."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import grpc
import polars as pl
import pyarrow as pa
import stamina

from weathervane.lake._model import TableRef
from weathervane.lake.server.admission import precondition
from weathervane.lake.server.delta import PROTOCOL_ERRORS, SCHEMA_ERRORS, STORAGE_ERRORS, refusal
from weathervane.lake.server.files import (
    CommitConflictError,
    CommitUnknownError,
    DamagedTableError,
    ForeignTableError,
    OutsideLakeError,
)
from weathervane.rpc import StatusError

__all__ = ["no_table", "storage_failures", "until_first"]

log = logging.getLogger(__name__)

_T = TypeVar("_T")


@contextmanager
def storage_failures(what: object, *, again: str = "send the write again") -> Iterator[None]:
    """Turns exceptions of the storage and its libraries into a StatusError; their messages are only logged.

    Args:
        what: What the call is about, e.g. the table; the message begins with it.
        again: What the caller should do when the storage works again.

    Raises:
        StatusError: UNAVAILABLE for what may pass; DATA_LOSS for a damaged table; RESOURCE_EXHAUSTED without memory;
            FAILED_PRECONDITION if the storage refuses access, if rows and table cannot be combined, if the table is
            outside of the lake, or if another tool changed it.
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
    except ForeignTableError as error:
        raise precondition("TABLE_FEATURE", str(error)) from error
    except MemoryError as error:  # Arrow's is one too
        log.error("%s: out of memory", what, exc_info=error)
        raise StatusError(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "OUT_OF_MEMORY",
            f"{what}: the lake writer has no memory left for this; nothing was committed; {again} when"
            " less is going on, or give it more",
        ) from error
    except PROTOCOL_ERRORS as error:
        log.error("%s: another tool's table", what, exc_info=error)
        raise precondition(
            "TABLE_FEATURE",
            f"{what}: the table has a feature that is not known here; the server's log names it",
        ) from error
    except (pl.exceptions.PolarsError, pa.ArrowException, *SCHEMA_ERRORS) as error:
        raise _not_workable(what, error) from error
    except STORAGE_ERRORS as error:
        log.error("%s: storage failed", what, exc_info=error)
        number = getattr(error, "errno", None)
        if how := refusal(error):
            raise precondition(
                "STORAGE_REFUSED",
                f"{what}: the lake's storage refuses this server ({how}); nothing was committed. Correct its"
                " credentials, its rights or the bucket's name; the server's log has the details",
            ) from error
        raise StatusError(
            grpc.StatusCode.UNAVAILABLE,
            "STORAGE_FAILED",
            f"{what}: the lake's storage failed ({type(error).__name__}{f', errno {number}' if number else ''});"
            f" nothing was committed. The server's log has the details; {again} when it is mended",
        ) from error
    except OutsideLakeError as error:
        raise precondition("BAD_TABLE", str(error)) from error
    except BaseException as error:
        # A panic in Polars or deltalake. Each has its own class for it, which is not an Exception.
        if type(error).__name__ != "PanicException":
            raise
        raise _not_workable(what, error) from error


def _not_workable(what: object, error: BaseException) -> StatusError:
    # The storage is not the cause, and the same rows would fail again.
    log.error("%s: rows could not be worked on", what, exc_info=error)
    return precondition(
        "ROWS_NOT_WORKABLE",
        f"{what}: the rows and the table could not be worked on together ({type(error).__name__}); nothing was"
        " committed, and the same call would fail again. The server's log has the details: report them",
    )


def no_table(ref: TableRef) -> StatusError:
    """The status for a table that does not exist."""
    return StatusError(
        grpc.StatusCode.NOT_FOUND, "NO_TABLE", f"{ref}: there is no such table; no write has made it yet"
    )


def until_first(ref: TableRef, attempts: int, attempt: Callable[[], _T], *, again: str) -> _T:
    """Repeats an attempt to plan and commit for as long as other writers commit first, and returns its result.

    Args:
        ref: The table.
        attempts: The most attempts; between them are 0.02 to 0.5 s, plus up to 0.1 s of jitter.
        attempt: Opens the table at its newest version and commits; raises CommitConflictError if another commit was
            first.
        again: What the caller should do if all attempts fail.

    Raises:
        StatusError: ABORTED, CONTENTION: other writers committed first in every attempt.
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
