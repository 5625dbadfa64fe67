"""A report is a query and a table from one declaration: GAQL in snake_case, rows in camelCase, keys that hold."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from weathervane.google_ads import ADS, CAMPAIGNS, METRICS, REPORTS, Field, report
from weathervane.source import normalise, split_records

HEAD = b'{"customer":{"id":"1234567890"},"campaign":{"id":"21048795312"},"segments":{"date":"2026-11-20"},"metrics":'
ACME = {"tenant_id": "acme"}


def row(metrics: bytes) -> Any:
    """One normalised row with these metrics."""
    page = normalise(CAMPAIGNS.dataset, [HEAD + metrics + b"}"], constants=ACME)
    assert page.quarantined.num_rows == 0, page.quarantined.to_pylist()
    return page.rows.to_pylist()[0]


def test_micros_become_an_exact_amount():
    """A string of micros is an integer and a decimal; absent is NULL, and "0" is zero."""
    found = row(b'{"costMicros":"12340000"}')
    assert (found["cost_micros"], found["spend"]) == (12_340_000, Decimal("12.34"))
    assert (row(b"{}")["cost_micros"], row(b"{}")["spend"]) == (None, None)
    assert (row(b'{"costMicros":"0"}')["cost_micros"], row(b'{"costMicros":"0"}')["spend"]) == (0, Decimal(0))
    assert row(b'{"costMicros":"-1"}')["spend"] == Decimal("-0.000001")
    assert row(b'{"costMicros":"9223372036854775807"}')["spend"] == Decimal("9223372036854.775807")


@pytest.mark.parametrize(
    ("sent", "held"), [(b"2.333333", 2.333333), (b"0", 0.0), (b"2", 2.0), (b"1e-05", 1e-05)]
)
def test_conversions_are_fractional(sent, held):
    """However the number is printed."""
    assert row(b'{"conversions":' + sent + b"}")["conversions"] == held


@pytest.mark.parametrize("metrics", [b'{"costMicros":"1.5"}', b'{"clicks":"x"}', b'{"conversions":"NaN"}'])
def test_a_value_that_is_none_is_set_aside(metrics):
    """With its key and all of it."""
    page = normalise(CAMPAIGNS.dataset, [HEAD + metrics + b"}"], constants=ACME)
    assert (page.rows.num_rows, page.quarantined.num_rows) == (0, 1)
    assert page.quarantined.to_pylist()[0]["row_key"] == '["acme","1234567890","21048795312","2026-11-20"]'


def test_rows_in_snake_case_are_no_rows_of_the_api():
    """A fixture with `cost_micros` would read as no spend: the paths are the API's own camelCase."""
    assert row(b'{"cost_micros":"12340000"}')["spend"] is None
    assert CAMPAIGNS.dataset.column("spend").path == "metrics.costMicros"
    assert "metrics.cost_micros" in CAMPAIGNS.query(date(2026, 11, 1), date(2026, 11, 2))
    assert "costMicros" not in CAMPAIGNS.query(date(2026, 11, 1), date(2026, 11, 2))


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (b'[{"results":[{},{},{}]},{"results":[{},{}]}]', 5),
        (b'[{"fieldMask":"customer.id","requestId":"x"}]', 0),
        (b"[]", 0),
        (b'[{"results":[{}]},{"summaryRow":{}}]', 1),
    ],
)
def test_chunks_are_put_together(body, count):
    """A chunk without results holds none, and neither does an empty array."""
    assert len(split_records(body, "[].results", missing_ok=True)[0]) == count


def test_every_key_holds_the_account_and_every_segment():
    """An ad's id is not enough, and what multiplies the rows joins the key."""
    assert all("customer_id" in one.dataset.unique_keys for one in REPORTS)
    assert ADS.dataset.unique_keys == ("tenant_id", "customer_id", "ad_group_id", "ad_id", "date")
    devices = report(
        "google_ads_devices",
        "campaign",
        (
            Field("campaign.id", "campaign_id", pa.string()),
            Field("segments.device", "device", pa.string()),
            Field("segments.hour", "hour", pa.int32()),
            *METRICS,
        ),
        keys=("campaign_id",),
    )
    assert devices.dataset.unique_keys == (
        "tenant_id",
        "customer_id",
        "campaign_id",
        "date",
        "device",
        "hour",
    )
    assert devices.query(date(2026, 11, 1), date(2026, 11, 2)).count("metrics.cost_micros") == 1


@pytest.mark.parametrize(
    ("fields", "keys", "says"),
    [
        ((Field("campaign.id", "campaign_id", pa.string()),), (), "selects no metric"),
        (METRICS, ("campaign_id",), "there is no column 'campaign_id'"),
        ((*METRICS, METRICS[0]), (), "'impressions' is declared twice"),
        ((*METRICS, Field("campaign.id", "Campaign", pa.string())), (), "the name is not one"),
    ],
)
def test_a_report_that_contradicts_itself_is_refused(fields, keys, says):
    """At once, not at the first run."""
    with pytest.raises(ValueError, match=says):
        report("google_ads_mine", "campaign", fields, keys=keys)


def test_a_users_own_report_is_data_and_no_code(begin):
    """Declared, read, held to Google's sums, and replaced by window like the others."""
    mine = report(
        "google_ads_by_device",
        "ad_group",
        (
            Field("ad_group.id", "ad_group_id", pa.string()),
            Field("segments.device", "device", pa.string()),
            Field("segments.week", "week", pa.date32()),
            Field("metrics.cost_micros", "spend", pa.decimal128(20, 6), micros=True),
            Field("metrics.clicks", "clicks", pa.int64()),
        ),
        keys=("ad_group_id",),
    )
    bench = begin(days=10)
    bench.run(reports=(mine,))
    rows = bench.rows("google_ads_by_device")
    assert {row["device"] for row in rows} == {"MOBILE", "DESKTOP"}
    truth = sum(int(row["metrics"]["costMicros"]) for row in bench.vendor.truth("ad_group"))
    assert sum(row["spend"] for row in rows) * 1_000_000 == truth
