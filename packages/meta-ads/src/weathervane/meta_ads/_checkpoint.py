"""The checkpoint: by ad account, the last day that was written whole, e.g. `{"101":"2026-11-22"}`.

Days, not times: an account's days begin in its own time zone, and Meta knows nothing finer.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import msgspec

from weathervane.source import CursorError, SourceError, decode, parse_vendor_day

__all__ = ["format_days", "parse_days"]


def format_days(days: Mapping[str, date]) -> str:
    """The canonical text: accounts sorted, so that equal checkpoints are equal texts."""
    return msgspec.json.encode({account: days[account].isoformat() for account in sorted(days)}).decode()


def parse_days(text: str | None) -> dict[str, date]:
    """The days of a checkpoint; empty for None, which says that there is none yet.

    Raises:
        CursorError: The text is not a checkpoint. It is never taken for "start from scratch".
    """
    if text is None:
        return {}
    try:
        days = decode(text, dict[str, str], "the checkpoint")
        return {account: parse_vendor_day(day, "the day") for account, day in days.items()}
    except SourceError as error:
        raise CursorError(
            f"the checkpoint {text[:200]!r} cannot be read: {error.message}", reason="CURSOR_UNREADABLE"
        ) from None
