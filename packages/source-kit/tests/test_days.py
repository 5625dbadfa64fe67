"""The days of a run: what is one, and one line for what is none, wherever days are given."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from typer.testing import CliRunner

from weathervane.source import ConfigurationError, parse_day, parse_days
from weathervane.source._serve.cli import source_app

from .nonsense_days import NONSENSE
from .pretend_flows import PRETEND

FLOW = "ingest_pretend_things"
TYPED = [(days, told) for days, told in NONSENSE if all(isinstance(day, str) for day in days.values())]


@pytest.mark.parametrize(("days", "told"), NONSENSE)
def test_what_is_no_day_to_read_is_said_in_one_line(days: dict[str, str | date], told: str) -> None:
    """Which one, and what to write; before anything is asked."""
    with pytest.raises(ConfigurationError, match=re.escape(told)) as caught:
        parse_days(days.get("start_date"), days.get("end_date"))
    assert caught.value.reason == "BAD_DATE"


@pytest.mark.parametrize(("days", "told"), TYPED)
@pytest.mark.parametrize("command", ["ingest", "backfill"])
def test_a_command_says_it_so(command: str, days: dict[str, str], told: str) -> None:
    """And ends as for any other wrong argument, though nobody has credentials or a server here."""
    given = {"start_date": "2026-11-01", "end_date": "2026-11-01"} | days
    arguments = [command, FLOW, "acme", "--start", given["start_date"], "--end", given["end_date"]]
    result = CliRunner().invoke(source_app("pretend", lambda: PRETEND), arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {told}")


def test_a_day_is_a_day() -> None:
    """As a text, as a date, or none; and today, wherever on earth it has begun."""
    day = date(2026, 11, 23)
    assert [parse_day("start_date", value) for value in ("2026-11-23", day, None)] == [day, day, None]
    newest = (datetime.now(UTC) + timedelta(hours=14)).date()
    assert parse_days(newest, newest) == (newest, newest)
