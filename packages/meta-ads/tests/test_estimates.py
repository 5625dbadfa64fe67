"""What a plan says of a backfill, beside what a run of it then asks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from weathervane.meta_ads import MetaAdsSettings
from weathervane.meta_ads._estimate import forecast
from weathervane.meta_ads.sandbox import AccountOptions
from weathervane.source import ConfigurationError, Days


@pytest.mark.parametrize(("level", "days", "slices"), [("adset", 40, 4), ("ad", 1, 2), ("account", 40, 2)])
def test_an_estimate_is_near_what_a_window_takes(begin, level, days, slices):
    """By report runs and by single calls: the slices exactly, the requests within a factor of three."""
    accounts = (
        AccountOptions("101", "EUR", "Europe/Paris", "Mine"),
        AccountOptions("102", "JPY", "Asia/Tokyo"),
    )
    bench = begin(accounts=accounts, history_days=60)
    last = bench.meta.now().date() - timedelta(days=5)
    window = Days(last - timedelta(days=days - 1), last)
    with bench.client() as client:
        found = forecast(client, [window], level=level)
    (estimate,) = found.windows
    assert len(bench.requests()) == 3  # the accounts, and a day of each
    assert found.notes[0].startswith("2 ad accounts with ")
    summary = bench.run(level=level, start=window.first, end=window.last)
    asked = len(bench.requests()) - 3
    assert estimate.slices == slices == summary.metadata["slices"]
    assert asked / 3 <= estimate.requests <= asked * 3
    assert estimate.seconds >= estimate.requests


def test_many_rows_are_many_pages(begin):
    """The day that is looked at is the measure of all."""
    bench = begin(campaigns=4, adsets=4, ads=4)
    last = bench.meta.now().date() - timedelta(days=5)
    window = Days(last - timedelta(days=30), last)
    requests = {}
    for level in ("ad", "campaign"):
        with bench.client(replace(MetaAdsSettings(), page_size=50)) as client:
            requests[level] = forecast(client, [window], level=level).windows[0].requests
    # Some forty pages of ads, against three of campaigns.
    assert requests["ad"] > 20 > requests["campaign"]


def test_a_named_account_that_is_refused_is_told_and_the_others_are_measured(begin):
    """A plan of the others is of more use than none."""
    bench = begin()
    last = bench.meta.now().date() - timedelta(days=5)
    with bench.client(accounts="101,999") as client:
        found = forecast(client, [Days(last, last)])
    assert found.windows[0].requests > 0
    assert found.notes[0].startswith("1 ad accounts with ")
    assert found.notes[1].startswith("ad account 999 cannot be read: the token may not read this")


def test_an_unknown_level_is_refused(bench):
    """Before anything is asked."""
    with bench.client() as client, pytest.raises(ConfigurationError, match="level"):
        forecast(client, [], level="creative")
    assert bench.requests() == []
