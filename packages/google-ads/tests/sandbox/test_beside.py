"""What may be selected beside a resource, and segments that multiply its rows: as Google's field reference has it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from .test_records import ROWS, write

LAST = "segments.date DURING LAST_7_DAYS"


@pytest.mark.parametrize(
    ("fields", "resource"),
    [
        ("campaign_budget.amount_micros, campaign_group.name", "campaign"),
        ("bidding_strategy.name, accessible_bidding_strategy.id", "campaign"),
        ("bidding_strategy.name, campaign.id", "ad_group"),
        ("ad_group_criterion.criterion_id, bidding_strategy.name, ad_group.id", "keyword_view"),
        ("ad_group_criterion.age_range.type", "age_range_view"),
        ("campaign_criterion.criterion_id", "location_view"),
        ("ad_group_ad.ad.id, ad_group.id, campaign.id", "search_term_view"),
        ("label.name, ad_group.name, campaign.name", "ad_group_label"),
        ("label.name, ad_group_ad.status, ad_group.name, campaign.name", "ad_group_ad_label"),
        ("asset.id, asset_group.id, campaign.id", "asset_group_asset"),
        ("customer.id, metrics.all_conversions, segments.month", "conversion_action"),
    ],
)
def test_attributed_resources_are_selected_beside(acme, fields, resource):
    """By the reference's own lists; what these accounts do not have is absent."""
    dates = "WHERE segments.date BETWEEN '2026-11-01' AND '2026-11-20'" if "segments" in fields else ""
    answer = acme.post("searchStream", {"query": f"SELECT {fields} FROM {resource} {dates}"})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("field", "resource", "code"),
    [
        ("campaign.id", "customer", "PROHIBITED_RESOURCE_TYPE_IN_SELECT_CLAUSE"),
        ("campaign_budget.id", "ad_group", "PROHIBITED_RESOURCE_TYPE_IN_SELECT_CLAUSE"),
        ("ad_group_criterion.criterion_id", "ad_group_ad", "PROHIBITED_RESOURCE_TYPE_IN_SELECT_CLAUSE"),
        ("campaign.id", "conversion_action", "PROHIBITED_RESOURCE_TYPE_IN_SELECT_CLAUSE"),
        ("metrics.clicks", "conversion_action", "PROHIBITED_METRIC_IN_SELECT_OR_WHERE_CLAUSE"),
        ("segments.device", "conversion_action", "PROHIBITED_SEGMENT_IN_SELECT_OR_WHERE_CLAUSE"),
    ],
)
def test_others_are_refused(acme, field, resource, code):
    """A budget is the campaign's, and a conversion action has neither clicks nor devices."""
    assert acme.refused(f"SELECT {field} FROM {resource}") == (400, f"queryError.{code}")


def test_a_loaded_row_shows_what_was_beside_it(start, tmp_path):
    """The criterion of a keyword, which is its key."""
    row = {**ROWS[6], "adGroupCriterion": {"criterionId": "9"}, "adGroup": {"id": "80"}}
    client = start(records=(write(tmp_path, [*ROWS[:2], row]),))
    (found,) = client.stream(
        "SELECT ad_group.id, ad_group_criterion.criterion_id, segments.date, metrics.clicks FROM keyword_view"
        f" WHERE {LAST}"
    )
    assert (found["adGroup"]["id"], found["adGroupCriterion"]["criterionId"]) == ("80", "9")


def test_an_answer_with_a_budget_beside_its_campaigns_is_loaded(start, tmp_path):
    """As it was saved: the campaign's figures, and the budget when it is asked for."""
    budget = {"resourceName": "customers/2222222222/campaignBudgets/3", "amountMicros": "50000000"}
    client = start(records=(write(tmp_path, [*ROWS[:2], {**ROWS[3], "campaignBudget": budget}]),))
    (row,) = client.stream(
        f"SELECT campaign.id, campaign_budget.amount_micros, metrics.clicks FROM campaign WHERE {LAST}"
    )
    assert (row["campaignBudget"], row["metrics"]["clicks"]) == (budget, "4")


def test_loaded_actions_have_the_conversions_of_their_account(start, tmp_path):
    """Each its part, be they named by their ids alone."""
    actions = [
        {"customer": {"id": "2222222222"}, "conversionAction": {"id": number}} for number in ("5", "6")
    ]
    figures = {**ROWS[3], "metrics": {"clicks": "4", "conversions": 2, "allConversions": 3}}
    client = start(records=(write(tmp_path, [*ROWS[:2], figures, *actions]),))
    rows = client.stream(
        f"SELECT conversion_action.id, metrics.all_conversions FROM conversion_action WHERE {LAST}"
    )
    assert [(row["conversionAction"]["id"], row["metrics"]["allConversions"]) for row in rows] == [
        ("5", 1.5),
        ("6", 1.5),
    ]


def sums(rows: list[dict[str, Any]], *metrics: str) -> dict[Any, list[float]]:
    """Totals by campaign and day."""
    found: dict[Any, list[float]] = {}
    for row in rows:
        key = (row["campaign"]["id"], row["segments"]["date"])
        old = found.setdefault(key, [0.0] * len(metrics))
        new = [float(row["metrics"][name]) for name in metrics]
        found[key] = [round(math.fsum(pair), 6) for pair in zip(old, new, strict=True)]
    return found


@pytest.mark.parametrize("currency", ["USD", "JPY"])
def test_hours_add_up_to_their_day(start, currency):
    """A row for each hour that had something, whole coins, and today's hours until now."""
    client = start(currency=currency, days=3)
    fields = "metrics.clicks, metrics.impressions, metrics.cost_micros, metrics.conversions"
    query = (
        "SELECT campaign.id, segments.date, {}"
        + fields
        + " FROM campaign WHERE segments.date >= '2026-11-20'"
    )
    query += " AND segments.date <= '2026-11-22'"
    days, hours = client.stream(query.format("")), client.stream(query.format("segments.hour, "))
    names = ("clicks", "impressions", "costMicros", "conversions")
    assert sums(hours, *names) == sums(days, *names)
    keys = [(row["campaign"]["id"], row["segments"]["date"], row["segments"]["hour"]) for row in hours]
    assert len(keys) == len(set(keys)) > 12 * len(days)
    assert {hour for _, day, hour in keys if day == "2026-11-22"} == set(range(13)), "it is 13 h in New York"
    coin = 1_000_000 if currency == "JPY" else 10_000
    assert {int(row["metrics"]["costMicros"]) % coin for row in hours} == {0}


def test_conversions_add_up_over_their_actions(acme):
    """A row for each action: those that are included make `conversions`, all of them `all_conversions`."""
    fields = "metrics.conversions, metrics.conversions_value, metrics.all_conversions, metrics.all_conversions_value"
    query = "SELECT campaign.id, segments.date, {}" + fields + f" FROM campaign WHERE {LAST}"
    days = acme.stream(query.format(""))
    split = acme.stream(query.format("segments.conversion_action, segments.conversion_action_name, "))
    names = ("conversions", "conversionsValue", "allConversions", "allConversionsValue")
    assert sums(split, *names) == sums(days, *names)
    assert len(split) == 2 * len(days)
    counted = {row["segments"]["conversionActionName"]: 0.0 for row in split}
    for row in split:
        counted[row["segments"]["conversionActionName"]] += float(row["metrics"]["conversions"])
    assert counted["Purchase"] > counted["Newsletter"] == 0
    # The actions themselves tell the same.
    listed = acme.stream(
        "SELECT conversion_action.name, conversion_action.resource_name, metrics.all_conversions"
        f" FROM conversion_action WHERE {LAST}"
    )
    total = sum(float(row["metrics"]["allConversions"]) for row in listed)
    assert total == pytest.approx(sum(float(row["metrics"]["allConversions"]) for row in days))
    named = {row["segments"]["conversionAction"]: row["segments"]["conversionActionName"] for row in split}
    found = {row["conversionAction"]["resourceName"]: row["conversionAction"]["name"] for row in listed}
    assert named.items() < found.items()
    assert {row["conversionAction"]["name"]: row["metrics"]["allConversions"] for row in listed}[
        "Old lead form"
    ] == 0
