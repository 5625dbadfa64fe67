r"""Half an emoji in JSON: `"\ud83d"` without its other half, which JavaScript and PHP write where they cut a text.

JSON's grammar allows it, no encoding can carry it, and msgspec refuses a whole document for one, even in what it skips.
Only who has met such a refusal asks here, so that ordinary answers cost nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["marked", "replaced", "restored"]

# Every escape is taken whole: what follows an escaped backslash is no escape, and a proper pair is left as it is.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u([dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_MARK = re.compile(rb"\\(?:u([eE][0-7][0-9a-fA-F]{2})|.)", re.DOTALL)
_MARKS = re.compile(rb"\\u[eE][0-7]")
_SURROGATES = {b"d": b"89abcdef", b"D": b"89ABCDEF"}


def replaced(body: bytes) -> bytes | None:
    r"""The document with `\ufffd` for each lone half; None when it holds none."""
    text, halves = _sub(body, lambda half: b"fffd")
    return text if halves else None


def marked(body: bytes) -> tuple[bytes, bool] | None:
    r"""The document with a private-use escape (U+E000 to U+E7FF) for each lone half; None when it holds none.

    The second is whether `restored` may undo it: not when the document had such escapes of its own, which is then
    what `replaced` makes of it.
    """
    if _MARKS.search(body):
        text = replaced(body)
        return None if text is None else (text, False)
    text, halves = _sub(body, _mark)
    return (text, True) if halves else None


def restored(part: bytes) -> bytes:
    """A part of a marked document as it was sent."""
    return _MARK.sub(lambda found: b"\\u" + _unmark(found[1]) if found[1] else found[0], part)


def _sub(body: bytes, change: Callable[[bytes], bytes]) -> tuple[bytes, int]:
    halves = 0

    def put(found: re.Match[bytes]) -> bytes:
        nonlocal halves
        if found[1] is None:
            return found[0]
        halves += 1
        return b"\\u" + change(found[1])

    return _ESCAPE.sub(put, body), halves


def _mark(half: bytes) -> bytes:
    return (b"e" if half[:1] == b"d" else b"E") + b"%d" % (int(half[1:2], 16) - 8) + half[2:]


def _unmark(mark: bytes) -> bytes:
    first = b"d" if mark[:1] == b"e" else b"D"
    digit = int(mark[1:2])
    return first + _SURROGATES[first][digit : digit + 1] + mark[2:]
