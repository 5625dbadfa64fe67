"""An answer of status 200 that holds an error, of whichever shape and wherever it stands, is never taken."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from weathervane.shopify._client import ShopifyClient
from weathervane.shopify._settings import ShopifySettings
from weathervane.source import (
    ConfigurationError,
    ContractError,
    CredentialsError,
    IncompleteError,
    SourceError,
    ThrottledError,
    UnavailableError,
)

from .bench import BULK, QUICK

# Operation -> which reader asks it, and how: all the calls that there are.
CALLS: dict[str, tuple[str, ShopifySettings]] = {
    "Shop": ("orders", QUICK),
    "Count": ("orders", QUICK),
    "OrdersPage": ("orders", QUICK),
    "OrderLines": ("orders", QUICK),
    "Times": ("orders", BULK),
    "Run": ("orders", BULK),
    "Poll": ("orders", BULK),
    "ProductsPage": ("products", QUICK),
    "ProductVariants": ("products", replace(QUICK, nested_page_size=1)),
    "Deleted": ("products", QUICK),
}


def error(message: str, code: str | None = None) -> dict[str, Any]:
    """One error as GraphQL has it."""
    return {"message": message} if code is None else {"message": message, "extensions": {"code": code}}


BROKEN, DENIED = error("Internal error", "INTERNAL_SERVER_ERROR"), error("Access denied", "ACCESS_DENIED")
TOKEN = "[API] Invalid API key or access token (unrecognized login or wrong password)"
SHAPES: dict[str, tuple[dict[str, Any], type[SourceError], str]] = {
    "a list": ({"errors": [BROKEN]}, UnavailableError, "INTERNAL_SERVER_ERROR"),
    "without a code": ({"errors": [error("Cannot return null")]}, UnavailableError, "GRAPHQL_ERROR"),
    "unknown code": ({"errors": [error("no", "newThing")]}, ContractError, "NEW_THING"),
    "none": ({"errors": []}, UnavailableError, "GRAPHQL_ERROR"),
    "a text": ({"errors": "Something is wrong"}, UnavailableError, "GRAPHQL_ERROR"),
    "a throttle as a text": ({"errors": "Throttled"}, ThrottledError, "THROTTLED"),
    "a token as a text": ({"errors": TOKEN}, CredentialsError, "TOKEN_REFUSED"),
    "an object": ({"errors": {"query": "Required parameter missing"}}, UnavailableError, "GRAPHQL_ERROR"),
    "a number": ({"errors": 500}, UnavailableError, "GRAPHQL_ERROR"),
    "one": ({"error": error("half")}, UnavailableError, "GRAPHQL_ERROR"),
    "one as a text": ({"error": "internal_error"}, UnavailableError, "GRAPHQL_ERROR"),
    "in extensions": ({"extensions": {"errors": [BROKEN]}}, UnavailableError, "INTERNAL_SERVER_ERROR"),
    "one in extensions": ({"extensions": {"error": "Timed out"}}, UnavailableError, "INTERNAL_SERVER_ERROR"),
    "a code in extensions": ({"extensions": {"code": "THROTTLED"}}, ThrottledError, "THROTTLED"),
    "in the data": ({"data": {"errors": [error("half")]}}, UnavailableError, "GRAPHQL_ERROR"),
    "the user's": ({"data": {"userErrors": [error("half")]}}, UnavailableError, "GRAPHQL_ERROR"),
    "the user's beside": ({"userErrors": [error("half")]}, UnavailableError, "GRAPHQL_ERROR"),
    "the one that stays": ({"errors": [BROKEN, DENIED]}, CredentialsError, "ACCESS_DENIED"),
    "an ignored term": ({"extensions": {"search": [{"warnings": ["x"]}]}}, ContractError, "SEARCH_IGNORED"),
    "ignored in short": ({"extensions": {"search": "x"}}, ContractError, "SEARCH_IGNORED"),
}

# Every shape at one call, and some at every call: all are judged in one place.
ELSEWHERE = ("a list", "a text", "in extensions", "the user's")
TRIED = [(one, "OrdersPage") for one in SHAPES] + [
    (shape, one) for one in CALLS if one != "OrdersPage" for shape in ELSEWHERE
]


@pytest.mark.parametrize(("shape", "operation"), TRIED)
def test_no_answer_with_an_error_in_it_is_taken(read, operation, shape):
    """The data beside it is as good as ever."""
    members, kind, reason = SHAPES[shape]
    read.shop.faults.add("merged", times=None, match={"operation": operation}, members=members)
    with pytest.raises(kind) as caught:
        read(*CALLS[operation])
    assert caught.value.reason == reason


def test_all_is_taken_that_holds_none(read):
    """So that the others fail of their errors alone; a null says that there is none."""
    null = {"errors": None, "error": None, "extensions": {"errors": None, "search": None}, "userErrors": []}
    read.shop.faults.add("merged", times=None, members=null)
    for kind, settings in CALLS.values():
        read(kind, settings)


BUSY = {"code": None, "field": None, "message": "A bulk query operation is already in progress: gid://x."}
OPERATIONS: dict[str, tuple[str, dict[str, Any], type[SourceError], str]] = {
    "complete with a code": ("Poll", {"errorCode": "TIMEOUT"}, IncompleteError, "BULK_PARTIAL"),
    "complete in part": ("Poll", {"partialDataUrl": "https://x.example/"}, IncompleteError, "BULK_PARTIAL"),
    "failed": ("Poll", {"status": "FAILED", "errorCode": "TIMEOUT"}, IncompleteError, "BULK_FAILED"),
    "denied": ("Poll", {"status": "FAILED", "errorCode": "ACCESS_DENIED"}, CredentialsError, "ACCESS_DENIED"),
    "a code beside": ("Run", {"userErrors": [{"code": "INVALID"}]}, ConfigurationError, "BULK_REFUSED"),
    "no word": ("Run", {"bulkOperation": None}, ConfigurationError, "BULK_REFUSED"),
    "internal": (
        "Run",
        {"bulkOperation": None, "userErrors": [{"code": None, "message": "Internal error. Try again"}]},
        UnavailableError,
        "INTERNAL_SERVER_ERROR",
    ),
}


@pytest.mark.parametrize("shape", OPERATIONS)
def test_no_bulk_operation_with_an_error_in_it_is_taken(read, shape):
    """Whatever its status says."""
    operation, members, kind, reason = OPERATIONS[shape]
    root = "bulkOperation" if operation == "Poll" else "bulkOperationRunQuery"
    members = members if operation == "Run" else {"status": "COMPLETED", **members}
    read.shop.faults.add(
        "merged", times=None, match={"operation": operation}, members={"data": {root: members}}
    )
    with pytest.raises(kind) as caught:
        read("orders", BULK)
    assert caught.value.reason == reason


def test_slots_that_are_taken_are_known_by_their_sentence_too(read):
    """An older version says so without a code: it is waited for, not given up."""
    busy = {"data": {"bulkOperationRunQuery": {"bulkOperation": None, "userErrors": [BUSY]}}}
    read.shop.faults.add("merged", times=2, match={"operation": "Run"}, members=busy)
    read("orders", BULK)


@pytest.mark.parametrize(
    "line",
    [
        '{"errors":[{"message":"half"}]}',
        '{"error":"Internal error"}',
        '{"__parentId":"gid://shopify/Order/1","errors":"half"}',
        '{"id":"gid://shopify/Order/5012345678901","error":{"message":"half"}}',
        '{"id":"gid://shopify/Order/5012345678901","customer":{"id":null,"errors":[{"message":"half"}]}}',
        '{"id":"gid://shopify/Order/5012345678901","totalPriceSet":{"shopMoney":{"errors":"half"}}}',
        '{"id":"gid://shopify/Order/5012345678901","refunds":[{},{"error":"half"}]}',
        '{"__parentId":"gid://shopify/Order/1","variant":{"\\u0065rror":"half"}}',
    ],
)
def test_a_bulk_file_with_an_error_in_it_is_not_taken(read, line):
    """A line that tells of an error is no order that can be set aside."""
    read.shop.faults.add("bulk_line", line=line, times=None)
    with pytest.raises(IncompleteError) as caught:
        read("orders", BULK)
    assert caught.value.reason == "BULK_ERROR_LINE"


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    ("body", "kind", "reason"),
    [
        ('{"error":"invalid_client","error_description":"no"}', CredentialsError, "GRANT_REFUSED"),
        ('{"errors":"Oauth error invalid_request: x"}', CredentialsError, "GRANT_REFUSED"),
        ('{"access_token":"shpat_x","error":"invalid_client"}', CredentialsError, "GRANT_REFUSED"),
        ('{"access_token":"shpat_x","errors":["x"]}', CredentialsError, "GRANT_REFUSED"),
        ('{"error":"temporarily_unavailable"}', UnavailableError, "GRANT_PUT_OFF"),
    ],
)
def test_no_token_is_taken_out_of_a_refusal(read, status, body, kind, reason):
    """Whatever its status; a refusal that passes is asked again."""
    read.shop.faults.add("status", status=status, body=body, times=None, match={"host": "oauth"})
    # A tenant of its own has no token yet.
    credentials = read.credentials.model_copy(update={"client_secret": SecretStr(f"{status} {body}")})
    with ShopifyClient("other", credentials, QUICK) as client, pytest.raises(kind) as caught:
        client.shop()
    assert caught.value.reason == reason
    assert "shpat_x" not in str(caught.value)


@pytest.mark.parametrize("where", ["errors", "error", "\\u0065rror"])
@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("OrdersPage", {"orders": {"nodes": {"0": "ERROR"}}}),
        ("OrdersPage", {"orders": "ERROR"}),
        ("OrdersPage", {"orders": {"nodes": {"0": {"lineItems": {"nodes": {"0": "ERROR"}}}}}}),
        ("OrderLines", {"order": "ERROR"}),
        ("ProductsPage", {"products": {"nodes": {"0": {"variants": "ERROR"}}}}),
        ("Count", {"count": "ERROR"}),
    ],
)
def test_no_object_with_an_error_in_it_is_taken(read, operation, members, where):
    """At any depth of the data: half of an order is no order."""
    name = json.loads(f'"{where}"')
    members = json.loads(json.dumps(members).replace('"ERROR"', json.dumps({name: [error("half")]})))
    read.shop.faults.add("merged", times=None, match={"operation": operation}, members={"data": members})
    with pytest.raises(UnavailableError) as caught:
        read(*CALLS[operation])
    assert caught.value.reason == "GRAPHQL_ERROR"


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 406, 422, 423, 429, 430, 500, 503])
def test_a_refusal_tells_what_shopify_said_and_no_secret(read, status):
    """Whatever its status; a secret that it quotes is left out, whatever its form."""
    body = '{"errors":"My own sentence about sandbox-secret and shpat_CANARY12345"}'
    read.shop.faults.add("status", status=status, body=body, times=None, match={"operation": "Shop"})
    with pytest.raises(SourceError) as caught:
        read(*CALLS["Shop"])
    assert "My own sentence about [...] and [...]" in str(caught.value)


@pytest.mark.parametrize("text", ["My sandbox-secret.", "sandbox-client, sandbox-secret: no"])
@pytest.mark.parametrize("operation", ["Shop", "OrdersPage"])
def test_no_answer_tells_a_secret_that_it_quotes(read, operation, text):
    """Neither one of success."""
    read.shop.faults.add(
        "merged", times=None, match={"operation": operation}, members={"errors": [error(text)]}
    )
    with pytest.raises(SourceError) as caught:
        read(*CALLS[operation])
    assert text.replace("sandbox-secret", "[...]") in str(caught.value)
