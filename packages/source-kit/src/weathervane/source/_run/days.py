"""The days that a person gives a run: whole days, that have begun, in order, or one line that says why not."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from weathervane.source._errors import ConfigurationError

__all__ = ["end_behind", "parse_day", "parse_days"]

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_FIRST = date(2000, 1, 1)
"""No vendor here has older days: Google Ads began in October 2000, the others later."""
_AHEAD = timedelta(hours=14)
"""Where a day begins first (Pacific/Kiritimati)."""


def parse_day(name: str, value: str | date | None) -> date | None:
    """A day that a person gave a flow, a command or a service; None for none.

    Args:
        name: The parameter's, for errors.
        value: `YYYY-MM-DD`, of ISO 8601's forms the only one that nobody reads otherwise.

    Raises:
        ConfigurationError: It is no day, is older than any vendor, or has not begun anywhere on earth (BAD_DATE).
    """
    if value is None:
        return None
    day = value
    if isinstance(value, datetime) or (isinstance(value, str) and not _DAY.fullmatch(value)):
        raise _not_a_day(name, value)
    if isinstance(value, str):
        try:
            day = date.fromisoformat(value)
        except ValueError:
            raise _not_a_day(name, value) from None
    assert isinstance(day, date)
    if day < _FIRST:
        raise _refused(f"{name} {day} is before {_FIRST}, and no vendor has days as old as that")
    if day > (datetime.now(UTC) + _AHEAD).date():
        instead = (
            "leave it out to read up to now" if name.startswith("end") else "a run reads what has happened"
        )
        raise _refused(f"{name} {day} has not begun anywhere yet; {instead}")
    return day


def parse_days(start: str | date | None, end: str | date | None) -> tuple[date | None, date | None]:
    """The first and the last day of a run, `start_date` and `end_date` of every flow; see `parse_day`.

    Raises:
        ConfigurationError: One of them is no day to read, or the first is after the last (BAD_DATE).
    """
    first, last = parse_day("start_date", start), parse_day("end_date", end)
    if first is not None and last is not None and first > last:
        raise _refused(f"start_date {first} is after end_date {last}")
    return first, last


def end_behind(end: object, position: object, *, of: str = "") -> ConfigurationError:
    """The refusal of a run with an end and no start, when that end lies behind the position it would go on from.

    Args:
        end: Where the run would end.
        position: Up to where everything is in the lake.
        of: The account, if the tenant has several.
    """
    whose = f" of {of}" if of else ""
    return _refused(
        f"the run would end with {end}, and everything{whose} up to {position} is in the lake; to read days again, give"
        " start_date too"
    )


def _not_a_day(name: str, value: object) -> ConfigurationError:
    return _refused(f"{name} {str(value)[:40]!r} is not a day; write it as YYYY-MM-DD")


def _refused(message: str) -> ConfigurationError:
    return ConfigurationError(message, reason="BAD_DATE")
