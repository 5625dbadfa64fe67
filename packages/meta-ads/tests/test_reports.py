"""Large reads: smaller pages, report runs, resubmitted and split, and in the end the very rows of an easy read."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from pydantic import SecretStr

from weathervane.meta_ads import InsightsReader, MetaAdsClient, MetaAdsCredentials
from weathervane.meta_ads._report_run import _Started
from weathervane.meta_ads.sandbox import AccountOptions
from weathervane.source import ConfigurationError, CredentialsError, IncompleteError, Ingestion, listening
from weathervane.source.testing import forget_peak, peak_mib

from .bench import ONE_CALL, REPORTS, asked

TWO = (AccountOptions("101", "EUR", "Europe/Paris"), AccountOptions("102", "JPY", "Asia/Tokyo"))


def submitted(bench):
    """The parameters of all report runs that were asked for."""
    return asked(bench.requests("report"))


def test_a_wait_for_a_report_run_shows_how_far_it_is(bench):
    """Minutes of silence look like a run that hangs."""
    bench.meta.faults.add("async_slow", polls=12)
    heard = []
    with listening(heard.append):
        bench.run(replace(REPORTS, poll_seconds=(20.0,)), clock=bench.clock, sleep=bench.clock.sleep)
    said = [one.message for one in heard if "report run" in one.message]
    assert 2 <= len(said) <= 6
    for one in said:
        assert re.match(
            r"Meta's report run \d+ of ad account 101: Job \w+, \d+ %; waited for \d+ s so far", one
        )
    bench.holds_the_truth()


@pytest.mark.parametrize(
    "fault", ["reduce_data", "unknown_error", "data_limit", "sync_timeout", "sync_timeout_2"]
)
def test_pages_become_smaller_when_meta_asks_for_less(bench, fault):
    """Halved, and they stay so; the rows are those of an easy read (sheet 16.10)."""
    bench.meta.faults.add(fault, 2, match={"level": "adset", "kind": "insights"})
    bench.run(replace(ONE_CALL, page_size=80, slice_days={"adset": 92}))
    bench.holds_the_truth()
    limits = [one["limit"] for one in asked(bench.requests("insights")) if one["level"] == "adset"]
    assert limits[:3] == ["80", "40", "20"]
    assert set(limits[3:]) == {"20"}


@pytest.mark.parametrize("fault", ["reduce_data", "data_limit"])
@pytest.mark.parametrize("kind", ["accounts", "campaigns"])
def test_pages_of_any_list_become_smaller(begin, fault, kind):
    """Of ad accounts, and of the objects by which a report run is split."""
    bench = begin(campaigns=5)
    if kind == "accounts":
        bench.meta.faults.add(fault, 3, match={"path": "/v26.0/me/adaccounts"})
    else:
        bench.meta.faults.add("async_failed", 2)
        bench.meta.faults.add(fault, 3, match={"kind": "edge", "account": "101"})
    day = date(2026, 10, 20)
    bench.run(REPORTS, level="campaign", start=day, end=day)
    lists = [one for one in bench.requests("edge") if one.path.endswith(kind)]
    assert [one["limit"] for one in asked(lists) if "limit" in one] == ["500", "250", "125", "62"]


@pytest.mark.parametrize(
    ("code", "subcode", "error"),
    [(190, 463, CredentialsError), (2, 1504041, ConfigurationError), (200, None, CredentialsError)],
)
def test_a_run_that_fails_for_good_is_not_made_again(bench, code, subcode, error):
    """Nor split into as many runs as there are objects, which would all fail of it."""
    bench.meta.faults.add("async_failed", None, match={"level": "ad"}, code=code, subcode=subcode)
    with pytest.raises(error):
        bench.run(REPORTS, level="ad")
    assert len([one for one in submitted(bench) if one["level"] == "ad"]) == 1


def test_a_call_that_is_always_too_much_becomes_a_report_run(bench):
    """And so do all that follow; nothing was committed twice."""
    bench.meta.faults.add("reduce_data", None, match={"level": "adset", "kind": "insights"})
    bench.run(replace(ONE_CALL, slice_days=dict.fromkeys(ONE_CALL.slice_days, 10)))
    bench.holds_the_truth()
    limits = [one["limit"] for one in asked(bench.requests("insights")) if one["level"] == "adset"]
    assert limits == ["500", "250", "125", "62", "31", "15", "10"]
    assert len(submitted(bench)) > 3


def test_too_much_in_the_middle_of_a_list_commits_nothing(bench):
    """The slice is read again, then by a report run."""
    bench.meta.faults.add(
        "reduce_data", None, match={"level": "adset", "kind": "insights", "first_page": False}
    )
    with pytest.raises(IncompleteError, match="reduce the amount"):
        bench.run(replace(ONE_CALL, page_size=20))
    assert bench.rows() == []


@pytest.mark.parametrize("polls", [0, 1, 4])
def test_a_run_at_100_percent_is_not_read_before_it_is_completed(begin, polls):
    """Early results are a part without a word (sheet 16.7)."""
    bench = begin(run_polls=polls)
    bench.run(REPORTS)
    bench.holds_the_truth()
    kinds = [one.note["kind"] for one in bench.requests("report", "poll", "results")]
    assert kinds.count("poll") == (polls + 1) * kinds.count("report")


@pytest.mark.parametrize("fault", ["async_failed", "async_skipped"])
def test_a_run_that_fails_is_submitted_once_more(bench, fault):
    """The same days and objects."""
    bench.meta.faults.add(fault, match={"level": "adset"})
    bench.run(REPORTS)
    bench.holds_the_truth()
    ranges = [one["time_range"] for one in submitted(bench)]
    assert ranges[0] == ranges[1]
    assert len(ranges) == len(set(ranges)) + 1


@pytest.mark.parametrize("fault", ["async_failed", "async_skipped"])
def test_a_run_that_fails_twice_is_split_by_days(bench, fault):
    """Into halves that meet."""
    bench.meta.faults.add(fault, 2, match={"level": "adset"})
    bench.run(REPORTS)
    bench.holds_the_truth()
    ranges = [one["time_range"] for one in submitted(bench)]
    assert ranges[0] == ranges[1]
    assert ranges[2] not in ranges[:2]


@pytest.mark.parametrize("level", ["campaign", "adset", "ad"])
def test_a_day_that_fails_is_split_by_objects(begin, level):
    """Campaigns, then what is below them; deleted ones too. Whole days fail here, parts of the account do not."""
    bench = begin(history_days=14)
    bench.meta.faults.add("async_failed", None, match={"filtered": False}, code=-3, subcode=1504045)
    bench.run(replace(REPORTS, slice_days=dict.fromkeys(REPORTS.slice_days, 4)), level=level)
    bench.holds_the_truth(level)
    assert any("campaign.id" in one["filtering"] for one in submitted(bench))


def test_what_cannot_be_made_smaller_is_an_error(begin):
    """After the last object was tried by itself; nothing is committed."""
    bench = begin(history_days=2)
    bench.meta.faults.add("async_failed", None, code=-3, subcode=1504045)
    with pytest.raises(IncompleteError, match="cannot be made smaller"):
        bench.run(REPORTS, level="ad")
    assert any("ad.id" in one["filtering"] for one in submitted(bench))
    assert bench.rows("meta_ads_ad") == []


@pytest.mark.parametrize("kind", ["poll", "results"])
@pytest.mark.parametrize("fault", ["report_unknown", "report_inaccessible", "report_incomplete"])
def test_a_run_that_is_not_known_yet_is_asked_for_again(bench, fault, kind):
    """Or made anew, when that goes on: never told as missing rights, and no row is missing."""
    bench.meta.faults.add(fault, 7, match={"kind": kind, "level": "ad"})
    bench.run(REPORTS, level="ad", start=date(2026, 10, 25), end=date(2026, 10, 26))
    made = [one for one in submitted(bench) if one["level"] == "ad"]
    assert len(made) == 2
    truth = [one for one in bench.truth("ad").values() if one["date_start"] in ("2026-10-25", "2026-10-26")]
    assert len(bench.rows("meta_ads_ad")) == len(truth) > 0


def test_a_run_that_never_ends_is_given_up_and_submitted_again(bench):
    """After its hour, by a clock that the test moves."""
    bench.meta.faults.add("async_stuck")
    bench.run(replace(REPORTS, poll_seconds=(600.0,)), clock=bench.clock, sleep=bench.clock.sleep)
    bench.holds_the_truth()
    assert sum(bench.clock.slept) >= 3600


def test_the_number_of_a_run_may_be_a_number(bench):
    """Meta's docs print it once as one."""
    for body in (b'{"report_run_id":6023920149050}', b'{"report_run_id":"6023920149050"}'):
        assert str(msgspec.json.decode(body, type=_Started).report_run_id) == "6023920149050"


def test_a_list_of_what_an_account_spent_that_is_too_much_is_had_by_report_runs(begin):
    """Three years of days at once are more than this Meta answers; the account is read whole all the same."""
    bench = begin(accounts=TWO, max_sync_rows=50)
    bench.run()
    bench.holds_the_truth()
    assert any(one["level"] == "account" for one in submitted(bench))


def test_an_account_that_answers_no_call_for_what_it_spent_is_asked_by_report_runs(bench):
    """500 with code 1 to every page size, for good: the pages are made smaller once, then no call is tried again."""
    bench.meta.faults.add("reduce_data", None, match={"level": "account", "kind": "insights"})
    bench.run()
    bench.holds_the_truth()
    limits = [one["limit"] for one in asked(bench.requests("insights")) if one["level"] == "account"]
    assert limits == ["500", "250", "125", "62", "31", "15", "10"]


def test_what_an_account_spent_is_asked_for_in_pieces(bench):
    """None longer than Meta answers at once; together they are all of the days, each of them once."""
    bench.run()
    asked_for = [one for one in asked(bench.requests("insights")) if one["level"] == "account"]
    pieces = [json.loads(one["time_range"]) for one in asked_for]
    days = [tuple(date.fromisoformat(one[name]) for name in ("since", "until")) for one in pieces]
    first = days[: next(n for n, (_, until) in enumerate(days) if until == date(2026, 11, 1)) + 1]
    assert len(first) == 13
    assert all((until - since).days < 92 for since, until in first)
    assert all(since == until + timedelta(days=1) for (_, until), (since, _) in itertools.pairwise(first))
    assert first[0][0] == date(2026, 11, 1) - timedelta(days=1122)


def test_an_account_whose_spend_cannot_be_had_fails_loudly_and_not_the_others(begin):
    """By no call and no report run, however small: the run names it, once the others were read."""
    bench = begin(accounts=TWO)
    for kind in ("insights", "report"):
        bench.meta.faults.add("reduce_data", None, match={"account": "101", "level": "account", "kind": kind})
    with pytest.raises(IncompleteError, match="of ad account 101, and it cannot be made smaller"):
        bench.run()
    assert bench.checkpoint().keys() == {"102"}
    bench.meta.faults.clear()
    bench.run()
    bench.holds_the_truth()


@contextlib.contextmanager
def process(*command):
    """Runs a module as a process of its own; gives what it says in its line when it is ready."""
    with subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True) as running:
        try:
            yield json.loads(running.stdout.readline())
        finally:
            running.send_signal(signal.SIGTERM)


@pytest.mark.slow
def test_a_month_of_2000_ads_is_ingested_in_bounded_memory(tmp_path):
    """A month takes no more than a week, actions and commits included. Meta and the lake are processes of their own."""
    world = ["--account", "101,EUR,Europe/Paris", "--campaigns", "10", "--adsets", "20", "--ads", "10"]
    world += ["--history-days", "200", "--run-polls", "0"]
    days = {"end": date(2026, 10, 31), "now": datetime(2026, 11, 1, 6, tzinfo=UTC)}
    peaks, rows = [], []
    with (
        process("weathervane.meta_ads.sandbox", *world) as meta,
        process("weathervane.lake.server", "--lake", str(tmp_path), "--port", "0") as lake,
    ):
        credentials = MetaAdsCredentials(access_token=SecretStr("EAAsandbox"), api_url=meta["url"])
        for tenant, first in (("week", date(2026, 10, 25)), ("month", date(2026, 10, 2))):
            forget_peak()
            with MetaAdsClient(tenant, credentials) as client:
                reader = InsightsReader(client, level="ad", start=first, **days)
                with Ingestion(lake["address"], tenant, reader, tenant) as ingestion:
                    while (slice := ingestion.next_slice()) is not None:
                        ingestion.write(slice)
                    rows.append(ingestion.summary().row_count)
            peaks.append(peak_mib())
    assert rows[1] > 4 * rows[0] > 30_000
    assert peaks[1] - peaks[0] < 40, f"MiB at most after each run: {peaks}"
