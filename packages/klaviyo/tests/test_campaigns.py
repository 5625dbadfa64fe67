"""Campaigns: what the account holds is what the lake holds, whatever the revision, the paging and the moment."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from urllib.parse import parse_qs, unquote

import httpx
import pytest

from weathervane.klaviyo._rows import derived_status
from weathervane.klaviyo._settings import KlaviyoSettings
from weathervane.source import ConfigurationError, CursorError, IncompleteError, UnavailableError

from .bench import CAMPAIGNS, KEY, MESSAGES, SMALL, VARIATIONS, moment

LEGACY = {"revision": "2026-07-15"}


@pytest.mark.parametrize("beta", [False, True])
def test_every_campaign_message_and_variation_arrives_as_the_account_holds_it(begin, beta):
    """Every channel, archived or not, with the include of variations refused and accepted (facts 5, 6, 7)."""
    bench = begin(campaigns=40, variations_include=beta)
    summary = bench.run(SMALL)
    bench.holds_the_account()
    assert summary.row_count == summary.metadata["new_rows"] == summary.metadata["total_rows"] == 40
    assert summary.metadata["state"] == "loaded"
    singles = bench.requests("campaign-messages/{id}/campaign-variations")
    assert len(singles) == (0 if beta else len(bench.ids("campaign-message")))


@pytest.mark.parametrize("beta", [False, True])
def test_a_second_run_changes_nothing(begin, beta):
    """All is read again and found equal: no row, file or checkpoint moves; sent messages are not asked for again."""
    bench = begin(variations_include=beta)
    bench.run()
    before, checkpoint = bench.versions(), bench.checkpoint()
    bench.account.recorder.clear()
    summary = bench.run()
    for counts in summary.metadata["datasets"].values():
        assert (counts.rows_inserted, counts.rows_updated, counts.rows_deleted) == (0, 0, 0)
    assert bench.versions() == before
    assert bench.checkpoint() == checkpoint == {"updated_at": _newest(bench)}
    unsent = [
        one for one in bench.account.world.all("campaign-message") if _status(one) in ("draft", "scheduled")
    ]
    asked = bench.requests("campaign-messages/{id}/campaign-variations")
    assert {one.path.split("/")[3] for one in asked} == (set() if beta else {one["id"] for one in unsent})


def test_an_empty_account_is_verified_empty(begin):
    """Nothing there is another answer than nothing read: the run says so, and sets no checkpoint."""
    bench = begin(campaigns=0)
    assert bench.run().metadata["state"] == "verified_empty"
    assert bench.rows(CAMPAIGNS) == []
    assert bench.checkpoint() is None


def test_250_campaigns_are_three_calls_a_partition(begin):
    """Pages of 100; messages too, whose own default would be 20 (facts 2 and 19)."""
    bench = begin(campaigns=500, variations_include=True)
    for number, one in enumerate(bench.account.world.all("campaign")):
        one["attributes"]["definition"]["archived"] = number % 2 == 0
    bench.run()
    bench.holds_the_account()
    calls = [parse_qs(one.query) for one in bench.requests("campaigns")]
    assert [one["filter"] for one in calls] == [["equals(archived,false)"]] * 3 + [
        ["equals(archived,true)"]
    ] * 3
    sizes = {parse_qs(one.query)["page[size]"][0] for one in bench.requests() if one.path != "/api/accounts"}
    assert sizes == {"100"}


def test_every_request_says_who_asks_in_which_revision(bench):
    """The header `revision`, the scheme Klaviyo-API-Key, JSON:API; the channel is never asked for (facts 1 and 5)."""
    bench.run(SMALL)
    marks = set()
    for one in bench.requests():
        assert one.headers["revision"] == "2026-10-15"
        assert one.headers["accept"] == "application/vnd.api+json"
        assert "messages.channel" not in unquote(one.query)
        assert " and " not in unquote(one.query)
        assert one.status in (200, 400)
        marks.add(one.headers["authorization"])
    assert len(marks) == 1
    assert [one.status for one in bench.requests()].count(400) == 1  # the include that is tried


def test_legacy_asks_every_channel_archived_or_not(begin):
    """Six lists, each of the conditions in Klaviyo's grammar (facts 4 and 5)."""
    bench = begin(campaigns=30)
    bench.run(credentials=LEGACY)
    filters = [parse_qs(one.query)["filter"][0] for one in bench.requests("campaigns")]
    assert filters == [
        f"equals(messages.channel,'{channel}'),equals(archived,{archived})"
        for channel in ("email", "sms", "mobile_push")
        for archived in ("false", "true")
    ]
    assert {one.headers["revision"] for one in bench.requests()} == {"2026-07-15"}
    assert {one.status for one in bench.requests()} == {200}


def test_both_revisions_give_the_same_rows(begin):
    """The same campaigns, told by both models, are equal in what both know (fact 21)."""
    bench = begin(campaigns=40)
    world = bench.account.world
    for message in world.all("campaign-message"):
        for extra in message["campaign-variations"][1:]:
            world.drop(world.find("campaign-variation", extra), bench.account.clock.now())
    assert _same_rows(bench)


def test_a_legacy_export_runs_through_the_whole_system(begin, tmp_path):
    """What a customer's export of 2025 holds is in the tables, and equal by both revisions."""
    source, path = begin(campaigns=40), tmp_path / "export.jsonl"
    headers = {"Authorization": f"Klaviyo-API-Key {KEY}", "revision": "2025-10-15"}
    lines = []
    for channel in ("email", "sms", "mobile_push"):
        asked = {"filter": f"equals(messages.channel,'{channel}')", "include": "campaign-messages"}
        lines.append(httpx.get(f"{source.running.url}/api/campaigns", params=asked, headers=headers))
    path.write_text("\n".join(line.text for line in lines))
    bench = begin(records=(path,))
    assert not _same_rows(bench)
    said = {one["id"]: one["attributes"] for line in lines for one in line.json()["data"]}
    rows = bench.by_id(CAMPAIGNS, "campaign_id")
    assert len(rows) > 20
    assert {one: (row["name"], row["status"]) for one, row in rows.items()} == {
        one: (attributes["name"], attributes["status"].lower()) for one, attributes in said.items()
    }


def _same_rows(bench):
    """Compares the tables by both revisions; the messages on WhatsApp, which one of them lacks."""
    bench.run()
    bench.run(tenant=f"{bench.tenant}_old", credentials=LEGACY)
    for dataset, key, names in (
        (
            CAMPAIGNS,
            "campaign_id",
            "account_id name status archived channels send_time created_at updated_at included_audiences"
            " excluded_audiences message_ids deleted_at",
        ),
        # Only a legacy email has a label.
        (MESSAGES, "message_id", "campaign_id channels created_at updated_at deleted_at"),
        (
            VARIATIONS,
            "message_id",
            "campaign_id channel subject preview_text from_email from_label body title",
        ),
    ):
        omni, legacy = (bench.by_id(dataset, key, tenant) for tenant in (None, f"{bench.tenant}_old"))
        whatsapp = {
            one for one, row in omni.items() if "whatsapp" in (row.get("channels") or [row.get("channel")])
        }
        assert set(legacy) == set(omni) - whatsapp
        for one, row in legacy.items():
            assert {name: row[name] for name in names.split()} == {
                name: omni[one][name] for name in names.split()
            }
    return whatsapp


def test_a_tenant_may_change_the_revision(begin):
    """The tables go on: legacy content is replaced by the omni model's, message by message, and back."""
    bench = begin(campaigns=25)
    bench.run(credentials=LEGACY)
    bench.run()
    bench.holds_the_account()
    bench.run(credentials=LEGACY)
    assert {row["variation_id"] == row["message_id"] for row in bench.rows(VARIATIONS)} == {True}
    assert [row for row in bench.rows(CAMPAIGNS) if row["deleted_at"]] == []
    bench.run()
    bench.holds_the_account()


def test_a_campaign_with_a_sent_and_a_draft_message_is_a_draft_still(bench):
    """Two rows of messages; the campaign has the status of the one with most before it (fact 7)."""
    world = bench.account.world
    campaign = next(one for one in world.all("campaign") if len(one["campaign-messages"]) == 1)
    first = world.children(campaign, "campaign-messages")[0]
    first["attributes"]["definition"]["status"] = "sent"
    second = json.loads(json.dumps(first["attributes"]))
    second["definition"]["status"] = "draft"
    world.add("campaign-message", "01SECOND", second, campaign)
    bench.run()
    rows = bench.by_id(MESSAGES, "message_id")
    assert {rows[one]["status"] for one in (first["id"], "01SECOND")} == {"sent", "draft"}
    assert bench.by_id(CAMPAIGNS, "campaign_id")[campaign["id"]]["status"] == "draft"
    bench.holds_the_account()


@pytest.mark.parametrize(
    ("statuses", "told"),
    [
        (["sent", "sent"], "sent"),
        (["sent", "sending", "draft"], "sending"),
        (["sent", "cancelled"], "sent"),
        (["scheduled", "draft"], "scheduled"),
        (["sent", "paused"], "paused"),
        (["cancelled"], "cancelled"),
        ([], None),
        ([None], None),
    ],
)
def test_a_campaigns_status_is_that_of_the_message_with_most_before_it(statuses, told):
    """As documented on the column; a status that nobody knows is seen, not hidden."""
    assert derived_status(statuses) == told


def test_local_times_keep_that_they_are_local(begin):
    """By both revisions; what goes out by each recipient's own clock is no instant."""
    bench = begin(campaigns=30)
    bench.run()
    bench.run(tenant=f"{bench.tenant}_old", credentials=LEGACY)
    omni, legacy = (bench.by_id(MESSAGES, "message_id", name) for name in (None, f"{bench.tenant}_old"))
    told = {one: row["send_time_is_local"] for one, row in omni.items() if row["send_time"] and one in legacy}
    assert set(told.values()) == {True, False}
    assert {one: legacy[one]["send_time_is_local"] for one in told} == told


def test_a_page_that_is_gone_is_no_message_that_is(bench):
    """Of what hangs below a message, only the first page's 404 says that there is no such message."""
    bench.run()
    path = "campaign-messages/{id}/campaign-variations"
    bench.account.change("new_campaign")
    gone = f"{bench.running.url}/api/campaign-messages/nosuch/campaign-variations"
    bench.account.faults.add("foreign_next", match={"endpoint": path}, location=gone)
    with pytest.raises(IncompleteError, match=r"a page of campaign-messages/.* is gone"):
        bench.run()
    assert not [row for row in bench.rows(MESSAGES) if row["deleted_at"]]


def test_a_flip_of_archived_is_a_flip_and_no_deletion(bench):
    """Also when it happens between the two lists, which then both lack the campaign (fact 14)."""
    archived, live, *_ = bench.ids()
    for one in (archived, live):
        bench.account.change("archive", id=one, archived=one == archived)
    bench.run()
    bench.account.advance(60)
    bench.account.change("archive", id=live)
    lists = {"endpoint": "campaigns", "archived": False}
    bench.account.faults.add("change_after_page", match=lists, change="archive", id=archived, archived=False)
    bench.run()
    bench.holds_the_account()
    rows = bench.by_id(CAMPAIGNS, "campaign_id")
    assert (rows[live]["archived"], rows[live]["deleted_at"]) == (True, None)
    assert (rows[archived]["archived"], rows[archived]["deleted_at"]) == (False, None)


def test_a_deleted_campaign_is_marked_once_and_keeps_its_content(bench):
    """With its messages; what they said stays, for the reports that name them (fact 13)."""
    bench.run()
    gone = bench.ids()[0]
    before = bench.by_id(CAMPAIGNS, "campaign_id")[gone]
    said = [row for row in bench.rows(VARIATIONS) if row["campaign_id"] == gone]
    bench.account.advance(60)
    bench.account.change("delete", id=gone)
    bench.run()
    bench.holds_the_account()
    row = bench.by_id(CAMPAIGNS, "campaign_id")[gone]
    assert row == before | {"deleted_at": bench.account.clock.now()}
    messages = [one for one in bench.rows(MESSAGES) if one["campaign_id"] == gone]
    assert messages
    assert {one["deleted_at"] for one in messages} == {bench.account.clock.now()}
    assert [one for one in bench.rows(VARIATIONS) if one["campaign_id"] == gone] == said
    bench.account.advance(60)
    assert bench.run().metadata["updated_rows"] == 0
    assert bench.by_id(CAMPAIGNS, "campaign_id")[gone] == row


@pytest.mark.parametrize("credentials", [{}, {"revision": "2026-07-15"}])
@pytest.mark.parametrize("archived", [True, False])
def test_a_list_that_fails_marks_nothing_as_deleted(bench, credentials, archived):
    """Whichever of the lists it is: nothing is committed at all (fact 13)."""
    bench.run(credentials=credentials)
    before, checkpoint = bench.rows(CAMPAIGNS), bench.checkpoint()
    bench.account.advance(60)
    bench.account.change("delete", id=bench.ids()[0])
    facts = {"endpoint": "campaigns", "archived": archived}
    bench.account.faults.add("status", times=None, match=facts, status=503)
    with pytest.raises(UnavailableError, match="HTTP 503"):
        bench.run(credentials=credentials)
    assert (bench.rows(CAMPAIGNS), bench.checkpoint()) == (before, checkpoint)
    bench.account.faults.clear()
    bench.run(credentials=credentials)
    assert sum(row["deleted_at"] is not None for row in bench.rows(CAMPAIGNS)) == 1


def test_a_list_that_lacks_some_deletes_nothing(bench):
    """What a list lacks is asked for by its own address before it is called deleted."""
    bench.run()
    bench.account.faults.add("partial", times=None, match={"endpoint": ["campaigns", "campaign-messages"]})
    bench.run()
    assert [row for row in bench.rows(CAMPAIGNS) if row["deleted_at"]] == []
    assert [row for row in bench.rows(MESSAGES) if row["deleted_at"]] == []


def test_a_first_read_makes_good_what_one_list_lacks(bench):
    """Campaigns and messages name each other; what one list lacks the other one tells of."""
    bench.account.faults.add("partial", times=None, match={"endpoint": "campaigns"})
    bench.run()
    bench.holds_the_account()


def test_lists_that_contradict_each_other_too_often_are_not_whole(bench):
    """Then the run is incomplete, and nothing is committed."""
    bench.account.faults.add("partial", times=None, match={"endpoint": "campaigns"})
    with pytest.raises(IncompleteError, match="contradict each other"):
        bench.run(KlaviyoSettings(max_strays=2))
    assert bench.rows(CAMPAIGNS) == []


def test_what_changes_while_pages_are_read_is_not_lost(begin):
    """Campaigns come, go and are renamed between pages; the next run has them all."""
    bench = begin(campaigns=30)
    last = bench.ids()[-1]
    for page, given in (
        (1, {"change": "new_campaign", "status": "sent"}),
        (2, {"change": "delete", "id": last}),
    ):
        facts = {"endpoint": "campaigns", "archived": False, "page": page}
        bench.account.faults.add("change_after_page", match=facts, **given)
    bench.account.advance(60)
    bench.run(SMALL)
    bench.run(SMALL)
    bench.holds_the_account()


def test_campaigns_of_one_second_are_all_there_after_the_next_run(bench):
    """The checkpoint's own second is never a border, since nothing is asked by it (fact 8)."""
    for _ in range(2):
        bench.account.change("new_campaign")
    bench.run()
    bench.account.change("new_campaign")  # the clock stands still
    bench.run()
    bench.holds_the_account()
    assert bench.run().row_count == 0


def test_an_edit_that_moves_only_the_message_or_the_variation_arrives(bench):
    """Whether children move their campaign is not documented; they need not."""
    bench.run()
    world = bench.account.world
    draft = next(one for one in world.all("campaign-message") if _status(one) in ("draft", "scheduled"))
    sent = next(one for one in world.all("campaign-message") if _status(one) == "sent")
    bench.account.advance(60)
    variation = draft["campaign-variations"][0]
    world.find("campaign-variation", variation)["attributes"]["definition"]["details"]["template_id"] = "new"
    bench.account.change("update", id=sent["id"], set={"name": "renamed"})
    bench.account.change("add_variation", id=draft["id"], channel="sms")
    bench.run()
    bench.holds_the_account()
    bench.account.change("delete", id=variation)
    assert bench.run().metadata["datasets"][VARIATIONS].rows_deleted == 1
    bench.holds_the_account()


def test_a_child_that_is_gone_does_not_end_the_run(bench):
    """Its message is marked, once, and comes back with it (fact 17)."""
    message = bench.ids("campaign-message")[0]
    bench.account.faults.add("gone", times=None, id=message)
    bench.run()
    first = bench.by_id(MESSAGES, "message_id")[message]
    assert first["deleted_at"] == bench.account.clock.now()
    bench.account.advance(60)
    assert bench.run().metadata["datasets"][MESSAGES].rows_updated == 0
    bench.account.faults.clear()
    bench.run()
    bench.holds_the_account()


def test_days_limit_the_campaigns_and_mark_nothing(begin):
    """By time of change in the account's time zone; bounds unquoted, in UTC, never in the future (facts 4 and 9)."""
    bench = begin(campaigns=30, timezone="Asia/Tokyo")
    bench.run(start=date(2026, 9, 1), end=date(2026, 10, 5))
    texts = {unquote(one.query) for one in bench.requests("campaigns")}
    wanted = (
        "greater-or-equal(updated_at,2026-08-31T15:00:00Z),less-or-equal(updated_at,2026-10-05T14:59:59Z)"
    )
    assert all(wanted in text for text in texts)
    truth = {row["campaign_id"] for row in bench.account.table(CAMPAIGNS).rows if _between(row["updated_at"])}
    assert set(bench.by_id(CAMPAIGNS, "campaign_id")) == truth
    assert truth
    assert bench.checkpoint() is None
    bench.run()
    checkpoint = bench.checkpoint()
    bench.account.change("delete", id=bench.ids()[0])
    for days in ({"start": date(2026, 10, 1)}, {"end": date(2027, 1, 1)}, {"start": date(2027, 1, 1)}):
        bench.account.recorder.clear()
        bench.run(**days)
        assert {one.status for one in bench.requests("campaigns")} == {200}
    assert [row for row in bench.rows(CAMPAIGNS) if row["deleted_at"]] == []
    assert bench.checkpoint() == checkpoint


@pytest.mark.parametrize("credentials", [{}, LEGACY])
def test_a_list_is_sorted_by_the_field_of_its_bounds(bench, credentials):
    """A filter on a time goes with no other sort; without one, lists are sorted by what never changes."""
    for days, sort in (({"start": date(2026, 9, 1)}, "updated_at"), ({}, "id")):
        bench.account.recorder.clear()
        bench.run(credentials=credentials, **days)
        assert {parse_qs(one.query)["sort"][0] for one in bench.requests("campaigns")} == {sort}


def test_a_checkpoint_in_the_future_is_let_go(bench):
    """Nothing is asked by it, and the next run sets it right (fact 9)."""
    bench.run(wrap=lambda reader: _Ahead(reader))
    assert bench.checkpoint() == {"updated_at": "2031-01-01T00:00:00Z"}
    bench.account.recorder.clear()
    bench.run()
    assert "updated_at" not in "".join(unquote(one.query) for one in bench.requests())
    assert bench.checkpoint() == {"updated_at": _newest(bench)}


def test_a_checkpoint_that_cannot_be_read_ends_the_run(bench):
    """It is never taken for none."""
    for wrap in (lambda reader: _Ahead(reader, "yesterday"), lambda reader: reader):
        with pytest.raises(CursorError, match="cannot be read"):
            bench.run(wrap=wrap)
    assert bench.checkpoint() == {"updated_at": "yesterday"}


@pytest.mark.parametrize("fault", ["extra_members", "fractions", "agent_hints"])
def test_what_nobody_knows_yet_is_taken(bench, fault):
    """Members, attributes, hints for agents, fractions of seconds (fact 18)."""
    bench.account.faults.add(fault, times=None)
    bench.run()
    bench.holds_the_account()


def test_unknown_words_are_kept_as_they_are(bench):
    """A status, a channel, a strategy of tomorrow (fact 18)."""
    message = bench.account.world.all("campaign-message")[0]
    bench.account.change(
        "update", id=message["id"], set={"status": "paused", "send_options": {"send_strategy": "telepathy"}}
    )
    variation = message["campaign-variations"][0]
    bench.account.change("update", id=variation, set={"details": {"channel": "fax", "subject": "Beep"}})
    bench.run()
    row = bench.by_id(MESSAGES, "message_id")[message["id"]]
    assert (row["status"], row["send_strategy"], "fax" in row["channels"]) == ("paused", "telepathy", True)
    assert bench.by_id(VARIATIONS, "variation_id")[variation]["channel"] == "fax"
    assert bench.by_id(CAMPAIGNS, "campaign_id")[message["parent"]]["status"] == "paused"


def test_a_value_that_does_not_fit_sets_its_row_aside(bench):
    """Kept whole beside the table; all others land."""
    one = bench.ids()[0]
    bench.account.change("update", id=one, set={"archived": "maybe"})
    counts = bench.run().metadata["datasets"][CAMPAIGNS]
    # The lists of archived ones and of others both lack it, but its message names it.
    assert counts.rows_quarantined == 1
    (kept,) = bench.rows(f"{CAMPAIGNS}_quarantine")
    assert (kept["column_name"], json.loads(kept["record"])["attributes"]["definition"]["archived"]) == (
        "archived",
        "maybe",
    )


def test_a_crash_after_any_page_leaves_the_lake_of_an_undisturbed_run(begin):
    """Nothing of a snapshot is committed before it is whole (fact 20)."""
    bench = begin(campaigns=20)
    bench.run()
    bench.account.advance(60)
    for one in bench.ids()[:3]:
        bench.account.change("touch", id=one)
    before = bench.rows(CAMPAIGNS)
    for page in (1, 2, 3):
        bench.account.faults.add("cut", times=None, match={"endpoint": "campaigns", "page": page})
        with pytest.raises(IncompleteError, match="cut"):
            bench.run(KlaviyoSettings(page_size=4))
        bench.account.faults.clear()
        assert bench.rows(CAMPAIGNS) == before
    bench.run(KlaviyoSettings(page_size=4))
    bench.holds_the_account()


class _Ahead:
    """A reader whose slices say that they came further than they did."""

    def __init__(self, reader, when="2031-01-01T00:00:00Z"):
        self.source, self.datasets = reader.source, reader.datasets
        self.next_slice = reader.next_slice
        self._reader, self._when = reader, when

    def read(self, slice):
        end = yield from self._reader.read(slice)
        return replace(end, checkpoint=json.dumps({"updated_at": self._when}, separators=(",", ":")))


def _status(message):
    return message["attributes"]["definition"]["status"]


def _newest(bench):
    newest = max(moment(one["attributes"]["updated_at"]) for one in bench.account.world.all("campaign"))
    return f"{newest:%Y-%m-%dT%H:%M:%SZ}"


def _between(time):
    return datetime(2026, 8, 31, 15, tzinfo=UTC) <= time < datetime(2026, 10, 5, 15, tzinfo=UTC)


def test_another_accounts_key_changes_nothing(begin):
    """All campaigns of the tenant would be taken for deleted, and the other's be mixed in among them."""
    bench, other = begin(), begin(account="OTHER1")
    bench.run()
    before = bench.rows(CAMPAIGNS)
    other.tenant = bench.tenant
    with pytest.raises(ConfigurationError, match=r"the key is of account OTHER1, .* a tenant of its own"):
        other.run()
    assert bench.rows(CAMPAIGNS) == before


@pytest.mark.parametrize(
    ("credentials", "kind"),
    [({}, "campaign-audience"), ({}, "campaign-message"), (LEGACY, "campaign-message")],
)
def test_what_a_campaign_names_and_was_not_included_is_not_taken_for_none(bench, credentials, kind):
    """A message would count as deleted, and a campaign's audiences would be overwritten with empty lists."""
    bench.run(credentials=credentials)
    before = bench.rows(CAMPAIGNS), bench.rows(MESSAGES)
    bench.account.advance(60)
    bench.account.faults.add("not_included", None, match={"endpoint": "campaigns"}, kind=kind)
    with pytest.raises(IncompleteError, match=rf"names {kind} .*, which was not included"):
        bench.run(credentials=credentials)
    assert (bench.rows(CAMPAIGNS), bench.rows(MESSAGES)) == before


@pytest.mark.parametrize(
    ("credentials", "endpoint", "relationship"),
    [
        ({}, "campaigns", "campaign-messages"),
        ({}, "campaigns", "campaign-audiences"),
        ({}, "campaign-messages", "campaign"),
        (LEGACY, "campaigns", "campaign-messages"),
    ],
)
def test_a_relationship_that_was_asked_for_and_names_nobody_is_not_taken_for_none(
    bench, credentials, endpoint, relationship
):
    """Klaviyo does not promise ids: with links alone every message would be marked as deleted."""
    bench.run(credentials=credentials)
    before = {dataset: bench.rows(dataset) for dataset in (CAMPAIGNS, MESSAGES, VARIATIONS)}
    bench.account.advance(60)
    facts = {"endpoint": endpoint}
    bench.account.faults.add("links_only", times=None, match=facts, relationship=relationship)
    with pytest.raises(IncompleteError, match=f"does not name its {relationship}, which were asked for"):
        bench.run(credentials=credentials)
    assert {dataset: bench.rows(dataset) for dataset in before} == before


def test_variations_that_a_message_does_not_name_are_asked_for_one_by_one(begin):
    """As they are where the include is refused."""
    bench = begin(variations_include=True)
    facts = {"endpoint": "campaign-messages"}
    bench.account.faults.add("links_only", None, match=facts, relationship="campaign-variations")
    bench.run()
    bench.holds_the_account()


def test_a_campaign_without_messages_or_audiences_is_one(bench):
    """An empty list says so, whereas no list says nothing."""
    world, now = bench.account.world, bench.account.clock.now()
    campaign = world.all("campaign")[0]
    for name in ("campaign-messages", "campaign-audiences"):
        for below in world.children(campaign, name):
            world.drop(below, now)
    bench.run()
    bench.holds_the_account()
    bench.run(credentials=LEGACY)
