"""Klaviyo's other rules: who may ask, how often, and what a report takes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from weathervane.klaviyo.sandbox import REVISIONS
from weathervane.klaviyo.sandbox.limits import Limits
from weathervane.klaviyo.sandbox.problems import RefusalError

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
        ({"filter": 'equals(send_channel,"mobile_push")'}, "filter"),
        ({"filter": 'equals(send_channel,"email"),equals(send_channel,"sms")'}, "filter"),
        ({"page": 2}, "page"),
    ],
)
def test_a_report_that_is_no_good_is_refused(acme, attributes, pointer):
    """400, with a pointer to the member."""
    status, _, source = refusal_of(acme.report(**attributes))
    assert (status, source) == (400, {"pointer": f"/data/attributes/{pointer}"})


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
