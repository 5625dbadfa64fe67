"""Who asks, for whom, and how often: credentials, tokens, headers, quotas, accounts."""

from __future__ import annotations

import json
import re

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from weathervane.google_ads import GoogleAdsClient, GoogleAdsCredentials
from weathervane.google_ads._accounts import find_accounts
from weathervane.google_ads._auth import google_ads_auth
from weathervane.google_ads._pace import CUSTOMER, QuotaPace
from weathervane.google_ads._verdict import classifier
from weathervane.source import ConfigurationError, CredentialsError, DeferredError, vendor_client

USER = {"client_id": "1-x.apps.googleusercontent.com", "client_secret": "s", "refresh_token": "r"}


def test_ids_are_digits_however_they_are_written():
    """Dashes and spaces are for people."""
    found = GoogleAdsCredentials(
        **USER, login_customer_id="123-456-7890", customer_ids=" 1112223333, 444-555-6666"
    )
    assert found.login_customer_id == "1234567890"
    assert found.customers == ("1112223333", "4445556666")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"client_id": "x", "client_secret": "y"},
        {**USER, "login_customer_id": "123"},
        {**USER, "customer_ids": "12345678901"},
        {**USER, "api_version": "v14"},
        {"service_account": "{}"},
        {"service_account": "no json"},
    ],
)
def test_credentials_that_cannot_work_are_refused(given):
    """Before anybody is asked."""
    with pytest.raises(ValueError, match="validation error"):
        GoogleAdsCredentials(**given)


def test_missing_credentials_are_named(monkeypatch):
    """One line that says which variables to set, and what the choice is."""
    monkeypatch.setenv("WEATHERVANE_GOOGLE_ADS__ACME__CLIENT_ID", "x")
    with pytest.raises(
        ConfigurationError, match="give client_id, client_secret and refresh_token, or service_account"
    ):
        GoogleAdsCredentials.load("acme")


def test_a_projects_clients_share_its_quota():
    """An OAuth client's id begins with the number of its Cloud project."""
    one = GoogleAdsCredentials(**{**USER, "client_id": "407408718192-aaa.apps.googleusercontent.com"})
    other = GoogleAdsCredentials(**{**USER, "client_id": "407408718192-bbb.apps.googleusercontent.com"})
    assert one.project == other.project == "407408718192"


def test_no_developer_token_is_sent_unless_there_is_one(bench):
    """Google ignores it; a proxy in front of it may not."""
    with bench.client() as client:
        client.accessible()
    assert "developer-token" not in bench.vendor.requests[-1].headers
    with bench.client(developer_token="dev") as client:
        client.accessible()
    assert bench.vendor.requests[-1].headers["developer-token"]


def test_the_manager_is_named_only_where_access_goes_through_one(begin):
    """Its clients by login-customer-id, in digits; accounts with direct access without."""
    bench = begin(clients=4, days=2)
    with bench.client() as client:
        found = {one.id: one.login for one in find_accounts(client).customers}
    world = bench.vendor.world
    direct = [one for one in bench.clients() if one in world.accessible]
    assert len(direct) == 1
    for number, login in found.items():
        assert (login is None) == (number in direct)
        assert world.reaches(login, number)
    bench.run()
    for one in bench.queries("campaign"):
        assert one["headers"].get("login-customer-id") == found[one["path"].split("/")[3]]


def test_a_configured_manager_is_the_only_way(begin):
    """Written with dashes, sent in digits; what only another manager reaches is not read."""
    bench = begin(clients=3, days=2)
    root = bench.vendor.world.accessible[1]
    dashed = f"{root[:3]}-{root[3:6]}-{root[6:]}"
    bench.run(credentials={"login_customer_id": dashed})
    assert {one["headers"]["login-customer-id"] for one in bench.queries()} == {root}
    assert len({row["customer_id"] for row in bench.rows()}) == 1


def test_an_expired_token_is_refreshed_once_and_the_call_replayed_once(bench):
    """One refresh, one replay."""
    with bench.client() as client:
        client.accessible()
        bench.vendor.recorder.clear()
        bench.vendor.faults.add("token_expired")
        client.accessible()
    assert [(one.host, one.status) for one in bench.vendor.requests] == [
        ("api", 401),
        ("oauth", 200),
        ("api", 200),
    ]


def test_a_token_is_kept_until_shortly_before_its_end(begin):
    """All clients of the credentials share it; one that lives for a minute is asked anew each time."""
    bench = begin(days=2)
    for _ in range(3):
        with bench.client() as client:
            client.accessible()
    assert len([one for one in bench.vendor.requests if one.host == "oauth"]) == 1
    brief = begin(days=2, token_life=60)
    for _ in range(3):
        with brief.client() as client:
            client.accessible()
    assert len([one for one in brief.vendor.requests if one.host == "oauth"]) == 3


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"error": "invalid_grant"}, "expired or revoked"),
        ({"error": "invalid_client", "http_status": 401}, "its secret"),
    ],
)
def test_a_refused_grant_is_not_tried_again(begin, fault, says):
    """A revoked consent stays revoked."""
    bench = begin(days=2)
    bench.vendor.faults.add("token_error", None, **fault)
    with bench.client() as client, pytest.raises(CredentialsError, match=says):
        client.accessible()
    assert len(bench.vendor.requests) == 1


def test_a_token_endpoint_that_is_down_is_asked_again(begin):
    """503 is no refusal."""
    bench = begin(days=2)
    bench.vendor.faults.add("status", 2, status=503, match={"host": "oauth"})
    with bench.client() as client:
        assert client.accessible()


@pytest.mark.parametrize("status", [200, 400, 403])
@pytest.mark.parametrize("error", ["internal_failure", "rate_limit_exceeded", "temporarily_unavailable"])
def test_a_grant_that_is_refused_for_now_is_asked_for_again(begin, status, error):
    """The word says that it passes, whatever its status; the consent is as good as before."""
    bench = begin(days=2)
    bench.vendor.faults.add("token_error", 2, error=error, http_status=status)
    with bench.client() as client:
        assert client.accessible()


def test_a_refused_grant_is_told_in_googles_words_but_not_with_our_secrets(begin):
    """Google's sentence may be the only one that says why; one that quotes a secret is left out."""
    bench = begin(days=2)
    bench.vendor.faults.add("token_error", 1)
    with (
        bench.client() as client,
        pytest.raises(CredentialsError, match="Google: Token has been expired or rev"),
    ):
        client.accessible()
    body = {"error": "invalid_grant", "error_description": "bad: " + bench.vendor.options.refresh_token}
    bench.vendor.faults.add("wrong_content", 1, match={"host": "oauth"}, body=json.dumps(body))
    with bench.client() as client, pytest.raises(CredentialsError) as caught:
        client.accessible()
    assert bench.vendor.options.refresh_token not in repr(caught.value)


def test_a_service_account_reads_as_a_user_does(begin):
    """By an assertion that it signs itself; its key is in no error."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    email = "robot@project.iam.gserviceaccount.com"
    bench = begin(days=2, service_account=email, service_account_key=public.decode())
    nobody = {"client_id": None, "client_secret": None, "refresh_token": None}
    key = {"type": "service_account", "project_id": "project", "client_email": email, "private_key": pem}
    with bench.client(**nobody, service_account=json.dumps(key)) as client:
        assert client.accessible()
    with (
        bench.client(**nobody, service_account=json.dumps(key | {"private_key": pem[:200]})) as client,
        pytest.raises(ConfigurationError, match="cannot sign") as caught,
    ):
        client.accessible()
    assert pem[60:80] not in repr(caught.value)


def test_a_project_without_quota_is_left_alone_by_all_its_tenants(begin):
    """The delay is hours: the run is to be scheduled again, and no other tenant of the project asks meanwhile."""
    bench = begin(days=2)
    bench.vendor.faults.add(
        "error", code="quotaError.RESOURCE_EXHAUSTED", retry_delay="17941s", rate_scope="DEVELOPER"
    )
    with bench.client() as client, pytest.raises(DeferredError, match="17941 s") as caught:
        client.accessible()
    assert (caught.value.retry_after, caught.value.reason) == (17_941.0, "RESOURCE_EXHAUSTED")
    seen = len(bench.vendor.requests)
    with (
        GoogleAdsClient("another_tenant", bench.credentials()) as other,
        pytest.raises(DeferredError, match="the Cloud project is paused"),
    ):
        other.accessible()
    assert [one for one in bench.vendor.requests[seen:] if one.host == "api"] == []


def test_gates_open_by_the_clock_and_an_accounts_throttle_is_its_own(begin):
    """ACCOUNT pauses one account, DEVELOPER all; after the delay calls go again."""
    bench = begin(days=2)
    now = [0.0]
    pace = QuotaPace(
        "gates-of-a-test", clock=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds)
    )
    headers = {}
    with vendor_client(
        bench.running.url,
        auth=google_ads_auth(bench.credentials()),
        classify=classifier(60),
        pace=pace,
        headers=headers,
    ) as client:

        def ask(customer: str) -> httpx.Response:
            path = "/v26/customers:listAccessibleCustomers"
            return client.get(path, extensions={CUSTOMER: customer})

        bench.vendor.faults.add(
            "error", code="quotaError.RESOURCE_EXHAUSTED", retry_delay="4200s", rate_scope="ACCOUNT"
        )
        with pytest.raises(DeferredError, match="4200 s"):
            ask("1111111111")
        with pytest.raises(DeferredError, match="account 1111111111 is paused"):
            ask("1111111111")
        assert ask("2222222222").status_code == 200
        now[0] += 4_200
        assert ask("1111111111").status_code == 200
        bench.vendor.faults.add(
            "error",
            code="quotaError.RESOURCE_TEMPORARILY_EXHAUSTED",
            retry_delay="20s",
            rate_scope="DEVELOPER",
        )
        before = now[0]
        assert ask("2222222222").status_code == 200
        assert now[0] == before + 20


def test_no_request_has_a_page_size(begin):
    """The API refuses it, and a stream needs none."""
    bench = begin(days=3, clients=2)
    bench.run()
    assert bench.queries()
    assert not any(re.search("page_?size", one["body"], re.IGNORECASE) for one in bench.queries())


def test_an_older_version_can_be_chosen(begin):
    """v25 for as long as it lives; a dead one is refused before the run begins."""
    bench = begin(days=3)
    bench.run(credentials={"api_version": "v25"})
    bench.assert_true()
    assert all(one["path"].startswith("/v25/") for one in bench.queries())
