"""The flow under Prefect: two tenants, a Meta that fails, two days; and the other tables that it can fill."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from weathervane.meta_ads._source import ingest_meta_ads
from weathervane.meta_ads.sandbox import AccountOptions
from weathervane.source import write_incremental

from .bench import Bench, asked

NEW_YORK = AccountOptions("101", "USD", "America/New_York", "Acme")
TOKYO = AccountOptions("102", "JPY", "Asia/Tokyo", "Umi")

TROUBLES = (
    {"name": "html_200", "match": {"kind": "edge"}},
    {"name": "service_fault", "http_200": True, "match": {"kind": "insights"}},
    {"name": "account_limit", "reset": 1, "match": {"kind": "report"}},
    {"name": "async_failed"},
    {"name": "async_skipped"},
    {"name": "status", "status": 502, "match": {"kind": "poll"}},
    {"name": "cut", "match": {"kind": "results"}},
    {"name": "empty_page", "match": {"kind": "results"}},
    {"name": "invalid_cursor", "match": {"kind": "results", "first_page": False}},
    {"name": "missing_rows", "match": {"kind": "results"}, "skip": 2},
)


@pytest.fixture
def enter(begin, lake, prefect, monkeypatch):
    """Starts a Meta whose tenant finds it in the environment; tasks do not wait before they try again."""
    monkeypatch.setenv("WEATHERVANE_LAKE_ADDRESS", lake.target)
    monkeypatch.setattr(write_incremental, "retry_delay_seconds", 0)

    def enter(account: AccountOptions, **options: object) -> Bench:
        # Three days ago: the flow's clock is the machine's own, and the test moves this one towards it.
        evening = datetime.now(UTC).replace(hour=18, minute=0) - timedelta(days=3)
        bench: Bench = begin(accounts=(account,), now=evening, **options)
        prefix = f"WEATHERVANE_META_ADS__{bench.tenant.upper()}__"
        monkeypatch.setenv(f"{prefix}ACCESS_TOKEN", bench.token)
        monkeypatch.setenv(f"{prefix}API_URL", bench.running.url)
        return bench

    return enter


def test_two_tenants_two_days_and_every_trouble(enter):
    """Dollars in New York and yen ahead of UTC: the lake equals Meta to the cent on both days."""
    # Pages of more than 60 rows are too much for this Meta, so that a report has several.
    tenants = [enter(account, max_page_rows=60) for account in (NEW_YORK, TOKYO)]
    done: dict[str, date] = {}
    for day in range(2):
        for bench in tenants:
            for trouble in TROUBLES:
                bench.meta.faults.add(**trouble)
            bench.meta.recorder.clear()
            summary = ingest_meta_ads(bench.tenant)
            assert summary.metadata["state"] == "loaded"
            assert not bench.meta.faults.armed(), "a trouble was not met, so this proves less than it says"
            bench.holds_the_truth()
            if day:
                window = done[bench.tenant] - timedelta(days=28)
                assert first_day(bench) == window
                assert window > min(row["date"] for row in bench.rows()), "nothing lies before the window"
            (through,) = json.loads(summary.metadata["checkpoint"]).values()
            done[bench.tenant] = date.fromisoformat(through)
            bench.meta.advance(36 * 3600)
    days = [{row["account_currency"]: row["account_timezone"] for row in bench.rows()} for bench in tenants]
    assert days == [{"USD": "America/New_York"}, {"JPY": "Asia/Tokyo"}]


def first_day(bench) -> date:
    """The first day of all that was asked for."""
    calls = asked(bench.requests("insights", "report"))
    return min(date.fromisoformat(json.loads(one["time_range"])["since"]) for one in calls)


def test_a_level_and_a_breakdown_fill_tables_of_their_own(enter):
    """Through the flow's own parameters: each is whole, and another run is another table."""
    bench = enter(TOKYO, history_days=10)
    summary = ingest_meta_ads(bench.tenant, level="ad")
    assert summary.row_count == len(bench.truth("ad"))
    bench.holds_the_truth("ad")
    ingest_meta_ads(bench.tenant, level="ad", breakdown="age_gender")
    truth = {
        (row["ad_id"], row["date_start"], row["age"], row["gender"]): Decimal(row["spend"])
        for row in bench.meta.daily(TOKYO.id, "ad", breakdowns=("age", "gender"))
    }
    parts = {
        (row["ad_id"], str(row["date"]), row["age"], row["gender"]): row["spend"]
        for row in bench.rows("meta_ads_ad_by_age_gender")
    }
    assert len(truth) > len(bench.truth("ad"))
    assert parts == truth
    assert bench.rows("meta_ads") == []
