"""Which files of a table are put together: small neighbours, so that the files stay in order. Nothing here writes.

Files of a keyed table lie one after the other in the cluster column, and an upsert reads those whose range holds one of
its values. Only neighbours are therefore joined: the range of the file that comes of them meets no other file that
theirs did not. A table without keys is joined in the order in which its files came.
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

    Small is less than half of a file's rows: two of them always fit into one, and one that was made of several is
    small no more, or is the last of its run; so that what is compact stays as it is.

    Args:
        files: From `Snapshot.files`.
        settings: How large files are.
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
    """Neighbours that fill one file together, with their rows, as they lie. Holds one file's rows, and one more's.

    Args:
        run: From `small_runs`.
        read: Gives a file's rows by its path.
        settings: How large files are.
    """
    group: list[DataFile] = []
    tables: list[pa.Table] = []
    n_rows = n_bytes = 0
    for file in run:
        rows = read(file.path)
        # Known only now: what a row takes in memory is not in the log.
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
