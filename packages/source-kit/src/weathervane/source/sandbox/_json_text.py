"""JSON as pretend vendors read it from files and send it: only what JSON has, whatever Python would make of it."""

from __future__ import annotations

import json
import math
from typing import Any

__all__ = ["JSON_DECODER", "json_bytes", "read_json"]


def json_bytes(value: Any) -> bytes:
    """Return a value as the bytes of an answer: compact, in UTF-8, with half of a character as an escape.

    Records of one's own may hold such halves, where an export was cut within an emoji. JSON has them as escapes
    (a backslash and `ud83d`), UTF-8 has not.
    """
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def read_json(text: str | bytes) -> Any:
    """Read JSON that is to be served again.

    Raises:
        ValueError: it is no JSON, is nested too deeply, or holds NaN or a number beyond all bounds, which Python reads
            and which would be no JSON in an answer.
    """
    if isinstance(text, bytes):
        text = text.decode(json.detect_encoding(text), "surrogatepass")
    try:
        return JSON_DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is too large a number")
    return number


JSON_DECODER = json.JSONDecoder(parse_constant=_constant, parse_float=_finite)
"""What `read_json` decodes with, for files whose values do not stand on lines of their own."""
