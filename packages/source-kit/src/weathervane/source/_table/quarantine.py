"""Rows that do not fit, kept whole: what was wrong, where, and the record to read again once it is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import pyarrow as pa

from weathervane.lake import QUARANTINE_SCHEMA
from weathervane.source._table.decode import marked, restored

__all__ = ["QUARANTINE_SCHEMA", "VALUE_ASIDE", "Misfit", "quarantine_batch", "record_text"]

MAX_VALUE_CHARS = 1_000
# One row must fit one frame of the lake (3 MiB), with its key and its value.
MAX_RECORD_BYTES = 2 * 1024 * 1024
MAX_KEY_CHARS = 10_000
VALUE_ASIDE = "value set aside, row kept: "
"""How the reason of an entry begins that is a single value's: its row is in the table, with null in this column."""


@dataclass(frozen=True)
class Misfit:
    """Why one row does not fit: the first column to blame in declared order, "" for the record as a whole."""

    column: str
    value: str | None
    reason: str


def quarantine_batch(
    keys: Sequence[str], misfits: Sequence[Misfit], records: Sequence[str]
) -> pa.RecordBatch:
    """The misfits as rows of `QUARANTINE_SCHEMA`, one each."""
    return pa.RecordBatch.from_arrays(
        [
            pa.array((key[:MAX_KEY_CHARS] for key in keys), pa.string()),
            pa.array((misfit.column for misfit in misfits), pa.string()),
            pa.array((misfit.value and misfit.value[:MAX_VALUE_CHARS] for misfit in misfits), pa.string()),
            pa.array((misfit.reason for misfit in misfits), pa.string()),
            pa.array(records, pa.string()),
        ],
        schema=QUARANTINE_SCHEMA,
    )


def record_text(record: bytes, steps: Sequence[str | int]) -> str:
    r"""The record as text, of the lists it was exploded by only the element that `steps` lead to.

    So the text, read again by the same dataset, gives that row and none of its siblings. Bytes that are not
    UTF-8 are shown as `\xNN`. What is longer than 2 MiB is cut, and says so.
    """
    document = record
    if steps:
        try:
            whole, marks = marked(record) or (record, False)
            document = _only(whole, steps)
            document = restored(document) if marks else document
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, LookupError):
            document = record
    text = document.decode("utf-8", "backslashreplace")
    if len(shown := text.encode()) <= MAX_RECORD_BYTES:
        return text
    return f"{shown[:MAX_RECORD_BYTES].decode('utf-8', 'ignore')} … cut: {len(document):,} bytes in all"


def _only(document: bytes, steps: Sequence[str | int]) -> bytes:
    if not steps:
        return document
    step, rest = steps[0], steps[1:]
    if isinstance(step, int):
        elements = msgspec.json.decode(document, type=list[msgspec.Raw])
        return b"[" + _only(bytes(elements[step]), rest) + b"]"
    members = msgspec.json.decode(document, type=dict[str, msgspec.Raw])
    members[step] = msgspec.Raw(_only(bytes(members[step]), rest))
    return msgspec.json.encode(members)
