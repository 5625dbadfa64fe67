"""Chooses the files that a compaction joins. Nothing here writes.

The files of a keyed table are ordered by the cluster column, and an upsert reads those whose range holds one of its
values. Therefore only neighbours are joined: the range of the joined file overlaps no file that theirs did not. In a
table without keys, files are joined in the order in which they were written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import polars as pl
import pyarrow as pa

from weathervane.lake.server.files import DataFile
from weathervane.lake.server.settings import LakeSettings

__all__ = ["packed", "small_runs"]


def small_runs(files: pl.DataFrame, settings: LakeSettings) -> list[list[DataFile]]:
    """Runs of at least two neighbouring small files.

    A file is small if it has less than half of `target_file_rows` and less than `small_file_bytes`. Two small files
    always fit into one, and a joined file is not small, or is the last of its run; so compacting again does nothing.

    Args:
        files: From `Snapshot.files`.
        settings: The sizes of files.
    """
    small = (pl.col("rows") < settings.target_file_rows // 2) & (pl.col("size") < settings.small_file_bytes)
    known = pl.col("lower").is_not_null() & pl.col("upper").is_not_null()
    runs = (
        # Files without bounds come last, by age.
        files.sort("lower", "upper", "modified", "path", nulls_last=True)
        .with_columns(small.fill_null(False).alias("small"), known.alias("known"))
        .with_columns(pl.struct("small", "known").rle_id().alias("run"))
        .filter("small")
        .select("run", "path", "size", "rows")
        .partition_by("run", maintain_order=True, include_key=False)
    )
    return [[DataFile(*row) for row in run.iter_rows()] for run in runs if run.height > 1]


def packed(
    run: Sequence[DataFile], read: Callable[[str], pa.Table], settings: LakeSettings
) -> Iterator[tuple[list[DataFile], pa.Table]]:
    """Groups of neighbours that fit into one file, each with its rows, in the order of the files.

    The rows of one joined file and of one more file are in memory.

    Args:
        run: From `small_runs`.
        read: Reads a file's rows by its path.
        settings: The sizes of files.
    """
    group: list[DataFile] = []
    tables: list[pa.Table] = []
    n_rows = n_bytes = 0
    for file in run:
        rows = read(file.path)
        # Only known after reading: the log does not have the size of rows in memory.
        over = n_rows + rows.num_rows > settings.target_file_rows or (
            n_bytes + rows.nbytes > settings.target_file_bytes
        )
        if group and over:
            if len(group) > 1:
                yield group, pa.concat_tables(tables)
            group, tables, n_rows, n_bytes = [], [], 0, 0
        group.append(file)
        tables.append(rows)
        n_rows, n_bytes = n_rows + rows.num_rows, n_bytes + rows.nbytes
    if len(group) > 1:
        yield group, pa.concat_tables(tables)
