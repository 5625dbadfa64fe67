"""Each way of failing, seen over a real socket; after it the vendor answers as before."""

from __future__ import annotations

import json

import httpx
import pytest

from weathervane.google_ads.sandbox import FAULTS

from .conftest import code_of

QUERY = (
    "SELECT campaign.id, segments.date, metrics.clicks FROM campaign WHERE segments.date DURING LAST_7_DAYS"
)
SEEN: set[str] = {"empty_array"}
"""Faults that were shown; `empty_array` is in test_api."""


@pytest.fixture
def arm(acme):
    """Arm a fault through the control routes, as a client of any language would."""

    def add(name: str, **more: object) -> None:
        SEEN.add(name)
        answer = acme.http.post("/_sandbox/faults", json={"name": name, **more})
        assert answer.status_code == 201, answer.text

    return add


def raw(client, **more):
    """An answer as it comes, held to nothing."""
    path = f"/v26/customers/{client.customer}/googleAds:searchStream"
    body = {"query": QUERY, "summaryRowSetting": "SUMMARY_ROW_WITH_RESULTS"}
    return client.http.post(path, json=body, headers={"login-customer-id": client.root}, **more)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("authenticationError.OAUTH_TOKEN_EXPIRED", 401),
        ("authenticationError.OAUTH_TOKEN_REVOKED", 401),
        ("authenticationError.NOT_ADS_USER", 401),
        ("authenticationError.CUSTOMER_NOT_FOUND", 401),
        ("authenticationError.ORGANIZATION_NOT_APPROVED", 403),
        ("authenticationError.ORGANIZATION_NOT_RECOGNIZED", 403),
        ("authorizationError.USER_PERMISSION_DENIED", 403),
        ("authorizationError.CUSTOMER_NOT_ENABLED", 403),
        ("authorizationError.CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION", 403),
        ("headerError.INVALID_LOGIN_CUSTOMER_ID", 400),
        ("queryError.UNRECOGNIZED_FIELD", 400),
        ("dateRangeError.REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED", 400),
        ("requestError.EXPIRED_PAGE_TOKEN", 400),
        ("quotaError.RESOURCE_EXHAUSTED", 429),
        ("quotaError.RESOURCE_TEMPORARILY_EXHAUSTED", 429),
        ("quotaError.EXCESSIVE_SHORT_TERM_QUERY_RESOURCE_CONSUMPTION", 429),
        ("internalError.INTERNAL_ERROR", 500),
        ("internalError.TRANSIENT_ERROR", 500),
        ("internalError.DEADLINE_EXCEEDED", 504),
    ],
)
@pytest.mark.parametrize("method", ["search", "searchStream"])
def test_every_error_of_the_api_can_be_had(acme, arm, code, status, method):
    """With its HTTP status, and strictly as the official GoogleAdsFailure."""
    arm("error", code=code, retry_delay="17941s", rate_scope="DEVELOPER")
    answer = acme.post(method, {"query": QUERY})
    assert (answer.status_code, code_of(answer)) == (status, code)
    assert acme.stream(QUERY)


def test_an_error_may_follow_good_chunks(acme, arm):
    """Status 200, rows, and then the failure in the same array."""
    arm("error_after_chunks", chunks=1)
    answer = acme.post("searchStream", {"query": QUERY})
    assert answer.status_code == 200
    assert answer.json()[0]["results"]
    assert code_of(answer) == "internalError.INTERNAL_ERROR"
    assert acme.stream(QUERY)


@pytest.mark.parametrize(
    ("code", "status"),
    [("CANCELLED", 499), ("ABORTED", 409), ("UNAVAILABLE", 503), ("SERVICE_DISABLED", 403)],
)
def test_the_front_end_knows_no_failure_of_the_api(acme, arm, code, status):
    """Its errors have a status and a sentence, alone or behind good chunks."""
    arm("error", code=code)
    answer = raw(acme)
    (told,) = answer.json()
    assert (answer.status_code, told["error"]["code"]) == (status, status)
    assert told["error"]["status"] == ("PERMISSION_DENIED" if status == 403 else code)
    assert ("details" in told["error"]) == (code == "SERVICE_DISABLED")
    arm("error_after_chunks", code=code)
    answer = raw(acme)
    assert answer.status_code == 200
    assert answer.json()[0]["results"]
    assert answer.json()[-1] == told


def test_an_array_may_not_be_closed(acme, arm):
    """HTTP calls the body whole; JSON does not."""
    arm("truncated")
    answer = raw(acme)
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    assert acme.stream(QUERY)


def test_a_body_may_be_cut(acme, arm):
    """The connection ends before the announced length."""
    arm("cut")
    with pytest.raises(httpx.RemoteProtocolError):
        raw(acme)
    assert acme.stream(QUERY)


def test_rows_may_be_missing_while_the_sum_has_them(acme, arm):
    """The most innocent way to lose data."""
    whole = raw(acme).json()
    arm("missing_rows", rows=2)
    short = raw(acme).json()
    assert (
        sum(len(one.get("results", ())) for one in short)
        == sum(len(one.get("results", ())) for one in whole) - 2
    )
    assert short[-1]["summaryRow"] == whole[-1]["summaryRow"]


def test_an_access_token_may_end_early(acme, arm):
    """It is worthless from then on; a new one is not."""
    arm("token_expired")
    assert acme.refused(QUERY) == (401, "authenticationError.OAUTH_TOKEN_EXPIRED")
    assert acme.refused(QUERY) == (401, "authenticationError.OAUTH_TOKEN_EXPIRED")
    acme.http.headers["Authorization"] = f"Bearer {acme.token()}"
    assert acme.stream(QUERY)


def test_the_token_endpoint_may_refuse_or_be_down(acme, arm):
    """In its own shape, which is not the API's."""
    arm("token_error", error="invalid_client", http_status=401)
    assert (acme.grant().status_code, acme.grant().status_code) == (401, 200)
    arm("status", status=503, match={"host": "oauth"})
    assert acme.grant().status_code == 503
    assert acme.grant().status_code == 200


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_the_front_end_may_fail(acme, arm, status):
    """A gateway answers HTML, the API JSON."""
    arm("status", status=status, match={"resource": "campaign"})
    answer = raw(acme)
    assert answer.status_code == status
    assert ("html" in answer.headers["content-type"]) == (status in (502, 503, 504))
    assert acme.stream(QUERY)


@pytest.mark.parametrize(
    "fault", ["html_200", "wrong_content", "nan_json", "deep_json", "gzip_bomb", "redirect"]
)
def test_an_answer_may_be_something_else(acme, arm, fault):
    """What no client asked for."""
    arm(fault, megabytes=1)
    with acme.http.stream(
        "POST", f"/v26/customers/{acme.customer}/googleAds:searchStream", json={}
    ) as answer:
        assert answer.status_code in (200, 302)
    assert acme.stream(QUERY)


@pytest.mark.parametrize(
    ("fault", "args"), [("slow", {"seconds": 0.05}), ("drip", {"seconds": 0.01, "pieces": 4})]
)
def test_an_answer_may_take_its_time(acme, arm, fault, args):
    """The rows are the same."""
    arm(fault, **args)
    assert raw(acme).json()[-1]["summaryRow"]


def test_a_fault_can_be_aimed(acme, arm):
    """At a method, a FROM resource, an account or a version."""
    arm("error", code="internalError.INTERNAL_ERROR", match={"resource": "ad_group"})
    assert acme.stream(QUERY)
    assert acme.refused("SELECT ad_group.id FROM ad_group")[0] == 500


def test_secrets_are_not_recorded(acme):
    """What was seen can be shown to anybody."""
    acme.token()
    seen = acme.http.get("/_sandbox/requests").text
    options = acme.vendor.options
    for secret in (
        options.client_secret,
        options.refresh_token,
        acme.http.headers["authorization"].split()[1],
    ):
        assert secret not in seen


def test_every_fault_was_shown():
    """A fault without a test is a rumour; `unfit` is the conformance suite's."""
    assert set(FAULTS) - SEEN == {"unfit"}
