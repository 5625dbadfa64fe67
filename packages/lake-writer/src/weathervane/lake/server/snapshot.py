"""The data files of a table at one version: lists, reads and writes them."""

from __future__ import annotations

import io
import logging
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from datetime import timedelta

import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from weathervane.lake._arrow import plain_schema
from weathervane.lake._model import TableRef
from weathervane.lake.server.files import DamagedTableError, Layout, LostFileError, NewFile
from weathervane.lake.server.statistics import statistics
from weathervane.lake.server.store import Store

__all__ = ["Snapshot"]

log = logging.getLogger(__name__)

_SUFFIX = "-c001.zstd.parquet"
_FIRST_SUFFIX = "-c000.zstd.parquet"
"""The suffix of files whose text bounds were written with escapes, in which readers of the log get characters beyond
U+FFFF (e.g. U+20BB7) wrong. Such a bound is not used here, and a compaction rewrites the file."""
_BEYOND = "[\U00010000-\U0010ffff]"


class Snapshot:
    """The data files of a table at one version.

    Args:
        ref: The table.
        store: The table's files.
        version: The version.
        schema: The table's columns at this version.
        layout: The table's keys and order.
        actions: Delta's add actions of this version, flattened.
    """

    def __init__(
        self,
        ref: TableRef,
        store: Store,
        version: int,
        schema: pa.Schema,
        layout: Layout,
        actions: pl.DataFrame,
    ) -> None:
        self.ref = ref
        self.store = store
        self.version = version
        self.schema = schema
        self.layout = layout
        self._actions = actions
        self.size_bytes = int(actions["size_bytes"].sum())
        self.file_count = actions.height

    def widened(self, columns: Sequence[pa.Field]) -> Snapshot:
        """This version with more columns, which are NULL in all its rows."""
        wider = copy(self)
        wider.schema = plain_schema(pa.schema([*self.schema, *columns]))
        return wider

    def foreign_path(self) -> str | None:
        """The path of a data file that another tool has added: absolute, or with characters that the log encodes."""
        odd = self._actions.filter(pl.col("path").str.contains("%|://"))["path"]
        return None if odd.is_empty() else str(odd[0])

    def files(self) -> pl.DataFrame:
        """The data files: path, size (bytes), rows, modified, and the cluster column's `lower` and `upper` bound.

        A bound is NULL if it is not known or not reliable.
        """
        column = self.layout.cluster_by
        dtype = pl.Series(pa.array([], self.schema.field(column).type)).dtype if column else pl.Null()
        bounds = []
        for name, source in (("lower", f"min.{column}"), ("upper", f"max.{column}")):
            known = column is not None and source in self._actions.columns
            bound = pl.when(~self._doubtful([source])).then(pl.col(source)) if known else pl.lit(None)
            bounds.append(bound.cast(dtype).alias(name))
        frame = self._actions.select(
            "path",
            pl.col("size_bytes").alias("size"),
            pl.col("num_records").alias("rows"),
            pl.col("modification_time").alias("modified"),
            *bounds,
        )
        if isinstance(dtype, pl.Datetime):
            # Other writers truncate statistics to milliseconds, so their upper bound may be too small.
            frame = frame.with_columns(pl.col("upper") + timedelta(milliseconds=1))
        return frame

    def doubtful_files(self) -> pl.DataFrame:
        """The files, as `files` returns them, of which other readers may see wrong bounds of a text column. A filter on
        that column would skip them.
        """
        bounds = [name for name in self._actions.columns if name.startswith(("min.", "max."))]
        return self.files().filter(self._actions.select(self._doubtful(bounds)).to_series())

    def _doubtful(self, bounds: Sequence[str]) -> pl.Expr:
        """Whether one of these bounds may be wrong, as readers of the log see it."""
        texts = [name for name in bounds if self._actions.schema[name] == pl.String]
        beyond = [pl.col(name).str.contains(_BEYOND).fill_null(False) for name in texts]
        return pl.col("path").str.ends_with(_FIRST_SUFFIX) & pl.any_horizontal(pl.lit(False), *beyond)

    def read_file(self, path: str) -> pl.DataFrame:
        """A data file's rows, with the table's columns and types, for Polars.

        Raises:
            DamagedTableError: The file is missing or cannot be read.
        """
        data = self._get(path)
        with self._whole(path):
            frame = pl.read_parquet(io.BytesIO(data))
        expected = pl.from_arrow(self.schema.empty_table())
        assert isinstance(expected, pl.DataFrame)
        missing = [
            pl.lit(None, dtype).alias(n) for n, dtype in expected.schema.items() if n not in frame.columns
        ]
        return frame.with_columns(missing).select(expected.columns).cast(expected.schema)

    def read_rows(self, path: str) -> pa.Table:
        """A data file's rows as an Arrow table, which keeps types that Polars would change.

        Raises:
            DamagedTableError: The file is missing or cannot be read.
        """
        batches = self._scanned(path, self.schema, None, batch_rows=131_072)
        return pa.Table.from_batches(batches, self.schema)

    def write_file(self, rows: pa.Table) -> NewFile:
        """Writes rows of the table's schema to a new file, which is not in the table until a commit names it."""
        path = f"part-00000-{uuid.uuid4()}{_SUFFIX}"
        sink = pa.BufferOutputStream()
        # Dictionary encoding of numbers doubles the time to write and saves nothing (measured).
        texts = [column.name for column in rows.schema if column.type in (pa.string(), pa.binary())]
        pq.write_table(rows, sink, compression="zstd", compression_level=1, use_dictionary=texts)
        data = sink.getvalue()
        self.store.put(path, memoryview(data))
        return NewFile(path, data.size, rows.num_rows, statistics(rows))

    def batches(
        self, columns: Sequence[str], ranges: Sequence[tuple[str, pa.Scalar, pa.Scalar]], *, batch_rows: int
    ) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """The rows that are in all ranges (column, lower, upper): their schema, and a generator of batches.

        Args:
            columns: The columns to read; all if empty.
            ranges: Bounds are inclusive and have their column's type.
            batch_rows: The most rows in a batch.
        """
        schema = pa.schema([self.schema.field(name) for name in columns]) if columns else self.schema
        files, condition = self.files(), None
        for name, lower, upper in ranges:
            inside = (ds.field(name) >= lower) & (ds.field(name) <= upper)
            condition = inside if condition is None else condition & inside
            if name == self.layout.cluster_by:
                outside = (pl.col("upper") < lower.as_py()) | (pl.col("lower") > upper.as_py())
                files = files.filter(~outside.fill_null(False))

        def rows() -> Iterator[pa.RecordBatch]:
            for path in files["path"]:
                yield from self._scanned(path, schema, condition, batch_rows=batch_rows)

        return schema, rows()

    def _scanned(
        self, path: str, schema: pa.Schema, condition: ds.Expression | None, *, batch_rows: int
    ) -> Iterator[pa.RecordBatch]:
        # Each file is read into memory by itself: deltalake's own dataset took five times the memory, and its filters
        # silently find nothing in a file that has no bounds for the column (seen in 1.6.6).
        data = self._get(path)
        with self._whole(path):
            fragment = ds.ParquetFileFormat().make_fragment(pa.BufferReader(data))
            scanner = fragment.scanner(
                schema=self.schema,
                columns=schema.names,
                filter=condition,
                batch_size=batch_rows,
                use_threads=False,
            )
            for batch in scanner.to_batches():
                if batch.num_rows:
                    yield batch.cast(schema)

    @contextmanager
    def _whole(self, path: str) -> Iterator[None]:
        """Reports a failure to parse a data file as DamagedTableError.

        Its bytes are in memory already, so the storage cannot be the cause.
        """
        try:
            yield
        except MemoryError:  # Arrow's is an ArrowException too
            raise
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, pa.ArrowException, OSError) as error:
            log.error("%s: the data file %s cannot be read", self.ref, path, exc_info=error)
            raise DamagedTableError(
                f"{self.ref}: the data file {path.rsplit('/', 1)[-1]} of version {self.version} cannot be read, it is"
                " cut or damaged; restore it"
            ) from None

    def _get(self, path: str) -> bytes:
        try:
            return self.store.get(path)
        except FileNotFoundError:
            name = path.rsplit("/", 1)[-1]
            raise LostFileError(
                f"{self.ref}: version {self.version} names the data file {name}, which is gone; restore it"
            ) from None
