"""What one odd row costs: itself at most, and neither the run nor the rows beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from weathervane.google_ads import CAMPAIGNS, METRICS, Field, report
from weathervane.google_ads._accounts import find_accounts
from weathervane.google_ads._planning import look_back, verify_empty
from weathervane.google_ads._queries import Report
from weathervane.source import IncompleteError

from .bench import Bench
from .sandbox.test_records import ROWS, write

TODAY = date(2026, 11, 22)
DAYS = (TODAY - timedelta(days=60), TODAY)


def put(row: dict[str, Any], path: str, value: Any) -> None:
    """Set a member; an empty path replaces all of them."""
    *parts, last = path.split(".")
    for part in parts:
        row = row[part]
    row[last] = value


def spoil(
    bench: Bench, wanted: Report, spoilt: Callable[[list[dict[str, Any]]], object], times: int = 1
) -> None:
    """Let the next answers to a report be the true one with something done to it."""
    with bench.client() as client:
        (customer,) = find_accounts(client).customers
        body = client.stream(customer.id, wanted.query(*DAYS), login=customer.login, summary=True)
    chunks = json.loads(body)
    spoilt(chunks)
    bench.vendor.faults.add(
        "wrong_content", times, match={"resource": wanted.resource}, body=json.dumps(chunks)
    )


ODD: list[tuple[str, Any]] = [
    *(
        ("metrics.costMicros", value)
        for value in ("1.5", "", "NaN", "1e3", "9" * 30, 1.5, True, [], {}, 12_340_000)
    ),
    ("metrics.clicks", " 7"),
    ("metrics.impressions", 10**30),
    *(("metrics", value) for value in (7, "x", [])),
    *(
        ("segments.date", value)
        for value in ("2026-13-45", "20261120", "2026-11-20T00:00:00Z", 20_261_120, None, {})
    ),
    *(("segments", value) for value in (None, 7, [])),
    *(("campaign", value) for value in (None, 7, [])),
    ("campaign.id", 7),
    ("customer", None),
    ("customer.id", ["2222222222"]),
]


def test_odd_rows_are_set_aside_and_their_run_goes_on(begin):
    """Whatever it is that does not fit, tallied or not; all others are in the lake, and the count tells of it."""
    bench = begin(days=30)

    def spoilt(chunks: list[dict[str, Any]]) -> None:
        rows = [row for chunk in chunks for row in chunk.get("results", ())]
        for row, (path, value) in zip(rows, ODD, strict=False):
            put(row, path, value)
        chunks[0]["results"] += [None, 7, "x", []]

    spoil(bench, CAMPAIGNS, spoilt)
    counts = bench.run().metadata["datasets"]
    assert {name: one.rows_quarantined for name, one in counts.items()} == {
        **dict.fromkeys(counts, 0),
        "google_ads": len(ODD) + 4,
    }
    assert len(bench.rows()) == len(list(bench.vendor.truth("campaign"))) - len(ODD)


@pytest.mark.parametrize(("path", "value"), [("metrics.costMicros", "1.5"), ("segments.date", "2026-13-45")])
def test_one_odd_row_costs_itself(begin, path, value):
    """Not the run, and no other row."""
    bench = begin(days=5)
    spoil(bench, CAMPAIGNS, lambda chunks: put(chunks[0]["results"][0], path, value))
    assert bench.run().metadata["datasets"]["google_ads"].rows_quarantined == 1
    assert len(bench.rows()) == len(list(bench.vendor.truth("campaign"))) - 1


@pytest.mark.parametrize(
    ("path", "column"), [("campaign.name", "campaign_name"), ("customer.timeZone", "time_zone")]
)
@pytest.mark.parametrize("value", [7, {}, ["x"]], ids=repr)
def test_what_only_describes_is_set_aside_by_itself(begin, path, column, value):
    """Its row stays, with its money."""
    bench = begin(days=3)
    spoil(bench, CAMPAIGNS, lambda chunks: put(chunks[0]["results"][0], path, value))
    bench.run()
    rows = bench.rows()
    assert len(rows) == len(list(bench.vendor.truth("campaign")))
    assert [row[column] for row in rows].count(None) == 1
    assert all(row["spend"] is not None for row in rows)
    (aside,) = bench.rows("google_ads_quarantine")
    assert aside["column_name"] == column
    assert aside["reason"].startswith("value set aside, row kept: ")


def test_figures_that_are_null_are_none(begin):
    """As those that Google leaves out; its own sum does not have them either."""
    bench = begin(days=5)

    def spoilt(chunks: list[dict[str, Any]]) -> None:
        row, total = chunks[0]["results"][0], chunks[-1]["summaryRow"]["metrics"]
        for name in ("costMicros", "clicks", "impressions"):
            total[name] = str(int(total[name]) - int(row["metrics"][name]))
        row["metrics"] = None
        row["campaign"]["advertisingChannelType"] = None
        chunks[0]["summaryRow"] = None

    spoil(bench, CAMPAIGNS, spoilt)
    summary = bench.run()
    assert summary.metadata["datasets"]["google_ads"].rows_quarantined == 0
    assert [row["spend"] for row in bench.rows()].count(None) == 1


def test_days_that_cannot_be_read_stop_no_plan(begin):
    """They may be any day, the first one too: nothing is passed over because of it."""
    bench = begin(days=30)
    customers = report("google_ads_customers", "customer", METRICS, complete=True)

    def spoilt(chunks: list[dict[str, Any]]) -> None:
        odd = [one for one in ODD if one[0].startswith(("metrics", "segments"))]
        for row, (path, value) in zip(chunks[0]["results"], odd, strict=False):
            put(row, path, value)

    spoil(bench, customers, spoilt)
    bench.run(start=TODAY - timedelta(days=32))
    bench.assert_true()


def test_what_is_readable_is_compared_all_the_same(begin):
    """A row that is lost is missed by its clicks, if not by its cost."""
    bench = begin(days=5)

    def spoilt(chunks: list[dict[str, Any]]) -> None:
        chunks[0]["results"][0]["metrics"]["costMicros"] = "1.5"
        lost = next(row for row in chunks[0]["results"][1:] if row["metrics"]["clicks"] != "0")
        chunks[0]["results"].remove(lost)

    spoil(bench, CAMPAIGNS, spoilt, times=1)
    with pytest.raises(IncompleteError, match=r"the vendor says .* (impressions|clicks), and we read"):
        bench.run()
    assert bench.rows() == []


def test_a_sum_of_googles_that_cannot_be_read_is_no_sum(begin):
    """Where every row can be."""
    bench = begin(days=5)
    spoil(bench, CAMPAIGNS, lambda chunks: put(chunks[-1], "summaryRow.metrics.clicks", "many"))
    with pytest.raises(IncompleteError, match="Google's own sum of clicks cannot be read"):
        bench.run()


@pytest.mark.parametrize(
    ("value", "days"),
    [("60", 60), (60, 60), (None, 30), ("x", 90), ("1e9", 90), (10**30, 90), ([], 90)],
    ids=repr,
)
def test_a_conversion_window_that_cannot_be_read_may_be_the_longest(begin, value, days):
    """Reading too much costs a query, reading too little a conversion."""
    bench = begin(days=2)
    with bench.client() as client:
        (customer,) = find_accounts(client).customers
        action = {"conversionAction": {"clickThroughLookbackWindowDays": value}}
        body = json.dumps([{"results": [action, {"conversionAction": None}, {}]}])
        bench.vendor.faults.add("wrong_content", match={"resource": "conversion_action"}, body=body)
        assert look_back(client, customer) == timedelta(days=days)
        body = json.dumps([{"results": [{"metrics": {"clicks": value}}]}])
        bench.vendor.faults.add("wrong_content", match={"resource": "customer"}, body=body)
        if value is None:
            verify_empty(client, customer, *DAYS)
        else:
            with pytest.raises(IncompleteError, match="and figures for all of them together"):
                verify_empty(client, customer, *DAYS)


def view(place: str, clicks: str = "4", **more: Any) -> dict[str, Any]:
    """A country's row of one kind of location."""
    return {
        "__from": "geographic_view",
        "customer": {"id": "2222222222"},
        "geographicView": {
            "resourceName": f"customers/2222222222/geographicViews/2250~{place}",
            "countryCriterionId": "2250",
            "locationType": place,
        },
        "metrics": {"clicks": clicks, "impressions": "40", "costMicros": "1000000"},
        "segments": {"date": "2026-11-20", **more},
    }


FIGURES = {
    "customer": {"id": "2222222222"},
    "campaign": {"id": "7"},
    "metrics": {"clicks": "8", "impressions": "80", "costMicros": "2000000"},
    "segments": {"date": "2026-11-20"},
}
COUNTRY = Field("geographic_view.country_criterion_id", "country", pa.string())
PLACE = Field("geographic_view.location_type", "location_type", pa.string())


@pytest.mark.parametrize(("clicks", "reason"), [("4", "CONTROL_TOTAL"), ("3", "CONFLICTING_ROWS")])
def test_rows_that_share_a_key_fail_their_slice(begin, tmp_path, caplog, clicks, reason):
    """Equal ones are one row in the lake and two in Google's sum; of different ones neither is the right one."""
    bench = begin(
        records=(
            write(
                tmp_path, [*ROWS[:2], FIGURES, view("AREA_OF_INTEREST"), view("LOCATION_OF_PRESENCE", clicks)]
            ),
        )
    )
    countries = report("google_ads_countries", "geographic_view", (COUNTRY, *METRICS), keys=("country",))
    assert "rows of geographic_view are split by location_type as well" in caplog.text
    with pytest.raises(IncompleteError, match="google_ads_countries") as caught:
        bench.run(reports=(countries,))
    assert caught.value.reason == reason
    assert bench.rows("google_ads_countries") == []


def test_rows_whose_key_holds_all_that_splits_them_are_loaded(begin, tmp_path, caplog):
    """And nobody is warned."""
    bench = begin(
        records=(
            write(tmp_path, [*ROWS[:2], FIGURES, view("AREA_OF_INTEREST"), view("LOCATION_OF_PRESENCE")]),
        )
    )
    places = report(
        "google_ads_places", "geographic_view", (COUNTRY, PLACE, *METRICS), keys=("country", "location_type")
    )
    assert caplog.text == ""
    bench.run(reports=(places,))
    assert [row["clicks"] for row in bench.rows("google_ads_places")] == [4, 4]


def test_an_absent_segment_is_a_value_of_the_key(begin, tmp_path):
    """A row without it is a row: its money is in the lake, and in the sum."""
    without = view("AREA_OF_INTEREST")
    rows = [without, view("AREA_OF_INTEREST", "5", device="MOBILE", hour=7)]
    bench = begin(records=(write(tmp_path, [*ROWS[:2], FIGURES, *rows]),))
    fields = (
        COUNTRY,
        PLACE,
        Field("segments.device", "device", pa.string()),
        Field("segments.hour", "hour", pa.int32()),
    )
    devices = report(
        "google_ads_devices", "geographic_view", (*fields, *METRICS), keys=("country", "location_type")
    )
    bench.run(reports=(devices,))
    held = {(row["device"], row["hour"]): row["clicks"] for row in bench.rows("google_ads_devices")}
    assert held == {("", -1): 4, ("MOBILE", 7): 5}


def test_a_figure_with_too_many_decimals_costs_no_row(begin, tmp_path):
    """Google computes it with floats: it is rounded to its column, an average in micros to currency units."""
    money = pa.decimal128(20, 6)
    figures = {
        **FIGURES["metrics"],
        "conversions": 0.30000000000000004,
        "conversionsValue": 1e-7,
        "averageCpc": 250_000.33333333334,
    }  # type: ignore[dict-item]
    row = {**FIGURES, "metrics": figures, "__from": "campaign_audience_view"}
    row["campaignAudienceView"] = {"resourceName": "customers/2222222222/campaignAudienceViews/7~9"}
    bench = begin(records=(write(tmp_path, [*ROWS[:2], FIGURES, row]),))
    mine = report(
        "google_ads_exact",
        "campaign_audience_view",
        (
            Field("campaign.id", "campaign_id", pa.string()),
            Field("metrics.conversions", "conversions", money),
            Field("metrics.conversions_value", "value", money),
            Field("metrics.average_cpc", "average_cpc", money, micros=True),
            Field("metrics.cost_micros", "spend", money, micros=True),
            Field("metrics.clicks", "clicks", pa.decimal128(20, 0)),
        ),
        keys=("campaign_id",),
    )
    bench.run(reports=(mine,))
    (held,) = bench.rows("google_ads_exact")
    assert (held["conversions"], held["value"], held["average_cpc"], held["spend"], held["clicks"]) == (
        Decimal("0.300000"),
        Decimal(0),
        Decimal("0.250000"),
        Decimal(2),
        Decimal(8),
    )


def test_half_an_emoji_in_a_name_is_set_aside_and_told(begin):
    """By the value alone; it used to land as a character that nobody wrote."""
    bench = begin(days=3)
    spoil(bench, CAMPAIGNS, lambda chunks: put(chunks[0]["results"][0], "campaign.name", "Sale \ud83d"))
    counts = bench.run(start=DAYS[0]).metadata["datasets"]["google_ads"]
    assert (counts.rows_quarantined, counts.values_quarantined) == (0, 1)
    names = [row["campaign_name"] for row in bench.rows()]
    assert (names.count(None), [one for one in names if one and "\ufffd" in one]) == (1, [])
    assert "\\ud83d" in bench.rows("google_ads_quarantine")[0]["record"]
