"""Which days are read: never before Google's memory, as far back as figures change, no further than they go."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

import pytest

from weathervane.google_ads import CAMPAIGNS, GoogleAdsSettings
from weathervane.google_ads._checkpoint import Position
from weathervane.google_ads._planning import months_before
from weathervane.lake import TableRef, WriteMode, WriteSpec
from weathervane.source import ConfigurationError, CursorError

TODAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("day", "months", "held"),
    [
        ("2026-11-22", 37, "2023-10-22"),
        ("2026-03-31", 1, "2026-02-28"),
        ("2024-03-31", 1, "2024-02-29"),
        ("2026-01-15", 1, "2025-12-15"),
        ("2026-12-31", 36, "2023-12-31"),
        ("2023-10-31", -1, "2023-11-30"),
        ("2023-12-01", -1, "2024-01-01"),
    ],
)
def test_months_end_where_the_calendar_says(day, months, held):
    """The same day, or the last one of a shorter month."""
    assert months_before(date.fromisoformat(day), months) == date.fromisoformat(held)


@pytest.mark.parametrize("version", ["v23", "v26"])
def test_a_start_long_ago_is_clamped(begin, version):
    """No query goes back further than 37 months; older days would be an error, in each version another one."""
    bench = begin(days=6)
    bench.run(start=date(2021, 1, 1), credentials={"api_version": version}, reports=bench_reports())
    starts = [one["body"].split("BETWEEN '")[1][:10] for one in bench.queries() if "BETWEEN" in one["body"]]
    assert min(starts) == "2023-10-23"
    assert len(bench.rows()) > 0


def bench_reports():
    """The first report alone: forty months are many queries."""
    return (CAMPAIGNS,)


@pytest.mark.parametrize("code", ["INVALID_DATE", "REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED"])
def test_a_refusal_of_old_days_clamps_instead_of_failing(begin, code):
    """Google's today may be ahead of ours: the oldest month is given up, the rest is read."""
    bench = begin(days=6)
    bench.vendor.faults.add("error", code=f"dateRangeError.{code}", match={"resource": "customer"})
    bench.run()
    bench.assert_true()


@pytest.mark.parametrize(("window", "back"), [(7, 30), (30, 30), (60, 60), (90, 90)])
def test_the_look_back_is_the_accounts_own_window(begin, window, back):
    """At least thirty days, at most ninety; a removed action's window does not count."""
    bench = begin(days=5, conversion_window=window)
    bench.run()
    bench.vendor.recorder.clear()
    bench.run()
    assert f"BETWEEN '{TODAY - timedelta(days=back)}'" in bench.queries("customer WHERE")[0]["body"]


def test_a_first_read_begins_where_the_figures_do(begin):
    """One small query finds the first day; the empty years before it cost nothing."""
    bench = begin(days=70)
    bench.run()
    reads = [one["body"] for one in bench.queries("campaign")]
    assert len(reads) == 3
    assert f"BETWEEN '{TODAY - timedelta(days=70)}'" in reads[0]


def test_a_quiet_account_is_not_read_from_the_beginning_every_day(begin):
    """Its last figures are old; a run verifies them and the days since in one go."""
    bench = begin(days=20)
    bench.run()
    bench.vendor.advance(200 * 86_400)
    for campaign in bench.vendor.world.accounts[bench.clients()[0]].node.children.values():
        for node in campaign.walk():
            if node.traffic:
                node.traffic.ends = TODAY
    bench.vendor.recorder.clear()
    bench.run()
    assert len(bench.queries("campaign")) == 1
    bench.assert_true()


def test_a_position_is_grouped_by_day_and_read_back():
    """A person can read it."""
    position = Position()
    for number in range(300):
        position = position.reached(f"{10**9 + number}", TODAY, TODAY)
    text = position.text()
    assert text.startswith('{"2026-11-22":"1000000000 1000000001 ')
    again = Position.parse(text, today=TODAY)
    assert (again.text(), again.of("1000000007"), again.of("9")) == (text, TODAY, None)
    assert Position.parse(None, today=TODAY).text() is None


def accounts(count: int) -> dict[str, date]:
    """So many accounts, each with any number of ten digits and any day of the last 37 months."""
    rng = Random(count)
    numbers = {"0000000001", "9999999999", *(f"{rng.randrange(10**10):010d}" for _ in range(count - 2))}
    return {number: TODAY - timedelta(days=rng.randrange(1_130)) for number in numbers}


def test_the_positions_of_2000_quiet_accounts_fit_whatever_their_days_are(lake):
    """Each ended on another day; the lake itself keeps the checkpoint, and every day comes back exactly."""
    days = accounts(GoogleAdsSettings().max_customers)
    table = TableRef("quiet", "google_ads")
    spec = WriteSpec(
        table=table,
        write_id="quiet",
        mode=WriteMode.UPSERT,
        schema=CAMPAIGNS.dataset.schema,
        unique_keys=CAMPAIGNS.dataset.unique_keys,
    )
    with lake.begin(spec) as upload:
        upload.commit(checkpoint=Position(days).text())
    again = Position.parse(lake.checkpoint(table).value, today=TODAY)
    assert {number: again.of(number) for number in days} == days


def test_a_position_never_jumps_over_days():
    """A gap behind it, an older period, or nothing found: it stays."""
    position = Position().reached("1", date(2026, 11, 1), date(2026, 11, 10))
    for first, last in (("2026-11-12", "2026-11-20"), ("2026-01-01", "2026-01-31"), ("2026-11-11", None)):
        last_day = date.fromisoformat(last) if last else None
        assert position.reached("1", date.fromisoformat(first), last_day).of("1") == date(2026, 11, 10)
    assert position.reached("1", date(2026, 11, 11), date(2026, 11, 20)).of("1") == date(2026, 11, 20)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "[" * 9_999,
            '{"2026-11-01":null}',
            '{"2026-11-01":"\ud800',
            '{"20261101":"1"}',
            '{"0000-00-00":"1"}',
        ),
        *("", "{", "[]", '{"2026-13-01":"1"}', '{"x":"1"}', '{"2026-11-01":1}', '{"2026-11-24":"1"}'),
    ],
)
def test_a_checkpoint_that_cannot_be_is_an_error(text):
    """It is never taken for the beginning."""
    with pytest.raises(CursorError, match=r"cannot be read|in the future"):
        Position.parse(text, today=TODAY)


def test_dates_in_the_wrong_order_are_refused(bench):
    """Before anything is asked."""
    with pytest.raises(ConfigurationError, match="start_date 2026-11-02 is after end_date 2026-11-01"):
        bench.run(start=date(2026, 11, 2), end=date(2026, 11, 1))
    assert bench.vendor.requests == []
