"""A world from files: anybody's export is served as it is, and added up where it lacks a level."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from weathervane.meta_ads.sandbox import RecordsError, running_meta

from .conftest import days

AD = {
    "account_id": "101",
    "account_currency": "EUR",
    "campaign_id": "11",
    "campaign_name": "Prospecting",
    "adset_id": "12",
    "ad_id": "13",
    "date_start": "2026-10-20",
    "date_stop": "2026-10-20",
    "impressions": "100",
    "spend": "1.10",
    "ctr": "0.5",
    "actions": [{"action_type": "omni_purchase", "value": "2", "7d_click": "1", "1d_view": "1"}],
}
NODE = {"id": "act_101", "currency": "EUR", "timezone_name": "Europe/Paris", "name": "Mine"}


@pytest.fixture
def write(tmp_path):
    """Writes records into a file."""

    def write(*records):
        path = tmp_path / "records.jsonl"
        path.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in records))
        return [path]

    return write


def test_rows_are_served_as_they_are(start, write):
    """With the fields that are asked for, in the very texts of the file."""
    client = start(records=write(NODE, AD))
    assert client.ok("/v26.0/act_101", fields="name,currency")["name"] == "Mine"
    path, asked = "/v26.0/act_101/insights", {"time_range": days("2026-10-20"), "time_increment": "1"}
    row = client.ok(path, **asked, level="ad", fields="ad_id,spend,ctr,actions")["data"][0]
    assert row == {name: AD[name] for name in ("ad_id", "spend", "ctr", "actions", "date_start", "date_stop")}


def test_coarser_levels_are_added_up(start, write):
    """Two ads of one ad set, and their account; a level that the file has is served as it stands there."""
    account = {"account_id": "101", "date_start": "2026-10-20", "spend": "3.00", "impressions": "299"}
    client = start(records=write(NODE, AD, AD | {"ad_id": "14", "spend": "2"}, account))
    path, asked = "/v26.0/act_101/insights", {"time_range": days("2026-10-20"), "time_increment": "1"}
    adset = client.ok(path, **asked, level="adset", fields="adset_id,spend,actions")["data"]
    assert [(row["adset_id"], Decimal(row["spend"])) for row in adset] == [("12", Decimal("3.1"))]
    assert adset[0]["actions"][0]["value"] == "4"
    assert client.ok(path, **asked, level="account", fields="spend")["data"][0]["spend"] == "3.00"


def test_breakdown_rows_are_served_for_their_breakdown_only(start, write):
    """And never added to the plain ones."""
    old = AD | {"age": "65+", "spend": "0.4"}
    client = start(records=write(AD, old))
    path, asked = (
        "/v26.0/act_101/insights",
        {"time_range": days("2026-10-20"), "time_increment": "1", "level": "ad"},
    )
    assert [row["spend"] for row in client.ok(path, **asked, fields="spend")["data"]] == ["1.10"]
    assert [row["age"] for row in client.ok(path, **asked, fields="spend", breakdowns="age")["data"]] == [
        "65+"
    ]


def test_a_line_may_be_a_whole_answer(start, write):
    """What a client saves of each page: its list are the records, and what lies around it is not looked at."""
    nodes = {"data": [NODE, NODE | {"id": "act_102", "name": "Other"}], "paging": {"cursors": {}}}
    page = {"data": [AD, AD | {"ad_id": "14", "spend": "2"}], "paging": {"next": "https://example.com"}}
    client = start(records=write(nodes, page, {"data": []}, AD | {"ad_id": "15", "spend": "0.05"}))
    assert list(client.meta.world.accounts) == ["101", "102"]
    args = {"time_range": days("2026-10-20"), "time_increment": "1", "level": "ad", "fields": "spend"}
    rows = client.ok("/v26.0/act_101/insights", **args)["data"]
    assert [row["spend"] for row in rows] == ["1.10", "2", "0.05"]


def test_half_of_a_character_is_served_as_an_escape(start, write):
    """An export that was cut within an emoji: UTF-8 has no such half, JSON has."""
    client = start(records=write(NODE | {"name": "half \ud83d"}, AD | {"campaign_name": "half \ud83d"}))
    assert client.ok("/v26.0/act_101", fields="name")["name"] == "half \ud83d"
    asked = {
        "time_range": days("2026-10-20"),
        "time_increment": "1",
        "level": "ad",
        "fields": "campaign_name",
    }
    assert client.ok("/v26.0/act_101/insights", **asked)["data"][0]["campaign_name"] == "half \ud83d"


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ("{", "not JSON"),
        ('{"x": NaN}', "not JSON: NaN"),
        ('{"x": [1e400]}', "not JSON: 1e400"),
        ("[]", "must be a JSON object"),
        ({"id": "x"}, "needs date_start, or an id"),
        ({"id": "act_x"}, "must be a number"),
        (AD | {"date_stop": "2026-10-21"}, "must be of one day"),
        (AD | {"spend": "much"}, "not a row of insights"),
        (AD | {"account_id": ""}, "needs its account_id"),
        ({"error": {"code": 190}}, "holds an error"),
        ({"data": {"101": AD}}, "no list of records"),
        ({"data": [AD, []]}, r"data\[1\]: a record must be a JSON object"),
        ({"data": [AD, AD | {"spend": "much"}]}, r"data\[1\]: not a row of insights"),
    ],
)
def test_a_bad_line_is_named(write, record, says):
    """File, line and what is wrong."""
    with (
        pytest.raises(RecordsError, match=rf"records\.jsonl:2: .*{says}"),
        running_meta(records=write(AD, record)),
    ):
        pass
