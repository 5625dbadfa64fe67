"""A write's receipt: what its commit notes in the table's log, and the answer made of it, then and ever after."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from weathervane.lake.model import CommitRequest, ControlTotal, WriteResult, WriteSpec
from weathervane.lake.server.admission import precondition
from weathervane.lake.server.delta import Table
from weathervane.lake.server.upsert import Change, Received

__all__ = ["first_answer", "note_of", "receipt_of"]


def first_answer(table: Table, spec: WriteSpec, request: CommitRequest) -> WriteResult | None:
    """The receipt of this write, if the table has it.

    Raises:
        StatusError: WRITE_ID_REUSED: what the table has by this id is something else.
    """
    note = table.written(spec.write_id)
    if note is None:
        return None
    # A client that was told so may commit at once, without the frames.
    if request.frame_count and note.get("sha256", "") not in ("", request.sha256.hex()):
        raise precondition(
            "WRITE_ID_REUSED",
            f"{spec.table}: write {spec.write_id} is in the table with other rows, which would be lost were they taken"
            " for a repeat; give what was read anew an id of its own",
        )
    return replace(receipt_of(table, spec.write_id, note), repeat=True)


def note_of(
    table: Table, request: CommitRequest, received: Received, change: Change, current: str | None
) -> dict[str, Any]:
    """What the commit of a write notes; `current` is the table's checkpoint before it."""
    counts = change.counts
    return {
        **counts,
        "received": received.rows.num_rows + received.quarantined.num_rows,
        "quarantined": received.quarantined.num_rows,
        "values": received.values.num_rows,
        "total_rows": table.total_rows + counts["inserted"] - counts["deleted"],
        "bytes_written": sum(file.size for file in change.added),
        "bytes_removed": sum(file.size for file in change.removed),
        "checkpoint_after": request.checkpoint if request.checkpoint is not None else current,
        "sha256": request.sha256.hex(),
        "committed_at": datetime.now(UTC).isoformat(),
        "control_totals": [[total.name, total.expected, total.actual] for total in request.control_totals],
    }


def receipt_of(table: Table, write_id: str, note: dict[str, Any]) -> WriteResult:
    """The answer of which the table has this note."""
    return WriteResult(
        table=table.ref,
        write_id=write_id,
        table_version=note["table_version"],
        rows_received=note["received"],
        rows_inserted=note["inserted"],
        rows_updated=note["updated"],
        rows_unchanged=note["unchanged"],
        rows_collapsed=note["collapsed"],
        rows_deleted=note["deleted"],
        rows_quarantined=note["quarantined"],
        total_rows=note["total_rows"],
        bytes_written=note["bytes_written"],
        bytes_removed=note["bytes_removed"],
        checkpoint=note["checkpoint_after"],
        committed_at=datetime.fromisoformat(note["committed_at"]),
        table_uri=table.store.uri,
        control_totals=tuple(ControlTotal(*total) for total in note["control_totals"]),
        values_quarantined=note.get("values", 0),
    )
