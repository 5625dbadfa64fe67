"""One odd part of a row: it is rounded, or set aside by itself, and the row with its money lands."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from .bench import row


def busiest(bench):
    """An ad set and a day with actions, and what Meta says of it."""
    found = {key: one for key, one in bench.truth().items() if one.get("actions")}
    key = max(found, key=lambda key: key[-1])
    return key, found[key]


@pytest.mark.parametrize("spoilt", [[{"value": "7"}], [7], "7", [{"action_type": 7, "value": "7"}]], ids=str)
def test_actions_that_are_none_are_set_aside_and_their_row_is_not(bench, spoilt):
    """The money lands. What the lake had of the row's actions stays until they can be read; its figures are NULL."""
    bench.run()
    actions = bench.rows("meta_ads_actions")
    (_, adset, day), truth = busiest(bench)
    bench.meta.change("spoil", level="adset", id=adset, day=day, set={"actions": spoilt})
    bench.meta.change("spoil", level="adset", id=adset, day=day, set={"actions": spoilt, "clicks": "77"})
    rows, listed = bench.run().metadata["datasets"].values()
    assert (rows.rows_quarantined, rows.rows_deleted, rows.rows_updated) == (0, 0, 1)
    assert (listed.rows_quarantined, listed.rows_deleted) == (1, 0)
    (mine,) = [one for one in bench.rows() if (one["adset_id"], str(one["date"])) == (adset, day)]
    assert (mine["spend"], mine["clicks"], mine["purchases"]) == (Decimal(truth["spend"]), 77, None)
    assert mine["purchase_value"] is not None or "action_values" not in truth
    assert sorted(bench.rows("meta_ads_actions"), key=str) == sorted(actions, key=str)
    aside = bench.rows("meta_ads_quarantine")
    assert rows.values_quarantined == len(aside) == 6
    for kept in (*aside, *bench.rows("meta_ads_actions_quarantine")):
        assert json.loads(kept["record"])["actions"] == spoilt
        assert "not a list of actions" in kept["value"]


@pytest.mark.parametrize("twice", ["lead", "video_view"])
def test_an_action_type_that_is_there_twice_is_set_aside_alone(bench, twice):
    """In each window that it has: which figure is right, nobody can say. The row and its other actions land."""
    (_, adset, day), truth = busiest(bench)
    more = [{"action_type": twice, "value": "7", "7d_click": "5"}, {"action_type": twice, "value": "2"}]
    actions = [one for one in truth["actions"] if one["action_type"] != twice] + more
    bench.meta.change("spoil", level="adset", id=adset, day=day, set={"actions": actions})
    rows, listed = bench.run().metadata["datasets"].values()
    assert rows.rows_quarantined == 0
    assert rows.values_quarantined == (2 if twice == "lead" else 0) - (twice == "lead")
    assert listed.rows_quarantined == 2
    (mine,) = [one for one in bench.rows() if (one["adset_id"], str(one["date"])) == (adset, day)]
    assert (mine["spend"], mine["leads"]) == (Decimal(truth["spend"]), None)
    types = {one["action_type"] for one in bench.rows("meta_ads_actions") if one["adset_id"] == adset}
    assert {one["action_type"] for one in truth["actions"]} - {twice} <= types
    for kept in bench.rows("meta_ads_actions_quarantine"):
        assert f"{twice} is there twice" in kept["value"]


def test_an_action_type_that_is_there_twice_alike_is_one(recorded):
    """Nothing is in doubt, and nothing is set aside."""
    entry = {"action_type": "lead", "value": "3", "7d_click": "2"}
    bench = recorded(row(actions=[entry, entry]))
    rows, listed = bench.run(level="ad").metadata["datasets"].values()
    assert (rows.values_quarantined, listed.rows_quarantined) == (0, 0)
    assert bench.rows("meta_ads_ad")[0]["leads"] == 3


def test_what_meta_computed_is_rounded_and_what_only_describes_is_no_reason_to_lose_a_row(recorded):
    """17 decimals of a figure, binary noise in a spend, a name that is none."""
    noise = "0.12345678901234567"
    bench = recorded(
        row(
            spend="10.000000000000002",
            frequency=noise,
            actions=[{"action_type": "lead", "value": noise}],
            purchase_roas=[{"action_type": "omni_purchase", "value": "3.8267361111111112"}],
            campaign_name=["a", "list"],
            objective=7,
        ),
        row("120210478963240124", spend="1.1234565"),
    )
    rows, listed = bench.run(level="ad").metadata["datasets"].values()
    assert (rows.rows_quarantined, rows.values_quarantined, listed.rows_quarantined) == (0, 2, 0)
    first, other = sorted(bench.rows("meta_ads_ad"), key=lambda one: one["ad_id"])
    assert first["spend"] == 10
    assert first["frequency"] == first["leads"] == Decimal("0.1234567890123457")
    assert first["purchase_roas"] == Decimal("3.8267361111111112")
    assert (first["campaign_name"], first["objective"]) == (None, None)
    assert other["spend"] == Decimal("1.123456")
    aside = {one["column_name"] for one in bench.rows("meta_ads_ad_quarantine")}
    assert aside == {"campaign_name", "objective"}


def test_half_an_emoji_in_a_name_costs_the_name_alone(bench):
    """The row's actions, and the figures that are picked of them, are as before."""
    bench.run()
    (_, adset, day), _ = busiest(bench)

    def mine():
        found = [one for one in bench.rows() if (one["adset_id"], str(one["date"])) == (adset, day)]
        return [{name: value for name, value in one.items() if name != "campaign_name"} for one in found]

    before, actions = mine(), sorted(bench.rows("meta_ads_actions"), key=str)
    bench.meta.change("spoil", level="adset", id=adset, day=day, set={"campaign_name": "Winter \ud83d"})
    rows, listed = bench.run().metadata["datasets"].values()
    assert (rows.rows_quarantined, rows.values_quarantined) == (0, 1)
    assert (listed.rows_quarantined, listed.rows_deleted) == (0, 0)
    assert mine() == before
    assert sorted(bench.rows("meta_ads_actions"), key=str) == actions


def test_half_an_emoji_in_an_action_type_costs_that_action_alone(bench):
    """It is told, and what the lake has of the row's actions stays."""
    bench.run()
    (_, adset, day), truth = busiest(bench)
    actions = [*truth["actions"], {"action_type": "lead \ud83d", "value": "7"}]
    bench.meta.change("spoil", level="adset", id=adset, day=day, set={"actions": actions})
    before = sorted(bench.rows("meta_ads_actions"), key=str)
    rows, listed = bench.run().metadata["datasets"].values()
    assert (rows.rows_quarantined, rows.values_quarantined, listed.rows_quarantined) == (0, 0, 1)
    assert sorted(bench.rows("meta_ads_actions"), key=str) == before
    (aside,) = bench.rows("meta_ads_actions_quarantine")
    assert "half a character" in aside["value"]
