"""Days, clocks and checkpoints: no gap that nobody read, no step back, whatever our clock says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from weathervane.shopify._reader.changes import Span
from weathervane.source import ConfigurationError, CursorError

from .bench import BULK, ORDERS, QUICK, SMALL, moment, number


@pytest.mark.parametrize("settings", [QUICK, BULK], ids=["pages", "bulk"])
@pytest.mark.parametrize("days", [-3, 3])
def test_our_clock_may_be_days_off(begin, days, settings):
    """Times come from the shop; ours only bounds the checkpoint (D5)."""
    bench = begin(orders=5)
    off = timedelta(days=days)
    for _ in range(2):
        bench.run(settings=settings, now=bench.shop.clock.now() + off)
        bench.holds_the_shop()
        assert moment(bench.checkpoint()["updated_at"]) <= min(
            bench.shop.clock.now(), bench.shop.clock.now() + off
        )
        bench.shop.advance(7200)
        bench.shop.change("new_order")
        bench.shop.change("touch", id=bench.order_ids()[0])
    bench.run(settings=settings, now=bench.shop.clock.now() + off)
    bench.holds_the_shop()


def test_a_checkpoint_in_the_future_stops_the_run(bench):
    """Our clock went back by days: nothing is read over and nothing is skipped until somebody has looked."""
    bench.shop.change("new_order")
    bench.run()
    with pytest.raises(CursorError, match="which is in the future"):
        bench.run(now=bench.shop.clock.now() - timedelta(days=3))


@pytest.mark.parametrize(
    ("zone", "settings"),
    [("Asia/Tokyo", QUICK), ("Europe/Paris", QUICK), ("Europe/Paris", BULK), ("America/Los_Angeles", QUICK)],
)
def test_days_are_the_shops_own(begin, zone, settings):
    """From the first to the last second of a day where the shop is, and not one more."""
    bench = begin(orders=8, timezone=zone)
    day = date(2026, 10, 25)  # Paris sets its clocks back
    first = datetime(2026, 10, 25, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    last = datetime(2026, 10, 26, tzinfo=ZoneInfo(zone)).astimezone(UTC) - timedelta(seconds=1)
    moments = [first - timedelta(seconds=1), first, last, last + timedelta(seconds=1)]
    ids = bench.order_ids()
    for one, at in zip(ids, [*moments, *[first - timedelta(days=9)] * 4], strict=True):
        bench.shop.world.orders[one]["updatedAt"] = f"{at:%Y-%m-%dT%H:%M:%SZ}"
        bench.shop.world.changed(bench.shop.world.orders[one])
    bench.run(settings=settings, start=day, end=day)
    assert {row["order_id"] for row in bench.rows(ORDERS)} == {number(one) for one in ids[1:3]}


def test_a_backfill_leaves_the_checkpoint_where_it_is(bench):
    """Older days are read again; the next run goes on from where the last one came."""
    bench.run()
    before = bench.checkpoint()
    summary = bench.run(start=date(2025, 1, 1), end=date(2026, 9, 1), settings=SMALL)
    assert summary.metadata["datasets"][ORDERS].rows_received > 0
    assert summary.metadata["updated_rows"] == 0
    assert bench.checkpoint() == before


def test_a_backfill_that_reaches_beyond_the_checkpoint_moves_it(bench):
    """From before it without a gap: all behind it was read."""
    bench.run()
    bench.shop.advance(86400)
    bench.shop.change("new_order")
    bench.run(start=date(2025, 1, 1), settings=replace(SMALL, slice_rows=4))
    bench.holds_the_shop()
    assert moment(bench.checkpoint()["updated_at"]) == bench.shop.clock.now()


def test_days_ahead_of_the_checkpoint_do_not_move_it_over_a_gap(bench):
    """The days in between come with the next run that goes on from the checkpoint."""
    bench.run()
    before = bench.checkpoint()
    bench.shop.advance(86400)
    bench.shop.change("touch", id=bench.order_ids()[0])
    bench.shop.change("new_order")
    bench.shop.advance(3 * 86400)
    bench.shop.change("new_order")
    today = bench.shop.clock.now().date()
    bench.run(start=today)
    assert len(bench.rows(ORDERS)) == 13
    assert bench.checkpoint() == before
    bench.run()
    bench.holds_the_shop()


def test_an_end_without_a_start_goes_on_from_the_checkpoint_up_to_that_day(bench):
    """And the day after is read by the next run."""
    bench.run(end=date(2026, 8, 1))
    assert 0 < len(bench.rows(ORDERS)) < 12
    assert moment(bench.checkpoint()["updated_at"]).date() <= date(2026, 8, 1)
    bench.run()
    bench.holds_the_shop()


def test_days_in_the_wrong_order_are_refused(bench):
    """An empty window would look like a shop without orders."""
    with pytest.raises(ConfigurationError, match="start date lies behind the end date"):
        bench.run(start=date(2026, 9, 2), end=date(2026, 9, 1))


AT = datetime(2026, 11, 1, tzinfo=UTC)
BEFORE = '{"other":"2026-01-01T00:00:00Z","updated_at":"2026-10-01T00:00:00Z"}'


@pytest.mark.parametrize(
    ("checkpoint", "start", "reached", "after"),
    [
        (None, None, datetime(2026, 9, 1, tzinfo=UTC), '{"updated_at":"2026-09-01T00:00:00Z"}'),
        (None, None, AT + timedelta(days=3), '{"updated_at":"2026-11-01T00:00:00Z"}'),
        (None, None, None, None),
        (BEFORE, None, datetime(2026, 10, 5, tzinfo=UTC), BEFORE.replace("10-01", "10-05")),
        (BEFORE, None, datetime(2026, 10, 1, tzinfo=UTC), None),
        (BEFORE, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 9, 1, tzinfo=UTC), None),
        (
            BEFORE,
            datetime(2026, 1, 1, tzinfo=UTC),
            datetime(2026, 10, 9, tzinfo=UTC),
            BEFORE.replace("10-01", "10-09"),
        ),
        (BEFORE, datetime(2026, 10, 2, tzinfo=UTC), datetime(2026, 10, 9, tzinfo=UTC), None),
    ],
    ids=["first", "never-past-now", "nothing-read", "forward", "not-moved", "backfill", "bridged", "gap"],
)
def test_a_checkpoint_moves_forward_over_what_was_read_and_never_otherwise(checkpoint, start, reached, after):
    """Never back, never past now, never over a gap; other positions in it are kept."""
    span = Span(start=start, end=None, now=AT, overlap=timedelta(minutes=5))
    slice = span.slice("pages", span.lower(checkpoint), None)
    assert span.reached(slice, reached, exhausted=True) == after
    assert span.done
