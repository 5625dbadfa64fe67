"""Lists as Klaviyo gives them: filters, sorts, pages, includes and fields, and what it refuses."""

from __future__ import annotations

import base64
import json
from datetime import datetime

import pytest

from .conftest import EMAIL, KEY, LEGACY, OMNI

SINCE = "2026-09-01T00:00:00"


@pytest.mark.parametrize(
    "accepted",
    [
        "equals(archived,false)",
        "and(equals(archived,false),greater-or-equal(updated_at,2026-09-01T00:00:00Z))",
        "equals(archived,false),less-than(created_at,2026-10-01)",
        "greater-than(created_at,2026-09-01T00:00:00.123+00:00)",
        "greater-than(created_at,2026-09-01T00:00:00+0000),less-or-equal(updated_at,2026-09-01T02:00:00.5-0230)",
        'contains(name,"sale")',
        "contains(name,'it\\'s')",
        'any(id,["a","b"])',
        "equals(builder,'canvas')",
    ],
)
def test_a_filter_of_the_grammar_is_taken(acme, accepted):
    """Strings quoted either way, times and booleans bare, conditions joined by commas or in and()."""
    assert acme.get("campaigns", filter=accepted).status_code == 200


@pytest.mark.parametrize(
    ("refused", "detail"),
    [
        (f"greater-or-equal(updated_at,'{SINCE}Z')", "takes a datetime, unquoted"),
        ("greater-than(updated_at,2026-02-30)", "takes a datetime, unquoted"),
        ("equals(archived,'true')", "takes true or false, unquoted"),
        (f"equals(archived,true) and greater-than(updated_at,{SINCE})", "unexpected"),
        ("or(equals(archived,true),equals(archived,false))", "expected a field"),
        (EMAIL, "'messages.channel' is not a filterable field"),
        ("equals(status,'sent')", "'status' is not a filterable field"),
        ("contains(id,'0')", "'contains' is not allowed for 'id'"),
        ("equals(builder,canvas)", "expected a quoted string"),
        ("any(id,'x')", "expected a list of strings"),
        ("equals(archived,true", r"expected '\)'"),
        ("nonsense", "expected an operator"),
    ],
)
def test_what_is_no_filter_here_is_refused(acme, refused, detail):
    """A quoted time, a word between conditions, a field or operator that this list does not take."""
    with_detail = acme.refusal("campaigns", filter=refused)
    assert with_detail[0] == 400
    assert with_detail[2] == {"parameter": "filter"}
    assert detail.replace("\\", "") in with_detail[1]


@pytest.mark.parametrize("operator", ["greater-or-equal", "less-than"])
def test_a_bound_that_is_not_past_is_refused_by_the_accounts_clock(start, operator):
    """Klaviyo's answer to a cursor in the future, and to an upper bound of now."""
    client = start()
    now = client.account.clock.now()
    status, detail, source = client.refusal(
        "campaigns", filter=f"{operator}(updated_at,{now:%Y-%m-%dT%H:%M:%SZ})"
    )
    assert (status, source) == (400, {"pointer": "updated_at"})
    assert detail == f"End date may not be in the future: {now:%Y-%m-%dT%H:%M:%S}"
    client.account.advance(1)
    assert (
        client.get("campaigns", filter=f"{operator}(updated_at,{now:%Y-%m-%dT%H:%M:%SZ})").status_code == 200
    )


def test_a_time_filter_keeps_its_bound(acme):
    """`or-equal` includes the very second, `than` does not."""
    moments = sorted(one["attributes"]["updated_at"] for one in acme.data("campaigns"))
    middle = moments[30].replace("+00:00", "Z")
    for operator, wanted in (
        ("greater-or-equal", 30),
        ("greater-than", 29),
        ("less-or-equal", 31),
        ("less-than", 30),
    ):
        assert len(acme.ids("campaigns", filter=f"{operator}(updated_at,{middle})")) == wanted


@pytest.mark.parametrize("revision", [LEGACY, OMNI])
@pytest.mark.parametrize("order", ["created_at", "-created_at", "id", "-name", "updated_at"])
def test_pages_put_together_are_the_list_in_its_order(acme, order, revision):
    """The next link is absolute, encoded, holds all parameters, and is null at the end; nothing comes twice."""
    given = {"filter": EMAIL} if revision == LEGACY else {}
    answer = acme.get("campaigns", revision=revision, sort=order, page__size="7", **given)
    found = []
    while True:
        page = answer.json()
        found += page["data"]
        link = page["links"]["next"]
        if link is None:
            break
        assert link.startswith(f"{acme.running.url}/api/campaigns")
        assert "page%5Bcursor%5D=" in link
        assert "page%5Bsize%5D=7" in link
        answer = acme.http.get(link, headers=acme.headers(revision, KEY))
    assert len({one["id"] for one in found}) == len(found) > 7
    assert [one["id"] for one in found] == acme.ids("campaigns", revision=revision, sort=order, **given)
    names = [_value(one, order.lstrip("-")) for one in found]
    assert names == sorted(names, reverse=order.startswith("-"))


def test_a_cursor_is_of_its_query_and_of_nothing_else(acme):
    """Another filter with it, or text that is no cursor, is refused."""
    link = acme.get("campaigns", page__size="5").json()["links"]["next"]
    cursor = link.partition("page%5Bcursor%5D=")[2].replace("%3D", "=")
    assert acme.refusal("campaigns", page__cursor=cursor, filter="equals(archived,false)")[0] == 400
    assert acme.refusal("campaigns", page__cursor="abc")[2] == {"parameter": "page[cursor]"}


@pytest.mark.parametrize(
    ("path", "parameters", "parameter"),
    [
        ("campaigns", {"page__size": "101"}, "page[size]"),
        ("campaigns", {"page__size": "0"}, "page[size]"),
        ("campaigns", {"page__size": "ten"}, "page[size]"),
        ("campaigns", {"sort": "status"}, "sort"),
        ("campaigns", {"include": "campaign-variations"}, "include"),
        ("campaign-messages", {"include": "campaign-variations"}, "include"),
        ("campaigns", {"revision": "2026-07-15.pre", "include": "tags"}, "include"),
        ("campaigns", {"revision": "2026-07-15.pre", "fields__tag": "name"}, "fields[tag]"),
        ("campaigns", {"limit": "5"}, "limit"),
        ("campaigns", {"revision": "2026-04-15", "page__size": "50", "filter": EMAIL}, "page[size]"),
        ("campaigns", {"revision": LEGACY}, "filter"),
        ("campaigns", {"revision": LEGACY, "filter": "equals(archived,true)"}, "filter"),
        ("campaigns", {"revision": LEGACY, "filter": "equals(messages.channel,'whatsapp')"}, "filter"),
    ],
)
def test_a_parameter_that_is_no_good_is_named(acme, path, parameters, parameter):
    """400, with the parameter in the error's source (fact 19 and the rules of each revision)."""
    status, _, source = acme.refusal(path, **parameters)
    assert (status, source) == (400, {"parameter": parameter})


def test_page_sizes_default_to_what_each_list_has(start):
    """100 campaigns a page, 20 messages."""
    client = start(campaigns=120)
    assert len(client.ids("campaigns")) == 100
    assert len(client.ids("campaign-messages")) == 20


def test_omni_lists_hold_archived_ones_and_legacy_lists_only_when_asked(acme):
    """Without a filter omni gives both; legacy leaves them out unless `archived` is asked for."""
    every = acme.data("campaigns", page__size="100")
    archived = [one["id"] for one in every if one["attributes"]["definition"]["archived"]]
    assert archived
    assert sorted(acme.ids("campaigns", filter="equals(archived,true)")) == sorted(archived)
    assert not set(acme.ids("campaigns", revision=LEGACY, filter=EMAIL)) & set(archived)
    assert set(acme.ids("campaigns", revision=LEGACY, filter=f"{EMAIL},equals(archived,true)")) <= set(
        archived
    )


def test_the_shape_follows_the_header(acme):
    """One campaign by both models: a definition here, flat attributes there."""
    legacy = acme.data("campaigns", revision=LEGACY, filter=EMAIL)[0]
    omni = acme.data(f"campaigns/{legacy['id']}")
    assert set(omni["attributes"]) == {"created_at", "updated_at", "definition"}
    assert legacy["attributes"]["name"] == omni["attributes"]["definition"]["name"]
    assert legacy["attributes"]["status"] in ("Sent", "Draft", "Scheduled", "Cancelled")
    assert legacy == acme.data("campaigns/", revision=LEGACY, filter=EMAIL)[0]


def test_every_channel_is_listed_by_omni_and_all_but_whatsapp_by_legacy(acme):
    """Which is why the old flows lacked SMS and push."""
    shown = {
        one["attributes"]["definition"]["details"]["channel"]
        for one in acme.account.world.all("campaign-variation")
    }
    assert shown == {"email", "sms", "push", "whatsapp"}
    found = {
        one
        for channel in ("email", "sms", "mobile_push")
        for archived in ("true", "false")
        for one in acme.ids(
            "campaigns",
            revision=LEGACY,
            filter=f"equals(messages.channel,'{channel}'),equals(archived,{archived})",
        )
    }
    missing = set(acme.ids("campaigns")) - found
    assert missing
    world = acme.account.world
    for one in missing:
        messages = world.children(world.find("campaign", one), "campaign-messages")
        below = [
            variation for message in messages for variation in world.children(message, "campaign-variations")
        ]
        assert {one["attributes"]["definition"]["details"]["channel"] for one in below} == {"whatsapp"}


def test_includes_bring_each_record_once_and_name_it_in_the_relationship(acme):
    """Without an include a relationship has links only."""
    document = acme.get("campaigns", include="campaign-audiences,campaign-messages,tags").json()
    included = {(one["type"], one["id"]) for one in document["included"]}
    assert len(included) == len(document["included"])
    assert {kind for kind, _ in included} == {"campaign-audience", "campaign-message", "tag"}
    named = {
        (one["type"], one["id"])
        for campaign in document["data"]
        for relationship in campaign["relationships"].values()
        for one in relationship["data"]
    }
    assert named == included
    plain = acme.data("campaigns")[0]["relationships"]["campaign-messages"]
    assert set(plain) == {"links"}


def test_the_beta_gave_variations_with_the_messages(start):
    """A switch, since nobody has seen what the published revision does."""
    client = start(variations_include=True)
    document = client.get(
        "campaign-messages", include="campaign,campaign-variations", page__size="100"
    ).json()
    kinds = {one["type"] for one in document["included"]}
    assert kinds == {"campaign", "campaign-variation"}


def test_what_hangs_below_a_record_comes_whole(acme):
    """A message's variations, a campaign's messages; 404 below a record that is not there."""
    message = next(
        one for one in acme.account.world.all("campaign-message") if len(one["campaign-variations"]) > 1
    )
    assert (
        acme.ids(f"campaign-messages/{message['id']}/campaign-variations") == message["campaign-variations"]
    )
    assert message["id"] in acme.ids(f"campaigns/{message['parent']}/campaign-messages")
    assert acme.refusal("campaign-messages/nobody/campaign-variations")[0] == 404
    assert acme.refusal("campaigns/nobody")[0] == 404
    assert acme.refusal("campaign-audiences")[0] == 404


def test_only_the_fields_that_are_asked_for_come(acme):
    """Sparse fieldsets, dotted ones too."""
    one = acme.data("campaigns", fields__campaign="created_at,definition.name")[0]
    assert set(one["attributes"]) == {"created_at", "definition"}
    assert set(one["attributes"]["definition"]) == {"name"}


@pytest.mark.parametrize(
    ("path", "parameters", "parameter"),
    [
        ("campaigns", {"fields__campaign": "nonsense"}, "fields[campaign]"),
        ("campaigns", {"fields__campaign": "created_at,definition.nonsense"}, "fields[campaign]"),
        ("campaigns", {"fields__campaign": "created_at.day"}, "fields[campaign]"),
        ("campaigns", {"fields__campaign": "status"}, "fields[campaign]"),
        ("campaigns", {"fields__campaign-message": "send_time"}, "fields[campaign-message]"),
        ("campaigns", {"fields__campaign-variation": "created"}, "fields[campaign-variation]"),
        ("campaign-messages", {"fields__campaign-variation": "created"}, "fields[campaign-variation]"),
        ("campaign-messages", {"fields__tag": "name"}, "fields[tag]"),
        ("metrics", {"fields__metric": "count"}, "fields[metric]"),
        (
            "campaigns",
            {"revision": LEGACY, "filter": EMAIL, "fields__campaign": "builder"},
            "fields[campaign]",
        ),
    ],
)
def test_fields_that_are_not_there_are_refused(acme, path, parameters, parameter):
    """Attributes that the type does not have, and types that the list does not give."""
    assert acme.refusal(path, **parameters)[::2] == (400, {"parameter": parameter})


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("campaigns", {"fields__campaign": "id,definition.send_settings,definition.name,updated_at"}),
        ("campaigns", {"fields__campaign-audience": "definition.included", "fields__tag": "name"}),
        (
            "campaign-messages",
            {"fields__campaign-message": "definition.send_options.send_times,definition.ab_test"},
        ),
        (
            "campaign-messages",
            {"revision": "2026-07-15.pre", "fields__campaign-variation": "definition.details.subject"},
        ),
        ("metrics", {"fields__metric": "integration.name", "fields__flow": "name"}),
        (
            "campaigns",
            {"revision": LEGACY, "filter": EMAIL, "fields__campaign": "status,send_strategy.method"},
        ),
    ],
)
def test_fields_that_are_there_are_taken(acme, path, parameters):
    """Whole attributes or members of them, of every type that the list gives."""
    assert acme.get(path, **parameters).status_code == 200


def test_the_betas_name_a_campaigns_tags_and_do_not_include_them(acme):
    """By Klaviyo's own OpenAPI document of 2026-07-15.pre, for the list and for one; the published revision does."""
    one = next(one for one in acme.account.world.all("campaign") if one["tags"])
    for path in ("campaigns", f"campaigns/{one['id']}"):
        assert acme.refusal(path, revision="2026-07-15.pre", include="tags")[::2] == (
            400,
            {"parameter": "include"},
        )
        assert acme.get(path, include="tags").status_code == 200
    shown = acme.data(f"campaigns/{one['id']}", revision="2026-07-15.pre", include="campaign-messages")
    assert "tags" in shown["relationships"]
    assert acme.ids(f"campaigns/{one['id']}/tags", revision="2026-07-15.pre") == one["tags"]


def test_a_legacy_message_has_the_shape_of_its_channel(start):
    """As in Klaviyo's OpenAPI document: a push says its notification_type, only an email has a label."""
    client = start(campaigns=0)
    for channel in ("email", "sms", "push"):
        client.account.change("new_campaign", channel=channel, status="draft")
    shown = {}
    for channel in ("email", "sms", "mobile_push"):
        asked = {"filter": f"equals(messages.channel,'{channel}')", "include": "campaign-messages"}
        document = client.get("campaigns", revision=LEGACY, **asked).json()
        shown[channel] = document["included"][0]["attributes"]["definition"]
        tracked = document["data"][0]["attributes"]["tracking_options"]
        assert (tracked is None) == (channel == "mobile_push")
        assert ("is_tracking_opens" in (tracked or {})) == (channel == "email")
    assert {channel: set(one) for channel, one in shown.items()} == {
        "email": {"channel", "label", "content"},
        "sms": {"channel", "content", "render_options"},
        "mobile_push": {"channel", "notification_type", "kv_pairs", "content", "options"},
    }
    assert shown["mobile_push"]["notification_type"] == "standard"
    push = next(one for one in client.account.world.all("campaign-variation") if "push_type" in str(one))
    client.account.change(
        "update", id=push["id"], set={"details": {"push_type": "silent", "kv_pairs": {"a": "b"}}}
    )
    asked = {"filter": "equals(messages.channel,'mobile_push')", "include": "campaign-messages"}
    silent = client.get("campaigns", revision=LEGACY, **asked).json()["included"][0]["attributes"][
        "definition"
    ]
    assert silent == {"channel": "mobile_push", "notification_type": "silent", "kv_pairs": {"a": "b"}}


@pytest.mark.parametrize("revision", [LEGACY, OMNI])
def test_each_campaign_has_an_estimate_of_its_recipients(acme, revision):
    """Which connectors ask for with each campaign; the same each time."""
    one = acme.ids("campaigns")[0]
    path = f"campaign-recipient-estimations/{one}"
    found = acme.data(path, revision=revision)
    assert (found["id"], found["type"]) == (one, "campaign-recipient-estimation")
    assert found["attributes"]["estimated_recipient_count"] > 0
    assert acme.data(path, revision=revision) == found
    assert acme.refusal("campaign-recipient-estimations/nosuch")[0] == 404
    assert acme.refusal(path, sort="id")[::2] == (400, {"parameter": "sort"})


def test_half_a_character_is_served_as_the_escape_that_it_is(start):
    """Not a page that breaks from then on."""
    client = start(campaigns=1)
    client.account.change("update", id=client.ids("campaigns")[0], set={"name": "\ud83d"})
    answer = client.get("campaigns")
    assert answer.status_code == 200
    assert "\\ud83d" in answer.text


def test_a_cursor_is_of_one_list_of_one_revision(acme):
    """Elsewhere it would begin at a place that means nothing."""
    link = acme.get("campaigns", page__size="5", sort="id").json()["links"]["next"]
    cursor = link.partition("page%5Bcursor%5D=")[2].replace("%3D", "=")
    given = {"page__size": "5", "sort": "id", "page__cursor": cursor}
    assert acme.get("campaigns", **given).status_code == acme.get("campaigns/", **given).status_code == 200
    for path, revision in (("campaign-messages", OMNI), ("campaigns", "2026-07-15.pre")):
        refused = acme.refusal(path, revision=revision, **given)
        assert refused[::2] == (400, {"parameter": "page[cursor]"})


@pytest.mark.parametrize(
    "cursor",
    [
        {"of": "x", "after": 1, "page": "x"},
        {"of": "x", "after": [1], "page": 1},
        {"of": "x", "after": {"a": 1}, "page": 1},
        {"of": "x", "after": None, "page": True},
        {"of": 1, "after": None, "page": 1},
        {"of": "x", "after": None, "page": 1, "again": "x"},
        ["after"],
        7,
    ],
)
def test_a_cursor_of_a_strange_shape_is_refused(acme, cursor):
    """Whatever it decodes to."""
    text = base64.urlsafe_b64encode(json.dumps(cursor).encode()).decode()
    assert acme.refusal("campaigns", page__cursor=text)[::2] == (400, {"parameter": "page[cursor]"})


def test_single_legacy_records_take_what_their_lists_take(acme):
    """Messages and tags for a campaign, its campaign for a message; what only omni has is not there."""
    campaign = next(one for one in acme.account.world.all("campaign") if one["tags"])
    message = campaign["campaign-messages"][0]
    given = {"revision": LEGACY, "include": "campaign-messages,tags"}
    included = acme.get(f"campaigns/{campaign['id']}", **given).json()["included"]
    assert {one["type"] for one in included} == {"campaign-message", "tag"}
    above = acme.get(f"campaign-messages/{message}", revision=LEGACY, include="campaign").json()
    assert [one["id"] for one in above["included"]] == [campaign["id"]]
    for path, include in (
        (f"campaigns/{campaign['id']}", "campaign"),
        (f"campaigns/{campaign['id']}", "campaign-audiences"),
        (f"campaign-messages/{message}", "campaign-messages"),
        (f"campaign-messages/{message}", "campaign-variations"),
    ):
        refused = acme.refusal(path, revision=LEGACY, include=include)
        assert refused[::2] == (400, {"parameter": "include"})
    for path in (
        f"campaigns/{campaign['id']}/campaign-audiences",
        f"campaigns/{campaign['id']}/relationships/campaign-audiences",
        f"campaign-messages/{message}/campaign-variations",
    ):
        assert acme.refusal(path, revision=LEGACY)[0] == 404


@pytest.mark.parametrize("revision", [LEGACY, OMNI])
def test_every_link_of_a_record_leads_somewhere(acme, revision):
    """A relationship's own address gives types and ids, the related one the records: both of the same."""
    first = next(one for one in acme.account.world.all("campaign") if one["tags"])
    waiting, seen = [f"campaigns/{first['id']}"], set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for relationship in acme.data(path, revision=revision).get("relationships", {}).values():
            own, above = (
                acme.data(relationship["links"][name].partition("/api/")[2], revision=revision)
                for name in ("self", "related")
            )
            many, records = (one if isinstance(one, list) else [one] for one in (own, above))
            assert [set(one) for one in many] == [{"type", "id"}] * len(many)
            assert [(one["type"], one["id"]) for one in records] == [(one["type"], one["id"]) for one in many]
            waiting += [f"{one['type']}s/{one['id']}" for one in many]
    kinds = {path.partition("/")[0] for path in seen}
    omni = {"campaign-audiences", "campaign-variations"} if revision == OMNI else set()
    assert kinds == {"campaigns", "campaign-messages", "tags", *omni}


def test_a_relationship_that_is_none_is_not_found(acme):
    """Nor one of a record that is not there; the addresses take no more than they have."""
    one = acme.ids("campaigns")[0]
    for path in (
        f"campaigns/{one}/relationships/campaign-variations",
        f"campaigns/{one}/campaign",
        f"campaigns/{one}/relationships",
        f"campaigns/{one}/relationships/tags/more",
        "campaigns/nobody/relationships/tags",
        "metrics/RESQ6t/relationships/tags",
    ):
        assert acme.refusal(path)[0] == 404
    assert acme.refusal(f"campaigns/{one}/relationships/tags", fields__tag="name")[0] == 400
    assert acme.refusal(f"campaigns/{one}/tags", sort="name")[0] == 400
    link = acme.get("campaigns", page__size="5").json()["links"]["next"]
    cursor = link.partition("page%5Bcursor%5D=")[2].replace("%3D", "=")
    for path in ("campaign-messages", "relationships/campaign-messages"):
        assert acme.refusal(f"campaigns/{one}/{path}", page__cursor=cursor)[0] == 400


def test_the_account_is_a_list_of_one_and_a_record(acme):
    """By its id; another one is not found. Its fields can be chosen."""
    (listed,) = acme.data("accounts")
    assert acme.data("accounts/ACME01") == listed
    assert acme.refusal("accounts/OTHER1")[0] == 404
    assert acme.refusal("accounts/ACME01/more")[0] == 404
    assert acme.data("accounts", fields__account="timezone")[0]["attributes"] == {"timezone": "Europe/Paris"}
    assert acme.data("accounts/ACME01", fields__account="locale")["attributes"] == {"locale": "en-US"}
    for given in ({"fields__account": "nonsense"}, {"sort": "id"}):
        assert acme.refusal("accounts", **given)[0] == 400


def test_metrics_are_found_by_their_integration(acme):
    """By its name or category, and by nothing else."""
    assert acme.ids("metrics", filter='equals(integration.name,"Shopify")') == ["RESQ6t"]
    assert len(acme.ids("metrics", filter='equals(integration.category,"Internal")')) == 2
    assert acme.ids("metrics", filter='equals(integration.name,"Nobody")') == []
    for refused in ('equals(name,"Placed Order")', 'contains(integration.name,"Shop")'):
        assert acme.refusal("metrics", filter=refused)[::2] == (400, {"parameter": "filter"})


def _value(one, name):
    if name == "id":
        return one["id"]
    attributes = one["attributes"]
    found = attributes.get(name) or attributes["definition"][name]
    return datetime.fromisoformat(found) if name.endswith("_at") else found
