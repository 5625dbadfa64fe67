"""One record that cannot be read costs itself, and two of one id are never one by chance."""

from __future__ import annotations

import json

import pytest

from weathervane.klaviyo._settings import API_VERSION, LEGACY_VERSION
from weathervane.source import IncompleteError

from .altering import altered
from .bench import CAMPAIGNS, MESSAGES, SMALL, VARIATIONS, Bench

LISTS = [
    (API_VERSION, "campaigns", CAMPAIGNS, "campaign_id"),
    (LEGACY_VERSION, "campaigns", CAMPAIGNS, "campaign_id"),
    (API_VERSION, "campaign-messages", MESSAGES, "message_id"),
    (API_VERSION, "campaign-messages/{id}/campaign-variations", VARIATIONS, "variation_id"),
]


@pytest.fixture(scope="module")
def served():
    """An account of several pages, and a hand in its answers."""
    with altered(campaigns=12) as running:
        yield running


@pytest.fixture
def bench(served, lake, new_tenant):
    """It and a tenant of one's own."""
    yield Bench(lake, served, new_tenant())
    served.hand.clear()


def _again(change, later):
    """Sends the first record that comes once more: beside itself, or with a later page or list."""
    sent = []

    def alter(body):
        document = json.loads(body)
        data, included = document.get("data", []), document.get("included", [])
        if not sent and data:
            sent.append((data[0], included))
            if later:
                return body
        if len(sent) == 1 and "data" in document:
            one = json.loads(json.dumps(sent[0][0]))
            change(one["attributes"])
            document["data"] = [*data, one]
            known = {part["id"] for part in included}
            document["included"] = [*included, *(part for part in sent[0][1] if part["id"] not in known)]
            sent.append(one["id"])
        return json.dumps(document).encode()

    alter.sent = sent
    return alter


def _named(attributes, name, time):
    at = attributes if "name" in attributes else attributes["definition"]
    at["name"] = name or at["name"]
    if time:
        attributes["updated_at" if "updated_at" in attributes else "updated"] = time


@pytest.mark.parametrize(
    ("name", "time", "stands"),
    [
        ("other", "2026-11-01T00:00:00+00:00", "other"),
        ("other", "2001-01-01T00:00:00+00:00", None),
        ("other", None, IncompleteError),
        (None, None, None),
    ],
    ids=["newer", "older", "of the same time", "equal"],
)
@pytest.mark.parametrize("later", [False, True], ids=["on one page", "on two"])
@pytest.mark.parametrize(("revision", "endpoint", "dataset", "key"), LISTS)
def test_of_two_records_of_one_id_the_newer_one_stands(
    bench, revision, endpoint, dataset, key, later, name, time, stands
):
    """Equal ones are one; two that differ and changed at the same time are told, and nothing is committed."""
    if later and "{" in endpoint:
        later = False  # each of these lists is another message's
    hand = bench.running.hand[endpoint] = _again(lambda one: _named(one, name, time), later)
    given = {"credentials": {"revision": revision}}
    if stands is IncompleteError:
        with pytest.raises(IncompleteError, match="twice, and differently") as caught:
            bench.run(SMALL, **given)
        assert caught.value.reason == "CONFLICTING_ROWS"
        assert bench.rows(dataset) == []
        return
    summary = bench.run(SMALL, **given)
    assert summary.metadata["set_aside_rows"] == 0
    one = bench.by_id(dataset, key)[hand.sent[1]]
    assert (one["name"] == "other") == (stands == "other")
    assert one["updated_at"] is not None


RELATED = {"campaigns": "campaign-messages", "campaign-messages": "campaign"}


def _put(path, value):
    *above, last = path

    def change(record):
        at = record
        for name in above:
            at = at[name]
        at[last] = value
        return record

    return change


def _odd(endpoint):
    """Ways in which a record of a list is none."""
    for value in (None, 5):
        yield f"{value!r}", lambda record, value=value: value
    yield "without a type", lambda record: {name: value for name, value in record.items() if name != "type"}
    yield from ((f"id {value!r}", _put(["id"], value)) for value in (5, ""))
    yield "of another type", _put(["type"], "list")
    if name := RELATED.get(endpoint):
        yield from ((f"relationships {value!r}", _put(["relationships"], value)) for value in ("x", {}))
        within = ["relationships", name]
        yield from ((f"its {name} {value!r}", _put(within, value)) for value in ([], {"data": 5}))
        yield f"its {name} without an id", _put([*within, "data"], {"type": name, "id": ""})
        if endpoint == "campaigns":
            yield f"its {name} did not come", _put([*within, "data"], [{"type": "x", "id": "no such one"}])


def _third(change, place="data"):
    """Changes one record of a list, always the same."""
    chosen = []

    def alter(body):
        document = json.loads(body)
        records = document.get(place, [])
        if not chosen and len(records) > 2:
            chosen.append(records[2]["id"])
        document[place] = [change(one) if one["id"] in chosen else one for one in records]
        return json.dumps(document).encode()

    alter.chosen = chosen
    return alter


def _tells(bench, datasets, revision, hand):
    """A run lands what it can, tells the rest, and deletes nothing; one that reads it whole is as before."""
    before = {dataset: bench.rows(dataset) for dataset in (CAMPAIGNS, MESSAGES, VARIATIONS)}
    bench.account.advance(60)
    other = next(one for one in bench.ids() if one not in hand.chosen)
    bench.account.change("update", id=other, set={"name": f"new at {bench.account.clock.now()}"})
    summary = bench.run(credentials={"revision": revision})
    assert summary.metadata["set_aside_rows"] >= 1
    assert sum(len(bench.rows(f"{dataset}_quarantine")) for dataset in datasets) >= 1
    after = {dataset: bench.rows(dataset) for dataset in before}
    assert not [row for dataset in (CAMPAIGNS, MESSAGES) for row in after[dataset] if row["deleted_at"]]
    assert {one: len(rows) for one, rows in after.items()} == {one: len(rows) for one, rows in before.items()}
    assert bench.by_id(CAMPAIGNS, "campaign_id")[other]["name"].startswith("new at")


@pytest.fixture(scope="module", params=LISTS[:3], ids=lambda one: f"{one[0]} {one[1]}")
def standing(request, lake):
    """A tenant that has the account, for all odd records of a list: each run puts right what the one before left."""
    with altered(campaigns=12) as running:
        bench = Bench(lake, running, f"odd_{request.param_index}")
        bench.run(credentials={"revision": request.param[0]})
        yield bench, request.param


@pytest.mark.parametrize("way", [name for name, _ in _odd("campaigns")])
def test_a_record_that_is_none_costs_itself(standing, way):
    """Whatever is odd of it; the others land, and neither it nor what hangs on it is taken for deleted."""
    bench, (revision, endpoint, dataset, _) = standing
    ways = dict(_odd(endpoint))
    way = way.replace(RELATED["campaigns"], RELATED[endpoint])
    if way not in ways:
        return  # a message of a campaign that nobody has is another's affair
    hand = bench.running.hand[endpoint] = _third(ways[way])
    try:
        _tells(bench, [dataset], revision, hand)
    finally:
        bench.running.hand.clear()


@pytest.mark.parametrize("revision", [API_VERSION, LEGACY_VERSION])
@pytest.mark.parametrize("value", [5, {"id": 5, "type": "campaign-message"}])
def test_an_included_message_that_is_none_costs_itself(bench, revision, value):
    """In the newer model it has a list of its own as well, so that its row lands."""
    bench.run(credentials={"revision": revision})
    hand = _third(lambda one: value if one["type"] == "campaign-message" else one, "included")
    bench.running.hand["campaigns"] = hand
    _tells(bench, [MESSAGES], revision, hand)


def test_a_variation_that_is_none_leaves_what_its_message_said(bench):
    """The message is told, its variations of before stay, and those of the others are read."""
    bench.run()
    before = bench.rows(VARIATIONS)
    done = []

    def alter(body):
        document = json.loads(body)
        if not done:
            done.append(document["data"][0]["id"])
            document["data"][0]["id"] = 5
        return json.dumps(document).encode()

    bench.running.hand["campaign-messages/{id}/campaign-variations"] = alter
    draft = next(row["message_id"] for row in bench.rows(MESSAGES) if row["status"] == "draft")
    bench.account.change("add_variation", id=draft, channel="sms")
    summary = bench.run()
    assert summary.metadata["datasets"][VARIATIONS].rows_quarantined == 1
    assert done[0] in {row["variation_id"] for row in bench.rows(VARIATIONS)}
    assert len(bench.rows(VARIATIONS)) >= len(before)


def test_an_audience_that_is_none_costs_the_campaigns_audiences(bench):
    """They describe it: its row lands without them, and says so."""

    def alter(body):
        document = json.loads(body)
        for one in document.get("included", []):
            if one["type"] == "campaign-audience" and not done:
                done.append(one["id"])
            if one["id"] in done:
                one["attributes"], one["relationships"], one["type"] = {}, 5, 7
        return json.dumps(document).encode()

    done = []
    bench.running.hand["campaigns"] = alter
    counts = bench.run().metadata["datasets"][CAMPAIGNS]
    assert (counts.rows_quarantined, counts.values_quarantined) == (0, 2)
    assert len(bench.rows(CAMPAIGNS)) == 12


@pytest.mark.parametrize("revision", [API_VERSION, LEGACY_VERSION])
def test_half_an_emoji_in_a_name_is_set_aside_and_told(bench, revision):
    """By the value alone, whatever list it came in; it used to land as a character that nobody wrote."""

    def spoil(one):
        _named(one["attributes"], "Sale \ud83d", None)
        return one

    bench.running.hand["campaigns"] = _third(spoil)
    counts = bench.run(credentials={"revision": revision}).metadata["datasets"][CAMPAIGNS]
    assert (counts.rows_quarantined, counts.values_quarantined) == (0, 1)
    rows = bench.rows(CAMPAIGNS)
    assert [row["name"] for row in rows].count(None) == 1
    assert not [row for row in rows if "\ufffd" in (row["name"] or "")]
    assert "Sale \ufffd" in bench.rows(f"{CAMPAIGNS}_quarantine")[0]["record"]


@pytest.mark.parametrize("spoilt", [{"relationships": 5}, {"id": 5}, {"id": ""}], ids=str)
def test_a_message_of_a_legacy_campaign_that_is_none_is_told(bench, spoilt):
    """It came beside the campaign, which alone names it: it has no list of its own, and must not go without a word."""
    lost = []

    def alter(body):
        document = json.loads(body)
        for campaign in document["data"]:
            named = campaign["relationships"]["campaign-messages"]["data"]
            # One of several messages may be in the lists of several channels.
            if len(named) == 1 and not lost:
                lost.append(named[0]["id"])
                campaign |= spoilt
        return json.dumps(document).encode()

    bench.running.hand["campaigns"] = alter
    counts = bench.run(credentials={"revision": LEGACY_VERSION}).metadata["datasets"]
    assert (counts[CAMPAIGNS].rows_quarantined, counts[MESSAGES].rows_quarantined) == (1, 1)
    (aside,) = bench.rows(f"{MESSAGES}_quarantine")
    assert lost[0] in aside["row_key"]


def test_a_record_of_another_type_that_is_alone_on_its_page_costs_itself(bench):
    """A message has one variation as a rule, so a page of one is no sign of a wrong answer."""
    bench.run()
    done = []

    def alter(body):
        document = json.loads(body)
        if len(document["data"]) == 1 and not done:
            done.append(document["data"][0]["id"])
            document["data"][0]["type"] = "tag"
        return json.dumps(document).encode()

    bench.running.hand["campaign-messages/{id}/campaign-variations"] = alter
    bench.account.advance(30 * 86_400)
    summary = bench.run()
    assert done
    assert summary.metadata["datasets"][VARIATIONS].rows_quarantined == 1
