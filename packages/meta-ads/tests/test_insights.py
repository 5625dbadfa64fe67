"""Daily insights: what Meta holds is what the lake holds, on the first day and on every later one."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal

import pytest

from weathervane.meta_ads import MetaAdsSettings
from weathervane.meta_ads._checkpoint import format_days, parse_days
from weathervane.meta_ads.sandbox import AccountOptions
from weathervane.source import (
    ConfigurationError,
    ContractError,
    CredentialsError,
    CursorError,
    DeferredError,
    IncompleteError,
    SourceError,
)

from .bench import ONE_CALL, REPORTS, asked, row

DAY = 86_400
TWO = (AccountOptions("101", "EUR", "Europe/Paris"), AccountOptions("102", "JPY", "Asia/Tokyo"))


@pytest.mark.parametrize("settings", [ONE_CALL, REPORTS], ids=["calls", "reports"])
@pytest.mark.parametrize("level", ["account", "campaign", "adset", "ad"])
def test_every_row_arrives_as_meta_holds_it(bench, level, settings):
    """Money to the cent, counts, and each action by type and window; at every level and by both ways."""
    summary = bench.run(settings, level=level)
    bench.holds_the_truth(level)
    assert summary.metadata["state"] == "loaded"
    assert summary.row_count == summary.metadata["total_rows"] == len(bench.truth(level))


def test_days_are_asked_for_one_by_one_and_all_objects_are(bench):
    """time_increment=1 (sheet 16.1); every effective status, DELETED too; windows by name; no action breakdowns."""
    bench.run(ONE_CALL)
    finer = [params for params in asked(bench.requests("insights")) if params["level"] == "adset"]
    for params in finer:
        assert params["time_increment"] == "1"
        assert '"DELETED"' in params["filtering"]
        assert "7d_click" in params["action_attribution_windows"]
        assert "action_breakdowns" not in params
        assert {"account_id", "campaign_id", "adset_id"} <= set(params["fields"].split(","))
    rows = bench.rows()
    assert len({(one["adset_id"], one["date"]) for one in rows}) == len(rows)


def test_sixty_rows_are_read_in_exactly_three_pages(recorded):
    """The last page's cursor is no reason for a fourth request (sheet 16.2)."""
    bench = recorded(*(row(str(120210478963240123 + n), spend="1.25") for n in range(60)))
    bench.run(replace(ONE_CALL, page_size=25), level="ad", start=date(2026, 10, 20), end=date(2026, 10, 20))
    pages = [one for one in asked(bench.requests("insights")) if one["level"] == "ad"]
    assert [("after" in page, page["limit"]) for page in pages] == [(False, "25"), (True, "25"), (True, "25")]
    assert len(bench.rows("meta_ads_ad")) == 60


@pytest.mark.parametrize("settings", [ONE_CALL, REPORTS], ids=["calls", "reports"])
def test_an_empty_page_with_a_next_one_does_not_end_the_read(bench, settings):
    """Only `paging.next` does (sheet 16.3)."""
    for skip in (0, 2):
        bench.meta.faults.add(
            "empty_page", skip=skip, match={"level": "adset", "kind": ["insights", "results"]}
        )
    bench.run(replace(settings, page_size=20))
    bench.holds_the_truth()


def test_ids_arrive_as_the_very_texts(recorded):
    """Beyond what a float or JavaScript can hold (sheet 16.5)."""
    bench = recorded(row("120210478963240123"))
    bench.run(level="ad")
    (found,) = bench.rows("meta_ads_ad")
    assert (found["ad_id"], found["account_id"]) == ("120210478963240123", "101")


def test_numbers_are_exact_and_what_is_not_sent_is_null(recorded):
    """The text 133.9 is that number; without actions there are no rows of actions, no clicks are NULL (sheet 16.6)."""
    bench = recorded(row())
    bench.run(level="ad")
    (found,) = bench.rows("meta_ads_ad")
    assert found["spend"] == Decimal("133.9")
    assert (found["clicks"], found["purchases"], found["reach"]) == (None, None, None)
    assert bench.rows("meta_ads_ad_actions") == []


def test_actions_are_columns_and_rows_and_never_added_up(recorded):
    """The chosen type by name, not the sum of nested ones; fractions survive; each window is a row."""
    actions = [
        {"action_type": "link_click", "value": "180"},
        {
            "action_type": "offsite_conversion.fb_pixel_purchase",
            "value": "7",
            "7d_click": "6",
            "1d_view": "1",
        },
        {
            "action_type": "omni_purchase",
            "value": "7.25",
            "1d_click": "4",
            "7d_click": "6.25",
            "1d_view": "1",
        },
    ]
    values = [{"action_type": "omni_purchase", "value": "512.4", "7d_click": "468.2000000000001"}]
    bench = recorded(
        row(
            actions=actions,
            action_values=values,
            outbound_clicks=[{"action_type": "outbound_click", "value": "9"}],
        )
    )
    bench.run(level="ad")
    (found,) = bench.rows("meta_ads_ad")
    assert (found["purchases"], found["purchases_7d_click"]) == (Decimal("7.25"), Decimal("6.25"))
    assert found["purchases_28d_click"] is None
    assert (found["purchase_value"], found["outbound_clicks"]) == (Decimal("512.4"), Decimal(9))
    rows = {(one["action_type"], one["attribution_window"]): one for one in bench.rows("meta_ads_ad_actions")}
    assert len(rows) == 1 + 3 + 4
    both = rows["omni_purchase", "7d_click"]
    assert (both["actions"], both["action_value"]) == (Decimal("6.25"), Decimal("468.2000000000001"))
    assert rows["link_click", "default"]["actions"] == 180


def test_the_next_days_run_reads_28_days_again_and_updates_what_was_restated(bench):
    """A 7d_click value that Meta restated is the new one; the row is the same one (sheet 16.8)."""
    bench.run()
    before = {(one["adset_id"], one["date"]): one for one in bench.rows()}
    bench.meta.advance(DAY)
    bench.meta.recorder.clear()
    summary = bench.run()
    bench.holds_the_truth()
    after = {(one["adset_id"], one["date"]): one for one in bench.rows()}
    same = before.keys() & after.keys()
    moved = [key for key in same if before[key]["purchases_7d_click"] != after[key]["purchases_7d_click"]]
    assert moved, "nothing was restated, so this proves nothing"
    assert summary.metadata["updated_rows"] >= len(moved)
    ranges = [json.loads(one["time_range"]) for one in asked(bench.requests("report"))]
    assert ranges == [{"since": "2026-10-04", "until": "2026-11-02"}]
    assert date(2026, 11, 1) - date(2026, 10, 4) == timedelta(days=28)


def test_two_days_later_the_lake_is_right_again_and_again(bench):
    """Through a month: restated, vanished, ended and new rows included."""
    for days in (0, 1, 4, 24):
        bench.meta.advance(days * DAY)
        bench.run()
        bench.holds_the_truth()


def test_a_row_that_vanishes_upstream_is_gone_after_the_next_read(bench):
    """Its actions too; the run counts it (sheet 16.17)."""
    bench.run()
    gone = next(one for one in bench.meta.truth("insights_adset") if one["date_start"] == "2026-10-25")
    for ad in [one for one in bench.meta.truth("insights_ad") if one["adset_id"] == gone["adset_id"]]:
        bench.meta.change("vanish", ad_id=ad["ad_id"], day="2026-10-25")
    summary = bench.run()
    assert summary.metadata["datasets"]["meta_ads"].rows_deleted == 1
    assert summary.metadata["datasets"]["meta_ads_actions"].rows_deleted > 1
    bench.holds_the_truth()


def test_a_day_on_which_everything_vanishes_is_emptied(recorded, bench):
    """Also the newest one, of which the account itself shows nothing any more."""
    bench.run()
    for ad in {one["ad_id"] for one in bench.meta.truth("insights_ad")}:
        bench.meta.change("vanish", ad_id=ad, day="2026-11-01")
    bench.run()
    bench.holds_the_truth()
    assert date(2026, 11, 1) not in {one["date"] for one in bench.rows()}


def test_deleted_ads_are_included_and_every_level_has_the_accounts_spend(bench):
    """For each day, to the cent (sheet 16.14)."""
    for level in ("account", "ad"):
        bench.run(level=level)
    deleted = {one["id"] for one in bench.meta.truth("ads") if one["effective_status"] == "DELETED"}
    ads, accounts = bench.rows("meta_ads_ad"), bench.rows("meta_ads_account")
    assert any(one["ad_id"] in deleted and one["spend"] for one in ads)
    sums = {one["date"]: Decimal(0) for one in accounts}
    for one in ads:
        sums[one["date"]] += one["spend"]
    assert sums == {one["date"]: one["spend"] for one in accounts}


def test_the_key_of_a_level_has_no_finer_ids(begin):
    """Ten campaigns of one day are ten rows (sheet 16.15)."""
    bench = begin(campaigns=10, adsets=1, ads=1)
    bench.run(level="campaign")
    table = bench.rows("meta_ads_campaign")
    assert not {"adset_id", "ad_id"} & table[0].keys()
    days = [one["date"] for one in table]
    assert max(map(days.count, set(days))) > 5
    bench.holds_the_truth("campaign")


def test_a_breakdown_has_a_table_of_its_own_keyed_by_it(bench):
    """The plain table stays as it is; the parts add up to it."""
    bench.run()
    bench.run(breakdown="age_gender")
    bench.holds_the_truth()
    parts, sums = bench.rows("meta_ads_by_age_gender"), {}
    assert {one["gender"] for one in parts} <= {"female", "male", "unknown"}
    for one in parts:
        key = one["adset_id"], one["date"]
        sums[key] = sums.get(key, 0) + one["spend"]
    assert all(sums.get((one["adset_id"], one["date"]), 0) == one["spend"] for one in bench.rows())
    assert {"age", "gender", "action_type"} <= bench.rows("meta_ads_by_age_gender_actions")[0].keys()


@pytest.mark.parametrize(
    ("reader", "says"), [({"level": "creative"}, "level 'creative'"), ({"breakdown": "dma"}, "'dma'")]
)
def test_an_unknown_level_or_breakdown_is_said_at_once(bench, reader, says):
    """With what there is."""
    with pytest.raises(ConfigurationError, match=says):
        bench.run(**reader)
    assert bench.requests() == []


def test_each_account_has_its_own_days(begin):
    """At 23:30 UTC it is tomorrow in Tokyo (sheet 16.12); one that is ahead and in yen is right to the yen."""
    bench = begin(accounts=TWO, now=datetime(2026, 10, 31, 23, 30, tzinfo=UTC))
    bench.run(replace(ONE_CALL, look_back=timedelta(days=3)), start=date(2026, 10, 20))
    until = {}
    for one in bench.requests("insights"):
        until.setdefault(one.note["account"], set()).add(json.loads(asked([one])[0]["time_range"])["until"])
    assert until == {"101": {"2026-11-01"}, "102": {"2026-11-01"}}
    bench = begin(accounts=TWO, now=datetime(2026, 10, 31, 16, 30, tzinfo=UTC))
    bench.run(ONE_CALL)
    assert bench.checkpoint() == {"101": "2026-10-31", "102": "2026-11-01"}
    bench.holds_the_truth()


def test_a_start_beyond_what_meta_keeps_is_clamped(bench, caplog):
    """Five years back: one warning, no failure, and no request beyond 37 months (sheet 16.13)."""
    bench.run(start=date(2021, 11, 1), level="account")
    bench.holds_the_truth("account")
    since = min(json.loads(one["time_range"])["since"] for one in asked(bench.requests("insights", "report")))
    assert since == str(date(2026, 11, 1) - timedelta(days=1122))
    assert [one.message for one in caplog.records if "37 months" in one.message] == [
        "ad account 101: Meta keeps 37 months: reading from 2023-10-06 on"
    ]


def test_meta_may_keep_less_than_we_think(bench, caplog):
    """3018 on a start that should do: a month later is tried."""
    bench.meta.faults.add("too_old", 2, match={"kind": "insights"})
    bench.run()
    bench.holds_the_truth()
    assert "Meta keeps less" in caplog.text


def test_our_clock_never_moves_the_checkpoint_over_days_that_are_yet_to_come(bench):
    """A clock that runs three months ahead reads what there is, and goes on from there."""
    ahead = bench.meta.now() + timedelta(days=90)
    bench.run(now=ahead)
    bench.holds_the_truth()
    assert bench.checkpoint() == {"101": "2026-11-01"}
    bench.meta.advance(4 * DAY)
    bench.run(now=ahead)
    bench.holds_the_truth()
    assert bench.checkpoint() == {"101": "2026-11-05"}


def test_a_clock_that_lags_reads_what_it_can_and_the_rest_next_time(bench):
    """Days that our clock does not know yet are not asked for."""
    bench.run(now=bench.meta.now() - timedelta(days=2))
    assert bench.checkpoint() == {"101": "2026-10-30"}
    bench.run()
    bench.holds_the_truth()


def test_a_checkpoint_from_the_future_or_of_another_kind_is_an_error(bench):
    """It is never taken for "start from scratch"."""
    bench.run()
    with pytest.raises(CursorError, match=r"read up to 2026-11-01, and there it is 2026-09-0"):
        bench.run(now=bench.meta.now() - timedelta(days=60))
    for text in ("", "2026-11-01", '{"101":"soon"}'):
        with pytest.raises(CursorError, match="cannot be read"):
            parse_days(text)


def test_a_given_range_is_read_and_a_gap_is_not_skipped(bench):
    """A backfill of the past leaves the checkpoint; so does a range that begins beyond it."""
    bench.run(end=date(2026, 10, 10))
    assert bench.checkpoint() == {"101": "2026-10-10"}
    bench.run(start=date(2026, 9, 25), end=date(2026, 9, 30))
    bench.run(start=date(2026, 10, 20), end=date(2026, 10, 25))
    assert bench.checkpoint() == {"101": "2026-10-10"}
    assert {one["date"] for one in bench.rows()} & {date(2026, 10, 20), date(2026, 10, 15)} == {
        date(2026, 10, 20)
    }
    bench.run()
    bench.holds_the_truth()


def test_a_long_history_is_read_in_slices_that_each_move_the_checkpoint(bench):
    """What a failure costs is one slice; a run that is made again goes on where the other ended."""
    settings = replace(ONE_CALL, slice_days=dict.fromkeys(("account", "campaign", "adset", "ad"), 10))
    first = next(iter(sorted(one["date_start"] for one in bench.meta.truth("insights_adset"))))
    bench.meta.faults.add("missing_rows", None, skip=3, match={"level": "adset"})
    with pytest.raises(IncompleteError, match="add up to"):
        bench.run(settings)
    reached = date.fromisoformat(bench.checkpoint()["101"])
    assert reached == date.fromisoformat(first) + timedelta(days=29)
    bench.meta.faults.clear()
    assert bench.run(settings).metadata["slices"] > 1
    bench.holds_the_truth()


@pytest.mark.parametrize("fault", ["missing_rows", "no_next"])
@pytest.mark.parametrize("settings", [ONE_CALL, REPORTS], ids=["calls", "reports"])
def test_rows_that_are_not_listed_fail_the_slice(bench, fault, settings):
    """The account's own spend says so; nothing is committed."""
    bench.meta.faults.add(fault, None, match={"level": "adset"})
    with pytest.raises(IncompleteError, match=r"spent [\d.]+ on 2026-\d\d-\d\d, and the adset rows"):
        bench.run(replace(settings, page_size=20))
    assert (bench.rows(), bench.checkpoint()) == ([], None)


def test_an_account_of_which_nothing_is_shown_any_more_keeps_its_days(begin):
    """One empty list must not remove four weeks; the other accounts are read, and the run says which one it was."""
    bench = begin(accounts=TWO)
    bench.run()
    before = [one for one in bench.rows() if one["account_id"] == "101"]
    own = {one["ad_id"]: one["account_id"] for one in bench.meta.truth("insights_ad")}
    for one in bench.meta.truth("insights_ad"):
        if own[one["ad_id"]] == "101" and one["date_start"] >= "2026-09-01":
            bench.meta.change("vanish", ad_id=one["ad_id"], day=one["date_start"])
    with pytest.raises(
        IncompleteError, match=r"101 was read up to 2026-11-0\d, and Meta lists nothing since"
    ) as caught:
        bench.run()
    assert caught.value.reason == "NOTHING_LISTED"
    assert [one for one in bench.rows() if one["account_id"] == "101"] == before
    bench.run(start=date(2026, 9, 1), end=date(2026, 11, 2))
    bench.holds_the_truth()
    assert bench.checkpoint().keys() == {"102"}
    bench.run()
    bench.holds_the_truth()


@pytest.mark.parametrize("spend", [12.5, {"amount": "12.5"}, [1], True])
def test_a_spend_of_another_kind_is_one_rows_trouble(bench, spend):
    """A number is money as a text is; anything else sets its row aside. The other rows and days land."""
    rows = bench.truth()
    (_, adset, day) = min(rows)
    bench.meta.change("spoil", level="adset", id=adset, day=day, set={"spend": spend})
    if spend == 12.5:
        with pytest.raises(IncompleteError, match="add up to"):  # it is read, and is not what was spent
            bench.run()
        return
    assert bench.run().metadata["datasets"]["meta_ads"].rows_quarantined == 1
    assert len(bench.rows()) == len(rows) - 1


def test_a_row_of_no_day_is_set_aside_and_the_others_land(bench):
    """Whose spend it holds cannot be said, so no day is held against it."""
    rows = bench.truth()
    (_, adset, day) = min(rows)
    bench.meta.change("spoil", level="adset", id=adset, day=day, set={"date_start": "2026-13-01"})
    assert bench.run().metadata["datasets"]["meta_ads"].rows_quarantined == 1
    assert len(bench.rows()) == len(rows) - 1


def test_an_account_whose_own_spend_cannot_be_read_is_not_taken_for_empty(bench):
    """Its days would never be read, and the run would say that there are none."""
    for one in bench.meta.truth("insights_account"):
        bench.meta.change("spoil", level="account", id="101", day=one["date_start"], set={"spend": []})
    with pytest.raises(IncompleteError, match="own spend by day cannot be read"):
        bench.run()
    assert bench.rows() == []


def test_an_account_that_is_listed_no_more_is_told(begin, caplog):
    """The others are read all the same."""
    bench = begin(accounts=TWO)
    bench.run()
    bench.run(credentials={"accounts": "101"})
    assert "ad account 102, which was read up to 2026-11-0" in caplog.text


def test_an_unreadable_spend_sets_a_row_aside_and_not_the_day(bench):
    """What does not fit is kept beside the table; the other rows land."""
    rows = bench.truth()
    (_, adset, day) = min(rows)
    bench.meta.change("spoil", level="adset", id=adset, day=day, set={"spend": "about ten"})
    summary = bench.run()
    assert summary.metadata["datasets"]["meta_ads"].rows_quarantined == 1
    assert len(bench.rows()) == len(rows) - 1
    assert json.loads(bench.rows("meta_ads_quarantine")[0]["record"])["spend"] == "about ten"


def test_an_account_that_refuses_fails_loudly_and_not_the_others(begin):
    """Its siblings are read and keep their checkpoints; the run says which one, and what to do."""
    bench = begin(accounts=TWO)
    bench.meta.faults.add("permission", None, match={"account": "101", "kind": "insights"})
    with pytest.raises(CredentialsError, match=r"may not read this.*code 200"):
        bench.run()
    assert bench.checkpoint().keys() == {"102"}
    bench.meta.faults.clear()
    bench.run()
    bench.holds_the_truth()


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [(400, 100, "INVALID_CALL"), (500, 2, "SERVICE_FAULT"), (400, 80004, "ACCOUNT_LIMIT")],
)
def test_an_account_in_trouble_does_not_stop_the_others(begin, status, code, reason):
    """Whatever it is that concerns only the account: the others are read, and then the run fails naming it."""
    bench = begin(accounts=TWO, history_days=5)
    match = {"account": "101", "kind": "insights"}
    bench.meta.faults.add("error", None, match=match, status=status, code=code, message="no")
    with pytest.raises(SourceError, match=r"ad account 101: .*no") as caught:
        bench.run(replace(ONE_CALL, max_wait=1.0))
    assert caught.value.reason == reason
    assert bench.checkpoint().keys() == {"102"}
    bench.meta.faults.clear()
    bench.meta.faults.add(
        "error", None, match={"account": "101", "kind": "node"}, status=status, code=code, message="no"
    )
    with bench.client(replace(ONE_CALL, max_wait=1.0), accounts="101,102") as client:
        found = client.accounts()
    assert ([one.id for one in found.readable], found.refused.keys()) == (["102"], {"101"})


def test_a_named_account_that_is_refused_does_not_stop_the_others(begin):
    """Its very node is refused, before anything is read: the other one is read all the same (sheet 12.7)."""
    bench = begin(accounts=TWO, tokens=(("EAAone", ("102",)),))
    bench.token = "EAAone"
    with pytest.raises(CredentialsError, match=r"ad account 101: the token may not read this.*code 200"):
        bench.run(credentials={"accounts": "101,102"})
    assert bench.checkpoint().keys() == {"102"}
    assert {one["account_id"] for one in bench.rows()} == {"102"}


@pytest.mark.parametrize("named", [None, "101,102"])
def test_an_account_of_an_unknown_time_zone_does_not_stop_the_others(begin, tmp_path, named):
    """Its days cannot be said, those of the others can."""
    path = tmp_path / "world.jsonl"
    one, other = (
        row(account_id="101"),
        row("120210478963240777", account_id="102", campaign_id="1", adset_id="2"),
    )
    path.write_text("\n".join(map(json.dumps, (one, other))))
    bench = begin(records=[path])
    account = bench.meta.world.accounts["101"]
    bench.meta.world.accounts["101"] = replace(account, zone=Atlantis())
    with pytest.raises(ContractError, match=r"ad account 101 is in an unknown time zone 'Atlantis/Center'"):
        bench.run(level="ad", credentials={"accounts": named})
    assert {one["account_id"] for one in bench.rows("meta_ads_ad")} == {"102"}


class Atlantis(tzinfo):
    """A zone of which our tables of zones know nothing yet."""

    key = "Atlantis/Center"

    def utcoffset(self, moment):
        """That of UTC."""
        return timedelta(0)

    def dst(self, moment):
        """None."""
        return timedelta(0)

    def tzname(self, moment):
        """Its name."""
        return self.key


def test_named_accounts_are_read_and_no_others(begin):
    """With or without act_; one that the token does not see is an error."""
    bench = begin(accounts=TWO)
    bench.run(credentials={"accounts": "act_102"})
    assert {one["account_id"] for one in bench.rows()} == {"102"}
    with pytest.raises(CredentialsError, match="may not read"):
        bench.run(credentials={"accounts": "999"})


def test_a_token_without_accounts_is_an_error_and_not_an_empty_tenant(begin):
    """Nobody assigned one."""
    bench = begin(tokens=(("EAAnone", ()),))
    bench.token = "EAAnone"
    with pytest.raises(CredentialsError, match="sees no ad account"):
        bench.run()


@pytest.mark.parametrize("named", [None, "101,102"])
def test_more_accounts_than_a_checkpoint_holds_are_refused_before_anything_is_read(begin, named):
    """In one line that says how many there are, and what to do; no figures were asked for."""
    bench = begin(accounts=TWO)
    with pytest.raises(ConfigurationError, match=r"2 ad accounts are more than the 1 .*split them") as caught:
        bench.run(replace(MetaAdsSettings(), max_accounts=1), credentials={"accounts": named})
    assert (caught.value.reason, bench.requests("insights", "report", "node")) == ("TOO_MANY_ACCOUNTS", [])
    bench.run(replace(MetaAdsSettings(), max_accounts=2), credentials={"accounts": named})
    bench.holds_the_truth()


def test_a_checkpoint_of_all_accounts_that_a_tenant_can_have_fits_into_the_lake():
    """Whose limit is 65,536 bytes; an ad account's number has 18 digits at most."""
    ids = [str(10**17 + n) for n in range(MetaAdsSettings().max_accounts)]
    assert len(format_days(dict.fromkeys(ids, date(2026, 11, 1)))) <= 65_536


def test_an_account_without_delivery_is_verified_empty(begin):
    """Nothing there is another answer than nothing read."""
    bench = begin(ads=0)
    summary = bench.run()
    assert (summary.metadata["state"], summary.metadata["checkpoint"]) == ("verified_empty", None)
    assert bench.rows() == []


def test_the_older_live_version_can_be_chosen(bench):
    """v25.0, for an app that is bound to it; another one is refused before any call."""
    bench.run(credentials={"api_version": "v25.0"})
    assert {one.path.split("/")[1] for one in bench.requests()} == {"v25.0"}
    with pytest.raises(ValueError, match=r"not one of v25\.0, v26\.0"):
        bench.credentials(api_version="v19.0")


def test_no_token_proof_or_link_is_ever_logged(bench, caplog):
    """At DEBUG, with retries and pages; links carry the token (sheet 16.16)."""
    caplog.set_level("DEBUG")
    bench.meta.faults.add("service_fault", 2)
    bench.run(replace(ONE_CALL, page_size=20), credentials={"app_secret": "sandbox-secret"})
    proofs = {params["appsecret_proof"] for params in asked(bench.requests())}
    assert len(proofs) == 1
    for secret in ("EAAsandbox", "sandbox-secret", "access_token=", "appsecret_proof=", *proofs):
        assert secret not in caplog.text
    assert "EAAsandbox" not in repr(bench.credentials())


def test_a_deferred_run_says_when_to_come_back(bench):
    """613 without a subcode is taken for abuse: nothing more is asked for an hour."""
    bench.meta.faults.add("abuse_limit", match={"kind": "insights"})
    with pytest.raises(DeferredError) as caught:
        bench.run()
    assert caught.value.retry_after == MetaAdsSettings().abuse_pause
    assert len(bench.requests("insights")) == 1
