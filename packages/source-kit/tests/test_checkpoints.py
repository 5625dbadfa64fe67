"""Checkpoints: what is written can be read, and what cannot be read is an error."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weathervane.source._errors import ContractError, CursorError
from weathervane.source._run.checkpoints import format_checkpoint, format_time, parse_checkpoint
from weathervane.source._table.decode import parse_time

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TIMES = st.datetimes(
    datetime(1970, 1, 1),
    datetime(2026, 11, 23, 12),
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-9.5))]),
).filter(lambda time: time <= NOW)


@given(st.dictionaries(st.sampled_from(["updated_at", "deleted_at", 'ä\n"']), TIMES))
def test_a_checkpoint_is_read_back(times: dict[str, datetime]) -> None:
    """To the second, never later than it was, in UTC."""
    read = parse_checkpoint(format_checkpoint(times), now=NOW)
    assert set(read) == set(times)
    for name, time in times.items():
        assert timedelta(0) <= time - read[name] < timedelta(seconds=1)
        assert read[name].tzinfo is UTC


def test_a_year_has_four_digits() -> None:
    """A vendor's `0001-01-01` becomes a checkpoint that the next run reads."""
    assert format_time(datetime(1, 1, 1, tzinfo=UTC)) == "0001-01-01T00:00:00Z"


def test_equal_checkpoints_are_equal_texts() -> None:
    """The lake compares texts: neither the order of names nor the zone may tell two apart."""
    there = NOW.astimezone(timezone(timedelta(hours=2)))
    text = format_checkpoint({"updated_at": NOW, "deleted_at": NOW})
    assert text == format_checkpoint({"deleted_at": there, "updated_at": there})
    assert text == '{"deleted_at":"2026-11-23T12:00:00Z","updated_at":"2026-11-23T12:00:00Z"}'


def test_none_is_no_checkpoint_yet() -> None:
    """Only None is; an empty text is a damaged one."""
    assert parse_checkpoint(None, now=NOW) == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-23T04:00:00Z",
        "null",
        "[]",
        '{"updated_at":1}',
        '{"updated_at":null}',
        '{"updated_at":"soon"}',
        '{"updated_at":"2026-11-23T04:00:00"}',
        '{"updated_at":"2026-11-23T04:00:00Z"',
        '{"updated_at":"0001-01-01T00:00:00+14:00"}',
        "[" * 5_000,
    ],
)
def test_a_damaged_checkpoint_is_an_error(text: str) -> None:
    """Never `start from scratch`, which would read years again, and never `now`, which would skip them."""
    with pytest.raises(CursorError, match="cannot be read") as caught:
        parse_checkpoint(text, now=NOW)
    assert (caught.value.reason, caught.value.retriable) == ("CURSOR_UNREADABLE", False)


def test_a_checkpoint_from_the_future_is_an_error() -> None:
    """A clock that is a little ahead is forgiven, one that is days ahead would leave a gap."""
    ahead = {"updated_at": NOW + timedelta(minutes=59)}
    assert parse_checkpoint(format_checkpoint(ahead), now=NOW) == ahead
    text = format_checkpoint({"updated_at": NOW + timedelta(days=3)})
    with pytest.raises(
        CursorError, match=r"updated_at 2026-11-26T12:00:00Z, which is in the future"
    ) as caught:
        parse_checkpoint(text, now=NOW)
    assert caught.value.reason == "CURSOR_IN_FUTURE"


def test_a_time_is_cut_never_rounded_up() -> None:
    """A cursor may be early, not late."""
    assert format_time(datetime(2026, 1, 1, 0, 0, 0, 999_999, UTC)) == "2026-01-01T00:00:00Z"


def test_a_time_without_its_zone_is_refused() -> None:
    """Nobody knows whose midnight it would be."""
    with pytest.raises(ContractError, match="does not name its time zone"):
        parse_time("2026-11-23T04:00:00")
