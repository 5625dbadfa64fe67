"""The REST API as a client meets it: methods, shapes, types, paging, tokens, and who may read what."""

from __future__ import annotations

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import exceptions as google_exceptions
from google.auth.transport import requests as google_requests
from google.oauth2 import credentials as oauth2
from google.oauth2 import service_account

from .conftest import code_of, strictly

DAILY = (
    "SELECT customer.id, campaign.id, campaign.status, segments.date, metrics.clicks, metrics.cost_micros,"
    " metrics.conversions FROM campaign WHERE segments.date DURING LAST_7_DAYS"
)
TREE = "SELECT customer_client.id, customer_client.level, customer_client.manager FROM customer_client"


@pytest.mark.parametrize("version", ["v23", "v24", "v25", "v26"])
def test_every_version_answers_in_its_own_protos(acme, version):
    """Each chunk parses strictly into the official message of the version that was called."""
    acme.version = version
    assert len(acme.stream(DAILY)) > 20


@pytest.mark.parametrize("version", ["v22", "v14", "v27"])
def test_a_dead_or_unborn_version_is_refused(acme, version):
    """Whoever pins a version must move on in time."""
    acme.version = version
    assert acme.refused(DAILY) == (400, "requestError.UNSUPPORTED_VERSION")


def test_values_have_the_types_of_proto3_json(acme):
    """An int64 is a string, a double a number, members are camelCase, and the resource names come unasked."""
    row = acme.stream(DAILY)[0]
    assert isinstance(row["metrics"]["costMicros"], str)
    assert isinstance(row["campaign"]["id"], str)
    assert isinstance(row["metrics"]["conversions"], (int, float))
    assert row["campaign"]["resourceName"] == f"customers/{acme.customer}/campaigns/{row['campaign']['id']}"
    assert row["customer"]["resourceName"] == f"customers/{acme.customer}"
    assert "name" not in row["campaign"]


def test_a_stream_is_an_array_of_chunks(acme):
    """Every chunk names its fields, only the last its consumption; a summary row comes alone, at the end."""
    body = {"query": DAILY, "summaryRowSetting": "SUMMARY_ROW_WITH_RESULTS"}
    chunks = acme.post("searchStream", body).json()
    *rows, last = chunks
    assert all(len(chunk["results"]) <= 40 for chunk in rows)
    assert "results" not in last
    total = sum(int(row["metrics"]["costMicros"]) for chunk in rows for row in chunk["results"])
    assert int(last["summaryRow"]["metrics"]["costMicros"]) == total
    assert ["queryResourceConsumption" in chunk for chunk in chunks] == [False] * len(rows) + [True]
    assert {chunk["fieldMask"].split(",")[-1] for chunk in chunks} == {"metrics.conversions"}


def test_a_stream_without_rows_is_a_chunk_without_results_or_an_empty_array(acme):
    """Both forms are seen; both mean zero rows."""
    query = DAILY.replace("DURING LAST_7_DAYS", "= '2026-01-01'")
    (chunk,) = acme.post("searchStream", {"query": query}).json()
    assert "results" not in chunk
    acme.vendor.faults.add("empty_array")
    assert acme.post("searchStream", {"query": query}).json() == []


def test_a_refusal_is_an_array_on_a_stream_and_an_object_on_a_search(acme):
    """Whoever unwraps one form only sees no reason in the other."""
    query = {"query": "SELECT metrics.video_views FROM campaign"}
    stream, search = acme.post("searchStream", query), acme.post("search", query)
    assert code_of(stream) == code_of(search) == "queryError.UNRECOGNIZED_FIELD"
    assert isinstance(stream.json(), list)
    assert isinstance(search.json(), dict)
    assert stream.headers["request-id"]


def test_the_accessible_accounts_are_the_roots_alone(acme):
    """No hierarchy; the tree is asked of each root."""
    answer = acme.http.get("/v26/customers:listAccessibleCustomers").json()
    strictly("v26", "services.types.customer_service", "ListAccessibleCustomersResponse", answer)
    assert answer["resourceNames"] == [f"customers/{one}" for one in acme.vendor.world.accessible]
    rows = acme.stream(TREE, customer=acme.root, login=None)
    assert {row["customerClient"]["level"] for row in rows} == {"0", "1", "2"}


def test_a_client_is_reached_through_its_manager_only(acme):
    """Without login-customer-id, or with a manager that is not above it, access is denied."""
    assert acme.refused(DAILY, login=None) == (403, "authorizationError.USER_PERMISSION_DENIED")
    assert acme.refused(DAILY, login="123-456-7890") == (400, "headerError.INVALID_LOGIN_CUSTOMER_ID")
    assert acme.refused(DAILY, customer="123-456-7890") == (400, "requestError.INVALID_CUSTOMER_ID")
    assert acme.refused(DAILY, customer="1111111111") == (401, "authenticationError.CUSTOMER_NOT_FOUND")
    second = acme.vendor.world.accessible[1]
    assert acme.refused(DAILY, login=second) == (403, "authorizationError.USER_PERMISSION_DENIED")


def test_a_closed_account_and_a_manager_have_no_figures(acme):
    """Each says so in its own code."""
    accounts = acme.vendor.world.accounts
    closed = next(one for one in accounts[acme.root].clients if accounts[one].status == "CANCELED")
    assert acme.refused(DAILY, customer=closed) == (403, "authorizationError.CUSTOMER_NOT_ENABLED")
    assert acme.refused(DAILY, customer=acme.root, login=None) == (
        400,
        "queryError.REQUESTED_METRICS_FOR_MANAGER",
    )


def test_access_tokens_end_by_the_vendors_clock(start):
    """An expired one and an unknown one have each their code."""
    client = start(token_life=600)
    assert client.stream(DAILY)
    client.vendor.advance(600)
    assert client.refused(DAILY) == (401, "authenticationError.OAUTH_TOKEN_EXPIRED")
    client.http.headers["Authorization"] = "Bearer ya29.never"
    assert client.refused(DAILY) == (401, "authenticationError.OAUTH_TOKEN_INVALID")
    del client.http.headers["Authorization"]
    assert client.refused(DAILY)[0] == 401


@pytest.mark.parametrize(
    "path", ["/token", "/oauth2/v3/token", "/oauth2/v4/token", "/o/oauth2/token", "/token/"]
)
def test_every_known_token_path_grants(acme, path):
    """The SDK, Google's documents and older clients each know another one."""
    granted = acme.grant(path).json()
    assert set(granted) == {"access_token", "expires_in", "scope", "token_type"}


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"refresh_token": "1//other"}, 400, "invalid_grant"),
        ({"client_secret": "other"}, 401, "invalid_client"),
        ({"client_id": "other"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        (
            {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "a.b.c"},
            400,
            "invalid_grant",
        ),
    ],
)
def test_wrong_credentials_get_no_token(acme, form, status, error):
    """As Google's endpoint says it."""
    answer = acme.grant(**form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_a_revoked_consent_ends_every_token(start):
    """The next refresh is refused for good, and so is the access token that was got before."""
    client = start()
    client.vendor.change("revoke")
    assert client.grant().json()["error"] == "invalid_grant"
    assert client.refused(DAILY) == (401, "authenticationError.OAUTH_TOKEN_REVOKED")
    answer = client.http.get("/v26/customers:listAccessibleCustomers")
    assert (answer.status_code, code_of(answer)) == (401, "authenticationError.OAUTH_TOKEN_REVOKED")


def test_a_service_account_signs_for_a_token(start):
    """Issuer, scope, audience and signature are looked at."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    client = start(
        service_account="robot@project.iam.gserviceaccount.com", service_account_key=public.decode()
    )
    claims = {
        "iss": "robot@project.iam.gserviceaccount.com",
        "scope": "https://www.googleapis.com/auth/adwords",
        "aud": "https://oauth2.googleapis.com/token",
        "iat": 1_000,
        "exp": 4_600,
    }

    def status(key: rsa.RSAPrivateKey = private, **more: object) -> int:
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": jwt.encode(claims | more, key, algorithm="RS256"),
        }
        return int(client.grant(**form).status_code)

    assert status() == 200
    assert status(rsa.generate_private_key(public_exponent=65537, key_size=2048)) == 400
    for wrong in ({"iss": "x"}, {"aud": "https://example.com"}, {"scope": "email"}, {"exp": 10_000}):
        assert status(**wrong) == 400


def test_googles_own_auth_library_gets_tokens(start):
    """A client that knows nothing of this house: google-auth, as a user and as a service account."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    email = "robot@project.iam.gserviceaccount.com"
    client = start(service_account=email, service_account_key=public.decode())
    options, token_uri = client.vendor.options, client.running.token_url
    scopes = ["https://www.googleapis.com/auth/adwords"]
    user = oauth2.Credentials(
        None,
        refresh_token=options.refresh_token,
        token_uri=token_uri,
        client_id=options.client_id,
        client_secret=options.client_secret,
        scopes=scopes,
    )
    key = {"client_email": email, "private_key": pem.decode(), "token_uri": token_uri}
    robot = service_account.Credentials.from_service_account_info(key, scopes=scopes)
    for credentials in (user, robot):
        credentials.refresh(google_requests.Request())
        client.http.headers["Authorization"] = f"Bearer {credentials.token}"
        assert client.stream(DAILY)
    client.vendor.change("revoke")
    with pytest.raises(google_exceptions.RefreshError, match="invalid_grant"):
        user.refresh(google_requests.Request())


def test_no_developer_token_is_needed_unless_the_legacy_rule_stands(start):
    """Since September 2026 access belongs to the Cloud project."""
    assert start().stream(DAILY)
    legacy = start(developer_token="dev-token")
    assert legacy.refused(DAILY) == (400, "requestError.DEVELOPER_TOKEN_PARAMETER_MISSING")
    legacy.http.headers["developer-token"] = "dev-token"
    assert legacy.stream(DAILY)


def test_paths_may_end_with_a_slash_and_answers_may_be_compressed(acme):
    """As real clients send them and real servers answer."""
    path = f"/v26/customers/{acme.customer}/googleAds:searchStream/"
    answer = acme.http.post(path, json={"query": DAILY}, headers={"login-customer-id": acme.root})
    assert answer.status_code == 200
    assert answer.headers["content-encoding"] == "gzip"
    assert acme.http.get("/v26/nothing").status_code == 404
    assert acme.http.get(path).status_code == 404


def test_the_days_operations_are_counted(start):
    """Pages and rows cost nothing more; when they are used up, Google says for how long."""
    client = start(operations_per_day=2, page_rows=9)
    page = client.post("search", {"query": DAILY}).json()
    assert client.post("search", {"query": DAILY, "pageToken": page["nextPageToken"]}).status_code == 200
    assert client.stream(DAILY)
    answer = client.post("searchStream", {"query": DAILY})
    assert (answer.status_code, code_of(answer)) == (429, "quotaError.RESOURCE_EXHAUSTED")
    (error,) = answer.json()[0]["error"]["details"][0]["errors"]
    quota = error["details"]["quotaErrorDetails"]
    assert (quota["rateScope"], quota["retryDelay"]) == ("DEVELOPER", "21600s")
    client.vendor.advance(21_600)
    client.http.headers["Authorization"] = f"Bearer {client.token()}"
    assert client.stream(DAILY)


def test_a_rate_limit_lasts_a_moment(start):
    """More queries a second than allowed are told to wait."""
    client = start(queries_per_second=1.0)
    codes = {client.refused("SELECT customer.id FROM customer LIMIT 0") for _ in range(3)}
    assert (429, "quotaError.RESOURCE_TEMPORARILY_EXHAUSTED") in codes


def test_fields_describe_themselves(acme):
    """By query and one by one, as the official protos have it."""
    body = {
        "query": "SELECT name, data_type, selectable, is_repeated WHERE name IN ('segments.date','campaign.status')"
    }
    answer = acme.http.post("/v26/googleAdsFields:search", json=body).json()
    strictly("v26", "services.types.google_ads_field_service", "SearchGoogleAdsFieldsResponse", answer)
    assert {one["name"]: one["dataType"] for one in answer["results"]} == {
        "campaign.status": "ENUM",
        "segments.date": "DATE",
    }
    one = acme.http.get("/v26/googleAdsFields/metrics.cost_micros").json()
    strictly("v26", "resources.types.google_ads_field", "GoogleAdsField", one)
    assert (one["category"], one["dataType"]) == ("METRIC", "INT64")
    assert acme.http.get("/v26/googleAdsFields/metrics.video_views").status_code == 404


def test_resources_describe_what_stands_beside_them(acme):
    """As Google's own example for the metadata of artifacts asks, and its query builder."""
    query = "SELECT name, category, selectable, filterable, sortable, selectable_with, data_type, is_repeated"
    for name in ("campaign", "campaign.name", "metrics.clicks", "customer_client"):
        answer = acme.http.post(
            "/v26/googleAdsFields:search", json={"query": f"{query} WHERE name = '{name}'"}
        ).json()
        strictly("v26", "services.types.google_ads_field_service", "SearchGoogleAdsFieldsResponse", answer)
        (found,) = answer["results"]
        assert found["name"] == name
        assert ("metrics.clicks" in found["selectableWith"]) == (name != "customer_client")
    one = acme.http.get("/v26/googleAdsFields/campaign").json()
    strictly("v26", "resources.types.google_ads_field", "GoogleAdsField", one)
    assert one["category"] == "RESOURCE"
    assert {"customer", "campaign_budget"} < set(one["attributeResources"])
    assert "segments.date" in one["segments"]
    query = "SELECT name WHERE category = 'RESOURCE'"
    listed = acme.http.post("/v26/googleAdsFields:search", json={"query": query}).json()
    assert "ad_group_ad" in {each["name"] for each in listed["results"]}
