"""The data files of a table at one version: which there are, and what is in them."""

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
"""Of files whose text bounds were written with escapes: readers of the log take characters beyond the first plane, such
as U+20BB7, for others. Such a bound is not believed, and a compaction writes the file anew."""
_BEYOND = "[\U00010000-\U0010ffff]"


class Snapshot:
    """A table at one version, as far as its data files go.

    Args:
        ref: The table.
        store: Where its files are.
        version: The version.
        schema: Its columns.
        layout: What the first write fixed.
        actions: Delta's add actions of this version, flat.
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
        """This version as it will be with more columns, which no row has a value of yet."""
        wider = copy(self)
        wider.schema = plain_schema(pa.schema([*self.schema, *columns]))
        return wider

    def foreign_path(self) -> str | None:
        """A data file's path that only another tool gives: absolute, or with characters that the log must encode."""
        odd = self._actions.filter(pl.col("path").str.contains("%|://"))["path"]
        return None if odd.is_empty() else str(odd[0])

    def files(self) -> pl.DataFrame:
        """The data files: path, size, rows, modified, and `lower`/`upper` of the cluster column (NULL: not known)."""
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
            # Other writers cut statistics to milliseconds, so their greatest value may be a little too small.
            frame = frame.with_columns(pl.col("upper") + timedelta(milliseconds=1))
        return frame

    def doubtful_files(self) -> pl.DataFrame:
        """The files, as `files` has them, of which other readers see wrong bounds of a text, so that a filter on it
        passes them over.
        """
        bounds = [name for name in self._actions.columns if name.startswith(("min.", "max."))]
        return self.files().filter(self._actions.select(self._doubtful(bounds)).to_series())

    def _doubtful(self, bounds: Sequence[str]) -> pl.Expr:
        """Whether one of these bounds may have been misread as the log was."""
        texts = [name for name in bounds if self._actions.schema[name] == pl.String]
        beyond = [pl.col(name).str.contains(_BEYOND).fill_null(False) for name in texts]
        return pl.col("path").str.ends_with(_FIRST_SUFFIX) & pl.any_horizontal(pl.lit(False), *beyond)

    def read_file(self, path: str) -> pl.DataFrame:
        """A data file's rows with the table's columns and types."""
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
        """The same as Arrow has it: a type that Polars would change stays what it is."""
        batches = self._scanned(path, self.schema, None, batch_rows=131_072)
        return pa.Table.from_batches(batches, self.schema)

    def write_file(self, rows: pa.Table) -> NewFile:
        """Writes rows of the table's schema to a new file that no commit names yet."""
        path = f"part-00000-{uuid.uuid4()}{_SUFFIX}"
        sink = pa.BufferOutputStream()
        # A dictionary on numbers doubles the cost of writing and saves nothing (measured).
        texts = [column.name for column in rows.schema if column.type in (pa.string(), pa.binary())]
        pq.write_table(rows, sink, compression="zstd", compression_level=1, use_dictionary=texts)
        data = sink.getvalue()
        self.store.put(path, memoryview(data))
        return NewFile(path, data.size, rows.num_rows, statistics(rows))

    def batches(
        self, columns: Sequence[str], ranges: Sequence[tuple[str, pa.Scalar, pa.Scalar]], *, batch_rows: int
    ) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """The rows that are in every range (column, lower, upper) as a bounded stream of batches, and their schema."""
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
        # File by file from memory: through deltalake's own dataset it took five times the memory, and its filters
        # silently find nothing in a column of a file that has no bounds for it (seen in 1.6.6).
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
        """Tells a data file that cannot be read from a storage that failed: its bytes are here when it is parsed."""
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
