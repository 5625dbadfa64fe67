"""Checkpoints as sources keep them: a small JSON object of named times, e.g. `{"updated_at":"2026-11-23T04:00:00Z"}`.

A checkpoint that cannot be read is an error. It is never taken for "start from scratch".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from weathervane.source._errors import ContractError, CursorError
from weathervane.source._table.decode import parse_time

__all__ = ["format_checkpoint", "format_time", "parse_checkpoint", "parse_time"]

# A vendor's clock may run ahead of ours by a little; by more, the checkpoint is damaged.
_FUTURE = timedelta(hours=1)


def format_time(time: datetime) -> str:
    """RFC 3339 in UTC with whole seconds, as vendors' filters take it: `2026-11-23T04:00:00Z`.

    Fractions are cut, never rounded up: a cursor may be early, not late.
    """
    # Not strftime: it writes year 1 as "1" on Linux.
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def format_checkpoint(times: Mapping[str, datetime]) -> str:
    """The canonical text: names sorted, so that equal checkpoints are equal texts."""
    return msgspec.json.encode({name: format_time(times[name]) for name in sorted(times)}).decode()


def parse_checkpoint(text: str | None, *, now: datetime) -> dict[str, datetime]:
    """The times of a checkpoint; empty for None, which says that there is none yet.

    Raises:
        CursorError: The text is not a checkpoint, or holds a time in the future of `now`.
    """
    if text is None:
        return {}
    try:
        times = {
            name: parse_time(value) for name, value in msgspec.json.decode(text, type=dict[str, str]).items()
        }
    except (ValueError, RecursionError, ContractError) as error:
        why = error.message if isinstance(error, ContractError) else str(error)
        raise CursorError(
            f"the checkpoint {text[:200]!r} cannot be read: {why}", reason="CURSOR_UNREADABLE"
        ) from None
    for name, time in times.items():
        if time > now + _FUTURE:
            raise CursorError(
                f"the checkpoint says {name} {format_time(time)}, which is in the future (now {format_time(now)})",
                reason="CURSOR_IN_FUTURE",
            )
    return times
