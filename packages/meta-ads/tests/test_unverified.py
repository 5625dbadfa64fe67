"""A row that cannot be read, or is not of what was asked, switches nothing off, and never stands in the lake."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest

from weathervane.meta_ads._rows import ROWS, widened
from weathervane.meta_ads._tables import datasets_for
from weathervane.meta_ads._tally import Tally
from weathervane.source import IncompleteError, normalise

from .bench import ONE_CALL, row

DAY = date(2026, 10, 20)
AD = "120210478963240123"


def ads():
    """Five, of one day."""
    return [row(str(int(AD) + number), spend="1.00") for number in range(5)]


@pytest.mark.parametrize("spoilt", [{"spend": "n/a"}, {"date_start": None}], ids=str)
@pytest.mark.parametrize("hidden", [0, 3])
def test_nothing_vanishes_of_a_day_that_nobody_can_verify(recorded, spoilt, hidden):
    """One odd row is set aside, and the day is written when its other figures are the account's; else it is not."""
    bench = recorded(*ads())
    bench.run(ONE_CALL, level="ad")
    bench.meta.change("spoil", level="ad", id=AD, day=str(DAY), set=spoilt)
    if hidden:
        bench.meta.faults.add("missing_rows", None, match={"level": "ad", "kind": "insights"}, drop=hidden)
        with pytest.raises(IncompleteError) as caught:
            bench.run(ONE_CALL, level="ad")
        assert caught.value.reason == "DAY_UNVERIFIED"
    else:
        assert bench.run(ONE_CALL, level="ad").metadata["datasets"]["meta_ads_ad"].rows_quarantined == 1
    assert len(bench.rows("meta_ads_ad")) == 5


NOT_ASKED = {
    "another account": {"account_id": "102"},
    "an account by another name": {"account_id": "act_101"},
    "a day before": {"date_start": "2026-01-01", "date_stop": "2026-01-01"},
    "several days": {"date_stop": "2026-10-21"},
    "no name": {"ad_id": ""},
    "a name with a zero byte": {"ad_id": "a\0b"},
    "a line's end for a name": {"ad_id": "\n"},
}


@pytest.mark.parametrize("what", NOT_ASKED)
def test_a_row_that_was_not_asked_for_is_set_aside(recorded, what):
    """It would stand in the table for ever, beside the right one. What the lake has of the object stays."""
    bench = recorded(*ads())
    bench.run(ONE_CALL, level="ad")
    bench.meta.change("spoil", level="ad", id=AD, day=str(DAY), set=NOT_ASKED[what])
    counts = bench.run(ONE_CALL, level="ad").metadata["datasets"]["meta_ads_ad"]
    assert (counts.rows_quarantined, counts.rows_inserted, counts.rows_deleted) == (1, 0, 0)
    assert {(one["account_id"], one["date"]) for one in bench.rows("meta_ads_ad")} == {("101", DAY)}


def test_an_account_that_is_null_is_one_that_is_left_out(recorded):
    """The row is of whom it was asked of."""
    bench = recorded(*ads())
    bench.meta.change("spoil", level="ad", id=AD, day=str(DAY), set={"account_id": None})
    bench.run(ONE_CALL, level="ad")
    assert [one["account_id"] for one in bench.rows("meta_ads_ad")] == ["101"] * 5


def test_rows_without_a_name_are_not_taken_for_one(recorded):
    """Each counts, and each is set aside."""
    first, second, *_ = ads()
    tally = Tally("ad_id")
    tally.add([msgspec.json.encode({**one, "ad_id": None}) for one in (first, second)])
    assert tally.days == {DAY: 2}


@pytest.mark.parametrize("twice", ["impressions", "spend", "actions"])
def test_a_row_with_a_member_twice_is_set_aside(twice):
    """Which of them is right, nobody can say."""
    record = msgspec.json.encode({**ads()[0], "actions": []})
    for space in (b"", b" "):
        spoilt = b'{"' + twice.encode() + b'":' + space + b'"9999",' + record[1:]
        mains, _ = datasets_for("ad")
        constants = {"tenant_id": "acme", "account_timezone": "UTC"}
        page = normalise(mains, [widened(spoilt, "101"), widened(record, "101")], constants=constants)
        assert (page.rows.num_rows, page.quarantined.num_rows) == (1, 1)
        assert "is there twice" in page.quarantined["value"][0].as_py()


def test_conversions_that_are_none_cost_no_actions():
    """Lists of the same types stand and fall together, others do not."""
    lists = {"actions": [{"action_type": "lead", "value": "3"}], "conversions": [{"value": "2"}]}
    found = msgspec.json.decode(widened(msgspec.json.encode(row(**lists)), "101"))[ROWS]
    assert found[0] == {"action_type": "lead", "attribution_window": "default", "actions": "3"}
    assert "not a list of actions" in found[1]
    assert len(found) == 2
