"""Changes that name only some columns of rows which the lake already has."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from weathervane.lake import LakeClient, NotFoundError, TableRef
from weathervane.source.normalise import row_keys

__all__ = ["patched_rows"]


def patched_rows(
    lake: LakeClient, table: TableRef, changes: pa.RecordBatch, unique_keys: tuple[str, ...]
) -> list[pa.RecordBatch]:
    """Whole rows: what the table holds for the changes' keys, with the changes' other columns laid over it.

    Keys that the table does not hold are left out: there is nothing to change. Of a key that comes twice the first
    change counts. Memory: the changes, the rows they meet, and one record batch of the table.

    Args:
        lake: The lake.
        table: The table; when there is none yet, the answer is empty.
        changes: The unique key columns and the columns to change.
        unique_keys: The table's unique keys.
    """
    wanted = row_keys(changes, unique_keys)
    try:
        stored = lake.read(table)
    except NotFoundError:
        return []
    patched = []
    for batch in stored:
        change = pc.index_in(row_keys(batch, unique_keys), wanted)
        rows = batch.filter(pc.is_valid(change))
        overlay = changes.take(pc.drop_null(change))
        for name in set(changes.schema.names) - set(unique_keys):
            column = rows.schema.field(name)
            rows = rows.set_column(
                rows.schema.get_field_index(name), column, overlay.column(name).cast(column.type)
            )
        if rows.num_rows:
            patched.append(rows)
    return patched
