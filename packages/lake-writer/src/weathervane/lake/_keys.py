"""A row's key as one text: the quarantine's `row_key`, which people read and the lake compares."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["key_parts", "row_keys"]


def row_keys(batch: pa.RecordBatch, unique_keys: Sequence[str]) -> pa.StringArray:
    """The key of each row as a JSON array of texts, e.g. `["acme","1001"]`.

    Two rows have the same text only if all parts of their keys are the same. A NULL part is JSON's `null`, which is
    different from the text "null".
    """
    texts = [pc.if_else(pc.is_null(part), "null", _quoted(part)) for part in map(batch.column, unique_keys)]
    if not texts:
        return pa.repeat(pa.scalar("[]"), batch.num_rows)
    inside = pc.binary_join_element_wise(*texts, ",")
    return pc.binary_join_element_wise("[", inside, "]", "")


def key_parts(row_key: str, count: int) -> tuple[str | None, ...]:
    """The parts of a key that `row_keys` wrote; all None if the text is not a key of `count` parts."""
    try:
        parts = json.loads(row_key)
    except (ValueError, RecursionError):
        parts = None
    if (
        isinstance(parts, list)
        and len(parts) == count
        and all(part is None or isinstance(part, str) for part in parts)
    ):
        return tuple(parts)
    return (None,) * count


def _quoted(part: pa.Array) -> pa.Array:
    text = part if pa.types.is_string(part.type) else part.cast(pa.string())
    if pa.types.is_string(part.type):
        # Backslashes first, or those that escape the quotes would be escaped too.
        for plain, escaped in (("\\", "\\\\"), ('"', '\\"')):
            text = pc.replace_substring(text, plain, escaped)
        if pc.any(pc.match_substring_regex(text, r"[\x00-\x1f]")).as_py():
            for code in range(32):
                text = pc.replace_substring(text, chr(code), f"\\u{code:04x}")
    return pc.binary_join_element_wise('"', text, '"', "")
