"""The writes of one slice, and what earlier attempts of the run had written of it."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Self

from weathervane.lake import LakeClient, Upload, WriteResult, WriteSpec
from weathervane.source.errors import IncompleteError

__all__ = ["Uploads", "together", "write_id"]

_WRITES = uuid.UUID("6d3bb5a2-9f0e-4d0c-8a51-4f1f5d0f5a11")
_COUNTS = (
    "rows_received",
    "rows_inserted",
    "rows_updated",
    "rows_unchanged",
    "rows_collapsed",
    "rows_deleted",
    "rows_quarantined",
    "values_quarantined",
    "bytes_written",
    "bytes_removed",
)


def together(receipts: Sequence[WriteResult]) -> WriteResult:
    """What a run's attempts did to one table, as one receipt: the last one, with the counts of all."""
    counts = {name: sum(getattr(receipt, name) for receipt in receipts) for name in _COUNTS}
    return replace(receipts[-1], **counts)


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
