"""How each class of exception of the libraries is reported; only failures that may pass ask for a retry."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import deltalake.exceptions
import grpc
import polars as pl
import pyarrow as pa
import pytest

from weathervane.lake.server.failures import storage_failures
from weathervane.rpc import StatusError


def subclasses(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    """A class and all its subclasses."""
    yield kind
    for one in kind.__subclasses__():
        yield from subclasses(one)


def told(error: BaseException) -> StatusError:
    """The error that a caller gets for an exception."""
    with pytest.raises(StatusError) as caught, storage_failures("acme/orders"):
        raise error
    assert "CANARY" not in caught.value.message, "the library's words belong in the log"
    return caught.value


# Another attempt meets the same table, or the same rows.
FINAL = {
    deltalake.exceptions.DeltaProtocolError: "TABLE_FEATURE",
    deltalake.exceptions.SchemaMismatchError: "ROWS_NOT_WORKABLE",
}
DELTA = [
    one
    for one in vars(deltalake.exceptions).values()
    if isinstance(one, type) and issubclass(one, Exception) and one not in FINAL
]


@pytest.mark.parametrize(
    "kind", [*DELTA, OSError, ConnectionError, TimeoutError], ids=lambda kind: kind.__name__
)
def test_a_storage_that_fails_may_be_mended(kind: type[Exception]) -> None:
    """The error is retriable."""
    error = told(kind("CANARY"))
    assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "STORAGE_FAILED")


@pytest.mark.parametrize(
    "kind",
    [
        *subclasses(pl.exceptions.PolarsError),
        *(one for one in subclasses(pa.ArrowException) if not issubclass(one, MemoryError)),
        pl.exceptions.PanicException,
        type("PanicException", (BaseException,), {"__module__": "deltalake"}),
    ],
    ids=lambda kind: f"{kind.__module__}.{kind.__name__}",
)
def test_rows_that_cannot_be_worked_on_are_not_sent_again(kind: type[BaseException]) -> None:
    """The same rows would fail again."""
    error = told(kind("CANARY"))
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "ROWS_NOT_WORKABLE")


@pytest.mark.parametrize(("kind", "reason"), FINAL.items(), ids=str)
def test_what_deltalake_will_not_do_is_final(kind: type[Exception], reason: str) -> None:
    """A table feature that deltalake does not support is not retried."""
    error = told(kind("CANARY"))
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, reason)


@pytest.mark.parametrize("kind", [*subclasses(MemoryError)], ids=lambda kind: kind.__name__)
def test_memory_may_come_back(kind: type[MemoryError]) -> None:
    """Running out of memory is retriable, because other calls end."""
    assert told(kind("CANARY")).code is grpc.StatusCode.RESOURCE_EXHAUSTED


REFUSALS = (
    PermissionError(errno.EACCES, "CANARY"),
    OSError(errno.EROFS, "CANARY"),
    # As object_store 0.13 says it through deltalake 1.6.6, against a real S3 server.
    OSError("The operation lacked the necessary privileges to complete for path x/t: CANARY"),
    OSError(
        "Generic S3 error\n Error performing list request\n Server returned non-2xx status code\n 403 Forbidden"
    ),
    OSError(
        "Generic S3 error\n  \x1b[31m↳\x1b[0m Error performing GET - Server returned non-2xx status code\n"
        "  \x1b[31m↳\x1b[0m 404 Not Found\n  \x1b[31m↳\x1b[0m <Error><Code>NoSuchBucket</Code>"
    ),
    OSError("Generic MicrosoftAzure error\n          \x1b[31m↳\x1b[0m Account must be specified\n"),
    deltalake.exceptions.DeltaError("Generic LocalFileSystem error: CANARY: Permission denied (os error 13)"),
    deltalake.exceptions.DeltaError(
        "Failed to parse parquet: External: The operation lacked the necessary privileges"
    ),
)


@pytest.mark.parametrize("error", REFUSALS, ids=str)
def test_a_storage_that_refuses_needs_a_person(error: Exception) -> None:
    """A retry would have the same rights."""
    refused = told(error)
    assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "STORAGE_REFUSED")
