"""What can be asked of insights: presets of dates, filters, sorting, summaries, breakdowns."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal

import pytest
from facebook_business.adobjects.adsinsights import AdsInsights

from .conftest import EUROPE, days, every

PATH = f"/v26.0/act_{EUROPE}/insights"
SUMMED = {
    "level": "ad",
    "fields": "ad_id,spend,impressions,cpm",
    "time_range": days("2026-10-20", "2026-10-30"),
    "limit": "500",
}
BIG = [{"field": "ad.impressions", "operator": "GREATER_THAN", "value": 20000}]


@pytest.mark.parametrize("filters", [None, every("ad"), BIG], ids=["plain", "deleted too", "a metric"])
@pytest.mark.parametrize(
    "asked", [{"summary": ["spend"]}, {"default_summary": "true"}, {"summary": "true"}], ids=str
)
def test_a_summary_has_the_totals_of_the_rows_that_are_shown(meta, filters, asked):
    """Of no others: neither deleted objects nor rows below a threshold count. Ratios are made anew of the totals."""
    args = SUMMED if filters is None else {**SUMMED, "filtering": filters}
    page = meta.ok(PATH, **args, **asked)
    spend = sum(Decimal(row["spend"]) for row in page["data"])
    assert page["data"]
    assert Decimal(page["summary"]["spend"]) == spend
    if asked == {"summary": ["spend"]}:
        assert "impressions" not in page["summary"]
    else:
        shown = sum(int(row["impressions"]) for row in page["data"])
        assert int(page["summary"]["impressions"]) == shown
        assert Decimal(page["summary"]["cpm"]) == round(1000 * spend / shown, 6)
    assert "summary" not in meta.ok(PATH, **args, default_summary="false")


def test_the_results_of_a_run_have_a_summary_of_what_it_was_made_with(start):
    """Of anything else there is none, and Meta says why."""
    client = start(run_polls=0)
    made = {**SUMMED, "time_range": json.dumps(SUMMED["time_range"])}
    run = client.http.post(PATH, data=made).json()["report_run_id"]
    client.ok(f"/v26.0/{run}")
    page = client.ok(f"/v26.0/{run}/insights", summary=["spend"], limit="500")
    assert Decimal(page["summary"]["spend"]) == sum(Decimal(row["spend"]) for row in page["data"])
    refused = client.get(f"/v26.0/{run}/insights", summary=["clicks"]).json()["error"]
    assert (refused["code"], "Cannot include clicks in summary param" in refused["message"]) == (100, True)


def test_rows_are_sorted_over_all_pages(meta):
    """By one field up or down, also by one type of action; anything else is refused."""
    args = {**SUMMED, "fields": "ad_id,ad_name,spend,actions", "time_increment": "1", "limit": "30"}
    plain = meta.rows(PATH, **args)
    for field in ("spend", "ad_name", "date_start", "actions:link_click"):

        def by(row, field=field):
            if field == "spend":
                return Decimal(row["spend"])
            if field.startswith("actions"):
                found = [one["value"] for one in row.get("actions", ()) if one["action_type"] == "link_click"]
                return Decimal(found[0]) if found else Decimal(0)
            return row[field]

        rising = meta.rows(PATH, **args, sort=[f"{field}_ascending"])
        assert [by(row) for row in rising] == sorted(map(by, plain))
        falling = meta.rows(PATH, **args, sort=f"{field}_descending")
        assert [by(row) for row in falling] == sorted(map(by, plain), reverse=True)
        assert sorted(map(str, rising)) == sorted(map(str, falling)) == sorted(map(str, plain))
    for sort in ("spend", "colour_descending", "spend_sideways", ["spend_ascending", "ad_id_ascending"]):
        assert meta.error(PATH, **args, sort=sort) == (100, None)


@pytest.mark.parametrize(
    ("preset", "since", "until"),
    [
        ("this_week_mon_today", "2026-10-26", "2026-11-01"),
        ("this_week_sun_today", "2026-11-01", "2026-11-01"),
        ("last_week_mon_sun", "2026-10-19", "2026-10-25"),
        ("last_week_sun_sat", "2026-10-25", "2026-10-31"),
        ("this_month", "2026-11-01", "2026-11-01"),
        ("last_month", "2026-10-01", "2026-10-31"),
        ("this_quarter", "2026-10-01", "2026-11-01"),
        ("last_quarter", "2026-07-01", "2026-09-30"),
        ("this_year", "2026-01-01", "2026-11-01"),
        ("last_year", "2025-01-01", "2025-12-31"),
        ("yesterday", "2026-10-31", "2026-10-31"),
        ("last_7d", "2026-10-25", "2026-10-31"),
    ],
)
def test_a_preset_is_a_range_of_the_calendar(meta, preset, since, until):
    """2026-11-01 is a Sunday."""
    run = meta.http.post(PATH, data={"date_preset": preset}).json()["report_run_id"]
    node = meta.ok(f"/v26.0/{run}", fields="date_start,date_stop")
    assert (node["date_start"], node["date_stop"]) == (since, until)


def test_every_preset_of_the_official_sdk_is_one(meta):
    """And none of them is refused."""
    presets = [value for name, value in vars(AdsInsights.DatePreset).items() if not name.startswith("_")]
    assert len(presets) >= 20
    for preset in presets:
        assert "data" in meta.ok(PATH, date_preset=preset, fields="spend")


def test_filters_compare_numbers_times_and_objectives(meta):
    """Bounds that are met, ranges, times as seconds or texts, and what a campaign is for."""
    args = {"level": "ad", "fields": "ad_id,impressions,objective", "time_range": days("2026-10-30")}
    plain = meta.rows(PATH, **args)
    counts = sorted(int(row["impressions"]) for row in plain)
    low, high = counts[1], counts[-2]

    def shown(field, operator, value):
        condition = {"field": field, "operator": operator, "value": value}
        return sorted(int(row["impressions"]) for row in meta.rows(PATH, **args, filtering=[condition]))

    assert shown("ad.impressions", "GREATER_THAN_OR_EQUAL", low) == [n for n in counts if n >= low]
    assert shown("impressions", "LESS_THAN_OR_EQUAL", str(low)) == [n for n in counts if n <= low]
    assert shown("impressions", "IN_RANGE", [low, high]) == [n for n in counts if low <= n <= high]
    assert shown("impressions", "NOT_IN_RANGE", [low, high]) == [n for n in counts if not low <= n <= high]
    objective = plain[0]["objective"]
    same = sorted(int(row["impressions"]) for row in plain if row["objective"] == objective)
    assert shown("campaign.objective", "EQUAL", objective) == same != counts
    moment = sorted(one["updated_time"] for one in meta.meta.truth("ads"))[0]
    first = int(datetime.fromisoformat(moment).timestamp())
    for field in ("ad.updated_time", "campaign.updated_time"):
        assert shown(field, "GREATER_THAN", 0) == counts
        assert shown(field, "GREATER_THAN", 4_000_000_000) == []
    assert shown("ad.updated_time", "LESS_THAN", first) == shown("ad.updated_time", "LESS_THAN", moment) == []
    assert (
        meta.error(PATH, **args, filtering=[{"field": "ad.objective", "operator": "EQUAL", "value": "x"}])[0]
        == 100
    )
    ranged = [{"field": "impressions", "operator": "IN_RANGE", "value": [1]}]
    assert meta.error(PATH, **args, filtering=ranged)[0] == 100


def test_people_are_not_counted_by_the_hour(meta):
    """No reach and no frequency; by age there are both."""
    args = {"level": "account", "fields": "impressions,reach,frequency", "time_range": days("2026-10-25")}
    hourly = meta.rows(PATH, **args, breakdowns="hourly_stats_aggregated_by_advertiser_time_zone")
    assert len(hourly) == 24
    assert not any({"reach", "frequency"} & row.keys() for row in hourly)
    assert all({"reach", "frequency"} <= row.keys() for row in meta.rows(PATH, **args, breakdowns="age"))
