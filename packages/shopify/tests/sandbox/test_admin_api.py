"""The Admin API's outside: versions, headers, tokens, and queries held against the real schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

SHOP = "{ shop { name } }"
FOLDER = Path(__file__).parent / "queries"
VARIABLES: dict[str, dict[str, Any]] = {
    "bulk_list": {},
    "bulk_poll": {"id": "gid://shopify/BulkOperation/1"},
    "bulk_run": {"q": (FOLDER / "orders_bulk_inner.graphql").read_text()},
    "deleted_events": {"first": 10, "query": "action:destroy AND created_at:>'2026-10-01T00:00:00Z'"},
    "inventory_page": {"first": 5},
    "node_variants": {"id": "gid://shopify/Product/8012345000004"},
    "orders_page": {"first": 3, "lines": 20, "query": "updated_at:>='2026-01-01T00:00:00Z'"},
    "products_page": {"first": 8, "variants": 20, "query": "updated_at:>='2025-01-01T00:00:00Z'"},
    "refund_lines": {"id": "gid://shopify/Refund/900000001"},
    "shop_check": {},
}
"""Name of a query file -> variables that the seeded shop can answer."""


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_every_query_of_the_sheet_is_answered_without_errors(acme, name):
    """Queries that validate on the vendor's 2026-10 schema run here."""
    answer = acme.post((FOLDER / f"{name}.graphql").read_text(), **VARIABLES[name])
    assert answer.status_code == 200
    assert "errors" not in answer.json(), answer.text
    cost = answer.json()["extensions"]["cost"]
    assert 0 <= cost["actualQueryCost"] <= cost["requestedQueryCost"]


def test_the_shop_says_who_it_is_and_what_the_app_may_do(start):
    """Domain, currency, timezone and scopes are those that the shop was started with."""
    shop = start(
        shop="https://Acme-EU.myshopify.com/", currency="JPY", timezone="Asia/Tokyo", scopes=("read_orders",)
    )
    data = shop.data((FOLDER / "shop_check.graphql").read_text())
    assert data["shop"]["myshopifyDomain"] == "acme-eu.myshopify.com"
    assert (data["shop"]["currencyCode"], data["shop"]["ianaTimezone"]) == ("JPY", "Asia/Tokyo")
    assert data["currentAppInstallation"]["accessScopes"] == [{"handle": "read_orders"}]
    assert {"handle": "2026-10", "supported": True} in data["publicApiVersions"]
    listed = shop.http.get("/admin/oauth/access_scopes.json").json()
    assert listed == {"access_scopes": [{"handle": "read_orders"}]}


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("2026-10", "2026-10"),
        ("2026-01", "2026-01"),
        ("2025-10", "2026-01"),
        ("2019-04", "2026-01"),
        ("unstable", "unstable"),
        ("2027-01", "2027-01"),
    ],
)
def test_a_retired_version_falls_forward_and_the_header_names_the_one_used(acme, asked, served):
    """X-Shopify-API-Version is the version that really answered."""
    answer = acme.post(SHOP, asked)
    assert answer.status_code == 200
    assert answer.headers["X-Shopify-API-Version"] == served
    assert len(answer.headers["X-Request-Id"]) == 36


def test_a_version_that_never_was_is_not_found(acme):
    """Neither a month that is no quarter nor a version of the future answers."""
    assert [acme.post(SHOP, version).status_code for version in ("2026-11", "2028-01", "v1")] == [404] * 3


def test_a_trailing_slash_is_tolerated_and_rest_paths_are_not_found(acme):
    """Only GraphQL is served, besides the two OAuth paths."""
    ask = {"query": SHOP}
    assert acme.http.post("/admin/api/2026-10/graphql.json/", json=ask).status_code == 200
    assert acme.http.get("/admin/api/2026-10/orders.json").status_code == 404
    assert acme.http.get("/admin/api/2026-10/graphql.json").status_code == 404


def test_a_field_that_is_newer_than_the_version_does_not_exist(acme):
    """Order.cartToken came with 2026-07, InventoryLevel.isActive with 2026-04."""
    query = "{ orders(first: 1) { nodes { cartToken } } }"
    assert "errors" not in acme.post(query, "2026-07").json()
    (error,) = acme.post(query, "2026-04").json()["errors"]
    assert error["message"] == "Field 'cartToken' doesn't exist on type 'Order'"
    level = "{ inventoryItems(first: 1) { nodes { inventoryLevels(first: 1) { nodes { isActive } } } } }"
    assert "errors" not in acme.post(level, "2026-04").json()
    assert acme.post(level, "2026-01").json()["errors"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ orders(first: 1) { nodes { colour } } }", "undefinedField"),
        ("{ orders(first: 1, colour: 1) { nodes { id } } }", "argumentNotAccepted"),
        ("{ orders(first: 1) }", "selectionMismatch"),
        ("{ order { id } }", "missingRequiredArguments"),
        ("{ orders(first: $n) { nodes { id } } }", "variableNotDefined"),
        ("query($n: Int!) { orders(first: $n) { nodes { id } } }", "INVALID_VARIABLE"),
        ("{ orders { nodes { id } } }", "BAD_REQUEST"),
        ("{ orders(first: 251) { nodes { id } } }", "BAD_REQUEST"),
        ("{ orders(first: -1) { nodes { id } } }", "BAD_REQUEST"),
        ("{ orders(first: 1) { nodes { lineItems { nodes { id } } } } }", "BAD_REQUEST"),
        ('{ order(id: "5") { id } }', "BAD_REQUEST"),
        ('{ order(id: "gid://shopify/Product/5") { id } }', "RESOURCE_NOT_FOUND"),
        ("{ orders(first: 1, sortKey: CUSTOMER_NAME) { nodes { id } } }", None),
        ("{ giftCards(first: 1) { nodes { id } } }", "ACCESS_DENIED"),
        ("{ taxonomy { categories(first: 1) { nodes { id } } } }", "SANDBOX_NOT_SERVED"),
        ("query A { shop { name } } query B { shop { name } }", "BAD_REQUEST"),
        ("{ orders(first: 1) { nodes { id } }", None),
    ],
)
def test_what_the_schema_refuses_is_refused_with_status_200(acme, query, code):
    """A query that is wrong gets errors and no rows."""
    answer = acme.ask(query)
    assert code in [one.get("extensions", {}).get("code") for one in answer["errors"]], answer
    assert not any((answer.get("data") or {}).values())


def test_an_undefined_field_is_located_and_traced(acme):
    """The error has the vendor's words, the place in the text and the path."""
    (error,) = acme.ask("query Q {\n  orders(first: 1) { nodes { colour } }\n}")["errors"]
    assert error == {
        "message": "Field 'colour' doesn't exist on type 'Order'",
        "locations": [{"line": 2, "column": 30}],
        "path": ["query Q", "orders", "nodes", "colour"],
        "extensions": {"code": "undefinedField", "typeName": "Order", "fieldName": "colour"},
    }


def test_a_deprecated_field_is_answered_with_a_warning_header(acme):
    """Order.totalPrice is deprecated; totalPriceSet is not."""
    old = acme.post("{ orders(first: 1) { nodes { totalPrice totalPriceSet { shopMoney { amount } } } } }")
    (node,) = old.json()["data"]["orders"]["nodes"]
    assert node["totalPrice"] == node["totalPriceSet"]["shopMoney"]["amount"]
    assert "X-Shopify-API-Deprecated-Reason" in old.headers
    assert "X-Shopify-API-Deprecated-Reason" not in acme.post(SHOP).headers


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"{}", "application/json", 400),
        (b'{"query":"{ shop { name } }","variables":[1]}', "application/json", 400),
        (b'{"query":"{ shop { name } }"}', "text/plain", 415),
        (b"{ shop { name } }", "application/graphql", 200),
    ],
)
def test_malformed_bodies_are_refused_by_status(acme, content, kind, status):
    """Only a JSON object with a query, or a bare query of its own media type, is read."""
    answer = acme.http.post(
        "/admin/api/2026-10/graphql.json", content=content, headers={"Content-Type": kind}
    )
    assert answer.status_code == status


@pytest.mark.parametrize("token", [None, "", "shpat_wrong"])
def test_a_missing_or_wrong_token_is_401_with_a_string_of_errors(acme, token):
    """The body of a 401 is not that of a GraphQL answer: `errors` is a string."""
    headers = {} if token is None else {"X-Shopify-Access-Token": token}
    answer = httpx.post(
        f"{acme.running.url}/admin/api/2026-10/graphql.json", json={"query": SHOP}, headers=headers
    )
    assert answer.status_code == 401
    assert answer.json() == {
        "errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"
    }


def _grant(url: str, as_json: bool = False, **form: str) -> httpx.Response:
    sent = {"client_id": "sandbox-client", "client_secret": "sandbox-secret", **form}
    address = f"{url}/admin/oauth/access_token"
    return httpx.post(address, json=sent) if as_json else httpx.post(address, data=sent)


def _works(shop, token: str) -> bool:
    answer = httpx.post(
        f"{shop.running.url}/admin/api/2026-10/graphql.json",
        json={"query": SHOP},
        headers={"X-Shopify-Access-Token": token},
    )
    return answer.status_code == 200


@pytest.mark.parametrize("as_json", [True, False])
def test_client_credentials_give_a_token_for_a_shop_day(start, as_json):
    """The token works, and expires by the shop's clock; there is no refresh token."""
    shop = start()
    answer = _grant(shop.running.url, as_json, grant_type="client_credentials").json()
    assert answer["expires_in"] == 86_399
    assert answer["scope"].split(",") == list(shop.shop.options.scopes)
    assert "refresh_token" not in answer
    assert _works(shop, answer["access_token"])
    shop.shop.advance(86_399)
    assert not _works(shop, answer["access_token"])


def test_a_refresh_token_works_once_and_brings_the_next(start):
    """Whoever loses the answer has lost the grant."""
    shop = start(life=False)
    first = _grant(shop.running.url, grant_type="refresh_token", refresh_token="shprt_sandbox").json()
    assert (first["expires_in"], first["refresh_token_expires_in"]) == (3600, 90 * 86_400)
    assert _works(shop, first["access_token"])
    again = _grant(shop.running.url, grant_type="refresh_token", refresh_token="shprt_sandbox")
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    shop.shop.advance(3600)
    assert not _works(shop, first["access_token"])
    second = _grant(shop.running.url, grant_type="refresh_token", refresh_token=first["refresh_token"]).json()
    assert _works(shop, second["access_token"])
    shop.shop.advance(91 * 86_400)
    late = _grant(shop.running.url, grant_type="refresh_token", refresh_token=second["refresh_token"])
    assert late.status_code == 400


def test_wrong_client_credentials_are_refused(acme):
    """Neither a wrong secret nor an unknown grant gives a token."""
    assert _grant(acme.running.url, grant_type="client_credentials", client_secret="x").status_code == 401
    assert _grant(acme.running.url, grant_type="password").status_code == 400


def test_an_app_without_scopes_gets_a_valid_token_that_may_see_nothing(start):
    """The token has an empty scope, and every data field is denied."""
    shop = start(scopes=())
    answer = _grant(shop.running.url, grant_type="client_credentials").json()
    assert answer["scope"] == ""
    assert shop.codes("{ orders(first: 1) { nodes { id } } }") == ["ACCESS_DENIED"]
    assert shop.data("{ shop { name } currentAppInstallation { accessScopes { handle } } }")[
        "currentAppInstallation"
    ] == {"accessScopes": []}


def test_answers_are_compressed_for_those_who_accept_it(acme):
    """A long answer is gzip when the client says so, and plain when it does not."""
    query = "{ products(first: 50) { nodes { id title handle } } }"
    packed = acme.post(query)
    assert packed.headers["Content-Encoding"] == "gzip"
    plain = acme.http.post(
        "/admin/api/2026-10/graphql.json", json={"query": query}, headers={"Accept-Encoding": "identity"}
    )
    assert "Content-Encoding" not in plain.headers
    assert plain.json()["data"] == packed.json()["data"]


def test_requests_are_recorded_without_their_secrets(start):
    """The recorder shows what was sent, and a token only as a fingerprint."""
    shop = start()
    shop.data("query Named { shop { name } }")
    _grant(shop.running.url, grant_type="client_credentials")
    _grant(shop.running.url, True, grant_type="refresh_token", refresh_token="shprt_sandbox")
    seen = shop.http.get("/_sandbox/requests").json()
    assert [one["host"] for one in seen] == ["admin", "oauth", "oauth"]
    assert seen[0]["path"] == "/admin/api/2026-10/graphql.json"
    assert seen[0]["note"]["operation"] == "Named"
    assert seen[0]["headers"]["x-shopify-access-token"].startswith("sha256:")
    text = json.dumps(seen)
    assert not [secret for secret in ("shpat_sandbox", "sandbox-secret", "shprt_sandbox") if secret in text]


def test_the_options_hide_their_secrets():
    """A repr of the options can be logged."""
    from weathervane.shopify.sandbox import ShopOptions

    text = repr(ShopOptions())
    assert not [secret for secret in ("shpat_sandbox", "sandbox-secret", "shprt_sandbox") if secret in text]
