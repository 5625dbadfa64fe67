"""Whatever Klaviyo's answers hold, what comes of it is rows, rows set aside, or an error that has a name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from weathervane.klaviyo._client import KlaviyoClient
from weathervane.klaviyo._estimate import forecast
from weathervane.klaviyo._legacy import LegacyModel
from weathervane.klaviyo._omni import OmniModel
from weathervane.klaviyo._reader.campaigns import CampaignsReader
from weathervane.klaviyo._rows import packed
from weathervane.klaviyo._settings import API_VERSION, LEGACY_VERSION
from weathervane.klaviyo._tables.campaigns import CAMPAIGNS, MESSAGES, VARIATIONS
from weathervane.source import ContractError, Days, IncompleteError, SourceError, UnavailableError, normalise

from .altering import CALLS, NOW, altered
from .bench import MESSAGES as MESSAGE_TABLE
from .bench import REPORTS, Bench

BODIES = {
    "nothing": lambda body: b"",
    "cut": lambda body: body[: len(body) // 2],
    "not UTF-8": lambda body: body.replace(b'"type":"', b'"type":"\xff', 1),
    "not UTF-8 in a value": lambda body: body.replace(b'"links":{', b'"links":{"x":"\xff",', 1),
    "UTF-16": lambda body: body.decode().encode("utf-16"),
    "a BOM": lambda body: b"\xef\xbb\xbf" + body,
    "half a character": lambda body: body.replace(b'"links":{', b'"links":{"x":"\\ud83d",', 1),
    "NaN": lambda body: body.replace(b'"links":{', b'"links":{"x":NaN,', 1),
    "1e400": lambda body: body.replace(b'"links":{', b'"links":{"x":1e400,', 1),
    "1e401": lambda body: body.replace(b'"links":{', b'"links":{"x":1e999999999,', 1),
    "deep": lambda body: body.replace(b'"links":{', b'"links":{"x":' + b"[" * 5000 + b"]" * 5000 + b",", 1),
    "a list": lambda body: b"[]",
    "a text": lambda body: b'"x"',
    "null": lambda body: b"null",
    "no data": lambda body: b'{"data":null}',
    "data is a text": lambda body: b'{"data":"x"}',
    "data is a list of lists": lambda body: b'{"data":[[]]}',
    "data without type": lambda body: b'{"data":[{"id":"1"}]}',
    "an id that is a number": lambda body: b'{"data":{"type":"campaign","id":5}}',
    "links of numbers": lambda body: _links(body, 5),
    "a link that is none": lambda body: _links(body, "http://["),
    "an empty link": lambda body: _links(body, ""),
    "a link with a line end": lambda body: _links(body, "/api/\r\nx: y"),
}


def _links(body, to):
    document = json.loads(body)
    document["links"] = {"next": to}
    return json.dumps(document).encode()


@pytest.fixture(scope="module")
def odd():
    """An account with a hand in its answers, a client of each revision, and the hand."""
    with altered(campaigns=3) as running:
        bench = Bench(None, running, "odd")
        with (
            KlaviyoClient("odd", bench.credentials()) as omni,
            KlaviyoClient("odd", bench.credentials(revision=LEGACY_VERSION)) as legacy,
        ):
            yield {API_VERSION: omni, LEGACY_VERSION: legacy}, running.hand


@pytest.mark.parametrize("endpoint", CALLS)
def test_a_body_of_any_kind_ends_in_an_error_that_has_a_name(odd, endpoint):
    """Of every call: no raw error of a decoder, a link or a time zone; what cannot be read whole is tried again."""
    clients, hand = odd
    failed = set()
    for name, alter in BODIES.items():
        hand[endpoint] = alter
        try:
            CALLS[endpoint][0](clients[API_VERSION])
        except SourceError as error:
            failed.add((name, type(error)))
        finally:
            hand.clear()
    assert {kind for _, kind in failed} <= {ContractError, IncompleteError, UnavailableError}
    passing = {
        "nothing",
        "cut",
        "not UTF-8",
        "not UTF-8 in a value",
        "UTF-16",
        "a BOM",
        "NaN",
        "a list",
        "null",
    }
    assert {(name, UnavailableError) for name in passing} <= failed
    assert {("deep", ContractError), ("data is a text", ContractError)} <= failed | (
        # A report is cut into rows by who reads it.
        {("data is a text", ContractError)} if endpoint == "campaign-values-reports" else set()
    )


@pytest.mark.parametrize("zone", ["Mars/Base", "", "../../etc/passwd", "America", "x" * 5000, "\0", 5, None])
def test_a_time_zone_that_is_none_is_told_by_name(odd, zone):
    """The account's days could not be known."""
    clients, hand = odd
    hand["accounts"] = lambda body: _put(body, "attributes.timezone", zone)
    try:
        with pytest.raises(ContractError, match=r"time zone|not as documented"):
            clients[API_VERSION].account()
    finally:
        hand.clear()


VALUES: tuple[Any, ...] = (
    None,
    "x",
    5,
    True,
    10**30,
    [],
    [1, None, {}],
    {},
    {"a": [1]},
    "2026-11-01T00:00:00",
    "9999-12-31T23:59:59-05:00",
    "0001-01-01T00:00:00+05:00",
)
PATHS = {
    API_VERSION: {
        "campaigns": (
            *(
                "id",
                "attributes",
                "attributes.updated_at",
                "attributes.definition",
                "attributes.definition.name",
            ),
            *("attributes.definition.archived", "attributes.definition.send_settings", "relationships"),
            *(
                "relationships.campaign-messages",
                "relationships.campaign-messages.data",
                "attributes.created",
            ),
            *("attributes.definition.included", "attributes.definition.status"),
        ),
        "campaign-messages": (
            *(
                "id",
                "attributes",
                "attributes.updated",
                "attributes.definition",
                "attributes.definition.status",
            ),
            *("attributes.definition.send_options", "attributes.definition.send_options.send_time"),
            *("attributes.definition.send_options.send_times", "relationships.campaign.data"),
            "attributes.definition.send_options.send_strategy",
        ),
        "campaign-messages/{id}/campaign-variations": (
            *(
                "id",
                "attributes",
                "attributes.updated",
                "attributes.definition",
                "attributes.definition.details",
            ),
            *("attributes.definition.details.channel", "attributes.definition.details.subject"),
        ),
    },
    LEGACY_VERSION: {
        "campaigns": (
            *("id", "attributes", "attributes.updated_at", "attributes.archived", "attributes.status"),
            *("attributes.audiences", "attributes.audiences.included", "attributes.send_strategy"),
            *(
                "attributes.send_time",
                "attributes.send_times",
                "attributes.definition",
                "attributes.send_times.0",
            ),
            *(
                "attributes.definition.channel",
                "attributes.definition.content",
                "attributes.definition.content.subject",
            ),
            *("attributes.send_times.0.datetime", "attributes.send_times.0.is_local"),
        ),
    },
}


def _put(body, path, value):
    """Puts a value into every record of a page, where there is such a place."""
    document = json.loads(body)
    if "data" not in document:
        return body
    data = document["data"] if isinstance(document["data"], list) else [document["data"]]
    for one in [*data, *document.get("included", ())]:
        *above, last = path.split(".")
        at: Any = one
        for name in above:
            at = at[0] if name == "0" and at else at.get(name) if isinstance(at, dict) else None
        if isinstance(at, dict):
            at[last] = value
        elif isinstance(at, list) and at:
            at[0] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("revision", "endpoint", "path"),
    [
        (revision, endpoint, path)
        for revision, of in PATHS.items()
        for endpoint, paths in of.items()
        for path in paths
    ],
)
def test_a_part_of_any_shape_is_a_row_set_aside_or_an_error_that_has_a_name(odd, revision, endpoint, path):
    """And every record that came is a row or is set aside: none is lost on the way."""
    clients, hand = odd
    client = clients[revision]
    model = (LegacyModel if revision == LEGACY_VERSION else OmniModel)(client)
    tables = ((CAMPAIGNS, "campaigns"), (MESSAGES, "messages"))
    constants = {"tenant_id": "odd", "account_id": "A"}
    raised = set()
    for value in VALUES:
        hand[endpoint] = lambda body, value=value: _put(body, path, value)
        try:
            snapshot = model.read((), lambda _: False)
            snapshot.settle({})
            for dataset, name in tables:
                rows = list(getattr(snapshot, name).values())
                assert normalise(dataset, packed(rows), constants=constants).received == len(rows)
            variations = [one for many in snapshot.variations.values() for one in many]
            assert normalise(VARIATIONS, packed(variations), constants=constants).received == len(variations)
        except SourceError as error:
            raised.add(type(error))
        finally:
            hand.clear()
    assert raised <= {ContractError, IncompleteError}


@pytest.mark.parametrize("revision", [API_VERSION, LEGACY_VERSION])
@pytest.mark.parametrize("value", VALUES)
def test_a_plan_of_odd_campaigns_is_made_all_the_same(odd, revision, value):
    """One that has no time of change is counted, and lies within no days."""
    clients, hand = odd
    for path in ("attributes.updated_at", "attributes"):
        hand["campaigns"] = lambda body, path=path: _put(body, path, value)
        try:
            found = forecast(clients[revision], [Days(NOW.date().replace(year=2020), NOW.date())])
        finally:
            hand.clear()
        assert found.windows[0].requests > 0


@pytest.fixture
def reading(lake, new_tenant):
    """Runs of an account with a hand in its answers, into the lake."""
    with altered(campaigns=12) as running:
        yield Bench(lake, running, new_tenant()), running.hand


@pytest.mark.parametrize(
    "time", ["9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+00:00", "2031-01-01T00:00:00Z"]
)
def test_a_message_that_was_sent_when_it_cannot_have_been_is_a_row_and_is_not_asked_for(
    reading, caplog, time
):
    """No quarter of such a time can be asked for; the line says which message it is."""
    bench, hand = reading
    hand["campaign-messages"] = lambda body: _put(body, "attributes.definition.send_options.send_time", time)
    summary = bench.run(reports=True)
    assert summary.metadata["datasets"][MESSAGE_TABLE].rows_quarantined == 0
    assert bench.requests("campaign-values-reports") == []
    assert "says it was sent at" in caplog.text


def test_an_odd_part_of_one_message_leaves_the_others_and_their_reports(reading):
    """One is set aside by its key, with what stood there; the next run has it."""
    bench, hand = reading
    messages = bench.account.world.records["campaign-message"]
    one = next(key for key in sorted(messages) if "sent" in str(messages[key]["attributes"]))

    def spoil(body):
        document = json.loads(body)
        for record in document.get("data", ()):
            if record["id"] == one:
                record["attributes"]["definition"]["send_options"] = ["odd"]
        return json.dumps(document).encode()

    hand["campaign-messages"] = spoil
    counts = bench.run(reports=True).metadata["datasets"]
    assert (counts[MESSAGE_TABLE].rows_quarantined, counts[MESSAGE_TABLE].rows_inserted) == (
        1,
        len(messages) - 1,
    )
    assert len(bench.rows(REPORTS)) > 0
    hand.clear()
    bench.run(reports=True)
    bench.holds_the_account()
    bench.holds_the_reports()


def test_an_odd_word_of_a_campaign_costs_the_word_and_not_the_campaign(reading):
    """A name that is a number, an audience that is a text, a subject that is a list: each is kept aside by itself."""
    bench, _ = reading
    ids = bench.ids()
    bench.account.change("update", id=ids[0], set={"name": 5})
    audience = bench.account.world.records["campaign"][ids[1]]["campaign-audiences"][0]
    bench.account.change("update", id=audience, set={"included": "Y6nRLr"})
    variation = bench.ids("campaign-variation")[0]
    bench.account.change("update", id=variation, set={"details": {"subject": ["x"]}})
    counts = bench.run().metadata["datasets"]
    assert {name: (one.rows_quarantined, one.values_quarantined) for name, one in counts.items()} == {
        CAMPAIGNS.name: (0, 2),
        MESSAGES.name: (0, 0),
        VARIATIONS.name: (0, 1),
    }
    rows = bench.by_id(CAMPAIGNS.name, "campaign_id")
    assert (rows[ids[0]]["name"], rows[ids[1]]["included_audiences"]) == (None, None)
    assert rows[ids[0]]["updated_at"] is not None
    assert bench.by_id(VARIATIONS.name, "variation_id")[variation]["subject"] is None


def test_the_noise_of_floats_costs_no_row_of_a_report(reading):
    """812.4999999999999 is 812.50 to everyone; a figure that is none sets its row aside, and that alone."""
    bench, hand = reading
    bench.run(reports=True)
    before = {row["message_id"]: row for row in bench.rows(REPORTS)}

    def noisy(body):
        document = json.loads(body)
        for row in document["data"]["attributes"]["results"]:
            statistics = row["statistics"]
            statistics["conversion_value"] += 1e-11
            statistics["recipients"] += 4e-10
            statistics["text_message_spend"] = 4137 * 0.0079
        return json.dumps(document).encode()

    hand["campaign-values-reports"] = noisy
    counts = bench.run(reports=True).metadata["datasets"][REPORTS]
    assert counts.rows_quarantined == 0
    rows = {row["message_id"]: row for row in bench.rows(REPORTS)}
    for one, row in rows.items():
        for name in ("conversion_value", "recipients", "conversions"):
            assert row[name] == before[one][name]
    assert "32.682300" in {str(row["text_message_spend"]) for row in rows.values()}


def test_two_rows_of_a_report_for_one_message_fail_it_by_name_unless_they_are_equal(reading):
    """Whichever of two different ones was kept, the other's money would be gone; the old rows stay."""
    bench, hand = reading
    bench.run(reports=True)
    before = bench.rows(REPORTS)
    different = [True]

    def twice(body):
        document = json.loads(body)
        results = document["data"]["attributes"]["results"]
        again = json.loads(json.dumps(results[0]))
        again["statistics"]["conversion_value"] += 1 if different[0] else 0
        results.append(again)
        return json.dumps(document).encode()

    hand["campaign-values-reports"] = twice
    with pytest.raises(IncompleteError, match=r"klaviyo_campaign_reports") as caught:
        bench.run(reports=True)
    assert caught.value.reason == "CONFLICTING_ROWS"
    assert bench.rows(REPORTS) == before
    different[0] = False
    counts = bench.run(reports=True).metadata["datasets"][REPORTS]
    assert counts.rows_collapsed > 0
    assert bench.rows(REPORTS) == before


def test_a_reader_of_an_odd_account_says_so_before_it_reads(odd):
    """An account without an attribute is none."""
    clients, hand = odd
    hand["accounts"] = lambda body: _put(body, "attributes", [])
    try:
        with pytest.raises(ContractError, match="not as documented"):
            CampaignsReader(clients[API_VERSION], None)
    finally:
        hand.clear()


@pytest.fixture
def spoilt(lake, new_tenant):
    """A small account that is read into the lake, and a hand in its answers."""
    with altered(campaigns=6) as running:
        yield Bench(lake, running, new_tenant()), running.hand


def _first(change, place=lambda document: document.get("data")):
    """Changes the first record of the first page that has any."""
    left = [change]

    def alter(body):
        document = json.loads(body)
        if left and place(document):
            left.pop()(place(document)[0])
        return json.dumps(document).encode()

    return alter


@pytest.mark.parametrize(
    ("endpoint", "name"), [("campaigns", "updated_at"), ("campaign-messages", "updated")]
)
@pytest.mark.parametrize("time", ["2027-06-01T00:00:00Z", "9999-12-31T00:00:00Z"])
def test_a_time_to_come_freezes_nothing(spoilt, endpoint, name, time):
    """Its row is set aside, the checkpoint does not hold it, and the next true answer is taken."""
    bench, hand = spoilt
    hand[endpoint] = _first(lambda one: one["attributes"].update({name: time}))
    assert bench.run().metadata["set_aside_rows"] == 1
    assert time[:10] not in str(bench.checkpoint())
    hand.clear()
    bench.run()
    bench.holds_the_account()


def test_a_campaign_without_an_id_stops_no_later_run(spoilt):
    """No address leads to it, so that nothing may ask for it."""
    bench, hand = spoilt
    hand["campaigns"] = _first(lambda one: one.update(id=""))
    assert bench.run().metadata["set_aside_rows"] >= 1
    hand.clear()
    bench.run()
    bench.holds_the_account()


@pytest.mark.parametrize("figures", [None, {}, {"unknown": 1.0}], ids=repr)
def test_a_report_without_its_figures_wipes_out_none(spoilt, figures):
    """What was asked for and is missing is not nothing."""
    bench, hand = spoilt
    hand["campaign-values-reports"] = _first(
        lambda one: one.update(statistics=figures), lambda document: document["data"]["attributes"]["results"]
    )
    assert bench.run(reports=True).metadata["datasets"][REPORTS].rows_quarantined == 1
    assert all(row["conversion_value"] is not None for row in bench.rows(REPORTS))
