"""What a plan says of a backfill, beside what a run of it then asks."""

from __future__ import annotations

from datetime import timedelta

import pytest

from weathervane.klaviyo import KlaviyoClient
from weathervane.klaviyo._estimate import forecast
from weathervane.klaviyo._settings import API_VERSION, LEGACY_VERSION
from weathervane.source import Days

from .bench import METRIC


@pytest.mark.parametrize("revision", [API_VERSION, LEGACY_VERSION])
def test_an_estimate_is_near_what_the_run_takes(bench, revision):
    """Of a year with its reports: the requests within a factor of three."""
    today = bench.account.clock.now().date()
    window = Days(today - timedelta(days=364), today)
    held = {"revision": revision, "conversion_metric_id": METRIC}
    with KlaviyoClient(bench.tenant, bench.credentials(**held)) as client:
        found = forecast(client, [window])
    (estimate,) = found.windows
    before = len(bench.requests())
    assert before < 10
    summary = bench.run(credentials=held, start=window.first, end=window.last)
    asked = len(bench.requests()) - before
    assert asked / 3 <= estimate.requests <= asked * 3
    # A quarter in which nothing was sent needs no report.
    assert 2 <= summary.metadata["slices"] <= estimate.slices <= 6
    # Two reports a minute.
    assert estimate.seconds > 30 * (estimate.slices - 1)
    assert "2 reports a minute and 225 a day" in found.notes[0]
