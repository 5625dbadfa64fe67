"""A run as a list of slices: each slice is read whole, written once per dataset, and moves the checkpoint.

Free of Prefect, so that it is tested and reused without it; `tasks.py` puts the Prefect tasks around it.

Nothing here remembers how far a run came: the lake does. A run that was killed anywhere begins again by asking
each table for its checkpoint, and the same write is given the same id, so a commit whose answer was lost is not
made twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from types import TracebackType
from typing import Self

import pyarrow as pa

from weathervane.lake import (
    ConflictingRowsError,
    Counts,
    LakeClient,
    RejectedError,
    ReplaceWindow,
    TableRef,
    Upload,
    WriteMode,
    WriteResult,
    WriteSpec,
)
from weathervane.source._errors import IncompleteError, SourceError
from weathervane.source._progress import Progress, announce
from weathervane.source._run.set_aside import FEW_ROWS, SetAside, known_misfits
from weathervane.source._run.slices import MOVED_WHILE_READ, Reader, Slice, SliceEnd, SliceResult
from weathervane.source._run.summary import (
    IngestionSummary,
    TableSummary,
    receipt_line,
    receipt_row,
    summary_of,
)
from weathervane.source._run.uploads import Uploads, patched_rows, together, write_id
from weathervane.source._table.dataset import Dataset

__all__ = ["Ingestion"]

_READS = 3
"""Of one slice, when the vendor's figures move while they are read."""
Merge = Callable[[LakeClient, TableRef, pa.RecordBatch, Dataset], list[pa.RecordBatch]]


class Ingestion:
    """One tenant's run of one reader into the lake. Use it in a `with` block.

    Args:
        lake: Address of the lake writer, `host:port`.
        tenant: The tenant.
        reader: The source's reader.
        run_id: The same for every attempt of one run, so that a write that was committed in one attempt is known in
            the next; another for every other run.
        merge: How changes meet the rows of the lake; a flow gives its Prefect task.
        moves_checkpoint: False for a run that fills in history: it leaves every checkpoint where it is. It is refused
            all the same once another run has moved one, for what it read may be older than what that run wrote. What
            changes while it reads is later than the checkpoint, so a run that goes on from there reads it again.
        max_set_aside: The share of a dataset's rows in a slice that may be set aside; see `set_aside.py`.
    """

    def __init__(
        self,
        lake: str,
        tenant: str,
        reader: Reader,
        run_id: str,
        *,
        merge: Merge = patched_rows,
        moves_checkpoint: bool = True,
        max_set_aside: float = 0.5,
    ) -> None:
        self.tenant = tenant
        self.reader = reader
        self._merge = merge
        self._moves_checkpoint = moves_checkpoint
        self._max_set_aside = max_set_aside
        self._run_id = run_id
        self._lake = LakeClient(lake)
        self._results: list[SliceResult] = []
        self._first_misfits: dict[str, str] = {}
        self._next: Slice | None = None
        self.checkpoints: dict[str, str | None] = {}
        """By dataset: where its table stands after the last slice."""

    def __enter__(self) -> Self:
        self.checkpoints = {
            dataset.name: self._lake.checkpoint(self.table(dataset)).value for dataset in self.reader.datasets
        }
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lake.close()

    def table(self, dataset: Dataset) -> TableRef:
        """The tenant's table of a dataset."""
        return TableRef(self.tenant, dataset.name)

    @property
    def first(self) -> TableRef:
        """The table of the dataset that carries the run's position."""
        return self.table(self.reader.datasets[0])

    @property
    def checkpoint(self) -> str | None:
        """The run's position: its first dataset's checkpoint. The other datasets of a slice are committed before it,
        so they are never behind it.
        """
        return self.checkpoints[self.reader.datasets[0].name]

    def next_slice(self) -> Slice | None:
        """The slice that comes next, the same one until it is written; None when the run is complete."""
        try:
            if self._next is None:
                self._next = self.reader.next_slice(self.checkpoint)
            return self._next
        except SourceError as error:
            raise error.with_context(tenant=self.tenant, dataset=self.reader.datasets[0].name) from error

    def write(self, slice: Slice) -> SliceResult:
        """Reads a slice and writes it, one commit per dataset, the first dataset last.

        Raises:
            SourceError: The vendor's side; nothing of the slice moved the run's position.
            LakeError: The lake's side; a `retriable` one may be tried again.
        """
        first = self.reader.datasets[0]
        try:
            specs = {dataset.name: self._spec(dataset, slice) for dataset in self.reader.datasets}
            with self._whole(slice, specs) as (uploads, end):
                receipts = {}
                # Children first: a kill in between leaves the run's position before the slice, and it is done again.
                for dataset in [*reversed(self.reader.datasets[1:]), first]:
                    receipt = self._commit(dataset, uploads.of(dataset.name), end)
                    receipts[dataset.name] = together([*uploads.earlier(dataset.name), receipt])
                    self._announce(slice, receipts[dataset.name])
        except SourceError as error:
            raise error.with_context(tenant=self.tenant, dataset=first.name, slice=slice.name) from error
        for name, receipt in receipts.items():
            self.checkpoints[name] = receipt.checkpoint
        result = SliceResult(slice, receipts, end.done)
        self._results.append(result)
        self._next = None
        return result

    @contextmanager
    def _whole(self, slice: Slice, specs: dict[str, WriteSpec]) -> Iterator[tuple[Uploads, SliceEnd]]:
        """The slice, read whole; afresh when it moved meanwhile. What was sent of an earlier read is given up."""
        for left in reversed(range(_READS)):
            with Uploads(self._lake, specs) as uploads:
                try:
                    end = self._transfer(slice, uploads)
                    _compare(end)
                except IncompleteError as error:
                    if error.reason != MOVED_WHILE_READ or not left:
                        raise
                    announce(
                        Progress(f"{slice.name}: {error.message}: it is read afresh", self.tenant, slice.name)
                    )
                    continue
                yield uploads, end
                return

    def summary(self) -> IngestionSummary:
        """What the run did, over all its slices."""
        tables = {dataset.name: self._summary(dataset) for dataset in self.reader.datasets}
        return summary_of(self.reader.source, tables, slices=len(self._results))

    def _summary(self, dataset: Dataset) -> TableSummary:
        receipts = [
            result.receipts[dataset.name] for result in self._results if dataset.name in result.receipts
        ]
        if receipts:
            total, version, path = receipts[-1].total_rows, receipts[-1].table_version, receipts[-1].table_uri
        else:
            table = self._lake.describe(self.table(dataset))
            total, version, path = table.total_rows, table.version, table.table_uri
        return TableSummary(
            path=path,
            table_version=version,
            total_rows=total,
            checkpoint=self.checkpoints[dataset.name],
            first_misfit=self._first_misfits.get(dataset.name) or None,
            **Counts.sum(receipts).counts(),
        )

    def _transfer(self, slice: Slice, uploads: Uploads) -> SliceEnd:
        pieces = self.reader.read(slice)
        unfit = {dataset.name: SetAside(dataset.name) for dataset in self.reader.datasets}
        while True:
            try:
                piece = next(pieces)
            except StopIteration as stop:
                first = unfit[self.reader.datasets[0].name]
                for name, found in unfit.items():
                    # A child table's few rows shall not keep their parents from the lake, money and all.
                    if found is first or found.received >= FEW_ROWS or first.nothing_fits:
                        known = partial(known_misfits, self._lake, TableRef(self.tenant, name))
                        found.check(self._max_set_aside, known)
                    self._first_misfits[name] = self._first_misfits.get(name) or found.first
                end: SliceEnd = stop.value
                return end
            upload = uploads.of(piece.dataset)
            if piece.rows is not None:
                unfit[piece.dataset].add(piece.rows)
                upload.rows(piece.rows.rows)
                upload.quarantine(piece.rows.quarantined)
                upload.values(piece.rows.values)
            if piece.members is not None:
                upload.members(piece.members)
            if piece.changes is not None:
                # Rows that came, like any: one odd deletion among many is not all that there is.
                unfit[piece.dataset].received += piece.changes.num_rows
                dataset = next(d for d in self.reader.datasets if d.name == piece.dataset)
                for rows in self._merge(self._lake, self.table(dataset), piece.changes, dataset):
                    upload.changes(rows)

    def _commit(self, dataset: Dataset, upload: Upload, end: SliceEnd) -> WriteResult:
        try:
            receipt = upload.commit(
                checkpoint=end.checkpoint if self._moves_checkpoint else None,
                control_totals=end.control_totals.get(dataset.name, ()),
            )
        except ConflictingRowsError as error:
            raise IncompleteError(
                f"{dataset.name}: different rows have the key {error.metadata['row_key']}, they differ in"
                f" {error.metadata['columns']}; all but one would be lost",
                reason="CONFLICTING_ROWS",
            ) from error
        except RejectedError as error:
            if error.reason != "WRITE_ID_REUSED":
                raise
            receipt = None
        if receipt is None or receipt.repeat:
            # An earlier attempt, given up by us, came to its commit after all. Read again, ours is what follows it.
            raise IncompleteError(
                f"rows of {dataset.name} that were read earlier were committed meanwhile",
                reason="COMMITTED_MEANWHILE",
            )
        return receipt

    def _spec(self, dataset: Dataset, slice: Slice) -> WriteSpec:
        before = self.checkpoints[dataset.name]
        ranges = tuple(slice.window.get(dataset.name, ()))
        members = dataset.replace_members
        window = ReplaceWindow(ranges, members) if ranges or members else None
        name = f"{self._run_id}\n{self.tenant}\n{dataset.name}\n{slice.name}\n{self.checkpoint}"
        return WriteSpec(
            table=self.table(dataset),
            write_id=write_id(dataset.name, name),
            mode=WriteMode.REPLACE_WINDOW if window else WriteMode.UPSERT,
            schema=dataset.schema,
            unique_keys=dataset.unique_keys,
            cluster_by=dataset.cluster_by,
            version_column=dataset.version_column,
            check_checkpoint=True,
            expected_checkpoint=before,
            window=window,
            refuse_conflicting_rows=True,
        )

    def _announce(self, slice: Slice, receipt: WriteResult) -> None:
        message = receipt_line(self.tenant, receipt_row(slice.name, receipt))
        announce(Progress(message, self.tenant, slice.name, receipt))


def _compare(end: SliceEnd) -> None:
    """Raises IncompleteError before anything is committed; the lake would do so for one dataset, the last one."""
    for dataset, totals in end.control_totals.items():
        for total in totals:
            if Decimal(total.expected) != Decimal(total.actual):
                raise IncompleteError(
                    f"{dataset}: the vendor says {total.expected} {total.name}, and we read {total.actual}",
                    reason="CONTROL_TOTAL",
                )
