"""Stages the rows of a write in a temporary file until the commit, so that memory does not have to hold all of them.

The file is unlinked at once, so it does not outlive the process.
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import IO, Self

import grpc
import pyarrow as pa

from weathervane.rpc import StatusError


class Staged:
    """Record batches of one schema, which are written once and then read as one memory-mapped table.

    Raises:
        StatusError: UNAVAILABLE, STAGING_FAILED (from every method): the folder's disk is full or failing.
    """

    def __init__(self, schema: pa.Schema, folder: str | None) -> None:
        self.schema = schema
        self.num_rows = 0
        with _failures():
            # TemporaryFile is unlinked when it is created, so kill -9 leaves nothing to clean up.
            self._file: IO[bytes] = tempfile.TemporaryFile(prefix="weathervane-", dir=folder)  # noqa: SIM115 - `close`
            self._writer = pa.ipc.new_file(pa.PythonFile(self._file, "w"), schema)
        self._map: mmap.mmap | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file, and with it drops the rows. A table from `table` must not be used afterwards."""
        self._file.close()

    def append(self, batch: pa.RecordBatch) -> None:
        """Adds a batch."""
        with _failures():
            self._writer.write_batch(batch)
        self.num_rows += batch.num_rows

    def table(self) -> pa.Table:
        """All rows, in the order in which they were appended; their memory is the mapped file."""
        if self._map is None:
            with _failures():
                self._writer.close()
                self._file.flush()
                self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        return pa.ipc.open_file(pa.py_buffer(self._map)).read_all()


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StatusError(
            grpc.StatusCode.UNAVAILABLE,
            "STAGING_FAILED",
            f"the server cannot keep the write's rows until its commit ({type(error).__name__}, errno {error.errno});"
            " nothing was committed",
        ) from error
