"""The flow under Prefect: two tenants, vendors that fail, two days; and errors that end a run at once."""

from __future__ import annotations

import itertools
import json
from datetime import date, timedelta

import pytest

from weathervane.google_ads._settings import SUNSETS
from weathervane.google_ads._source import GOOGLE_ADS, check_tenant, ingest_google_ads, version_findings
from weathervane.source import DeferredError, Severity, write_incremental

from .bench import Bench, lately

_names = itertools.count(1)

TROUBLES = (
    {"name": "token_expired", "match": {"method": "searchStream"}, "skip": 1},
    {"name": "status", "status": 502, "match": {"resource": "ad_group"}},
    {
        "name": "error",
        "code": "quotaError.RESOURCE_TEMPORARILY_EXHAUSTED",
        "match": {"resource": "customer_client"},
    },
    {"name": "error", "code": "internalError.TRANSIENT_ERROR", "match": {"resource": "campaign"}},
    {"name": "error", "code": "internalError.DEADLINE_EXCEEDED", "match": {"resource": "ad_group_ad"}},
    {"name": "truncated", "match": {"resource": "customer"}, "skip": 2},
    {"name": "error_after_chunks", "match": {"resource": "ad_group_ad"}, "skip": 1},
    {"name": "missing_rows", "match": {"resource": "campaign"}, "skip": 1},
    {"name": "cut", "match": {"resource": "ad_group"}, "skip": 1},
)


@pytest.fixture
def enter(begin, lake, prefect, monkeypatch):
    """Starts a vendor whose tenant finds it in the environment; tasks do not wait before they try again."""
    monkeypatch.setenv("WEATHERVANE_LAKE_ADDRESS", lake.target)
    monkeypatch.setattr(write_incremental, "retry_delay_seconds", 0)

    def enter(name: str, **options: object) -> Bench:
        bench: Bench = begin(name, **{"chunk_rows": 7, "now": lately(), **options})
        bench.tenant = f"{name}_{next(_names)}"
        options_ = bench.vendor.options
        prefix = f"WEATHERVANE_GOOGLE_ADS__{bench.tenant.upper()}__"
        for field, value in {
            "CLIENT_ID": options_.client_id,
            "CLIENT_SECRET": options_.client_secret,
            "REFRESH_TOKEN": options_.refresh_token,
            "API_URL": bench.running.url,
            "TOKEN_URL": bench.running.token_url,
        }.items():
            monkeypatch.setenv(prefix + field, value)
        return bench

    return enter


def test_two_tenants_two_days_and_every_trouble(enter):
    """Dollars in New York and yen ahead of UTC: the lake equals the vendor to the cent on both days."""
    tenants = [
        enter("acme", clients=2, days=14, timezone="America/New_York"),
        enter("umi_japan", clients=2, days=14, currency="JPY", timezone="Asia/Tokyo"),
    ]
    done: dict[str, date] = {}
    for day in range(2):
        for bench in tenants:
            for trouble in TROUBLES:
                bench.vendor.faults.add(**trouble)
            bench.vendor.recorder.clear()
            summary = ingest_google_ads(bench.tenant)
            assert summary.metadata["state"] == "loaded"
            assert {one["reason"] for one in summary.metadata["skipped_accounts"]} == {
                "CANCELED",
                "SUSPENDED",
            }
            assert not bench.vendor.faults.armed(), "a trouble was not met, so this proves less than it says"
            bench.assert_true()
            if day:
                assert {first(one) for one in bench.queries("campaign")} == {
                    done[bench.tenant] - timedelta(days=30)
                }
            (through,) = json.loads(summary.metadata["checkpoint"])
            done[bench.tenant] = date.fromisoformat(through)
            bench.vendor.advance(36 * 3600)


def first(query) -> date:
    """The first day of a query."""
    return date.fromisoformat(query["body"].split("BETWEEN '")[1][:10])


def test_a_delay_of_hours_ends_the_run_at_once(enter):
    """No retry of the flow burns calls meanwhile; the error says when to come back."""
    bench = enter("acme", days=2)
    bench.vendor.faults.add("error", None, code="quotaError.RESOURCE_EXHAUSTED", retry_delay="17941s")
    with pytest.raises(DeferredError, match=r"17941 s.*tenant=acme") as caught:
        ingest_google_ads(bench.tenant)
    assert caught.value.retry_after == 17_941
    assert len([one for one in bench.vendor.requests if one.host == "api"]) == 1


def test_a_check_says_what_is_read_and_what_is_not(enter):
    """Accounts with their currency, time zone and way; closed ones as warnings."""
    bench = enter("acme", days=2, clients=4)
    findings = check_tenant(bench.tenant)
    read = [one.message for one in findings if one.severity is Severity.INFO]
    assert len(read) == 4
    assert sum("amounts in USD, days in America/New_York, reached through" in one for one in read) == 3
    assert {one.reason for one in findings if one.severity is Severity.WARNING} == {"CUSTOMER_NOT_ENABLED"}


def test_the_end_of_a_version_is_announced():
    """Sixty days before."""
    end = SUNSETS["v26"]
    assert version_findings("v26", end - timedelta(days=61)) == []
    (finding,) = version_findings("v26", end - timedelta(days=60))
    assert (finding.severity, finding.reason) == (Severity.WARNING, "API_VERSION_ENDS")
    assert GOOGLE_ADS.api_version_ends == end
