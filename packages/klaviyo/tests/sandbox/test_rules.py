"""Klaviyo's other rules: who may ask, how often, and what a report takes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from weathervane.klaviyo.sandbox import REVISIONS
from weathervane.klaviyo.sandbox._limits import Limits
from weathervane.klaviyo.sandbox._problems import RefusalError

from .conftest import EMAIL, LEGACY, OMNI, refusal_of


@pytest.mark.parametrize("key", ["pk_other", "pk_"])
def test_a_wrong_key_is_refused(acme, key):
    """401, as JSON:API."""
    assert acme.refusal("campaigns", key=key)[0] == 401
    assert refusal_of(acme.http.get("/api/campaigns", headers={"revision": OMNI}))[0] == 401


def test_a_key_without_the_scope_is_refused(start):
    """403, which names the scope."""
    client = start(scopes=("accounts:read",))
    assert client.get("accounts").status_code == 200
    status, detail, _ = client.refusal("campaigns")
    assert (status, "campaigns:read" in detail) == (403, True)
    assert refusal_of(client.report())[0] == 403


def test_tags_need_their_own_scope_wherever_they_are_asked_for(start):
    """As an include, as what hangs below a campaign, and by type and id alone."""
    client = start(scopes=("campaigns:read",))
    one = client.ids("campaigns")[0]
    for path, given in (
        ("campaigns", {"include": "campaign-messages,tags"}),
        (f"campaigns/{one}", {"include": "tags"}),
        (f"campaigns/{one}/tags", {}),
        (f"campaigns/{one}/relationships/tags", {}),
    ):
        status, detail, _ = client.refusal(path, **given)
        assert (status, "tags:read" in detail) == (403, True)
    client = start(scopes=("tags:read",))
    assert "campaigns:read" in client.refusal(f"campaigns/{one}/tags")[1]


def test_an_access_token_is_as_good_as_a_key(start):
    """OAuth."""
    client = start(access_token="at_1")
    headers = {"Authorization": "Bearer at_1", "revision": OMNI}
    assert client.http.get("/api/campaigns", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "revision", ["", "latest", "15-10-2026", "2026-08-01", "2026-10-15.pre", "2027-01-15"]
)
def test_a_revision_that_there_never_was_is_refused(acme, revision):
    """Stricter than life, on purpose: a client that forgets it or makes it up is found out."""
    status, _, source = acme.refusal("campaigns", revision=revision)
    assert (status, source) == (400, {"parameter": "revision"})


def test_a_retired_revision_is_gone(acme):
    """410, as v1 and v2 are."""
    assert acme.refusal("campaigns", revision="2024-10-15")[0] == 410


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_every_legacy_revision_of_the_last_two_years_is_served(acme, revision):
    """In one shape, whether stable or deprecated; deprecated ones have no header that says so."""
    answer = acme.get("campaigns", revision=revision, filter=EMAIL, include="campaign-messages")
    last = acme.get("campaigns", revision=LEGACY, filter=EMAIL, include="campaign-messages")
    assert answer.status_code == 200
    assert answer.json() == last.json()
    assert answer.headers.keys() == last.headers.keys()


def test_legacy_campaigns_are_found_by_id_since_october_2025(acme):
    """As 21.0.0 of Klaviyo's own SDK has it, and 20.0.0 does not."""
    one = acme.ids("campaigns", revision=LEGACY, filter=EMAIL)[0]
    given = {"filter": f'{EMAIL},any(id,["{one}"])'}
    assert acme.ids("campaigns", revision="2025-10-15", **given) == [one]
    assert acme.refusal("campaigns", revision="2025-07-15", **given)[0] == 400


def test_a_revision_ends_two_years_after_it_began(start):
    """By the account's own clock."""
    client = start(now=datetime(2027, 1, 14, 23, 59, 59, tzinfo=UTC))
    assert client.get("campaigns", revision="2025-01-15", filter=EMAIL).status_code == 200
    client.account.advance(1)
    assert client.refusal("campaigns", revision="2025-01-15", filter=EMAIL)[0] == 410
    assert client.get("campaigns", revision="2025-04-15", filter=EMAIL).status_code == 200


@pytest.mark.parametrize("revision", ["2026-04-15.pre", "2026-07-15.pre"])
def test_the_betas_have_the_omni_model(acme, revision):
    """With variations in the list of messages, which the published revision does not take."""
    assert acme.ids("campaigns", revision=revision) == acme.ids("campaigns")
    included = acme.get("campaign-messages", revision=revision, include="campaign-variations").json()[
        "included"
    ]
    assert {one["type"] for one in included} == {"campaign-variation"}
    assert acme.refusal("campaign-messages", include="campaign-variations")[0] == 400


def test_every_answer_tells_of_the_minute_and_a_refused_one_of_the_wait(start):
    """RateLimit headers unless 429, which has Retry-After and none of them."""
    client = start(quota_factor=1)
    answer = client.get("campaigns")
    assert answer.headers["ratelimit-limit"] == "150"
    assert answer.headers["ratelimit-remaining"] == "149"
    assert 1 <= int(answer.headers["ratelimit-reset"]) <= 60
    answers = [client.report() for _ in range(4)]
    throttled = next(one for one in answers if one.status_code == 429)
    assert int(throttled.headers["retry-after"]) >= 1
    assert not [name for name in throttled.headers if name.startswith("ratelimit")]
    assert refusal_of(throttled)[1].startswith("Request was throttled. Expected available in")


def test_a_refused_answer_tells_of_the_minute_too(start):
    """Whoever was not admitted sees what is left, and has spent nothing of it."""
    client = start(quota_factor=1, scopes=("campaigns:read",))
    # A clock that stands, so that no window ends on the way.
    client.account.limits = Limits(1, lambda: 100.0)
    client.get("campaigns")
    refused = [
        (401, client.get("campaigns", key="pk_other")),
        (400, client.get("campaigns", revision="")),
        (410, client.get("campaigns", revision="2024-10-15")),
        (403, client.get("campaigns", include="tags")),
    ]
    for status, answer in refused:
        assert answer.status_code == status
        assert (answer.headers["ratelimit-limit"], answer.headers["ratelimit-remaining"]) == ("150", "149")
        assert answer.headers["ratelimit-reset"] == "20"
    assert client.get("campaigns", sort="nonsense").headers["ratelimit-remaining"] == "148"
    client.account.faults.add("throttled")
    throttled = client.get("campaigns")
    assert throttled.status_code == 429
    assert not [name for name in throttled.headers if name.startswith("ratelimit")]


@pytest.mark.parametrize("path", ["v2/lists", "v1/campaigns", "v1", "v2/list/ABC/members"])
def test_the_apis_without_revisions_are_gone(acme, path):
    """410, with or without a revision; by whichever key."""
    for given in ({}, {"revision": ""}, {"key": "pk_other"}):
        answer = acme.get(path, **given)
        assert refusal_of(answer)[0] == 410
        assert "ratelimit-limit" in answer.headers
    assert acme.refusal("v3/lists")[0] == 404


def test_windows_are_fixed_and_counted_by_endpoint():
    """Ten a second, 150 a minute; a report 1, 2 and 225 a day; another endpoint has its own count."""
    clock = [0.0]
    limits = Limits(1, lambda: clock[0])
    for _ in range(10):
        limits.spend("M", "campaigns")
    with pytest.raises(RefusalError, match="in 1 second\\."):
        limits.spend("M", "campaigns")
    assert limits.spend("M", "campaign-messages")["RateLimit-Remaining"] == "149"
    for second in range(1, 15):
        clock[0] = second
        for _ in range(10):
            limits.spend("M", "campaigns")
    clock[0] = 15
    with pytest.raises(RefusalError, match="in 45 seconds"):
        limits.spend("M", "campaigns")
    for number in range(225):
        clock[0] = 60 * (1 + number // 2) + number % 2
        limits.spend("report", "reports")
    clock[0] += 60
    with pytest.raises(RefusalError, match="throttled") as caught:
        limits.spend("report", "reports")
    assert int(caught.value.headers["Retry-After"]) == 86_400 - int(clock[0])


def test_a_report_is_one_aggregate_per_campaign_message_and_channel(acme):
    """Counts as floats, dated by the sending; parts of a window add up to the whole."""
    results = acme.report().json()["data"]["attributes"]["results"]
    assert results
    keys = [tuple(one["groupings"].values()) for one in results]
    assert len(set(keys)) == len(keys)
    assert {type(value) for one in results for value in one["statistics"].values()} == {float}
    frames = [("07-01T00", "08-15T23"), ("08-16T00", "09-30T23")]
    parts = [
        acme.report(timeframe={"start": f"2026-{first}:00:00", "end": f"2026-{last}:00:00"}).json()
        for first, last in frames
    ]
    assert [one for part in parts for one in part["data"]["attributes"]["results"]] == results


def test_the_window_is_meant_in_the_accounts_time_zone(start):
    """An offset is ignored; the end reaches to the last second of its hour."""
    client = start(timezone="Asia/Tokyo")
    one = client.account.truth("klaviyo_campaign_reports")[0]
    message = client.account.world.find("campaign-message", one["groupings"]["campaign_message_id"])
    message["attributes"]["definition"]["send_options"]["send_time"] = "2026-08-01T15:59:30+00:00"
    for start_, end, wanted in (
        ("2026-08-02T00:00:00", "2026-08-02T00:00:00", True),
        ("2026-08-02T00:00:00+05:00", "2026-08-02T00:00:00+05:00", True),
        ("2026-08-02T01:00:00", "2026-08-02T23:00:00", False),
    ):
        found = client.report(timeframe={"start": start_, "end": end}).json()["data"]["attributes"]["results"]
        ids = [one["groupings"]["campaign_message_id"] for one in found]
        assert (message["id"] in ids) is wanted


@pytest.mark.parametrize(
    ("attributes", "pointer"),
    [
        ({"statistics": ["nonsense"]}, "statistics"),
        ({"statistics": []}, "statistics"),
        ({"conversion_metric_id": None}, "conversion_metric_id"),
        ({"timeframe": {"key": "forever"}}, "timeframe"),
        ({"timeframe": {"start": "2025-01-01T00:00:00", "end": "2026-01-01T00:00:00"}}, "timeframe"),
        ({"timeframe": {"start": "2026-02-01T00:00:00", "end": "2026-01-01T00:00:00"}}, "timeframe"),
        ({"group_by": ["campaign_id"]}, "group_by"),
        ({"group_by": ["campaign_id", "campaign_message_id", "flow_id"]}, "group_by"),
        ({"group_by": 7}, "group_by"),
        ({"group_by": [["campaign_id"]]}, "group_by"),
        ({"timeframe": {"key": ["today"]}}, "timeframe"),
        ({"timeframe": {"start": "2026-02-30", "end": "2026-03-01"}}, "timeframe"),
        ({"filter": 'equals(group,"x")'}, "filter"),
        ({"filter": 'equals(send_channel,"mobile_push")'}, "filter"),
        ({"filter": 'equals(send_channel,"email"),equals(send_channel,"sms")'}, "filter"),
        ({"page": 2}, "page"),
    ],
)
def test_a_report_that_is_no_good_is_refused(acme, attributes, pointer):
    """400, with a pointer to the member."""
    status, _, source = refusal_of(acme.report(**attributes))
    assert (status, source) == (400, {"pointer": f"/data/attributes/{pointer}"})


def test_a_report_of_the_end_of_time_is_empty(acme):
    """And nothing hangs below the endpoint."""
    answer = acme.report(timeframe={"start": "9999-01-01", "end": "9999-12-30"})
    assert answer.json()["data"]["attributes"]["results"] == []
    assert refusal_of(acme.report("/api/campaign-values-reports/1"))[0] in (404, 405)
    assert acme.refusal("campaign-values-reports")[0] == 405


def test_an_unknown_metric_is_not_found(acme):
    """Each account has its own ids."""
    assert refusal_of(acme.report(conversion_metric_id="NOSUCH"))[0] == 404


def test_a_report_can_be_of_one_channel(acme):
    """Reports have their own word for push."""
    for channel in ("email", "push-notification"):
        found = acme.report(filter=f'equals(send_channel,"{channel}")').json()["data"]["attributes"][
            "results"
        ]
        assert {one["groupings"]["send_channel"] for one in found} == {channel}


def test_a_report_may_have_pages(start):
    """By `page_cursor`, which is of one request; put together they are the report."""
    client = start(campaigns=60, report_page_size=7)
    whole = start(campaigns=60).report().json()["data"]["attributes"]["results"]
    answer = client.report()
    first, found = answer.json()["links"]["next"], []
    while True:
        document = answer.json()
        found += document["data"]["attributes"]["results"]
        if document["links"]["next"] is None:
            break
        assert "page_cursor=" in document["links"]["next"]
        answer = client.report(document["links"]["next"])
    assert len(found) > 7
    assert found == whole
    assert refusal_of(client.report(first, statistics=["opens"]))[::2] == (400, {"parameter": "page_cursor"})
    assert client.refusal("campaigns", page_cursor="x")[::2] == (400, {"parameter": "page_cursor"})
    for wrong in ("page_cursor=x", "page%5Bcursor%5D=x", "sort=id", "fields%5Bcampaign-values-report%5D=x"):
        assert refusal_of(client.report(f"/api/campaign-values-reports?{wrong}"))[0] == 400
    sparse = "/api/campaign-values-reports?fields%5Bcampaign-values-report%5D=results"
    assert client.report(sparse).json()["data"]["attributes"]["results"] == whole[:7]


@pytest.mark.parametrize(
    ("key", "first", "last"),
    [
        ("today", "2026-10-31T23:00:00", "2026-11-01T06:00:00"),
        ("yesterday", "2026-10-30T23:00:00", "2026-10-31T22:59:59"),
        ("this_week", "2026-10-25T23:00:00", "2026-11-01T06:00:00"),
        ("last_week", "2026-10-18T22:00:00", "2026-10-25T22:59:59"),
        ("this_month", "2026-10-31T23:00:00", "2026-11-01T06:00:00"),
        ("last_month", "2026-09-30T22:00:00", "2026-10-31T22:59:59"),
        ("this_year", "2025-12-31T23:00:00", "2026-11-01T06:00:00"),
        ("last_year", "2024-12-31T23:00:00", "2025-12-31T22:59:59"),
        ("last_7_days", "2026-10-25T23:00:00", "2026-11-01T06:00:00"),
        ("last_30_days", "2026-10-02T22:00:00", "2026-11-01T06:00:00"),
        ("last_90_days", "2026-08-03T22:00:00", "2026-11-01T06:00:00"),
        ("last_365_days", "2025-11-01T23:00:00", "2026-11-01T06:00:00"),
        ("last_3_months", "2026-07-31T22:00:00", "2026-10-31T22:59:59"),
        ("last_12_months", "2025-10-31T23:00:00", "2026-10-31T22:59:59"),
    ],
)
def test_a_window_has_a_key_too(start, key, first, last):
    """In the account's time zone, on the Sunday 1 November 2026, 07:00 in Paris; both ends belong to it."""
    client = start(campaigns=1)
    (message,) = client.account.world.all("campaign-message")
    options = message["attributes"]["definition"]["send_options"]
    for moment, by, wanted in ((first, -1, False), (first, 0, True), (last, 0, True), (last, 1, False)):
        at = datetime.fromisoformat(f"{moment}+00:00") + timedelta(seconds=by)
        options["send_time"] = at.isoformat()
        found = client.report(timeframe={"key": key}).json()["data"]["attributes"]["results"]
        assert bool(found) is wanted, options["send_time"]


GROUPS = ("campaign_id", "campaign_message_id")


@pytest.mark.parametrize(
    "more",
    [
        [],
        ["send_channel"],
        ["campaign_message_name"],
        ["variation"],
        ["send_channel", "variation_name", "text_message_format"],
    ],
)
def test_groups_without_lists_add_up_to_the_whole(acme, more):
    """However finely a report is cut; rates are of the group's own counts."""
    statistics = ["recipients", "delivered", "conversions", "conversion_value", "delivery_rate"]
    results, whole = (
        acme.report(group_by=list(GROUPS) + groups, statistics=statistics).json()["data"]["attributes"][
            "results"
        ]
        for groups in (more, ["send_channel"])
    )
    assert {tuple(one["groupings"]) for one in results} == {(*GROUPS, *more)}
    for name in statistics[:4]:
        totals = [sum(one["statistics"][name] for one in found) for found in (results, whole)]
        assert totals[0] == pytest.approx(totals[1])
    for one in (row["statistics"] for row in results):
        assert one["delivery_rate"] == pytest.approx(one["delivered"] / one["recipients"], abs=1e-6)
    if "variation" in more:
        messages = {one["groupings"]["campaign_message_id"] for one in whole}
        world = acme.account.world
        variations = [
            one
            for message in messages
            for one in world.records["campaign-message"][message]["campaign-variations"]
        ]
        assert sorted(one["groupings"]["variation"] for one in results) == sorted(variations)
        assert len(variations) > len(messages)


def test_a_campaign_counts_whole_in_each_of_its_tags_and_lists(start):
    """So those groups are not to be added up; without any it is in one without a name."""
    client = start()
    world = client.account.world
    message = client.report().json()["data"]["attributes"]["results"][0]["groupings"]["campaign_message_id"]
    campaign = world.campaign_of(world.records["campaign-message"][message])
    campaign["tags"] = sorted(world.records["tag"])
    audience = world.children(campaign, "campaign-audiences")[0]["attributes"]["definition"]
    audience["included"] = ["Y6nRLr", "Xy12Ab"]
    names = {one["id"]: one["attributes"]["name"] for one in world.all("tag")}
    for groups, wanted in (
        (["tag_id", "tag_name"], set(names.items())),
        (["tag_name"], {(one,) for one in names.values()}),
        (["group"], {("Y6nRLr",), ("Xy12Ab",)}),
        (["tag_name", "group"], {(tag, group) for tag in names.values() for group in audience["included"]}),
    ):
        results = client.report(group_by=list(GROUPS) + groups).json()["data"]["attributes"]["results"]
        its = [one for one in results if one["groupings"]["campaign_id"] == campaign["id"]]
        assert {tuple(list(one["groupings"].values())[2:]) for one in its} == wanted
        assert len({one["statistics"]["recipients"] for one in its}) == 1
    campaign["tags"] = []
    results = client.report(group_by=[*GROUPS, "tag_id"]).json()["data"]["attributes"]["results"]
    its = [one for one in results if one["groupings"]["campaign_id"] == campaign["id"]]
    assert [one["groupings"]["tag_id"] for one in its] == [None]


@pytest.mark.parametrize(
    "name", ["campaign_message_name", "variation", "variation_name", "text_message_format"]
)
def test_a_report_is_filtered_by_what_it_is_grouped_by(acme, name):
    """One value or any of several; nothing else is in it."""
    asked = {"group_by": [*GROUPS, name]}
    every = acme.report(**asked).json()["data"]["attributes"]["results"]
    values = [one["groupings"][name] for one in every if one["groupings"][name] is not None]
    for written in (f'equals({name},"{values[0]}")', f'contains-any({name},["{values[0]}","nothing"])'):
        found = acme.report(**asked, filter=written).json()["data"]["attributes"]["results"]
        assert found == [one for one in every if one["groupings"][name] == values[0]]
    assert refusal_of(acme.report(filter=f'contains-all({name},["x"])'))[0] == 400


def test_tags_are_filtered_as_lists(start):
    """Any of them, or all of them; by id or by name."""
    client = start()
    world = client.account.world
    first, second = sorted(world.records["tag"])
    names = [world.records["tag"][one]["attributes"]["name"] for one in (first, second)]
    sent = [
        one["groupings"]["campaign_id"] for one in client.report().json()["data"]["attributes"]["results"]
    ]
    for campaign in world.all("campaign"):
        campaign["tags"] = []
    world.records["campaign"][sent[0]]["tags"] = [first, second]
    world.records["campaign"][sent[-1]]["tags"] = [second]
    for field, (one, other) in (("tag_id", (first, second)), ("tag_name", names)):
        for written, wanted in (
            (f'contains-any({field},["{other}"])', {sent[0], sent[-1]}),
            (f'contains-any({field},["{one}","nothing"])', {sent[0]}),
            (f'contains-all({field},["{one}","{other}"])', {sent[0]}),
        ):
            found = client.report(filter=written).json()["data"]["attributes"]["results"]
            assert {row["groupings"]["campaign_id"] for row in found} == wanted
        refused = refusal_of(client.report(filter=f'equals({field},"{one}")'))
        assert refused[::2] == (400, {"pointer": "/data/attributes/filter"})
