"""The writes of one slice, and what earlier attempts of the run had written of it."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from weathervane.lake import (
    ColumnRange,
    Counts,
    LakeClient,
    NotFoundError,
    TableRef,
    Upload,
    WriteResult,
    WriteSpec,
    row_keys,
)
from weathervane.source._errors import IncompleteError
from weathervane.source._table.dataset import Dataset

__all__ = ["Uploads", "patched_rows", "together", "write_id"]

_WRITES = uuid.UUID("6d3bb5a2-9f0e-4d0c-8a51-4f1f5d0f5a11")


def together(receipts: Sequence[WriteResult]) -> WriteResult:
    """What a run's attempts did to one table, as one receipt: the last one, with the counts of all."""
    return WriteResult(**{**vars(receipts[-1]), **Counts.sum(receipts).counts()})


def write_id(dataset: str, name: str) -> str:
    """The id of a write to a dataset's table: the same for the same name."""
    return f"{dataset}:{uuid.uuid5(_WRITES, name)}"


class Uploads:
    """The open writes of a slice. Each is opened by its first rows: a reader may wait long before it has any."""

    def __init__(self, lake: LakeClient, specs: Mapping[str, WriteSpec]) -> None:
        self._lake = lake
        self._specs = specs
        self._open: dict[str, Upload] = {}
        self._earlier: defaultdict[str, list[WriteResult]] = defaultdict(list)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def of(self, dataset: str) -> Upload:
        """The upload of a dataset."""
        if dataset not in self._open:
            self._open[dataset] = self._stack.enter_context(self._begin(self._specs[dataset]))
        return self._open[dataset]

    def earlier(self, dataset: str) -> Sequence[WriteResult]:
        """The receipts of what earlier attempts of this run committed of this slice."""
        return self._earlier[dataset]

    def _begin(self, spec: WriteSpec) -> Upload:
        upload = self._lake.begin(spec)
        while upload.already_committed:
            # An earlier attempt came as far as this table. What is read now may be newer, or more: a slice that did
            # not move the checkpoint is read again, hours later when the run was put off. It is written too, as what
            # follows that commit; taken for a repeat, it would be lost.
            self._stack.enter_context(upload)
            done = self._lake.get_write(spec.table, spec.write_id).result
            if done is None:
                raise IncompleteError(
                    f"write {spec.write_id} is there and has no receipt", reason="NO_RECEIPT"
                )
            self._earlier[spec.table.dataset].append(done)
            following = write_id(spec.table.dataset, spec.write_id)
            spec = replace(spec, write_id=following, expected_checkpoint=done.checkpoint)
            upload = self._lake.begin(spec)
        return upload


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
