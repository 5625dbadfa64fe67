"""A write's receipt, which is made from the note in its commit, for the first answer and for every repeat."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from weathervane.lake._model import CommitRequest, ControlTotal, Counts, WriteResult, WriteSpec
from weathervane.lake.server.admission import precondition
from weathervane.lake.server.delta import Table
from weathervane.lake.server.upsert import Change, Received

__all__ = ["first_answer", "note_of", "receipt_of"]


def first_answer(
    table: Table, spec: WriteSpec, request: CommitRequest, received: Received
) -> WriteResult | None:
    """The receipt of this write, if the table has it, as a repeat; None if it has not.

    Raises:
        StatusError: FAILED_PRECONDITION, WRITE_ID_REUSED: the table has another write with this id.
    """
    note = table.written(spec.write_id)
    if note is None:
        return None
    kept = {"partition": "", **note}
    differs = [
        name for name, value in _asked(spec, request, received).items() if kept.get(name, value) != value
    ]
    if differs:
        listed = ", ".join(_WORDS.get(name, name) for name in differs)
        raise precondition(
            "WRITE_ID_REUSED",
            f"{spec.table}: write {spec.write_id} is in the table with other {listed}; what comes now would be lost"
            " were it taken for a repeat: give what was read anew an id of its own",
            differs=listed,
        )
    return replace(receipt_of(table, spec.write_id, note), repeat=True)


_WORDS = {
    "sha256": "rows",
    "sent": "counts of rows",
    "kinds": "kinds of frames",
    "new_checkpoint": "checkpoint",
    "unique_keys": "keys",
}


def _asked(spec: WriteSpec, request: CommitRequest, received: Received) -> dict[str, Any]:
    """What must be equal in two deliveries of one write, by the names in a commit's note (older notes lack some).

    Not the expected checkpoint, because an attempt after the first one's commit has read another. Not the control
    totals, which were compared before this, over the same rows.
    """
    window = spec.window
    columns = "\n".join(f"{column.name} {column.type} {column.nullable}" for column in spec.schema)
    return {
        "sha256": request.sha256.hex(),
        "sent": [request.row_count, request.quarantined_count, request.value_count],
        "kinds": received.kinds,
        "mode": spec.mode.value,
        "unique_keys": list(spec.unique_keys),
        "cluster_by": spec.cluster_by,
        "version_column": spec.version_column,
        "window": window
        and [[[r.column, r.lower, r.upper] for r in window.ranges], list(window.member_columns)],
        "schema": sha256(columns.encode()).hexdigest(),
        "new_checkpoint": request.checkpoint,
        "partition": spec.partition,
    }


def note_of(
    table: Table,
    spec: WriteSpec,
    request: CommitRequest,
    received: Received,
    change: Change,
    current: str | None,
) -> dict[str, Any]:
    """The note for the commit of a write; `current` is the checkpoint before it."""
    counts = replace(
        change.counts,
        rows_received=received.rows.num_rows + received.quarantined.num_rows,
        rows_quarantined=received.quarantined.num_rows,
        values_quarantined=received.values.num_rows,
        bytes_written=sum(file.size for file in change.added),
        bytes_removed=sum(file.size for file in change.removed),
    )
    return {
        **_asked(spec, request, received),
        **{_noted(name): count for name, count in counts.counts().items()},
        "total_rows": table.total_rows + counts.rows_inserted - counts.rows_deleted,
        "checkpoint_after": request.checkpoint if request.checkpoint is not None else current,
        "committed_at": datetime.now(UTC).isoformat(),
        "control_totals": [[total.name, total.expected, total.actual] for total in request.control_totals],
    }


def receipt_of(table: Table, write_id: str, note: dict[str, Any]) -> WriteResult:
    """The receipt made from a commit's note."""
    return WriteResult(
        table=table.ref,
        write_id=write_id,
        table_version=note["table_version"],
        # An older server's note lacks the counts that came later.
        **{name: note.get(_noted(name), 0) for name in Counts.words()},
        total_rows=note["total_rows"],
        checkpoint=note["checkpoint_after"],
        committed_at=datetime.fromisoformat(note["committed_at"]),
        table_uri=table.store.uri,
        control_totals=tuple(ControlTotal(*total) for total in note["control_totals"]),
    )


def _noted(count: str) -> str:
    """The name of a count in a commit's note."""
    return "values" if count == "values_quarantined" else count.removeprefix("rows_")
