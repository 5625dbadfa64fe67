"""The data files of a table at one version: which there are, and what is in them."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator, Sequence
from datetime import timedelta

import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from weathervane.lake.model import TableRef
from weathervane.lake.server.files import Layout, LostFileError, NewFile
from weathervane.lake.server.statistics import statistics
from weathervane.lake.server.store import Store

__all__ = ["Snapshot"]


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

    def files(self) -> pl.DataFrame:
        """The data files: path, size, rows, modified, and `lower`/`upper` of the cluster column (NULL: not known)."""
        column = self.layout.cluster_by
        dtype = pl.Series(pa.array([], self.schema.field(column).type)).dtype if column else pl.Null()
        bounds = []
        for name, source in (("lower", f"min.{column}"), ("upper", f"max.{column}")):
            known = column is not None and source in self._actions.columns
            bounds.append((pl.col(source) if known else pl.lit(None)).cast(dtype).alias(name))
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

    def read_file(self, path: str) -> pl.DataFrame:
        """A data file's rows with the table's columns and types."""
        frame = pl.read_parquet(io.BytesIO(self._get(path)))
        expected = pl.from_arrow(self.schema.empty_table())
        assert isinstance(expected, pl.DataFrame)
        missing = [
            pl.lit(None, dtype).alias(n) for n, dtype in expected.schema.items() if n not in frame.columns
        ]
        return frame.with_columns(missing).select(expected.columns).cast(expected.schema)

    def read_rows(self, path: str) -> pa.Table:
        """The same as Arrow has it: a type that Polars would change stays what it is."""
        batches = self._scanner(path, self.schema, None, batch_rows=131_072).to_batches()
        return pa.Table.from_batches([batch.cast(self.schema) for batch in batches], self.schema)

    def write_file(self, rows: pa.Table) -> NewFile:
        """Writes rows of the table's schema to a new file that no commit names yet."""
        path = f"part-00000-{uuid.uuid4()}-c000.zstd.parquet"
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
                scanner = self._scanner(path, schema, condition, batch_rows=batch_rows)
                yield from (batch.cast(schema) for batch in scanner.to_batches() if batch.num_rows)

        return schema, rows()

    def _scanner(
        self, path: str, schema: pa.Schema, condition: ds.Expression | None, *, batch_rows: int
    ) -> ds.Scanner:
        # File by file from memory: through deltalake's own dataset it took five times the memory, and its filters
        # silently find nothing in a column of a file that has no bounds for it (seen in 1.6.6).
        fragment = ds.ParquetFileFormat().make_fragment(pa.BufferReader(self._get(path)))
        return fragment.scanner(
            schema=self.schema,
            columns=schema.names,
            filter=condition,
            batch_size=batch_rows,
            use_threads=False,
        )

    def _get(self, path: str) -> bytes:
        try:
            return self.store.get(path)
        except FileNotFoundError:
            name = path.rsplit("/", 1)[-1]
            raise LostFileError(
                f"{self.ref}: version {self.version} names the data file {name}, which is gone; restore it"
            ) from None
