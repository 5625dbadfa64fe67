"""Finds features of a Delta table that change what its files mean and that this service does not support."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from deltalake import DeltaTable

__all__ = ["foreign_feature"]

_READER, _WRITER = 1, 2
"""The protocol of the tables that this service makes. Newer protocols have features that a reader must support to see
the right rows (deletion vectors, column mapping), or a writer (constraints, generated columns, change data)."""
_ACTIVE = {
    "delta.appendOnly": "append-only",
    "delta.enableChangeDataFeed": "a change data feed",
    "delta.enableDeletionVectors": "deletion vectors",
    "delta.enableRowTracking": "row tracking",
    "delta.enableInCommitTimestamps": "in-commit timestamps",
    "delta.enableTypeWidening": "type widening",
}
_OF_VERSION = {3: "CHECK constraints", 4: "a change data feed or generated columns", 5: "column mapping"}
_OF_COLUMN = (
    "delta.generationExpression",
    "delta.identity",
    "delta.invariants",
    "delta.columnMapping",
    "CURRENT_DEFAULT",
)


def foreign_feature(delta: DeltaTable) -> str | None:
    """The feature because of which this service must neither read nor write the table; None for a plain table.

    A plain table has protocol reader 1 and writer 2 at most, and no partitions, constraints, generated or otherwise
    special columns. Other settings (retention, file sizes) do not change what the files mean.
    """
    metadata, protocol = delta.metadata(), delta.protocol()
    if metadata.partition_columns:
        return f"partitioned by {', '.join(metadata.partition_columns)}"
    for key, value in metadata.configuration.items():
        if key.startswith("delta.constraints."):
            return f"CHECK constraints ({key.removeprefix('delta.constraints.')})"
        if key == "delta.columnMapping.mode" and value != "none":
            return "column mapping"
        if key in _ACTIVE and str(value).lower() == "true":
            return _ACTIVE[key]
    if special := next(_special(json.loads(delta.schema().to_json())), None):
        return special
    if features := sorted({*(protocol.reader_features or ()), *(protocol.writer_features or ())}):
        return f"table features {', '.join(features)}"
    if protocol.min_reader_version > _READER or protocol.min_writer_version > _WRITER:
        named = _OF_VERSION.get(protocol.min_writer_version, "features that are not known here")
        return f"protocol {protocol.min_reader_version}, {protocol.min_writer_version} ({named})"
    return None


def _special(part: Any) -> Iterator[str]:
    """The metadata of columns and nested fields that a writer must obey; `part` is a part of the schema's JSON."""
    if isinstance(part, list):
        for one in part:
            yield from _special(one)
    elif isinstance(part, dict):
        for key in part.get("metadata") or ():
            if key.startswith(_OF_COLUMN):
                yield f"{key} of column {part['name']}"
        for inner in ("fields", "type", "elementType", "keyType", "valueType"):
            yield from _special(part.get(inner))
