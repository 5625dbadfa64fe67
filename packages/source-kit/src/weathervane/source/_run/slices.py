"""What a source implements: a `Reader`, which cuts its run into slices and reads one at a time."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

from weathervane.lake import ColumnRange, ControlTotal, WriteResult
from weathervane.source._errors import DeferredError
from weathervane.source._table.dataset import Dataset
from weathervane.source._table.normalise import Normalised

__all__ = ["MOVED_WHILE_READ", "Deferring", "Piece", "Reader", "Slice", "SliceEnd", "SliceResult"]


MOVED_WHILE_READ = "MOVED_WHILE_READ"
"""The reason of an IncompleteError that a fresh read of the slice is likely to mend."""


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

        Raises IncompleteError when the vendor's answer was not whole: nothing of the slice is then committed. When it
        was not whole because the vendor's figures moved while they were read, its reason is MOVED_WHILE_READ: the slice
        is then read afresh, at once and a few times, before the error leaves the run.
        """
        ...


@runtime_checkable
class Deferring(Protocol):
    """A reader that may leave a part for later, of which the rest of the run is independent."""

    @property
    def deferred(self) -> DeferredError | None:
        """What is left, and when it can be had; None when the run has read all."""
        ...


@dataclass(frozen=True)
class SliceResult:
    """The receipts of one slice, by dataset."""

    slice: Slice
    receipts: Mapping[str, WriteResult]
    done: float | None = None
    """See `SliceEnd.done`."""
