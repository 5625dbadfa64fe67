"""Limits: usage headers that rise with the calls, and the errors at their end."""

from __future__ import annotations

import json

import pytest

from weathervane.meta_ads.sandbox import MetaOptions
from weathervane.meta_ads.sandbox._errors import GraphError
from weathervane.meta_ads.sandbox._limits import Limits

from .conftest import EUROPE, JAPAN

PATH = f"/v26.0/act_{EUROPE}/insights"


def header(answer, name):
    """A usage header's JSON."""
    return json.loads(answer.headers[name])


def test_usage_rises_with_the_calls(start):
    """Every answer of an account tells of score, hour and app; other calls of the app only."""
    client = start(score_max=20, hour_calls=100, app_calls=1000)
    first, second = (client.get(PATH, date_preset="yesterday") for _ in range(2))
    assert (
        0
        < header(first, "x-ad-account-usage")["acc_id_util_pct"]
        < header(second, "x-ad-account-usage")["acc_id_util_pct"]
    )
    entry = header(second, "x-business-use-case-usage")[EUROPE][0]
    assert (entry["type"], entry["estimated_time_to_regain_access"]) == ("ads_insights", 0)
    assert header(second, "x-fb-ads-insights-throttle")["ads_api_access_tier"] == "standard_access"
    assert "x-ad-account-usage" not in client.get("/v26.0/me").headers
    assert header(client.get("/v26.0/me"), "x-app-usage")["call_count"] >= 1


def test_the_score_of_an_account_blocks_that_account_only(start):
    """17/2446079 with the minutes to wait; another account goes on."""
    client = start(score_max=3)
    for _ in range(3):
        client.ok(PATH, date_preset="yesterday")
    answer = client.get(PATH, date_preset="yesterday")
    error = answer.json()["error"]
    assert (error["code"], error["error_subcode"], error["is_transient"]) == (17, 2446079, True)
    assert header(answer, "x-business-use-case-usage")[EUROPE][0]["estimated_time_to_regain_access"] == 1
    assert client.ok(f"/v26.0/act_{JAPAN}/insights", date_preset="yesterday")


def test_the_app_blocks_every_account(start):
    """4/1504022 for insights, 4 for other calls."""
    client = start(app_calls=2)
    client.ok(PATH, date_preset="yesterday")
    client.ok(PATH, date_preset="yesterday")
    assert client.error(f"/v26.0/act_{JAPAN}/insights") == (4, 1504022)
    assert client.error("/v26.0/me") == (4, None)


def test_blocks_end_and_scores_decay():
    """In real time: a block after its length, a score evenly over five minutes."""
    now = [0.0]
    options = MetaOptions(tier="development_access")
    limits = Limits(options, lambda _: 0, monotonic=lambda: now[0])
    for _ in range(60):
        limits.check("1", writes=False, insights=True)
    with pytest.raises(GraphError, match="User request limit"):
        limits.check("1", writes=False, insights=True)
    now[0] = 299.0
    with pytest.raises(GraphError, match="User request limit"):
        limits.check("1", writes=False, insights=True)
    now[0] = 301.0
    limits.check("1", writes=False, insights=True)
    score = json.loads(limits.headers("1", None, insights=True)["x-ad-account-usage"])["acc_id_util_pct"]
    assert score < 5


def test_the_hour_of_an_account_grows_with_its_ads():
    """600 calls and 400 an ad, then 80000 for insights and 80004 for management."""
    limits = Limits(MetaOptions(tier="development_access", score_max=1e9), lambda _: 1, monotonic=lambda: 0.0)
    for _ in range(1000):
        limits.check("1", writes=False, insights=True)
    with pytest.raises(GraphError, match="#80000"):
        limits.check("1", writes=False, insights=True)


def test_a_good_answer_can_tell_of_any_usage(start):
    """For clients that are to slow down."""
    client = start()
    client.meta.faults.add("usage", percent=97, app_percent=12, regain=3, reset=40)
    answer = client.get(PATH, date_preset="yesterday")
    assert answer.status_code == 200
    assert header(answer, "x-business-use-case-usage")[EUROPE][0]["estimated_time_to_regain_access"] == 3
    assert header(answer, "x-fb-ads-insights-throttle") == {"app_id_util_pct": 12, "acc_id_util_pct": 97}
