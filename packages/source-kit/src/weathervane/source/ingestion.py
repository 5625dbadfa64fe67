"""A run as a list of slices: each slice is read whole, written once per dataset, and moves the checkpoint.

Free of Prefect, so that it is tested and reused without it; `tasks.py` puts the Prefect tasks around it.

Nothing here remembers how far a run came: the lake does. A run that was killed anywhere begins again by asking
each table for its checkpoint, and the same write is given the same id, so a commit whose answer was lost is not
made twice.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import TracebackType
from typing import Any, Protocol, Self

import pyarrow as pa

from weathervane.lake import (
    ColumnRange,
    ControlTotal,
    LakeClient,
    ReplaceWindow,
    TableRef,
    Upload,
    WriteMode,
    WriteResult,
    WriteSpec,
)
from weathervane.source.dataset import Dataset
from weathervane.source.errors import IncompleteError, SourceError
from weathervane.source.normalise import Normalised
from weathervane.source.patching import patched_rows
from weathervane.source.progress import Progress, announce

__all__ = ["Ingestion", "IngestionSummary", "Piece", "Reader", "Slice", "SliceEnd", "SliceResult"]

Merge = Callable[[LakeClient, TableRef, pa.RecordBatch, tuple[str, ...]], list[pa.RecordBatch]]

_WRITES = uuid.UUID("6d3bb5a2-9f0e-4d0c-8a51-4f1f5d0f5a11")


@dataclass(frozen=True)
class IngestionSummary:
    """What a flow returns.

    `row_count` = new + updated rows of the flow's first dataset. `metadata` holds `new_rows`, `updated_rows`,
    `total_rows` and `checkpoint` of it; `state` (`loaded`, or `verified_empty` when the vendor said that there was
    nothing); `slices`; and under `datasets` the counts of every dataset of the flow by name.
    """

    path: str
    """Where the first dataset's table is, as a URL or path that a Delta reader opens."""
    row_count: int
    source: str
    metadata: dict[str, Any]


@dataclass(frozen=True)
class Slice:
    """One part of a run: read whole, then written in one commit per dataset."""

    name: str
    """Unique within a run and the same when the run is tried again; a person reads it: `updated 2026-11-01 .. now`."""
    bounds: Mapping[str, Any] = field(default_factory=dict)
    """What the reader needs to read it."""
    window: Mapping[str, Sequence[ColumnRange]] = field(default_factory=dict)
    """By dataset: the part of the table that this slice is a complete account of, e.g. an account and a range of days.
    Rows there that the slice does not hold have vanished at the vendor, and are removed and counted."""


@dataclass(frozen=True)
class Piece:
    """Some rows of a slice."""

    dataset: str
    rows: Normalised | None = None
    """Whole rows, and those that did not fit."""
    members: pa.RecordBatch | None = None
    """For a dataset with `replace_members`: the parents whose rows this slice holds completely."""
    changes: pa.RecordBatch | None = None
    """Key columns and a few others, to be laid over the rows that the lake holds (a deletion's time)."""


@dataclass(frozen=True)
class SliceEnd:
    """What a reader says when it has read a slice whole."""

    checkpoint: str | None
    """Where a run goes on after this slice; None leaves the checkpoint where it is."""
    control_totals: Mapping[str, Sequence[ControlTotal]] = field(default_factory=dict)
    """By dataset: the vendor's own figures beside ours. A pair that differs makes the slice incomplete."""
    done: float | None = None
    """How much of the run is done after this slice, 0 to 1; None when nobody can say. It moves a bar, nothing else."""


class Reader(Protocol):
    """How a source reads: what `Ingestion` drives."""

    @property
    def source(self) -> str:
        """The source's name."""
        ...

    @property
    def datasets(self) -> Sequence[Dataset]:
        """All that its slices fill; the first one carries the run's position."""
        ...

    def next_slice(self, checkpoint: str | None) -> Slice | None:
        """The slice that follows the committed checkpoint; None when the run has read everything."""
        ...

    def read(self, slice: Slice) -> Generator[Piece, None, SliceEnd]:
        """Reads one slice. It may be asked for the same slice again, after a failure, and then begins anew.

        Raises IncompleteError when the vendor's answer was not whole: nothing of the slice is then committed.
        """
        ...


@dataclass(frozen=True)
class SliceResult:
    """The receipts of one slice, by dataset."""

    slice: Slice
    receipts: Mapping[str, WriteResult]
    done: float | None = None
    """See `SliceEnd.done`."""


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
    ) -> None:
        self.tenant = tenant
        self.reader = reader
        self._merge = merge
        self._moves_checkpoint = moves_checkpoint
        self._run_id = run_id
        self._lake = LakeClient(lake)
        self._results: list[SliceResult] = []
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
        """The slice that comes next; None when the run is complete."""
        try:
            return self.reader.next_slice(self.checkpoint)
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
            with _Uploads(self._lake, specs) as uploads:
                end = self._transfer(slice, uploads)
                _compare(end)
                receipts = {}
                # Children first: a kill in between leaves the run's position before the slice, and it is done again.
                for dataset in [*reversed(self.reader.datasets[1:]), first]:
                    receipt = uploads.of(dataset.name).commit(
                        checkpoint=end.checkpoint if self._moves_checkpoint else None,
                        control_totals=end.control_totals.get(dataset.name, ()),
                    )
                    if receipt.repeat:
                        raise IncompleteError(
                            f"rows of {dataset.name} that were read earlier were committed meanwhile",
                            reason="COMMITTED_MEANWHILE",
                        )
                    receipts[dataset.name] = _together([*uploads.earlier(dataset.name), receipt])
                    self._announce(slice, receipts[dataset.name])
        except SourceError as error:
            raise error.with_context(tenant=self.tenant, dataset=first.name, slice=slice.name) from error
        for name, receipt in receipts.items():
            self.checkpoints[name] = receipt.checkpoint
        result = SliceResult(slice, receipts, end.done)
        self._results.append(result)
        return result

    def summary(self) -> IngestionSummary:
        """What the run did, over all its slices."""
        counts = {dataset.name: self._counts(dataset) for dataset in self.reader.datasets}
        first = self.reader.datasets[0].name
        metadata: dict[str, Any] = {
            **{
                name: counts[first][name] for name in ("new_rows", "updated_rows", "total_rows", "checkpoint")
            },
            "state": "loaded" if any(c["received_rows"] for c in counts.values()) else "verified_empty",
            "slices": len(self._results),
            "datasets": counts,
        }
        return IngestionSummary(
            path=counts[first]["path"],
            row_count=metadata["new_rows"] + metadata["updated_rows"],
            source=self.reader.source,
            metadata=metadata,
        )

    def _counts(self, dataset: Dataset) -> dict[str, Any]:
        receipts = [
            result.receipts[dataset.name] for result in self._results if dataset.name in result.receipts
        ]
        if receipts:
            total, version, path = receipts[-1].total_rows, receipts[-1].table_version, receipts[-1].table_uri
        else:
            table = self._lake.describe(self.table(dataset))
            total, version, path = table.total_rows, table.version, table.table_uri
        return {
            "path": path,
            "table_version": version,
            "received_rows": sum(receipt.rows_received for receipt in receipts),
            "new_rows": sum(receipt.rows_inserted for receipt in receipts),
            "updated_rows": sum(receipt.rows_updated for receipt in receipts),
            "unchanged_rows": sum(receipt.rows_unchanged for receipt in receipts),
            "collapsed_rows": sum(receipt.rows_collapsed for receipt in receipts),
            "removed_rows": sum(receipt.rows_deleted for receipt in receipts),
            "quarantined_rows": sum(receipt.rows_quarantined for receipt in receipts),
            "total_rows": total,
            "checkpoint": self.checkpoints[dataset.name],
        }

    def _transfer(self, slice: Slice, uploads: _Uploads) -> SliceEnd:
        pieces = self.reader.read(slice)
        while True:
            try:
                piece = next(pieces)
            except StopIteration as stop:
                end: SliceEnd = stop.value
                return end
            upload = uploads.of(piece.dataset)
            if piece.rows is not None:
                upload.rows(piece.rows.rows)
                upload.quarantine(piece.rows.quarantined)
            if piece.members is not None:
                upload.members(piece.members)
            if piece.changes is not None:
                keys = next(d.unique_keys for d in self.reader.datasets if d.name == piece.dataset)
                for rows in self._merge(
                    self._lake, TableRef(self.tenant, piece.dataset), piece.changes, keys
                ):
                    upload.rows(rows)

    def _spec(self, dataset: Dataset, slice: Slice) -> WriteSpec:
        before = self.checkpoints[dataset.name]
        ranges = tuple(slice.window.get(dataset.name, ()))
        members = dataset.replace_members
        window = ReplaceWindow(ranges, members) if ranges or members else None
        name = f"{self._run_id}\n{self.tenant}\n{dataset.name}\n{slice.name}\n{self.checkpoint}"
        return WriteSpec(
            table=self.table(dataset),
            write_id=f"{dataset.name}:{uuid.uuid5(_WRITES, name)}",
            mode=WriteMode.REPLACE_WINDOW if window else WriteMode.UPSERT,
            schema=dataset.schema,
            unique_keys=dataset.unique_keys,
            cluster_by=dataset.cluster_by,
            version_column=dataset.version_column,
            check_checkpoint=True,
            expected_checkpoint=before,
            window=window,
        )

    def _announce(self, slice: Slice, receipt: WriteResult) -> None:
        message = (
            f"{receipt.table}: {slice.name}: {receipt.rows_inserted:,} new, {receipt.rows_updated:,} updated,"
            f" {receipt.rows_unchanged:,} unchanged, version {receipt.table_version}"
        )
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


_COUNTS = (
    "rows_received",
    "rows_inserted",
    "rows_updated",
    "rows_unchanged",
    "rows_collapsed",
    "rows_deleted",
    "rows_quarantined",
    "bytes_written",
    "bytes_removed",
)


def _together(receipts: Sequence[WriteResult]) -> WriteResult:
    """What a run's attempts did to one table, as one receipt: the last one, with the counts of all."""
    counts = {name: sum(getattr(receipt, name) for receipt in receipts) for name in _COUNTS}
    return replace(receipts[-1], **counts)


class _Uploads:
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
            name = f"{spec.table.dataset}:{uuid.uuid5(_WRITES, spec.write_id)}"
            spec = replace(spec, write_id=name, expected_checkpoint=done.checkpoint)
            upload = self._lake.begin(spec)
        return upload
