"""Accounts from files: whoever has an export sees it through the whole system."""

from __future__ import annotations

import json
from typing import Any

import pytest

from weathervane.google_ads.sandbox import RecordsError

MANAGER = {"customer": {"resourceName": "customers/1111111111"}}
ROWS: list[dict[str, Any]] = [
    {**MANAGER, "customerClient": {"id": "1111111111", "level": "0", "manager": True, "status": "ENABLED"}},
    {
        **MANAGER,
        "customerClient": {
            "id": "2222222222",
            "level": "1",
            "manager": False,
            "status": "ENABLED",
            "currencyCode": "JPY",
            "timeZone": "Asia/Tokyo",
        },
    },
    {
        "customer": {"id": "2222222222"},
        "campaign": {"id": "7", "name": "Old name", "status": "PAUSED"},
        "metrics": {"clicks": "3", "costMicros": "12340000", "conversions": 2.333333},
        "segments": {"date": "2026-11-20"},
    },
    {
        "customer": {"id": "2222222222"},
        "campaign": {"id": "7", "name": "Name", "status": "ENABLED"},
        "metrics": {"clicks": "4", "costMicros": "12350000", "conversions": 2},
        "segments": {"date": "2026-11-20"},
    },
    {
        "customer": {"id": "2222222222"},
        "campaign": {"id": "8"},
        "adGroup": {"id": "80"},
        "adGroupAd": {"ad": {"id": "800"}},
        "metrics": {"clicks": "1", "costMicros": "10000", "conversions": 0},
        "segments": {"date": "2026-11-20", "device": "MOBILE"},
    },
    {
        "customer": {"id": "2222222222"},
        "conversionAction": {
            "resourceName": "customers/2222222222/conversionActions/5",
            "id": "5",
            "status": "ENABLED",
            "clickThroughLookbackWindowDays": "90",
        },
    },
    {
        "__from": "keyword_view",
        "customer": {"id": "2222222222"},
        "keywordView": {"resourceName": "customers/2222222222/keywordViews/80~9"},
        "metrics": {"clicks": "1"},
        "segments": {"date": "2026-11-20"},
    },
]


def write(tmp_path, rows):
    """A file of records."""
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


def test_an_export_is_served(start, tmp_path):
    """The tree of accounts, the later state of a row, sums over what is below, and resources of any kind."""
    client = start(records=(write(tmp_path, ROWS),))
    assert (client.root, client.customer) == ("1111111111", "2222222222")
    fields = "metrics.clicks, metrics.cost_micros, metrics.conversions"
    daily = "WHERE segments.date DURING LAST_7_DAYS"
    rows = client.stream(f"SELECT campaign.id, campaign.name, segments.date, {fields} FROM campaign {daily}")
    found = {row["campaign"]["id"]: (row["campaign"].get("name"), row["metrics"]) for row in rows}
    assert found == {
        "7": ("Name", {"clicks": "4", "costMicros": "12350000", "conversions": 2}),
        "8": (None, {"clicks": "1", "costMicros": "10000", "conversions": 0}),
    }
    (row,) = client.stream(f"SELECT customer.currency_code, segments.date, {fields} FROM customer {daily}")
    assert (row["customer"]["currencyCode"], row["metrics"]["costMicros"]) == ("JPY", "12360000")
    (row,) = client.stream(
        "SELECT conversion_action.click_through_lookback_window_days FROM conversion_action"
    )
    assert row["conversionAction"]["clickThroughLookbackWindowDays"] == "90"
    (row,) = client.stream(f"SELECT segments.date, metrics.clicks FROM keyword_view {daily}")
    assert row["keywordView"]["resourceName"].endswith("/80~9")


def test_a_message_is_served_whole_and_in_parts(start, tmp_path):
    """What is in it, and that it is there when nothing is."""
    customer, campaign = {"id": "2222222222"}, {"id": "7", "manualCpm": {}}
    text = {"text": "A long headline", "assetPerformanceLabel": "BEST"}
    ad = {"id": "9", "responsiveDisplayAd": {"longHeadline": text, "headlines": [{"text": "Short"}]}}
    rows = [
        {"customer": customer, "campaign": campaign},
        {"customer": customer, "campaign": {"id": "8", "manualCpc": {"enhancedCpcEnabled": False}}},
        {"customer": customer, "campaign": campaign, "adGroup": {"id": "70"}, "adGroupAd": {"ad": ad}},
    ]
    client = start(records=(write(tmp_path, [*ROWS[:2], *rows]),))
    query = "SELECT campaign.id, campaign.manual_cpm, campaign.manual_cpc FROM campaign"
    found = {row["campaign"].pop("id"): row["campaign"] for row in client.stream(query)}
    for one in found.values():
        del one["resourceName"]
    assert found == {"7": {"manualCpm": {}}, "8": {"manualCpc": {"enhancedCpcEnabled": False}}}
    (row,) = client.stream(f"{query} WHERE campaign.manual_cpm IS NOT NULL")
    assert row["campaign"]["id"] == "7"
    display = "ad_group_ad.ad.responsive_display_ad"
    (row,) = client.stream(f"SELECT {display}.long_headline, {display}.headlines FROM ad_group_ad")
    assert row["adGroupAd"]["ad"]["responsiveDisplayAd"] == ad["responsiveDisplayAd"]
    (row,) = client.stream(f"SELECT {display}.long_headline.text FROM ad_group_ad")
    assert row["adGroupAd"]["ad"]["responsiveDisplayAd"] == {"longHeadline": {"text": "A long headline"}}


def test_what_the_vendor_answers_can_be_loaded(start, tmp_path):
    """A dump of one sandbox is another sandbox with the same figures."""
    first = start()
    rows = list(first.vendor.truth("ad_group_ad"))
    second = start(records=(write(tmp_path, rows),))
    assert list(second.vendor.truth("ad_group_ad")) == rows


QUERY = (
    "SELECT campaign.id, campaign.name, metrics.clicks, metrics.impressions, metrics.cost_micros, segments.date"
    " FROM campaign WHERE segments.date DURING LAST_7_DAYS"
)


@pytest.mark.parametrize("method", ["searchStream", "search"])
@pytest.mark.parametrize("indent", [None, 2])
def test_answers_are_loaded_as_they_were_saved(start, tmp_path, method, indent):
    """Array or object, with a summary row and pages, printed as Google prints it or on one line; rows may follow."""
    first = start(chunk_rows=5)
    body = {"query": QUERY}
    body |= {"summaryRowSetting": "SUMMARY_ROW_WITH_RESULTS"} if method == "searchStream" else {}
    saved = first.post(method, body).json()
    row = {"customer": {"id": first.customer}, "campaign": {"id": "7"}, "segments": {"date": "2026-11-20"}}
    path = tmp_path / "saved.json"
    path.write_text(json.dumps(saved, indent=indent) + "\n" + json.dumps(row | {"metrics": {"clicks": "1"}}))
    second = start(records=(path,))
    assert second.customer == first.customer
    held = {json.dumps(one, sort_keys=True) for one in second.stream(QUERY)}
    expected = {json.dumps(one, sort_keys=True) for one in first.stream(QUERY)}
    assert len(expected) > 5
    assert expected < held
    assert len(held) == len(expected) + 1


def test_an_answer_of_another_resource_says_which(start, tmp_path):
    """Once for all of its rows."""
    rows = [{key: value for key, value in ROWS[6].items() if key != "__from"}]
    client = start(records=(write(tmp_path, [*ROWS[:2], {"__from": "keyword_view", "results": rows}]),))
    daily = "WHERE segments.date DURING LAST_7_DAYS"
    (row,) = client.stream(f"SELECT segments.date, metrics.clicks FROM keyword_view {daily}")
    assert row["metrics"] == {"clicks": "1"}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "not JSON"),
        ('{"x": NaN}', "not JSON: NaN"),
        ('{"x": [1e400]}', "not JSON: 1e400"),
        ("[1]", "must be a JSON object"),
        ([ROWS[2]], "must be a JSON object, or an answer"),
        ({"results": [{"campaign": {"id": "7"}}]}, "needs customer.id"),
        ({"results": [1]}, "results that are no list of rows"),
        ([{"error": {"code": 403}}], "holds an error"),
        ({"campaign": {"id": "7"}}, "needs customer.id"),
        ({"customer": {"id": "2222222222"}, "metrics": {"cost_micros": "1"}}, "camelCase"),
        ({"customer": {"id": "2222222222"}, "metrics": {"videoViews": "1"}}, "no field metrics.video_views"),
        ({"customer": {"id": "2222222222"}, "metrics": {"clicks": 1.5}}, "is INT64"),
        ({"customer": {"id": "2222222222", "status": "OPEN"}}, "customer.status is ENUM"),
        (
            {"customer": {"id": "2222222222"}, "campaign": {"id": "7", "manualCpc": 3}},
            "manual_cpc is MESSAGE",
        ),
        ({"customer": {"id": "2222222222"}, "campaign": {"id": "7", "manualCpm": {"x": 1}}}, "manual_cpm"),
        ({"customer": {"id": "2222222222"}, "metrics": {"clicks": "1"}}, "needs segments.date"),
        ({"customer": {"id": "2222222222"}, "adGroup": {"id": "1"}}, "needs campaign.id"),
        ({"customer": {"id": "2222222222"}, "label": {"id": "1"}}, "say by __from"),
        ({"customer": {"id": "2222222222"}, "__from": "nothing"}, "__from names no resource"),
    ],
)
def test_a_bad_line_is_named(start, tmp_path, line, says):
    """File, line and reason, in one line."""
    path = write(tmp_path, [ROWS[0], line])
    with pytest.raises(RecordsError, match=f"rows.jsonl:2: .*{says}"):
        start(records=(path,))


def test_half_of_a_character_is_served_as_an_escape(start, tmp_path):
    """An export that was cut within an emoji: UTF-8 has no such half, JSON has."""
    cut = {**ROWS[2], "campaign": {"id": "7", "name": "half \ud83d", "status": "ENABLED"}}
    client = start(records=(write(tmp_path, [*ROWS[:2], cut]),))
    query = "SELECT campaign.name FROM campaign WHERE segments.date = '2026-11-20' AND metrics.clicks > 0"
    path = "/v26/customers/2222222222/googleAds:searchStream"
    answer = client.http.post(path, json={"query": query}, headers={"login-customer-id": "1111111111"})
    assert answer.json()[0]["results"][0]["campaign"]["name"] == "half \ud83d"
    truth = client.http.get("/_sandbox/truth/campaign")
    assert truth.status_code == 200
