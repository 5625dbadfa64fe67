"""Insights: levels, days, fields, paging and breakdowns, and how a day changes as it grows older."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import urlencode

import pytest

from weathervane.meta_ads.sandbox._calls import plain

from .conftest import ALL, EUROPE, JAPAN, days, every

PATH = f"/v26.0/act_{EUROPE}/insights"


def test_daily_rows_are_of_one_day_each(meta):
    """time_increment=1 over three days: at most three rows for an ad set, each with its own day (sheet 16.1)."""
    rows = meta.rows(
        PATH,
        level="adset",
        time_increment="1",
        time_range=days("2026-10-20", "2026-10-22"),
        fields="adset_id",
    )
    assert all(row["date_start"] == row["date_stop"] for row in rows)
    counts = defaultdict(int)
    for row in rows:
        counts[row["adset_id"]] += 1
    assert max(counts.values()) <= 3


def test_without_an_increment_there_is_one_row_for_the_range(meta):
    """And `monthly` gives one a month; `time_ranges` wins over all else."""
    row = meta.ok(PATH, time_range=days("2026-09-20", "2026-10-22"))["data"]
    assert [(one["date_start"], one["date_stop"]) for one in row] == [("2026-09-20", "2026-10-22")]
    months = meta.rows(PATH, time_range=days("2026-09-20", "2026-10-22"), time_increment="monthly")
    assert [one["date_stop"] for one in months] == ["2026-09-30", "2026-10-22"]
    ranges = [days("2026-10-01"), days("2026-10-05", "2026-10-06")]
    rows = meta.rows(PATH, time_ranges=ranges, time_range=days("2026-09-01"), time_increment="1")
    assert [(one["date_start"], one["date_stop"]) for one in rows] == [
        ("2026-10-01", "2026-10-01"),
        ("2026-10-05", "2026-10-06"),
    ]


def test_the_levels_add_up_to_the_cent(meta):
    """Deleted objects included, every level has the account's own spend of each day (sheet 16.14)."""
    sums = {}
    for level in ("account", "campaign", "adset", "ad"):
        more = {} if level == "account" else {"filtering": every(level)}
        rows = meta.rows(
            PATH,
            level=level,
            time_increment="1",
            time_range=days("2026-10-15", "2026-10-31"),
            fields="spend",
            limit="500",
            **more,
        )
        sums[level] = defaultdict(Decimal)
        for row in rows:
            sums[level][row["date_start"]] += Decimal(row["spend"])
    assert sums["ad"] == sums["adset"] == sums["campaign"] == sums["account"]
    assert len(sums["account"]) == 17


def test_deleted_ads_are_left_out_unless_they_are_asked_for(meta):
    """Their spend is in the account's all the same."""
    args = {
        "level": "ad",
        "time_increment": "1",
        "time_range": days("2026-10-20"),
        "fields": "ad_id,spend",
        "limit": "100",
    }
    shown, whole = meta.rows(PATH, **args), meta.rows(PATH, **args, filtering=every("ad"))
    assert 0 < len(shown) < len(whole)


def test_only_what_is_asked_for_is_sent(meta):
    """Plus the days; ids and dates come by default; metrics are strings, zeros are absent."""
    row = meta.ok(PATH, level="ad", time_range=days("2026-10-20"), fields=["clicks", "ad_id"])["data"][0]
    assert set(row) == {"clicks", "ad_id", "date_start", "date_stop"}
    assert isinstance(row["clicks"], str)
    default = meta.ok(PATH, level="adset", time_range=days("2026-10-20"))["data"][0]
    assert set(default) == {
        "account_id",
        "campaign_id",
        "adset_id",
        "impressions",
        "spend",
        "date_start",
        "date_stop",
    }
    assert meta.error(PATH, fields="spend,colour") == (100, None)


def test_sixty_rows_by_twenty_five_are_three_pages(start, tmp_path):
    """The last page has a cursor and no next (sheet 16.2)."""
    rows = [
        {
            "account_id": "101",
            "campaign_id": "1",
            "adset_id": "2",
            "ad_id": str(10**17 + n),
            "date_start": "2026-10-20",
        }
        for n in range(60)
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row | {"spend": "1.5", "impressions": "10"}) for row in rows))
    client = start(records=[path])
    args = {"level": "ad", "time_range": days("2026-10-20"), "time_increment": "1", "fields": "ad_id"}
    pages = client.pages("/v26.0/act_101/insights", **args)
    assert [len(page) for page in pages] == [25, 25, 10]
    assert [row["ad_id"] for page in pages for row in page] == [row["ad_id"] for row in rows]
    first = client.ok("/v26.0/act_101/insights", **args, limit="60")
    assert first["paging"]["cursors"]["after"]
    assert "next" not in first["paging"]


def test_the_next_link_can_be_followed_as_it_is(meta):
    """It has all parameters, the token among them."""
    page = meta.ok(
        PATH, level="ad", time_range=days("2026-10-20", "2026-10-21"), time_increment="1", limit="5"
    )
    assert "access_token=" in page["paging"]["next"]
    following = meta.http.get(page["paging"]["next"], headers={"Authorization": ""}).json()
    assert following["data"]
    assert following["data"][0] not in page["data"]


def test_a_forged_cursor_is_refused(meta):
    """So is one of another query (2642)."""
    args = {"level": "ad", "time_increment": "1", "limit": "5"}
    page = meta.ok(PATH, **args, time_range=days("2026-10-20"))
    after = page["paging"]["cursors"]["after"]
    assert meta.error(PATH, **args, time_range=days("2026-10-20"), after="MjQZD") == (2642, None)
    assert meta.error(PATH, **args, time_range=days("2026-10-21"), after=after) == (2642, None)


@pytest.mark.parametrize("fault", ["empty_page", "cursor_loop", "no_next", "missing_rows"])
def test_pages_can_lie(meta, fault):
    """Each in its own way."""
    args = {
        "level": "ad",
        "time_increment": "1",
        "time_range": days("2026-10-20"),
        "limit": "5",
        "fields": "ad_id",
    }
    whole = meta.ok(PATH, **args)
    meta.meta.faults.add(fault)
    page = meta.ok(PATH, **args)
    if fault == "empty_page":
        assert page["data"] == []
        assert meta.ok(PATH, **args, after=page["paging"]["cursors"]["after"])["data"] == whole["data"]
    elif fault == "cursor_loop":
        assert meta.ok(PATH, **args, after=page["paging"]["cursors"]["after"])["data"] == page["data"]
    elif fault == "no_next":
        assert page["data"] == whole["data"]
        assert "next" not in page["paging"]
    else:
        assert page["data"] == whole["data"][:-1]


BRACKETS = [
    ("level", "ad"),
    ("time_increment", "1"),
    ("limit", "7"),
    ("time_range[since]", "2026-10-20"),
    ("time_range[until]", "2026-10-21"),
    ("fields[]", "ad_id"),
    ("fields[]", "spend"),
    ("filtering[0][field]", "ad.effective_status"),
    ("filtering[0][operator]", "IN"),
    *((f"filtering[0][value][{n}]", status) for n, status in enumerate(ALL["ad"])),
]


def test_objects_and_lists_may_come_in_brackets_as_forms_have_them(meta):
    """In a query, a form, a multipart one and a batch; the pages that follow are of the same query."""
    args = {"level": "ad", "time_increment": "1", "fields": "ad_id,spend", "filtering": every("ad")}
    rows = meta.rows(PATH, **args, time_range=days("2026-10-20", "2026-10-21"), limit="500")
    page = meta.http.get(PATH, params=BRACKETS).json()
    found = page["data"]
    while "next" in page["paging"]:
        page = meta.http.get(page["paging"]["next"]).json()
        found += page["data"]
    assert found == rows
    encoded = urlencode(BRACKETS)
    form = {"content-type": "application/x-www-form-urlencoded"}
    runs = [
        meta.http.post(PATH, content=encoded, headers=form).json(),
        meta.http.post(PATH, files=[(name, (None, value)) for name, value in BRACKETS]).json(),
        json.loads(
            meta.http.post(
                "/v26.0",
                data={"batch": json.dumps([{"method": "POST", "relative_url": PATH, "body": encoded}])},
            ).json()[0]["body"]
        ),
    ]
    for run in runs:
        for _ in range(meta.meta.options.run_polls + 1):
            node = meta.ok(f"/v26.0/{run['report_run_id']}")
        assert node["async_status"] == "Job Completed"
        assert meta.rows(f"/v26.0/{run['report_run_id']}/insights", limit="500") == rows


@pytest.mark.parametrize(
    ("pairs", "fields"),
    [
        ([("a[x]", "1"), ("a[y][]", "2")], {"a": '{"x": "1", "y": ["2"]}'}),
        ([("a[]", "1"), ("a[]", "2")], {"a": '["1", "2"]'}),
        ([("a[1]", "2"), ("a[0]", "1")], {"a": '["1", "2"]'}),
        ([("a[1]", "2"), ("a[]", "3")], {"a": '{"1": "2", "2": "3"}'}),
        ([("a", "1"), ("a[x]", "2")], {"a": '{"x": "2"}'}),
        ([("a[x]", "2"), ("a", "1")], {"a": "1"}),
        ([("a", "1"), ("a", "2"), ("", "3")], {"a": "2", "": "3"}),
        ([("a[", "1"), ("[b]", "2"), ("c[d]e", "3")], {"a[": "1", "[b]": "2", "c[d]e": "3"}),
    ],
)
def test_brackets_are_decoded_as_php_does(pairs, fields):
    """The last one of a name counts; a list is what has the numbers of one; anything else is a name."""
    assert plain(pairs) == fields


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"time_range": days("2026-10-22", "2026-10-20")}, (100, 1487851)),
        ({"time_range": days("2021-10-22", "2026-10-20")}, (3018, None)),
        ({"time_range": days("26-10-22", "2026-10-20")}, (3018, None)),
        ({"time_range": "yesterday"}, (100, None)),
        ({"time_increment": "91"}, (100, None)),
        ({"date_preset": "lifetime"}, (100, None)),
        ({"level": "creative"}, (100, None)),
        ({"breakdowns": ["age", "country"]}, (100, None)),
        ({"breakdowns": "dma"}, (100, None)),
        ({"action_attribution_windows": ["2d_click"]}, (100, None)),
        ({"limit": "many"}, (100, None)),
        ({"filtering": [{"field": "ad.colour", "operator": "IN", "value": []}]}, (100, None)),
        ({"filtering": [{"field": "ad.effective_status", "operator": "IN", "value": ["GONE"]}]}, (100, None)),
        ({"filtering": "["}, (100, None)),
        ({"action_breakdowns": ["garbage"]}, (100, None)),
        ({"summary": ["garbage"]}, (100, None)),
    ],
)
def test_what_meta_refuses_is_refused(meta, params, code):
    """By its code."""
    usual = {} if "date_preset" in params else {"time_range": days("2026-10-20")}
    assert meta.error(PATH, **usual | params) == code


def test_filters_choose_objects_and_rows(meta):
    """By id, by name and by a metric."""
    args = {
        "level": "ad",
        "time_range": days("2026-10-20", "2026-10-25"),
        "fields": "ad_id,adset_id,ad_name,impressions",
    }
    whole = meta.rows(PATH, **args)
    adset = whole[0]["adset_id"]
    one = meta.rows(PATH, **args, filtering=[{"field": "adset.id", "operator": "IN", "value": [adset]}])
    assert one == [row for row in whole if row["adset_id"] == adset]
    assert meta.rows(f"/v26.0/{adset}/insights", **args) == one
    named = meta.rows(PATH, **args, filtering=[{"field": "ad.name", "operator": "CONTAIN", "value": "ad 1"}])
    assert {row["ad_name"] for row in named} == {
        row["ad_name"] for row in whole if "ad 1" in row["ad_name"].lower()
    }
    many = meta.rows(
        PATH, **args, filtering=[{"field": "ad.impressions", "operator": "GREATER_THAN", "value": 20000}]
    )
    assert many == [row for row in whole if int(row["impressions"]) > 20000]


@pytest.mark.parametrize(
    "breakdowns",
    [
        "age",
        "age,gender",
        "country",
        "region",
        "region,country",
        "publisher_platform,platform_position",
        "device_platform",
    ],
)
def test_breakdowns_add_up_to_the_row(meta, breakdowns):
    """Each value is a row of its own, and none of the money is lost."""
    args = {"level": "campaign", "time_increment": "1", "time_range": days("2026-10-20"), "limit": "500"}
    args |= {"fields": "campaign_id,spend,impressions"}
    plain, parts = meta.rows(PATH, **args), meta.rows(PATH, **args, breakdowns=breakdowns)
    assert set(breakdowns.split(",")) <= parts[0].keys()
    for row in plain:
        mine = [part for part in parts if part["campaign_id"] == row["campaign_id"]]
        assert sum(Decimal(part["spend"]) for part in mine) == Decimal(row["spend"])
        assert sum(int(part["impressions"]) for part in mine) == int(row["impressions"])


def test_a_region_is_known_by_a_name_that_two_countries_can_share(meta):
    """Alone it comes once for each country, which the row does not tell; with `country` each row has a name."""
    args = {"level": "account", "time_increment": "1", "time_range": days("2026-10-20"), "fields": "spend"}
    alone = meta.rows(PATH, **args, breakdowns="region", limit="100")
    named = meta.rows(PATH, **args, breakdowns="country,region", limit="100")
    assert [one["region"] for one in alone].count("Unknown") > 1
    assert not any("country" in one for one in alone)
    assert len({(one["country"], one["region"]) for one in named}) == len(named) == len(alone)


def test_a_breakdown_of_which_nothing_has_a_value_gives_no_rows(meta):
    """Airbyte asks for `product_id` of every account; one that died is refused."""
    args = {"time_range": days("2026-10-20"), "fields": "spend"}
    assert meta.rows(PATH, **args, breakdowns="product_id") == []
    assert meta.error(PATH, **args, breakdowns="dma")[0] == 100


def test_conversions_off_meta_are_hidden_by_the_hour(meta):
    """No purchases under hourly breakdowns; link clicks are there."""
    args = {"time_range": days("2026-10-20"), "fields": "actions", "limit": "100"}
    rows = meta.rows(PATH, **args, breakdowns="hourly_stats_aggregated_by_advertiser_time_zone")
    types = {entry["action_type"] for row in rows for entry in row["actions"]}
    assert "link_click" in types
    assert "omni_purchase" not in types


def test_yen_have_no_cents(meta):
    """Amounts are in major units, whole in a currency that has no others."""
    rows = meta.rows(
        f"/v26.0/act_{JAPAN}/insights", level="ad", time_range=days("2026-10-20"), fields="spend"
    )
    assert all(row["spend"].isdigit() for row in rows)


def test_an_account_has_days_of_its_own(meta):
    """At 06:00 UTC it is still October in Los Angeles, and the afternoon of the first of November in Tokyo."""
    now = days("2026-11-01")
    assert meta.ok(f"/v26.0/act_{JAPAN}/insights", time_range=now)["data"]
    assert meta.ok("/v26.0/act_1010035716096014/insights", time_range=now)["data"] == []


def test_a_day_is_restated_until_it_is_28_days_old(start):
    """Spend is final after a day, purchases by 7d_click after seven, by 28d_click after 28; then nothing moves."""
    client = start(now=datetime(2026, 11, 1, 21, tzinfo=UTC))
    args = {"time_range": days("2026-11-01"), "fields": "spend,actions", "level": "account"}
    args |= {"action_attribution_windows": ["7d_click", "28d_click"]}
    seen = []
    for _ in range(32):
        row = client.ok(PATH, **args)["data"][0]
        bought = next(one for one in row["actions"] if one["action_type"] == "omni_purchase")
        seen.append((Decimal(row["spend"]), int(bought["7d_click"]), int(bought["28d_click"])))
        client.meta.advance(86_400)
    spend, seven, month = zip(*seen, strict=True)
    assert spend[0] < spend[1]
    assert spend[1] == spend[2]
    assert seven[1] < seven[7]
    assert month[8] < month[28]
    assert seen[28:] == [seen[28]] * 4


def test_rows_vanish_and_come_without_delivery(start):
    """Three days later some were invalid traffic; and some have only late conversions."""
    client = start()
    day = {row["ad_id"]: row for row in client.meta.daily(EUROPE, "ad")}
    before = {(row["ad_id"], row["date_start"]) for row in client.meta.daily(EUROPE, "ad")}
    assert day
    client.meta.advance(5 * 86_400)
    after = {(row["ad_id"], row["date_start"]): row for row in client.meta.daily(EUROPE, "ad")}
    assert before - after.keys(), "no row has vanished, so this proves nothing"
    assert any(row["impressions"] == "0" and row["actions"] for row in after.values())


def test_ads_come_to_life_and_are_deleted_as_time_goes_on(start):
    """What begins after the start is not there yet; what ends later is still active."""
    client = start()
    before = {one["id"]: one["effective_status"] for one in client.meta.truth("ads")}
    client.meta.advance(25 * 86_400)
    after = {one["id"]: one["effective_status"] for one in client.meta.truth("ads")}
    assert after.keys() - before.keys()
    assert [one for one in before if before[one] != "DELETED" == after[one]]


def test_changes_change_what_is_read(start):
    """Restated, added to, vanished, spoilt and new."""
    client = start()
    ad = next(
        row["ad_id"] for row in client.rows(PATH, level="ad", time_range=days("2026-10-20"), fields="ad_id")
    )
    args = {"level": "ad", "time_range": days("2026-10-20"), "fields": "ad_id,spend", "limit": "100"}

    def spend():
        return {row["ad_id"]: row["spend"] for row in client.rows(PATH, **args)}.get(ad)

    before = Decimal(spend())
    client.meta.change("add_spend", ad_id=ad, day="2026-10-20", amount="0.01")
    assert Decimal(spend()) == before + Decimal("0.01")
    client.meta.change("restate", ad_id=ad, day="2026-10-20", set={"spend": "7.5", "impressions": 3})
    assert spend() == "7.5"
    client.meta.change("spoil", level="ad", id=ad, day="2026-10-20", set={"spend": "much"})
    assert spend() == "much"
    client.meta.change("vanish", ad_id=ad, day="2026-10-20")
    assert spend() is None
    new = client.meta.change("new_ad", account_id=EUROPE, called="Fresh")
    assert client.ok(f"/v26.0/{new['id']}", fields="name,effective_status")["effective_status"] == "ACTIVE"
    client.meta.change("delete", id=new["id"])
    assert client.ok(f"/v26.0/{new['id']}", fields="effective_status")["effective_status"] == "DELETED"
    with pytest.raises(ValueError, match="no such ad"):
        client.meta.change("vanish", ad_id="1", day="2026-10-20")


def test_the_same_options_give_the_same_world(start):
    """Byte for byte; another seed gives another."""
    one, two, other = (list(start(seed=seed).meta.truth("insights_adset")) for seed in (3, 3, 4))
    assert json.dumps(one) == json.dumps(two)
    assert json.dumps(one) != json.dumps(other)


def test_too_much_is_refused(start):
    """A page of too many rows asks for less (code 1); a range of too many for a report run (100/1487534)."""
    client = start(max_page_rows=20, max_sync_rows=200)
    args = {"level": "ad", "time_increment": "1"}
    answer = client.get(PATH, **args, time_range=days("2026-10-20", "2026-10-24"), limit="500")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, 1)
    assert client.ok(PATH, **args, time_range=days("2026-10-20", "2026-10-24"), limit="20")["data"]
    assert client.error(PATH, **args, time_range=days("2026-09-20", "2026-10-24")) == (100, 1487534)
