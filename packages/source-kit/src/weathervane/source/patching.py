"""Changes that name only some columns of rows which the lake already has."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from weathervane.lake import ColumnRange, LakeClient, NotFoundError, TableRef, row_keys
from weathervane.source.dataset import Dataset

__all__ = ["patched_rows"]


def patched_rows(
    lake: LakeClient, table: TableRef, changes: pa.RecordBatch, dataset: Dataset
) -> list[pa.RecordBatch]:
    """Whole rows: what the table holds for the changes' keys, with the changes' other columns laid over it.

    Keys that the table does not hold are left out: there is nothing to change. Of a key that comes twice the first
    change counts. A column that the table does not have yet is null. Read are the files in whose range of the cluster
    column the changes lie, so make one call for all changes. Memory: the changes, the rows they meet, one record batch.

    Args:
        lake: The lake.
        table: The table; when there is none yet, the answer is empty.
        changes: The unique key columns and the columns to change.
        dataset: What the rows are of.
    """
    wanted = row_keys(changes, dataset.unique_keys)
    try:
        # The files that hold the others are not even opened.
        stored = lake.read(table, ranges=_range(changes, dataset.cluster_by))
    except NotFoundError:
        return []
    patched = []
    for batch in stored:
        change = pc.index_in(row_keys(batch, dataset.unique_keys), wanted)
        rows = batch.filter(pc.is_valid(change))
        if not rows.num_rows:
            continue
        overlay = changes.take(pc.drop_null(change))
        columns = []
        for column in dataset.schema:
            newest = overlay if column.name in overlay.schema.names else rows
            columns.append(
                newest.column(column.name).cast(column.type)
                if column.name in newest.schema.names
                else pa.nulls(rows.num_rows, column.type)
            )
        patched.append(pa.RecordBatch.from_arrays(columns, schema=dataset.schema))
    return patched


def _range(changes: pa.RecordBatch, cluster_by: str | None) -> tuple[ColumnRange, ...]:
    if cluster_by is None or cluster_by not in changes.schema.names or not changes.num_rows:
        return ()
    bounds = pc.min_max(changes.column(cluster_by))
    lower, upper = (bounds[name].cast(pa.string()).as_py() for name in ("min", "max"))
    return (ColumnRange(cluster_by, lower, upper),)
