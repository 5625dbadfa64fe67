"""Anyone's own export, of whichever revision, is an account."""

from __future__ import annotations

import json
from typing import Any

import pytest

from weathervane.klaviyo.sandbox import AccountOptions, PretendAccount, RecordsError

from .conftest import EMAIL, LEGACY, legacy_pages

SPRING: dict[str, Any] = {
    "type": "campaign",
    "id": "01SPRING",
    "attributes": {
        "name": "Spring sale",
        "status": "Cancelled: No Recipients",
        "archived": False,
        "audiences": {"included": ["Y6nRLr"], "excluded": ["UTd5ui"]},
        "send_options": {"use_smart_sending": False},
        "tracking_options": {
            "add_tracking_params": True,
            "custom_tracking_params": [{"type": "static", "name": "utm_term", "value": "spring"}],
            "is_tracking_clicks": True,
            "is_tracking_opens": False,
        },
        "send_strategy": {"method": "smart_send_time", "date": "2026-05-08"},
        "created_at": "2026-05-01T00:00:00+00:00",
        "scheduled_at": "2026-05-02T00:00:00+00:00",
        "updated_at": "2026-05-08T00:00:07.123456+00:00",
        "send_time": "2026-05-08T00:00:00+00:00",
        "brand_new": 1,
    },
    "relationships": {
        "campaign-messages": {"data": [{"type": "campaign-message", "id": "01MESSAGE"}]},
        "tags": {"data": []},
    },
}
MESSAGE: dict[str, Any] = {
    "type": "campaign-message",
    "id": "01MESSAGE",
    "attributes": {
        "definition": {
            "channel": "mobile_push",
            "label": "Push 1",
            "content": {"title": "Hello", "body": "Open the app"},
            "kv_pairs": {"a": "b"},
        },
        "send_times": [{"datetime": "2026-05-08T09:00:00+00:00", "is_local": True}],
        "created_at": "2026-05-01T00:00:00+00:00",
        "updated_at": "2026-05-03T00:00:00+00:00",
    },
    "relationships": {"template": {"data": {"type": "template", "id": "RDYq4T"}}},
}
FLAT: dict[str, Any] = {
    "type": "campaign-message",
    "id": "01MESSAGE",
    "attributes": {
        "label": "Mail 1",
        "channel": "email",
        "content": {"subject": "Hello", "from_email": "hi@acme.example"},
        "render_options": None,
    },
}
"""As until 2024-10-15."""
PUSH = "equals(messages.channel,'mobile_push')"


@pytest.fixture
def load(start, tmp_path):
    """Starts the account of an export whose lines are these."""

    def begin(*lines, **options):
        path = tmp_path / "export.jsonl"
        path.write_text("\n".join(json.dumps(one) for one in lines))
        return start(records=(path,), **options)

    return begin


def test_an_own_export_is_served_as_it_is(start, load):
    """Pages or single resources; members that nobody knows are kept; each child finds its parent."""
    source = start()
    below = "campaign-audiences,campaign-messages,tags"
    lines = [source.get(f"campaigns/{one}", include=below).json() for one in source.ids("campaigns")]
    lines += [
        source.get(f"campaign-messages/{message['id']}", include="campaign-variations").json()
        for message in source.account.world.all("campaign-message")
    ]
    lines[0]["data"]["attributes"]["brand_new"] = 1
    lines.append({"type": "metric", "id": "RESQ6t", "attributes": {"name": "Placed Order"}})
    copy = load(*lines)
    for name in ("campaigns", "campaign_messages", "campaign_variations", "campaign_audiences"):
        ours, theirs = (
            {one["id"]: one for one in client.account.truth(f"klaviyo_{name}")} for client in (copy, source)
        )
        assert ours.keys() == theirs.keys()
    first = lines[0]["data"]["id"]
    assert copy.data(f"campaigns/{first}")["attributes"]["brand_new"] == 1


@pytest.mark.parametrize("shape", ["pages", "arrays", "resources"])
def test_a_legacy_export_is_served_by_both_models(start, load, shape):
    """What the legacy lists gave they give again, and omni tells the same of it, however the lines hold it."""
    source = start(campaigns=40)
    pages = legacy_pages(source)
    records = [one for page in pages for one in [*page["included"], *page["data"]]]
    lines: dict[str, list[Any]] = {"pages": pages, "arrays": [records[:7], records[7:]], "resources": records}
    copy = load(*lines[shape])
    assert sum(len(page["data"]) for page in pages) > 20
    for old, new in zip(pages, legacy_pages(copy), strict=True):
        for part in ("data", "included"):
            given, again = ({one["id"]: one["attributes"] for one in page[part]} for page in (old, new))
            assert again == given
    legacy = {one["id"]: one["attributes"] for page in pages for one in page["data"]}
    document = copy.get("campaigns", include="campaign-audiences", page__size="100").json()
    omni = {one["id"]: one["attributes"] for one in document["data"]}
    assert omni.keys() == legacy.keys()
    for one, attributes in omni.items():
        assert attributes["definition"]["name"] == legacy[one]["name"]
        assert attributes["definition"]["archived"] == legacy[one]["archived"]
        assert attributes["updated_at"] == legacy[one]["updated_at"]
    told = {one["id"]: one["attributes"]["definition"] for one in document["included"]}
    for one in document["data"]:
        (below,) = one["relationships"]["campaign-audiences"]["data"]
        audiences = {name: told[below["id"]][name] for name in ("included", "excluded")}
        assert audiences == legacy[one["id"]]["audiences"]
    for one in copy.data("campaign-messages", page__size="100", include="campaign"):
        its = legacy[one["relationships"]["campaign"]["data"]["id"]]
        assert one["attributes"]["definition"]["status"] == its["status"].lower()
        (variation,) = copy.data(f"campaign-messages/{one['id']}/campaign-variations")
        details = variation["attributes"]["definition"]["details"]
        first = source.account.world.children(
            source.account.world.find("campaign-message", one["id"]), "campaign-variations"
        )[0]["attributes"]["definition"]["details"]
        assert {name: first[name] for name in details} == details


def test_what_only_legacy_revisions_say_is_shown_until_it_changes(load):
    """Their own words and members as they came; in omni, what they mean."""
    client = load([SPRING, MESSAGE])
    assert (
        client.data("campaigns", revision="2025-01-15", filter=PUSH)[0]["attributes"] == SPRING["attributes"]
    )
    (message,) = client.data("campaigns/01SPRING/campaign-messages", revision=LEGACY)
    assert message["attributes"] == MESSAGE["attributes"]
    (omni,) = client.data("campaign-messages")
    assert omni["attributes"]["definition"] == {
        "name": "Push 1",
        "status": "cancelled",
        "tracking_options": {"is_add_utm": True, "is_tracking_clicks": True, "is_tracking_opens": False},
        "send_options": {
            "send_time": "2026-05-08T09:00:00+00:00",
            "send_strategy": "send_time_optimization",
            "is_ignoring_unsubscribes": False,
        },
        "ab_test": None,
    }
    (variation,) = client.data("campaign-messages/01MESSAGE/campaign-variations")
    details = {"channel": "push", "title": "Hello", "body": "Open the app", "template_id": "RDYq4T"}
    assert variation["attributes"]["definition"]["details"] == details
    client.account.change("archive", id="01SPRING")
    client.account.change("send", id="01SPRING")
    filter_ = f"{PUSH},equals(archived,true)"
    after = client.data("campaigns", revision=LEGACY, filter=filter_)[0]["attributes"]
    moved = {name for name in after if after[name] != SPRING["attributes"][name]}
    assert moved == {"archived", "status", "scheduled_at", "send_time", "send_strategy", "updated_at"}
    assert after["status"] == "Sent"


def test_messages_of_the_retired_revisions_are_taken(load):
    """Flat ones, and the strategies and trackings of their campaigns, in the form of now; templates are left out."""
    old = {
        "tracking_options": {"is_add_utm": True, "utm_params": [], "is_tracking_opens": True},
        "send_strategy": {
            "method": "static",
            "options_static": {"datetime": "2026-05-08T00:00:00+00:00", "is_local": True},
        },
    }
    template = {"type": "template", "id": "RDYq4T", "attributes": {"html": "<p>"}}
    campaign = {**SPRING, "attributes": SPRING["attributes"] | old}
    client = load({"data": [campaign], "included": [FLAT, template]})
    document = client.get("campaigns", revision=LEGACY, filter=EMAIL, include="campaign-messages").json()
    assert document["data"][0]["attributes"]["tracking_options"]["add_tracking_params"] is True
    assert document["data"][0]["attributes"]["send_strategy"]["datetime"] == "2026-05-08T00:00:00+00:00"
    definition = document["included"][0]["attributes"]["definition"]
    assert definition == {name: FLAT["attributes"][name] for name in ("label", "channel", "content")}
    send_options = client.data("campaign-messages")[0]["attributes"]["definition"]["send_options"]
    assert send_options["send_strategy"] == "local_timezone"


@pytest.mark.parametrize("relationships", [SPRING["relationships"], {}])
def test_a_campaign_whose_messages_were_not_exported_has_one_of_the_lists_channel(load, relationships):
    """It could be listed by no channel otherwise; email when nobody says."""
    self_ = "https://a.klaviyo.com/api/campaigns/?filter=equals%28messages.channel%2C%22sms%22%29"
    campaign = {**SPRING, "relationships": relationships}
    client = load({"data": [campaign], "links": {"self": self_}}, {**campaign, "id": "01OTHER"})
    sms = "equals(messages.channel,'sms')"
    assert client.ids("campaigns", revision=LEGACY, filter=sms) == ["01SPRING"]
    assert client.ids("campaigns", revision=LEGACY, filter=EMAIL) == ["01OTHER"]
    assert {one["attributes"]["definition"]["status"] for one in client.data("campaign-messages")} == {
        "cancelled"
    }


def test_two_messages_of_a_legacy_campaign_are_changed_apart(load):
    """Though both were made of what the one campaign said."""
    below = {"data": [{"type": "campaign-message", "id": one} for one in ("01MESSAGE", "02MESSAGE")]}
    campaign = {**SPRING, "relationships": {"campaign-messages": below}}
    client = load([campaign, MESSAGE, {**MESSAGE, "id": "02MESSAGE"}])
    client.account.change("update", id="01MESSAGE", set={"tracking_options": {"is_add_utm": False}})
    shown = {one["id"]: one["attributes"]["definition"] for one in client.data("campaign-messages")}
    added = {one: definition["tracking_options"]["is_add_utm"] for one, definition in shown.items()}
    assert added == {"01MESSAGE": False, "02MESSAGE": True}


def test_a_legacy_account_lives_on(load):
    """Edits, flips and new campaigns happen to it as to any other."""
    client = load([SPRING, MESSAGE], life=True)
    client.account.advance(20 * 86_400)
    assert len(client.ids("campaigns")) > 10
    assert client.get("campaigns", revision=LEGACY, filter=EMAIL).status_code == 200


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "export.jsonl:1: not JSON"),
        ('{"type":"tag","id":"1","attributes":{"name":NaN}}', "export.jsonl:1: not JSON"),
        ('{"type":"tag","id":"1","attributes":{"name":1e400}}', "export.jsonl:1: not JSON"),
        ("7", "must be a JSON object"),
        ("[[]]", "must be a JSON object, or an array of them"),
        ('{"data":[7]}', "needs a type of .*, got 7"),
        ('{"data":[],"included":{}}', "included must be a list"),
        ('{"type":"flow","id":"1","attributes":{}}', "needs a type"),
        ('[{"type":"tag","id":"1","attributes":{}},{"type":"flow"}]', "export.jsonl:1: .* got 'flow'"),
        ('{"type":"campaign","attributes":{}}', "needs an id"),
        ('{"type":"campaign","id":"1","attributes":{}}', "campaign 1: it has no definition"),
        ('{"type":"campaign","id":"1","attributes":{"definition":[]}}', "definition must be a JSON object"),
        ('{"type":"campaign-message","id":"1","attributes":{"definition":{}}}', "has no campaign"),
        ('{"type":"campaign-message","id":"1","attributes":{"channel":"sms"}}', "campaign of the legacy"),
        ('{"type":"campaign","id":"1","attributes":{"name":1}}', "its name must be of the JSON type string"),
        (
            '{"type":"campaign","id":"1","attributes":{"name":"x","audiences":{"included":"a"}}}',
            "its included must be of the JSON type array, got 'a'",
        ),
        (
            '{"type":"campaign","id":"1","attributes":{"name":"x","updated_at":"yesterday"}}',
            "its updated_at must be a time, got 'yesterday'",
        ),
        (
            '{"type":"campaign-message","id":"1","attributes":{"definition":{"send_options":{"send_times":{"a":"?"}}}}}',
            "its send_time must be a time, got '?'",
        ),
        (
            '[{"type":"campaign","id":"1","attributes":{"definition":{}}},{"type":"campaign-message","id":"2",'
            '"attributes":{"channel":"sms"},"relationships":{"campaign":{"data":{"type":"campaign","id":"1"}}}}]',
            "campaign of the legacy campaign-message 2 is of the omni model",
        ),
    ],
)
def test_a_record_that_is_no_good_is_named(tmp_path, line, told):
    """By file and line."""
    path = tmp_path / "export.jsonl"
    path.write_text(line)
    with pytest.raises(RecordsError, match=told):
        PretendAccount(AccountOptions(records=(path,)))
