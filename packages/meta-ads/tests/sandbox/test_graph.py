"""Paths, versions, tokens, nodes and edges: the Graph API as a client finds it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from facebook_business.adobjects.ad import Ad
from facebook_business.adobjects.adaccount import AdAccount
from facebook_business.adobjects.adset import AdSet
from facebook_business.adobjects.campaign import Campaign

from weathervane.meta_ads.sandbox import DEFAULT_ACCOUNTS
from weathervane.meta_ads.sandbox._errors import ERROR_FAULTS
from weathervane.meta_ads.sandbox._meta import proof

from .conftest import EUROPE, JAPAN, TOKEN, WEST, days


def test_a_token_sees_its_accounts(meta):
    """Each with its bare number, currency and time zone; the id has act_ before it."""
    found = meta.ok("/v26.0/me/adaccounts", fields="account_id,currency,timezone_name,account_status")["data"]
    assert [(one["account_id"], one["currency"], one["timezone_name"]) for one in found] == [
        (one.id, one.currency, one.timezone) for one in DEFAULT_ACCOUNTS
    ]
    assert [one["id"] for one in found] == [f"act_{EUROPE}", f"act_{JAPAN}", f"act_{WEST}"]


@pytest.mark.parametrize("path", ["/v26.0/me", "/v26.0/me/", "/v25.0/me", "/me"])
def test_paths_are_taken_with_and_without_a_slash_at_the_end(meta, path):
    """The official SDK polls with one. Both live versions answer, and so does no version."""
    assert meta.ok(path)["id"] == "100011"


@pytest.mark.parametrize("version", ["v19.0", "v24.0", "v27.0"])
def test_a_dead_version_is_refused(meta, version):
    """2635, whatever is asked."""
    assert meta.error(f"/{version}/me/adaccounts") == (2635, None)


def test_a_token_is_taken_from_header_query_and_form(meta):
    """In all the places where clients put it, and nowhere else."""
    path = "/v26.0/me"
    plain = {"Authorization": ""}
    assert meta.http.get(path, headers=plain, params={"access_token": TOKEN}).status_code == 200
    assert meta.http.get(path, headers={"Authorization": f"OAuth {TOKEN}"}).status_code == 200
    assert meta.http.post(path, headers=plain, data={"access_token": TOKEN}).status_code == 200
    assert meta.http.get(path, headers=plain).json()["error"]["code"] == 104
    assert meta.http.get(path, headers={"Authorization": "Bearer nobody"}).json()["error"]["code"] == 190


def test_an_app_may_require_the_proof(start):
    """Missing and wrong proofs are code 100 of GraphMethodException; the right one is the known HMAC."""
    client = start(require_proof=True, app_secret="secret", access_token="TOK")
    client.http.headers["Authorization"] = "Bearer TOK"
    known = "921e418a9249475492c5c76dde886efe36a783a107dba8a6d3be70bd6c4e8426"
    assert proof("secret", "TOK") == known
    assert client.ok("/v26.0/me", appsecret_proof=known)["id"]
    for given in ({}, {"appsecret_proof": "0" * 64}):
        error = client.get("/v26.0/me", **given).json()["error"]
        assert (error["code"], error["type"]) == (100, "GraphMethodException")
        assert "appsecret_proof" in error["message"]


def test_an_account_that_is_not_the_tokens_is_refused(start):
    """By code 200; the token's own account goes on."""
    client = start(tokens=(("EAAone", (EUROPE,)),))
    client.http.headers["Authorization"] = "Bearer EAAone"
    assert [one["account_id"] for one in client.ok("/v26.0/me/adaccounts", fields="account_id")["data"]] == [
        EUROPE
    ]
    assert client.error(f"/v26.0/act_{JAPAN}", fields="name") == (200, None)
    assert client.error(f"/v26.0/act_{JAPAN}/insights") == (200, None)
    assert client.ok(f"/v26.0/act_{EUROPE}", fields="name")["name"] == "Acme Europe"


def test_an_unknown_field_or_object_is_an_error(meta):
    """The message says which."""
    answer = meta.get(f"/v26.0/act_{EUROPE}", fields="colour").json()["error"]
    assert (answer["code"], "nonexisting field (colour)" in answer["message"]) == (100, True)
    assert meta.error("/v26.0/123456") == (100, 33)
    assert meta.error(f"/v26.0/act_{EUROPE}/colours") == (2500, None)


def test_objects_are_listed_without_deleted_ones_unless_they_are_asked_for(meta):
    """As at Meta: DELETED must be named in a filter or in effective_status."""
    path = f"/v26.0/act_{EUROPE}/campaigns"
    plain = meta.rows(path, fields="id,effective_status")
    assert [one["effective_status"] for one in plain] == ["ACTIVE", "ACTIVE"]
    condition = {"field": "campaign.effective_status", "operator": "IN", "value": ["ACTIVE", "DELETED"]}
    assert len(meta.rows(path, fields="id", filtering=[condition])) == 3
    assert len(meta.rows(path, fields="id", effective_status=["DELETED"])) == 1
    adsets = meta.rows(f"/v26.0/{plain[0]['id']}/adsets", fields="id,campaign_id,effective_status")
    assert {one["campaign_id"] for one in adsets} == {plain[0]["id"]}
    assert meta.ok(f"/v26.0/{adsets[0]['id']}", fields="name")["name"].startswith("Ad set")


def test_objects_are_chosen_by_what_is_above_them(meta):
    """A condition is held against the object of its own level; one on metrics has no place here."""
    account = f"/v26.0/act_{EUROPE}"
    campaign = meta.rows(f"{account}/campaigns", fields="id")[0]["id"]
    above = [{"field": "campaign.id", "operator": "IN", "value": [campaign]}]
    for edge in ("adsets", "ads"):
        found = meta.rows(f"{account}/{edge}", fields="id,campaign_id", filtering=above)
        assert {one["campaign_id"] for one in found} == {campaign}
        assert found == meta.rows(f"/v26.0/{campaign}/{edge}", fields="id,campaign_id")
    active = [{"field": "effective_status", "operator": "IN", "value": ["ACTIVE"]}]
    assert 0 < len(meta.rows(f"{account}/ads", filtering=active)) < len(meta.rows(f"{account}/ads"))
    for field, operator, value in (("spend", "GREATER_THAN", 0), ("ad.id", "IN", ["1"])):
        refused = [{"field": field, "operator": operator, "value": value}]
        assert meta.error(f"{account}/campaigns", filtering=refused) == (100, None)


def test_an_edge_has_one_name(meta):
    """`campaign` is none."""
    assert meta.error(f"/v26.0/act_{EUROPE}/campaign") == (2500, None)


@pytest.mark.parametrize(
    ("path", "kind"), [("campaigns", Campaign), ("adsets", AdSet), ("ads", Ad), (None, AdAccount)]
)
def test_every_field_of_the_official_sdk_is_one(meta, path, kind):
    """One that the pretend world does not model is absent, as one without a value is; a sub-selection names it too."""
    node = f"act_{EUROPE}"
    node = node if path is None else meta.rows(f"/v26.0/{node}/{path}", fields="id")[0]["id"]
    known = [value for name, value in vars(kind.Field).items() if not name.startswith("_")]
    assert len(known) >= 50
    found = meta.ok(f"/v26.0/{node}", fields=",".join(known))
    assert {"id", "name", "created_time"} <= found.keys() <= set(known)
    assert meta.ok(f"/v26.0/{node}", fields=known) == found
    some = meta.ok(f"/v26.0/{node}", fields="name,created_time{a,b{c,d}},id")
    assert some.keys() == {"id", "name", "created_time"}


@pytest.mark.parametrize(
    ("level", "path", "older", "newer"),
    [
        (None, "insights", "marketing_messages_website_purchase", "shop_clicks"),
        ("adset", "adsets", "daily_imps", "ad_set_goal"),
        ("ad", "ads", "", "creative_automation_spec"),
        ("campaign", "campaigns", "", "bid_constraints"),
    ],
)
def test_each_version_has_fields_of_its_own(meta, level, path, older, newer):
    """What facebook-business 25.0.1 has and 26.0.3 has not, and the other way round; no version is the oldest one."""
    more = {"time_range": days("2026-10-20")} if level is None else {}
    for version, known, unknown in (
        ("/v25.0", older, newer),
        ("", older, newer),
        ("/v26.0", newer, older),
    ):
        at = f"{version}/act_{EUROPE}/{path}"
        assert known == "" or meta.ok(at, fields=known, **more)["data"]
        assert unknown == "" or meta.error(at, fields=unknown, **more) == (100, None)


@pytest.mark.parametrize(
    ("version", "known"),
    [("v25.0", "marketing_messages_website_add_to_cart"), ("v26.0", "video_6_sec_watched_actions")],
)
def test_a_summary_and_a_sort_know_the_fields_of_their_version(meta, version, known):
    """As the rows do."""
    other = "v26.0" if version == "v25.0" else "v25.0"
    for asked in ({"summary": known}, {"sort": f"{known}_ascending"}):
        call = {"time_range": days("2026-10-20"), "fields": "spend", **asked}
        assert meta.ok(f"/{version}/act_{EUROPE}/insights", **call)["data"]
        assert meta.error(f"/{other}/act_{EUROPE}/insights", **call) == (100, None)


def test_an_account_says_its_number_unasked(meta):
    """As Airbyte and Singer read it: `account_id` beside `id`, of a list and of a node, also without any fields."""
    plain = {"account_id": EUROPE, "id": f"act_{EUROPE}"}
    assert meta.ok("/v26.0/me/adaccounts")["data"][0] == plain
    assert meta.ok(f"/v26.0/act_{EUROPE}") == plain
    assert meta.ok(f"/v26.0/act_{EUROPE}", fields="name").keys() == {"name", "id"}


@pytest.mark.parametrize("me", ["me", "100011"])
def test_me_is_a_user_with_lists(meta, me):
    """By its name and by its id; what it has none of is an empty list, and what is no list of a user's is refused."""
    assert meta.ok(f"/v26.0/{me}", fields="id") == {"id": "100011"}
    assert meta.error(f"/v26.0/{me}", fields="currency_of_dreams") == (100, None)
    for empty in ("business_users", "businesses", "accounts"):
        assert meta.ok(f"/v26.0/{me}/{empty}") == {"data": []}
    granted = meta.ok(f"/v26.0/{me}/permissions")["data"]
    assert {"permission": "ads_read", "status": "granted"} in granted
    assert meta.rows(f"/v26.0/{me}/assigned_ad_accounts") == meta.rows("/v26.0/me/adaccounts")
    assert meta.error(f"/v26.0/{me}/nonsense") == (2500, None)


def test_a_list_that_is_not_modelled_is_empty_and_one_that_there_is_none_of_is_refused(meta):
    """An account without images is none that breaks a connector's stream of them."""
    campaign = meta.rows(f"/v26.0/act_{EUROPE}/campaigns")[0]["id"]
    for path in (f"act_{EUROPE}/adcreatives", f"act_{EUROPE}/customconversions", f"{campaign}/copies"):
        assert meta.ok(f"/v26.0/{path}", fields="id,name") == {"data": []}
    for path in (f"{campaign}/campaigns", f"{campaign}/adimages", f"act_{EUROPE}/nonsense"):
        assert meta.error(f"/v26.0/{path}") == (2500, None)


def test_objects_are_chosen_by_their_delivery(meta):
    """As Singer's tap does; naming deleted ones brings them, and those above an object count as for its status."""
    path, whole = (
        f"/v26.0/act_{EUROPE}/ads",
        {"filtering": [_status(["ACTIVE", "DELETED", "ARCHIVED", *PAUSES])]},
    )
    ads = {one["id"]: one["effective_status"] for one in meta.rows(path, fields="effective_status", **whole)}
    assert "DELETED" in ads.values()
    for value, statuses in (
        ("active", {"ACTIVE"}),
        ("deleted", {"DELETED"}),
        ("archived", {"ARCHIVED"}),
        ("inactive", {*PAUSES}),
        ("recently_rejected", set()),
    ):
        chosen = {"field": "ad.delivery_info", "operator": "IN", "value": [value]}
        found = {one["id"] for one in meta.rows(path, filtering=[chosen])}
        assert found == {one for one, status in ads.items() if status in statuses}
    insights = {"level": "ad", "fields": "ad_id", "time_range": days("2026-10-20"), "limit": 100}
    gone = [{"field": "ad.delivery_info", "operator": "IN", "value": ["deleted"]}]
    found = {one["ad_id"] for one in meta.rows(f"/v26.0/act_{EUROPE}/insights", **insights, filtering=gone)}
    assert found
    assert {ads[one] for one in found} == {"DELETED"}


PAUSES = ("PAUSED", "ADSET_PAUSED", "CAMPAIGN_PAUSED")


def _status(values):
    return {"field": "ad.effective_status", "operator": "IN", "value": values}


def test_the_app_asks_what_a_token_is_by_a_batch(meta):
    """Whose calls travel in a body, so that no token stands in a URL; nobody else may ask, and the app no more."""
    call = {"method": "GET", "relative_url": f"debug_token?input_token={TOKEN}"}
    app = {"Authorization": "Bearer 1234567890|sandbox-secret"}
    found = meta.http.post("/v26.0", headers=app, data={"batch": json.dumps([call])}).json()
    assert json.loads(found[0]["body"])["data"]["is_valid"] is True
    own = meta.http.post("/v26.0", data={"batch": json.dumps([call])}).json()
    assert json.loads(own[0]["body"])["error"]["code"] == 190
    other = {"method": "GET", "relative_url": "me/adaccounts"}
    found = meta.http.post("/v26.0", headers=app, data={"batch": json.dumps([other])}).json()
    assert json.loads(found[0]["body"])["error"]["code"] == 190


def test_ids_are_beyond_what_a_float_can_hold(meta):
    """18 digits, as strings."""
    ids = [one["id"] for one in meta.meta.truth("ads")]
    assert all(isinstance(one, str) and int(one) > 2**53 for one in ids)
    assert len(set(ids)) == len(ids)


def test_a_batch_answers_each_call_by_itself(meta):
    """Codes, headers as a list, bodies as text; one that fails harms none; more than 50 are refused."""
    calls = [
        {"method": "GET", "relative_url": "v26.0/me?fields=id"},
        {"method": "GET", "relative_url": f"act_{EUROPE}/insights?time_increment=oops"},
        {
            "method": "POST",
            "relative_url": f"act_{EUROPE}/insights",
            "body": "level=account&date_preset=yesterday",
        },
    ]
    answers = meta.http.post("/v26.0", data={"batch": json.dumps(calls)}).json()
    assert [one["code"] for one in answers] == [200, 400, 200]
    assert "report_run_id" in json.loads(answers[2]["body"])
    assert {"name", "value"} == set(answers[0]["headers"][0])
    meta.meta.faults.add("batch_null", skip=1)
    answers = meta.http.post("/", data={"batch": json.dumps(calls[:2])}).json()
    assert (answers[0]["code"], answers[1]) == (200, None)
    older = [{"method": "GET", "relative_url": "v25.0/me"}]
    (answer,) = meta.http.post("/v26.0", data={"batch": json.dumps(older)}).json()
    assert {"name": "facebook-api-version", "value": "v25.0"} in answer["headers"]
    assert answer["code"] == 200
    for none in ("[", "{}", '["x"]'):
        assert meta.http.post("/", data={"batch": none}).json()["error"]["code"] == 100
    refused = meta.http.post("/", data={"batch": json.dumps(calls[:1] * 51)}).json()
    assert "Maximum batch size is 50" in refused["error"]["message"]


def test_tokens_are_exchanged_and_asked_about(start):
    """On every path that clients use; an expired token cannot be exchanged; only the app may ask about one."""
    client = start()
    app = {"client_id": "1234567890", "client_secret": "sandbox-secret"}
    exchange = {**app, "grant_type": "fb_exchange_token", "fb_exchange_token": TOKEN}
    long = client.ok("/v26.0/oauth/access_token", **exchange)
    assert long["expires_in"] == 60 * 86_400
    assert (
        client.http.post("/oauth/access_token/", data=exchange).json()["access_token"] != long["access_token"]
    )
    assert client.error("/oauth/access_token", **{**exchange, "fb_exchange_token": "dead"}) == (190, 463)
    token = client.ok("/oauth/access_token", **app, grant_type="client_credentials")["access_token"]
    asked = client.ok("/debug_token", input_token=long["access_token"], access_token=token)["data"]
    assert (asked["is_valid"], asked["scopes"][0]) == (True, "ads_read")
    assert asked["expires_at"] > 0
    assert not client.ok("/v26.0/debug_token", input_token="dead", access_token=token)["data"]["is_valid"]
    assert client.error("/debug_token", input_token=TOKEN, access_token=TOKEN)[0] == 190


def test_a_long_lived_token_ends_after_sixty_days(start):
    """At the moment that was said when it was made, however often one asks; it cannot be exchanged then (190/463)."""
    client = start()
    app = {"client_id": "1234567890", "client_secret": "sandbox-secret"}
    exchange = {**app, "grant_type": "fb_exchange_token"}
    long = client.ok("/oauth/access_token", **exchange, fb_exchange_token=TOKEN)["access_token"]
    ends = int(client.meta.now().timestamp()) + 60 * 86_400
    ask = {"input_token": long, "access_token": "1234567890|sandbox-secret"}
    client.http.headers["Authorization"] = f"Bearer {long}"
    client.meta.advance(59 * 86_400)
    found = client.ok("/debug_token", **ask)["data"]
    assert (found["expires_at"], found["is_valid"]) == (ends, True)
    assert client.ok("/v26.0/me")["id"]
    client.meta.advance(2 * 86_400)
    found = client.ok("/debug_token", **ask)["data"]
    assert (found["expires_at"], found["is_valid"], found["error"]["subcode"]) == (ends, False, 463)
    assert client.error("/v26.0/me") == (190, 463)
    assert client.error("/oauth/access_token", **exchange, fb_exchange_token=long) == (190, 463)
    client.http.headers["Authorization"] = f"Bearer {TOKEN}"
    assert client.ok("/v26.0/me")["id"]


@pytest.mark.parametrize("name", sorted(set(ERROR_FAULTS) - {"error"}))
def test_every_error_can_be_had(meta, name):
    """In the one envelope, with a trace id, and gone after it was told to come once."""
    meta.meta.faults.add(name)
    answer = meta.get(f"/v26.0/act_{EUROPE}/insights", date_preset="yesterday")
    assert answer.status_code >= 400
    error = answer.json()["error"]
    assert {"message", "type", "code", "fbtrace_id"} <= error.keys()
    assert str(error["code"]) in ERROR_FAULTS[name]
    assert "data" in meta.ok(f"/v26.0/act_{EUROPE}/insights", date_preset="yesterday")


def test_an_error_may_come_as_a_success_or_be_any_other(meta):
    """Status 200 with an error in it; and one that nobody listed."""
    meta.meta.faults.add("service_fault", http_200=True)
    assert meta.get("/v26.0/me").status_code == 200
    meta.meta.faults.add("error", code=12345, subcode=9, message="new", status=418)
    meta.meta.faults.clear("service_fault")
    answer = meta.get("/v26.0/me")
    assert (answer.status_code, answer.json()["error"]["code"]) == (418, 12345)


def test_faults_aim_at_an_account(meta):
    """One account is refused, another is not."""
    meta.meta.faults.add("permission", None, match={"account": EUROPE})
    assert meta.error(f"/v26.0/act_{EUROPE}/insights") == (200, None)
    assert meta.ok(f"/v26.0/act_{JAPAN}/insights", time_range=days("2026-10-30"))["data"]


def test_secrets_are_recorded_as_fingerprints_only(meta):
    """Wherever they stood."""
    meta.http.get("/v26.0/me", params={"access_token": TOKEN})
    meta.http.post("/v26.0/me", data={"access_token": TOKEN})
    told = json.dumps(meta.meta.recorder.as_dicts())
    assert TOKEN not in told
    assert "sha256:" in told


def test_removed_parameters_are_refused_and_from_a_day_on_in_every_version(start):
    """v26.0 came without `pretty`; v25.0 had it until 2026-10-27."""
    client = start(now=datetime(2026, 10, 26, tzinfo=UTC))
    assert client.error("/v26.0/me", pretty="1") == (100, None)
    assert client.ok("/v25.0/me", pretty="1")["id"]
    client.meta.advance(86_400)
    assert client.error("/v25.0/me", pretty="1") == (100, None)


def test_a_list_and_a_node_can_be_asked_for_within_another(meta):
    """Each level has its own fields, limit and next link, and holds what its own path answers."""
    account, version = f"act_{EUROPE}", "/v26.0"
    asked = "name,campaigns.limit(1){name,adsets.limit(1){campaign{name},ads.limit(1).as(first){id,adset}}}"
    found = meta.ok(f"{version}/{account}", fields=asked)
    assert found["id"] == account
    campaigns = meta.ok(f"{version}/{account}/campaigns", fields="name", limit="1")
    names = [(one["id"], one["name"]) for one in found["campaigns"]["data"]]
    assert names == [(one["id"], one["name"]) for one in campaigns["data"]]
    assert f"{version}/{account}/campaigns?" in found["campaigns"]["paging"]["next"]
    rest = meta.http.get(found["campaigns"]["paging"]["next"]).json()
    assert rest["data"]
    assert not {one["id"] for one in rest["data"]} & {one[0] for one in names}
    (adset,) = found["campaigns"]["data"][0]["adsets"]["data"]
    assert adset["campaign"] == {"id": names[0][0], "name": names[0][1]}
    assert [one["adset"] for one in adset["first"]["data"]] == [{"id": adset["id"]}]
    accounts = meta.ok(f"{version}/me", fields="adaccounts{campaigns{id}}")["adaccounts"]["data"]
    assert len(accounts) == len(DEFAULT_ACCOUNTS)


def test_insights_within_a_node_are_those_of_its_own_path(meta):
    """Modifiers are the parameters; their JSON may stand in single quotes."""
    given = days("2026-10-29", "2026-10-31")
    spent = meta.ok(f"/v26.0/act_{EUROPE}/insights", fields="spend", time_range=json.dumps(given))["data"]
    for text in (json.dumps(given), str(given)):
        fields = f"insights.time_range({text}){{spend}}"
        assert meta.ok(f"/v26.0/act_{EUROPE}", fields=fields)["insights"]["data"] == spent
    assert meta.ok(f"/v26.0/act_{EUROPE}/campaigns", fields="['id', 'name']")["data"][0]["name"]


def test_a_list_within_a_node_is_absent_when_it_is_empty(meta):
    """As Graph leaves out what has no members."""
    assert meta.ok(f"/v26.0/act_{EUROPE}", fields="name,adcreatives{id}").keys() == {"name", "id"}


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ("campaigns{colour}", (100, None)),
        ("campaigns{adsets{campaigns{id}}}", (100, None)),
        ("campaigns{id", (2500, None)),
        ("campaigns{id)", (2500, None)),
        ("campaigns.limit{id}", (2500, None)),
        ("{id}", (2500, None)),
        ("campaigns.limit(0){id}", (100, None)),
        ("campaigns{ads{campaign{ads{campaign{ads{campaign{ads{id}}}}}}}}", (1, None)),
    ],
)
def test_what_cannot_be_expanded_is_refused(meta, fields, error):
    """By the innermost node, by the reader, or because it would never end."""
    assert meta.error(f"/v26.0/act_{EUROPE}", fields=fields) == error
