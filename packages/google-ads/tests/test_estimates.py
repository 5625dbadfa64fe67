"""What a plan says of a backfill, beside what a run of it then asks."""

from __future__ import annotations

from datetime import timedelta

from weathervane.google_ads._estimate import forecast
from weathervane.source import Days


def test_an_estimate_is_near_what_a_window_takes(begin):
    """The slices exactly, the requests within a factor of three; and few are made for it."""
    bench = begin(clients=2, days=60)
    last = bench.vendor.clock.now().date() - timedelta(days=5)
    window = Days(last - timedelta(days=39), last)
    with bench.client() as client:
        found = forecast(client, [window, Days(last, last)])
    asked = len(bench.vendor.requests)
    assert asked < 6
    summary = bench.run(start=window.first, end=window.last)
    asked = len(bench.vendor.requests) - asked
    assert found.windows[0].slices == summary.metadata["slices"] == 2 * len(bench.clients())
    assert asked / 3 <= found.windows[0].requests <= asked * 3
    assert found.windows[1].requests < found.windows[0].requests < found.windows[0].seconds
    assert found.notes[0].startswith(f"{len(bench.clients())} accounts; a request is one operation")
