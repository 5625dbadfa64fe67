"""Reports: what messages brought, once each, whatever is read again and whenever a quota ends."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from weathervane.klaviyo._tables.reports import Quarter, quarters_of, report_request
from weathervane.source import ConfigurationError, ContractError, IncompleteError

from .bench import CAMPAIGNS, MESSAGES, METRIC, REPORTS


def test_each_message_is_reported_once_in_the_quarter_of_its_sending(begin):
    """One call a quarter for all campaigns and channels; counts, money and channel as the account's (fact 15)."""
    bench = begin(campaigns=40)
    summary = bench.run(reports=True)
    bench.holds_the_account()
    bench.holds_the_reports()
    asked = [json.loads(one.body)["data"]["attributes"] for one in bench.requests("campaign-values-reports")]
    assert [one["timeframe"]["start"] for one in asked] == [
        "2026-04-01T00:00:00",
        "2026-07-01T00:00:00",
        "2026-10-01T00:00:00",
    ]
    assert {one["conversion_metric_id"] for one in asked} == {METRIC}
    assert not [name for one in asked for name in one["statistics"] if "rate" in name]
    assert summary.metadata["slices"] == 4
    assert bench.checkpoint(REPORTS)[f"reported {METRIC}"] == "2026-10-01T00:00:00Z"
    assert {row["channel"] for row in bench.rows(REPORTS)} == {"email", "sms", "push", "whatsapp"}


def test_read_again_a_report_replaces_itself(begin):
    """Nothing doubles: without changes no row moves, later the numbers have grown (fact 15)."""
    bench = begin(campaigns=40)
    bench.run(reports=True)
    first = bench.rows(REPORTS)
    again = bench.run(reports=True).metadata["datasets"][REPORTS]
    assert (again.rows_inserted, again.rows_updated, again.rows_deleted) == (0, 0, 0)
    assert bench.rows(REPORTS) == first
    bench.account.advance(2 * 86_400)
    assert bench.run(reports=True).metadata["datasets"][REPORTS].rows_updated > 0
    bench.holds_the_reports()


def test_only_quarters_that_may_still_grow_are_asked_for_again(begin):
    """Ninety days before the newest sending: two calls, which the minute's quota lets through."""
    bench = begin(campaigns=40)
    bench.run(reports=True)
    bench.account.recorder.clear()
    bench.run(reports=True)
    asked = [json.loads(one.body)["data"]["attributes"] for one in bench.requests("campaign-values-reports")]
    assert [one["timeframe"]["start"] for one in asked] == ["2026-07-01T00:00:00", "2026-10-01T00:00:00"]


def test_a_campaign_that_vanished_leaves_the_quarters_that_are_read_again(begin):
    """The report no longer names it; older quarters keep what they said."""
    bench = begin(campaigns=40)
    bench.run(reports=True)
    newest = max(bench.rows(REPORTS), key=lambda row: row["period_start"])
    bench.account.change("delete", id=newest["campaign_id"])
    counts = bench.run(reports=True).metadata["datasets"][REPORTS]
    assert counts.rows_deleted >= 1
    assert newest["message_id"] not in {row["message_id"] for row in bench.rows(REPORTS)}


def test_what_a_deleted_campaign_left_is_what_the_account_says_it_may_be(begin):
    """Its row and its messages with the time at which it was missed, later than its deletion; nothing else of it."""
    bench = begin(campaigns=40)
    bench.run(reports=True)
    gone = min(bench.rows(REPORTS), key=lambda row: row["period_start"])["campaign_id"]
    bench.account.change("delete", id=gone)
    tables = bench.account.tables
    told = [table for table in tables if bench.account.table(table).difference(bench.rows(table))]
    assert told == [CAMPAIGNS, MESSAGES]
    bench.account.advance(60)
    bench.run(reports=True)
    for table in tables:
        assert gone in {row["campaign_id"] for row in bench.rows(table)}
        assert bench.account.table(table).difference(bench.rows(table)) is None, table


def test_an_empty_report_of_a_quarter_with_sendings_is_not_believed(begin):
    """Neither on the first run, which would never ask again for an old quarter, nor on one that would remove rows.
    The other quarters are read; and the next run asks for this one again.
    """
    bench = begin(campaigns=40)
    bench.account.faults.add("empty_report")
    with pytest.raises(
        IncompleteError, match=r"the report of 2026-Q2 is empty.* all other reports were read"
    ):
        bench.run(reports=True)
    assert {str(row["period_start"]) for row in bench.rows(REPORTS)} == {"2026-07-01", "2026-10-01"}
    bench.run(reports=True)
    bench.holds_the_reports()
    before = bench.rows(REPORTS)
    bench.account.faults.add("empty_report", None)
    with pytest.raises(IncompleteError, match=r"the report of 2026-Q\d is empty"):
        bench.run(reports=True)
    assert bench.rows(REPORTS) == before


def test_a_quarter_whose_messages_are_all_gone_is_emptied(begin):
    """Nobody is left who would be in its report."""
    bench = begin(campaigns=40)
    bench.run(reports=True)
    newest = max(row["period_start"] for row in bench.rows(REPORTS))
    for one in {row["campaign_id"] for row in bench.rows(REPORTS) if row["period_start"] == newest}:
        bench.account.change("delete", id=one)
    bench.run(reports=True)
    bench.holds_the_reports()
    assert newest not in {row["period_start"] for row in bench.rows(REPORTS)}


def test_the_end_of_a_quota_is_no_failure_and_the_next_run_goes_on(begin):
    """The run keeps what it has, says what waits and for how long, and asks once (fact 10)."""
    bench = begin(campaigns=40)
    facts = {"endpoint": "campaign-values-reports"}
    bench.account.faults.add("throttled", times=None, skip=1, match=facts, retry_after=73_473)
    summary = bench.run(reports=True)
    assert summary.metadata["state"] == "loaded"
    assert bench.reader.deferred.retry_after == 73_473
    assert bench.reader.deferred.dataset == REPORTS
    assert len(bench.requests("campaign-values-reports")) == 2
    assert {row["period_start"] for row in bench.rows(REPORTS)} == {date(2026, 4, 1)}
    bench.holds_the_account()
    bench.account.faults.clear()
    bench.run(reports=True)
    assert bench.reader.deferred is None
    bench.holds_the_reports()


def test_a_report_of_several_pages_is_read_to_its_last(begin):
    """Each page is asked for with the same request and counts against the quota; the quarter is whole or not there."""
    bench = begin(campaigns=40, report_page_size=5)
    facts = {"endpoint": "campaign-values-reports"}
    bench.account.faults.add("throttled", times=None, skip=1, match=facts, retry_after=73_473)
    bench.run(reports=True)
    assert bench.rows(REPORTS) == []
    assert bench.reader.deferred.retry_after == 73_473
    bench.account.faults.clear()
    bench.account.recorder.clear()
    bench.run(reports=True)
    bench.holds_the_reports()
    asked = bench.requests("campaign-values-reports")
    assert len({one.body for one in asked}) == 3
    assert len(asked) > 5
    assert len({one.query for one in asked}) == len(asked) - 2


@pytest.mark.parametrize(
    ("fault", "reason"), [("cursor_loop", "PAGING_LOOP"), ("foreign_next", "FOREIGN_ORIGIN")]
)
def test_the_pages_of_a_report_lead_nowhere_else(begin, fault, reason):
    """Neither round in a circle, which would cost the day's reports, nor to another host."""
    bench = begin(campaigns=40, report_page_size=5)
    bench.account.faults.add(fault, None, match={"endpoint": "campaign-values-reports", "page": 2})
    with pytest.raises(ContractError) as caught:
        bench.run(reports=True)
    assert caught.value.reason == reason
    assert len(bench.requests("campaign-values-reports")) <= 3
    assert bench.rows(REPORTS) == []


def test_days_choose_the_quarters(begin):
    """Those that the days touch; the checkpoint's own progress is not lost."""
    bench = begin(campaigns=40)
    bench.run(reports=True)
    bench.account.recorder.clear()
    bench.run(reports=True, start=date(2026, 5, 5), end=date(2026, 8, 1))
    asked = [json.loads(one.body)["data"]["attributes"] for one in bench.requests("campaign-values-reports")]
    assert [one["timeframe"]["start"][:10] for one in asked] == ["2026-04-01", "2026-07-01"]
    assert bench.checkpoint()[f"reported {METRIC}"] == "2026-10-01T00:00:00Z"
    bench.holds_the_reports()


def test_days_before_the_first_whole_run_hide_nothing_from_it(begin):
    """What lies before them is still read."""
    bench = begin(campaigns=40)
    bench.run(reports=True, start=date(2026, 10, 1))
    assert {row["period_start"] for row in bench.rows(REPORTS)} == {date(2026, 10, 1)}
    bench.run(reports=True)
    bench.holds_the_reports()


def test_a_message_whose_variations_are_sent_at_their_own_times_is_reported(begin):
    """It has no time of its own: the first of theirs says when it was sent, and which quarter is asked for."""
    bench = begin(campaigns=1)
    (message,) = bench.account.world.all("campaign-message")
    variation = message["campaign-variations"][0]
    options = message["attributes"]["definition"]["send_options"]
    assert options["send_time"] is None
    options["send_times"] = {
        variation: "2026-07-01T00:30:00+00:00",
        "another": "2026-06-30T23:30:00+02:00",
        "undecided": None,
    }
    bench.run(reports=True)
    bench.holds_the_account()
    bench.holds_the_reports()
    assert bench.rows(MESSAGES)[0]["send_time"] == datetime(2026, 6, 30, 21, 30, tzinfo=UTC)
    assert {row["period_start"] for row in bench.rows(REPORTS)} == {date(2026, 4, 1)}


def test_without_a_metric_there_are_no_reports(bench):
    """Not asked for, no table; asked for without a metric, an error before any report is asked (fact 16)."""
    bench.run()
    assert bench.rows(REPORTS) == []
    with pytest.raises(ConfigurationError, match="need conversion_metric_id"):
        bench.run(credentials={"reports": True})
    assert bench.requests("campaign-values-reports") == []


def test_an_account_that_never_sent_has_no_reports(begin):
    """There is no quarter to ask for."""
    bench = begin(campaigns=0)
    bench.account.change("new_campaign")
    bench.run(reports=True)
    assert bench.requests("campaign-values-reports") == []


@pytest.mark.parametrize(
    ("day", "name", "last"),
    [
        (date(2026, 1, 1), "2026-Q1", date(2026, 3, 31)),
        (date(2028, 2, 29), "2028-Q1", date(2028, 3, 31)),
        (date(2026, 6, 30), "2026-Q2", date(2026, 6, 30)),
        (date(2026, 9, 1), "2026-Q3", date(2026, 9, 30)),
        (date(2026, 12, 31), "2026-Q4", date(2026, 12, 31)),
    ],
)
def test_a_quarter_is_three_months(day, name, last):
    """Of the calendar."""
    quarter = Quarter.of(day)
    assert (str(quarter), quarter.last, Quarter.of(quarter.last)) == (name, last, quarter)
    assert Quarter.of(quarter.next.first) == quarter.next


def test_quarters_and_windows_are_meant_in_the_accounts_time_zone():
    """A sending just before midnight UTC is of the next quarter in Tokyo; no window ends in the future."""
    zone = ZoneInfo("Asia/Tokyo")
    sent = datetime(2026, 9, 30, 15, 30, tzinfo=UTC)
    (quarter,) = quarters_of([sent], zone)
    assert str(quarter) == "2026-Q4"
    body = report_request(quarter, METRIC, sent, zone)["data"]["attributes"]
    assert body["timeframe"] == {"start": "2026-10-01T00:00:00", "end": "2026-10-01T00:00:00"}
    later = report_request(quarter, METRIC, datetime(2027, 5, 1, tzinfo=UTC), zone)["data"]["attributes"]
    assert later["timeframe"]["end"] == "2026-12-31T23:00:00"


@pytest.mark.parametrize("revision", ["2026-10-15", "2026-07-15"])
def test_a_quarter_with_only_a_campaign_that_was_stopped_while_it_was_sent_is_reported(begin, revision):
    """Who had it by then has opened and bought. One that was cancelled before it was sent is no reason to ask."""
    bench = begin(campaigns=0)
    for day, channel, stopped in ((5, "email", True), (100, "sms", False)):
        bench.account.advance(day * 86_400)
        made = bench.account.change("new_campaign", channel=channel, status="scheduled")
        if stopped:
            bench.account.change("send", id=made["id"])
            bench.account.change("stop", id=made["id"])
        else:
            (message,) = bench.account.world.children(made, "campaign-messages")[:1]
            bench.account.change("update", id=message["id"], set={"status": "cancelled"})
    bench.run(reports=True, credentials={"revision": revision})
    (row,) = bench.rows(REPORTS)
    assert (row["period_start"], row["recipients"] > 0) == (date(2026, 10, 1), True)
    bench.holds_the_reports()
    assert len(bench.requests("campaign-values-reports")) == 1


@pytest.mark.parametrize(
    ("time", "asked"), [("2026-10-01T05:00:00+00:00", ["07", "10"]), ("2026-08-01T05:00:00+00:00", ["07"])]
)
def test_a_local_time_near_a_quarters_border_asks_for_both(begin, time, asked):
    """Who lives further east has it the day before. Which of the two counts it, its report says."""
    bench = begin(campaigns=0, timezone="UTC")
    made = bench.account.change("new_campaign", channel="email", status="sent")
    (message, *_) = bench.account.world.children(made, "campaign-messages")
    options = {"send_time": time, "send_strategy": "local_timezone"}
    bench.account.change("update", id=message["id"], set={"send_options": options})
    bench.run(reports=True)
    requests = [
        json.loads(one.body)["data"]["attributes"] for one in bench.requests("campaign-values-reports")
    ]
    assert [one["timeframe"]["start"][5:7] for one in requests] == asked
    bench.holds_the_reports()


def test_another_conversion_metric_takes_the_place_of_the_old_one(begin):
    """And back again. All that does not depend on the metric would be there twice; a run that stops on the way leaves
    each quarter by one of them, and says so in the column.
    """
    bench = begin(campaigns=40)
    other = next(one["id"] for one in bench.account.world.all("metric") if one["id"] != METRIC)
    bench.run(reports=True)
    recipients = sum(row["recipients"] for row in bench.rows(REPORTS))
    facts = {"endpoint": "campaign-values-reports"}
    bench.account.faults.add("throttled", times=None, skip=1, match=facts, retry_after=73_473)
    bench.run(reports=True, credentials={"conversion_metric_id": other})
    found = {(str(row["period_start"]), row["conversion_metric_id"]) for row in bench.rows(REPORTS)}
    assert found == {("2026-04-01", other), ("2026-07-01", METRIC), ("2026-10-01", METRIC)}
    assert sum(row["recipients"] for row in bench.rows(REPORTS)) == recipients
    bench.account.faults.clear()
    for metric in (other, METRIC):
        bench.run(reports=True, credentials={"conversion_metric_id": metric})
        assert {row["conversion_metric_id"] for row in bench.rows(REPORTS)} == {metric}
        assert sum(row["recipients"] for row in bench.rows(REPORTS)) == recipients
        bench.holds_the_reports()


def test_days_by_another_metric_are_undone_by_the_next_whole_run(begin):
    """Which asks again for every quarter that holds another metric's rows, however old."""
    bench = begin(campaigns=40)
    other = next(one["id"] for one in bench.account.world.all("metric") if one["id"] != METRIC)
    bench.run(reports=True)
    days = {"start": date(2026, 4, 1), "end": date(2026, 6, 30)}
    bench.run(reports=True, credentials={"conversion_metric_id": other}, **days)
    assert {row["conversion_metric_id"] for row in bench.rows(REPORTS)} == {METRIC, other}
    bench.run(reports=True)
    assert {row["conversion_metric_id"] for row in bench.rows(REPORTS)} == {METRIC}
