"""From the vendor to the lake: whole, exact, and again only as far back as Google changes its figures."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal

import pytest

from weathervane.google_ads import ADS, CAMPAIGNS
from weathervane.google_ads._tables import CUSTOMERS
from weathervane.source import IncompleteError, UnavailableError

from .bench import LEVELS, at
from .test_tally import DAYS, put, spoil

DAY = 86_400


def test_the_lake_equals_the_vendor_on_the_first_day_and_on_later_ones(begin):
    """Three accounts, every level; then conversions grow, clicks are taken back, and days vanish."""
    bench = begin(clients=3)
    summary = bench.run()
    assert summary.metadata["state"] == "loaded"
    bench.assert_true()
    for days in (1, 6, 30):
        bench.vendor.advance(days * DAY)
        bench.run()
        bench.assert_true()


def test_a_second_run_reads_only_its_window(bench):
    """From the look-back to today; what did not change is not written."""
    bench.run()
    bench.vendor.recorder.clear()
    summary = bench.run()
    today = bench.vendor.clock.now().date()
    first = (today - timedelta(days=30)).isoformat()
    assert all(f"BETWEEN '{first}'" in one["body"] for one in bench.queries("campaign"))
    assert len(bench.queries("campaign")) == 1
    counts = summary.metadata["datasets"]["google_ads"]
    assert (counts.rows_inserted, counts.rows_updated, counts.rows_deleted) == (0, 0, 0)
    assert counts.rows_unchanged > 0


def test_conversions_that_grow_are_updated_in_place(begin):
    """The same rows, more conversions: 2.0 becomes 3.5 where it stood."""
    bench = begin(days=10)
    bench.run()
    before = {(row["campaign_id"], row["date"]): row["conversions"] for row in bench.rows()}
    bench.vendor.set_now(bench.vendor.clock.now() + timedelta(hours=3))
    bench.vendor.advance(DAY)
    bench.run()
    after = {(row["campaign_id"], row["date"]): row["conversions"] for row in bench.rows()}
    grown = [name for name in before.keys() & after.keys() if after[name] > before[name]]
    assert len(grown) > len(before) // 2
    bench.assert_true()


def test_a_day_that_is_taken_back_vanishes(bench):
    """Google no longer answers it, so a mere upsert would keep its ghost."""
    bench.run()
    customer = bench.clients()[0]
    day = bench.vendor.clock.now().date() - timedelta(days=3)
    assert any(row["date"] == day for row in bench.rows())
    bench.vendor.change("empty_day", customer=customer, date=day.isoformat())
    summary = bench.run()
    assert not any(row["date"] == day for row in bench.rows())
    assert summary.metadata["datasets"]["google_ads"].rows_deleted > 0
    bench.assert_true()


def test_days_before_the_window_stay_as_they_are(bench):
    """What was not read again is not removed, whatever the vendor says of it now."""
    bench.run()
    customer = bench.clients()[0]
    day = bench.vendor.clock.now().date() - timedelta(days=38)
    held = [row for row in bench.rows() if row["date"] == day]
    assert held
    bench.vendor.change("empty_day", customer=customer, date=day.isoformat())
    bench.run()
    assert [row for row in bench.rows() if row["date"] == day] == held


def test_campaigns_hold_the_spend_that_ads_lack(bench):
    """Performance Max has no ads: campaigns add up to the account, ads to less."""
    bench.run()
    spend = {
        table: sum(row["spend"] for row in bench.rows(table))
        for table in ("google_ads", "google_ads_customers", "google_ads_ads")
    }
    assert spend["google_ads"] == spend["google_ads_customers"] > spend["google_ads_ads"] > 0
    ads = bench.rows("google_ads_ads")
    assert len({row["ad_id"] for row in ads}) < len({(row["ad_group_id"], row["ad_id"]) for row in ads})


def test_yen_are_micros_too(begin):
    """One yen is 1,000,000 micros, as one dollar is."""
    bench = begin("umi_japan", currency="JPY", timezone="Asia/Tokyo")
    bench.run()
    bench.assert_true()
    row = max(bench.rows(), key=lambda row: row["spend"])
    assert row["currency"] == "JPY"
    assert row["spend"] == Decimal(row["cost_micros"]) / 1_000_000
    assert row["spend"] == row["spend"].to_integral_value()


def test_an_account_ahead_of_utc_has_its_own_today(begin):
    """At 16:00 UTC it is tomorrow in Tokyo, and tomorrow is read."""
    bench = begin(timezone="Asia/Tokyo", now=at("2026-11-20T16:00:00Z"))
    bench.run()
    assert "AND '2026-11-21'" in bench.queries("customer WHERE")[0]["body"]
    bench.vendor.advance(3 * 3600)
    bench.run()
    assert max(row["date"] for row in bench.rows()) == date(2026, 11, 21)
    bench.assert_true()


def test_our_clock_never_puts_the_checkpoint_over_days_to_come(begin):
    """The vendor's clock is half a year behind ours: what it comes to have later is still read."""
    bench = begin(now=at("2026-05-20T18:00:00Z"))
    bench.run(now=at("2026-11-20T18:00:00Z"))
    bench.assert_true()
    bench.vendor.advance(40 * DAY)
    bench.run(now=at("2026-11-20T18:00:00Z"))
    bench.assert_true()


@pytest.mark.parametrize(
    ("fault", "args"),
    [
        ("truncated", {}),
        ("cut", {}),
        ("error_after_chunks", {"code": "internalError.TRANSIENT_ERROR"}),
        ("error", {"code": "internalError.INTERNAL_ERROR"}),
        ("error", {"code": "quotaError.RESOURCE_TEMPORARILY_EXHAUSTED", "retry_delay": "1s"}),
        ("status", {"status": 502}),
        ("status", {"status": 503}),
        ("html_200", {}),
        ("token_expired", {}),
    ],
)
def test_an_answer_that_fails_is_asked_for_again(begin, fault, args):
    """Nothing of it is used, and the lake ends as without it: no row lost, none twice."""
    bench = begin(days=12, chunk_rows=5)
    bench.vendor.faults.add(fault, 2 if fault == "status" else 1, match={"resource": "ad_group_ad"}, **args)
    bench.run()
    assert not bench.vendor.faults.armed()
    bench.assert_true()


def test_an_answer_that_stays_cut_commits_nothing(begin):
    """The run fails, the tables stay, and the next run makes it good."""
    bench = begin(days=12, chunk_rows=5)
    bench.vendor.faults.add("truncated", None, match={"resource": "campaign"})
    with pytest.raises(UnavailableError, match=r"not JSON.*slice="):
        bench.run()
    assert bench.rows() == []
    bench.vendor.faults.clear()
    bench.run()
    bench.assert_true()


@pytest.mark.parametrize("resource", ["customer", "campaign", "ad_group", "ad_group_ad"])
def test_a_row_that_is_left_out_is_missed(begin, resource):
    """Google's own sum is another one than ours, so nothing is committed."""
    bench = begin(days=12)
    bench.vendor.faults.add("missing_rows", None, match={"resource": resource}, rows=3)
    with pytest.raises(IncompleteError, match=r"says \d+ cost_micros, and we read \d+"):
        bench.run()
    assert bench.rows() == []


@pytest.mark.parametrize(
    ("resources", "body"),
    [
        *(([level], "[]") for level in LEVELS.values()),
        ([*LEVELS.values()], "[]"),
        (["ad_group_ad"], '[{"fieldMask":"customer.id"}]'),
        *(
            (["ad_group", "ad_group_ad"], json.dumps([{"summaryRow": summary}]))
            for summary in ({}, {"metrics": {}}, {"metrics": {"costMicros": "0", "clicks": "0"}})
        ),
    ],
)
def test_an_empty_answer_for_days_that_had_figures_is_not_believed(begin, resources, body):
    """Both are legal answers; they must not empty a table, also where all levels are answered so."""
    bench = begin(days=12)
    bench.run()
    held = {table: bench.rows(table) for table in LEVELS}
    bench.vendor.faults.add("wrong_content", None, match={"resource": resources}, body=body)
    with pytest.raises(
        IncompleteError, match=r"no rows of .* had figures|and nothing at all for all of them"
    ):
        bench.run()
    assert {table: bench.rows(table) for table in LEVELS} == held
    bench.vendor.faults.clear()
    bench.run()
    bench.assert_true()


def test_a_report_of_ones_own_is_held_to_the_campaigns_as_well(begin):
    """Without any other report in the run, and also when the campaigns are answered with nothing."""
    bench = begin(days=12)
    for resources in (["ad_group_ad"], ["ad_group_ad", "campaign"]):
        bench.vendor.faults.clear()
        bench.vendor.faults.add("wrong_content", None, match={"resource": resources}, body="[]")
        with pytest.raises(IncompleteError, match=rf"{resources[-1]}: no rows of .* had figures"):
            bench.run(reports=(ADS,))


def test_an_account_that_has_only_performance_max_has_no_ads(begin):
    """Nothing at all is the truth there, in every form that it may have."""
    bench = begin(days=12)
    account = bench.vendor.world.accounts[bench.clients()[0]]
    for name, campaign in list(account.node.children.items()):
        if campaign.children:
            del account.node.children[name]
    bench.vendor.faults.add("wrong_content", None, match={"resource": ["ad_group", "ad_group_ad"]}, body="[]")
    for _ in range(2):
        assert bench.run().metadata["state"] == "loaded"
    assert {row["channel_type"] for row in bench.rows()} == {"PERFORMANCE_MAX"}
    assert bench.rows("google_ads_ads") == bench.rows("google_ads_ad_groups") == []


def test_an_account_whose_days_are_all_taken_back_is_emptied(begin):
    """Google says for all of them together that they are zero, so there is nothing to disbelieve."""
    bench = begin(days=3)
    bench.run()
    for day in {row["date"] for row in bench.rows()}:
        bench.vendor.change("empty_day", customer=bench.clients()[0], date=day.isoformat())
    bench.run()
    assert all(bench.rows(table) == [] for table in LEVELS)


def test_a_first_day_that_is_left_out_is_not_passed_over(begin):
    """The days to read are held to Google's sum too: what is not among them would be read by no run."""
    bench = begin(days=12)
    bench.vendor.faults.add("missing_rows", match={"resource": "customer"}, rows=12)
    with pytest.raises(IncompleteError, match=r"customer: Google says \d+ cost_micros, and we read \d+"):
        bench.run()
    bench.run()
    bench.assert_true()


def test_conversions_without_any_campaign_do_not_stop_a_run(begin):
    """An account may have figures of its own; only shown, clicked or charged days must have campaigns."""
    bench = begin(days=5)
    day = bench.vendor.clock.now().date() - timedelta(days=2)
    customer = bench.clients()[0]
    bench.vendor.change("empty_day", customer=customer, date=day.isoformat())
    metrics = {"metrics.all_conversions": 1.5}
    bench.vendor.change(
        "set_metrics",
        customer=customer,
        level="customer",
        key=customer,
        date=day.isoformat(),
        metrics=metrics,
    )
    bench.run()
    bench.assert_true()


def test_a_figure_that_is_no_number_is_set_aside(begin):
    """NaN is legal in the protocol, not in a column: the row is kept beside the table, the others arrive."""
    bench = begin(days=12)
    customer = bench.vendor.world.accounts[bench.clients()[0]]
    ad = customer.node.at("ad_group_ad")[0]
    day = bench.vendor.clock.now().date() - timedelta(days=2)
    metrics = {"metrics.clicks": 5, "metrics.cost_micros": 70_000, "metrics.conversions": "NaN"}
    bench.vendor.change(
        "set_metrics",
        customer=customer.id,
        level="ad_group_ad",
        key=ad.key,
        date=day.isoformat(),
        metrics=metrics,
    )
    summary = bench.run()
    counts = summary.metadata["datasets"]
    assert {name: one.rows_quarantined for name, one in counts.items()} == dict.fromkeys(counts, 1)


def test_a_first_run_with_dates_reads_these_days_and_the_next_goes_on(bench):
    """No gap: the checkpoint is the last of these days, and the next run begins before it."""
    today = bench.vendor.clock.now().date()
    start, end = today - timedelta(days=20), today - timedelta(days=10)
    bench.run(start=start, end=end)
    assert {min(days := [row["date"] for row in bench.rows()]), max(days)} == {start, end}
    bench.run()
    assert max(row["date"] for row in bench.rows()) == today
    bench.run(start=today - timedelta(days=40))
    bench.assert_true()


def test_an_old_period_can_be_read_again_without_moving_the_checkpoint(bench):
    """A backfill leaves the position where it was."""
    summary = bench.run()
    today = bench.vendor.clock.now().date()
    again = bench.run(start=today - timedelta(days=39), end=today - timedelta(days=35))
    assert again.metadata["checkpoint"] == summary.metadata["checkpoint"]


@pytest.mark.parametrize(
    "body",
    [
        [{"message": "backend error"}],
        [{"fault": {}}],
        *(
            [{"summaryRow": one}]
            for one in (
                {"error": {}},
                {"code": 13},
                {"message": "backend error"},
                {"metrics": {"error": {}}},
                {"metrics": {"clicks": "0", "message": "backend error"}},
            )
        ),
    ],
    ids=json.dumps,
)
def test_what_is_no_answer_at_all_verifies_nothing(begin, body):
    """Not on a first run either, when there is nothing that could be lost."""
    bench = begin(days=3)
    bench.vendor.faults.add(
        "wrong_content", None, match={"resource": [*LEVELS.values()]}, body=json.dumps(body)
    )
    with pytest.raises(UnavailableError):
        bench.run()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("customer.id", "1111111111"),
        ("customer.id", "\x01"),
        ("segments.date", "1900-01-01"),
        ("segments.date", "2099-12-31"),
    ],
)
def test_a_row_of_another_account_or_day_is_set_aside(begin, path, value):
    """Outside of what is replaced by later runs it would stay, beside the true one; no window begins or ends there."""
    bench = begin(days=3)
    for wanted, times in ((CUSTOMERS, 2), (CAMPAIGNS, 1)):
        spoil(bench, wanted, lambda chunks: put(chunks[0]["results"][0], path, value), times)
    counts = bench.run(start=DAYS[1] - timedelta(days=5)).metadata["datasets"]
    assert counts["google_ads"].rows_quarantined == counts["google_ads_customers"].rows_quarantined == 1
    bench.run()
    bench.assert_true()


@pytest.mark.parametrize("times", [1, None])
def test_an_empty_array_is_zero_rows(begin, times):
    """As a chunk without results is."""
    bench = begin(days=0, now=at("2026-11-22T05:10:00Z"))
    bench.vendor.faults.add("empty_array", times)
    assert bench.run().row_count == 0


def test_an_account_without_figures_gives_empty_tables(begin):
    """The run verified that there is nothing, and says so."""
    bench = begin(days=0, now=at("2026-11-22T05:10:00Z"))
    summary = bench.run()
    assert summary.metadata["state"] == "verified_empty"
    assert (summary.row_count, summary.metadata["checkpoint"]) == (0, None)
