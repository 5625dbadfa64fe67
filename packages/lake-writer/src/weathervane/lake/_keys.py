"""A row's key as one text, which names a row that was set aside to people and to the lake alike."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["key_parts", "row_keys"]


def row_keys(batch: pa.RecordBatch, unique_keys: Sequence[str]) -> pa.StringArray:
    """One text per row that names it: a JSON array of the key's parts as text, e.g. `["acme","1001"]`.

    Two rows have the same text only if all parts are the same; a null part is `null`, which no text is.
    """
    texts = [pc.if_else(pc.is_null(part), "null", _quoted(part)) for part in map(batch.column, unique_keys)]
    if not texts:
        return pa.repeat(pa.scalar("[]"), batch.num_rows)
    inside = pc.binary_join_element_wise(*texts, ",")
    return pc.binary_join_element_wise("[", inside, "]", "")


def key_parts(row_key: str, count: int) -> tuple[str | None, ...]:
    """The parts of a text of `row_keys`; all of them None when the text is not one of a key with `count` parts."""
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
        # Backslashes first: they are what escapes the others.
        for plain, escaped in (("\\", "\\\\"), ('"', '\\"')):
            text = pc.replace_substring(text, plain, escaped)
        if pc.any(pc.match_substring_regex(text, r"[\x00-\x1f]")).as_py():
            for code in range(32):
                text = pc.replace_substring(text, chr(code), f"\\u{code:04x}")
    return pc.binary_join_element_wise('"', text, '"', "")
