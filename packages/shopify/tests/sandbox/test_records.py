"""Loading anyone's own export: whole nodes or bulk lines, and one clear line for what does not load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from weathervane.shopify.sandbox import RecordsError, running_shopify

from .conftest import bulk_link

QUERY = """query OrdersPage($first: Int!, $after: String, $query: String!, $lines: Int!) {
  orders(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {
    pageInfo { hasNextPage endCursor }
    nodes { id legacyResourceId name createdAt updatedAt processedAt cancelledAt cancelReason test currencyCode
      presentmentCurrencyCode displayFinancialStatus displayFulfillmentStatus customer { id }
      totalPriceSet { shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } }
      currentTotalPriceSet { shopMoney { amount currencyCode } }
      totalRefundedSet { shopMoney { amount currencyCode } }
      lineItems(first: $lines) { pageInfo { hasNextPage endCursor }
        nodes { id sku title quantity currentQuantity product { id } variant { id }
          originalUnitPriceSet { shopMoney { amount currencyCode } } } }
      refunds { id legacyResourceId createdAt updatedAt totalRefundedSet { shopMoney { amount currencyCode } } }
      transactions { id kind status gateway test processedAt
        amountSet { shopMoney { amount currencyCode } } parentTransaction { id } } } } }"""

ORDER = json.loads("""
{"id":"gid://shopify/Order/5012345678901","legacyResourceId":"5012345678901","name":"#1001",
 "createdAt":"2026-11-02T09:14:07Z","updatedAt":"2026-11-04T16:20:31Z","processedAt":"2026-11-02T09:14:06Z",
 "cancelledAt":null,"cancelReason":null,"test":false,
 "currencyCode":"EUR","presentmentCurrencyCode":"USD",
 "displayFinancialStatus":"PARTIALLY_REFUNDED","displayFulfillmentStatus":"FULFILLED",
 "customer":{"id":"gid://shopify/Customer/7001"},
 "totalPriceSet":{"shopMoney":{"amount":"118.40","currencyCode":"EUR"},
                  "presentmentMoney":{"amount":"129.00","currencyCode":"USD"}},
 "currentTotalPriceSet":{"shopMoney":{"amount":"78.40","currencyCode":"EUR"}},
 "totalRefundedSet":{"shopMoney":{"amount":"40.0","currencyCode":"EUR"}},
 "lineItems":{"pageInfo":{"hasNextPage":false,"endCursor":"eyJsYXN0X2lkIjo5fQ=="},"nodes":[
   {"id":"gid://shopify/LineItem/1290001","sku":"SOAP-01","title":"Soap","quantity":3,"currentQuantity":2,
    "product":{"id":"gid://shopify/Product/8001"},"variant":null,
    "originalUnitPriceSet":{"shopMoney":{"amount":"40.00","currencyCode":"EUR"}}}]},
 "refunds":[{"id":"gid://shopify/Refund/9001","legacyResourceId":"9001","createdAt":"2026-11-04T16:20:30Z",
   "updatedAt":"2026-11-04T16:20:30Z","totalRefundedSet":{"shopMoney":{"amount":"40.0","currencyCode":"EUR"}}}],
 "transactions":[{"id":"gid://shopify/OrderTransaction/6001","kind":"SALE","status":"SUCCESS",
   "gateway":"shopify_payments","test":false,"processedAt":"2026-11-02T09:14:05Z",
   "amountSet":{"shopMoney":{"amount":"118.40","currencyCode":"EUR"}},"parentTransaction":null}]}
""")
PRODUCT = json.loads("""
{"id":"gid://shopify/Product/8001","legacyResourceId":"8001","title":"Soap","handle":"soap","status":"ACTIVE",
 "vendor":"Acme","productType":"Bath","tags":["new"],
 "createdAt":"2025-03-01T10:00:00Z","updatedAt":"2026-11-04T16:20:33Z","publishedAt":null,"totalInventory":57,
 "variantsCount":{"count":1,"precision":"EXACT"},
 "options":[{"id":"gid://shopify/ProductOption/1","name":"Size","position":1,"values":["S"]}],
 "variants":{"pageInfo":{"hasNextPage":false,"endCursor":"eyJ4Ijox"},"nodes":[
   {"id":"gid://shopify/ProductVariant/8101","legacyResourceId":"8101","sku":"SOAP-01","barcode":null,"title":"S",
    "position":1,"price":"40.00","compareAtPrice":null,"inventoryQuantity":57,"updatedAt":"2026-11-04T16:20:33Z",
    "inventoryItem":{"id":"gid://shopify/InventoryItem/8201","tracked":true,
                     "unitCost":{"amount":"11.20","currencyCode":"EUR"}}}]}}
""")
PRODUCTS = """{ products(first: 5) { nodes { id legacyResourceId title handle status vendor productType tags
    createdAt updatedAt publishedAt totalInventory variantsCount { count precision }
    options { id name position values }
    variants(first: 5) { pageInfo { hasNextPage endCursor } nodes { id legacyResourceId sku barcode title position
      price compareAtPrice inventoryQuantity updatedAt
      inventoryItem { id tracked unitCost { amount currencyCode } } } } } } }"""
BULK = """
{"__typename":"LineItem","id":"gid://shopify/LineItem/1290001","sku":"SOAP-01","quantity":3,"__parentId":"gid://shopify/Order/1"}
{"__typename":"Order","id":"gid://shopify/Order/1","updatedAt":"2026-11-04T16:20:31Z","createdAt":"2026-11-04T16:20:31Z","refunds":[]}
{"id":"gid://shopify/ProductVariant/8101","sku":"SOAP-01","__parentId":"gid://shopify/Product/8001"}
{"id":"gid://shopify/Product/8001","title":"Soap","updatedAt":"2026-11-05T08:00:00Z","createdAt":"2026-11-05T08:00:00Z"}
{"__typename":"Order","id":"gid://shopify/Order/2","updatedAt":"2026-11-05T08:00:00Z","createdAt":"2026-11-05T08:00:00Z","refunds":[]}
"""


@pytest.fixture
def file(tmp_path: Path):
    """Write a file of records; return its path."""

    def write(*records: object, name: str = "records.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        return path

    return write


def without_cursor(node: dict[str, Any], member: str) -> dict[str, Any]:
    """Return a node without the cursor of its nested page, which every server makes its own way."""
    page = {**node[member], "pageInfo": {"hasNextPage": node[member]["pageInfo"]["hasNextPage"]}}
    return {**node, member: page}


def test_the_documented_order_comes_back_equal(start, file):
    """What was loaded is what is answered, member for member."""
    shop = start(records=(file(ORDER),))
    data = shop.data(QUERY, first=5, lines=5, query="updated_at:>='2026-11-01T00:00:00Z'")["orders"]
    (order,) = data["nodes"]
    assert without_cursor(order, "lineItems") == without_cursor(ORDER, "lineItems")
    assert data["pageInfo"]["hasNextPage"] is False


def test_the_documented_product_comes_back_equal(start, file):
    """With its variants, options, stock and cost."""
    shop = start(records=(file(PRODUCT),))
    (product,) = shop.data(PRODUCTS)["products"]["nodes"]
    assert without_cursor(product, "variants") == without_cursor(PRODUCT, "variants")


def test_the_count_of_a_loaded_list_follows_the_list(start, file):
    """The record brings the count of the day it was exported; the vendor's is never of another day than its list."""
    shop = start(records=(file(PRODUCT),))
    shop.shop.change("delete_variant", id=PRODUCT["variants"]["nodes"][0]["id"])
    (product,) = shop.data(PRODUCTS)["products"]["nodes"]
    assert (product["variants"]["nodes"], product["variantsCount"]["count"]) == ([], 0)


@pytest.mark.parametrize("form", ["nodes", "edges", "list"])
def test_nested_lists_load_in_every_form(start, file, form):
    """As a page answers them, as edges, or as a plain list."""
    lines = ORDER["lineItems"]["nodes"]
    given = {"nodes": {"nodes": lines}, "edges": {"edges": [{"node": line} for line in lines]}, "list": lines}
    shop = start(records=(file({**ORDER, "lineItems": given[form]}),))
    (line,) = shop.shop.truth("shopify_order_lines")
    assert (line["id"], line["order_id"]) == ("gid://shopify/LineItem/1290001", ORDER["id"])


def test_lines_of_a_bulk_file_load_in_any_order(start, tmp_path):
    """Children find their parent by __parentId, before or after it."""
    path = tmp_path / "bulk.jsonl"
    path.write_text(BULK)
    shop = start(records=(path,))
    orders = shop.all("orders", "id lineItems(first: 5) { nodes { id quantity } }", sortKey="ID")
    assert [len(order["lineItems"]["nodes"]) for order in orders] == [1, 0]
    (variant,) = shop.all("productVariants", "sku product { title }")
    assert variant == {"sku": "SOAP-01", "product": {"title": "Soap"}}


def test_what_a_bulk_operation_gives_can_be_loaded_again(start, tmp_path):
    """An export of one shop is the start of another."""
    from urllib.request import urlopen

    first = start(life=False)
    query = """{ orders { edges { node { id name createdAt updatedAt test currencyCode presentmentCurrencyCode
        totalPriceSet { shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } }
        lineItems { edges { node { id sku quantity } } } } } } }"""
    first.data(
        "mutation($q: String!) { bulkOperationRunQuery(query: $q) { userErrors { message } } }", q=query
    )
    for _ in range(2):
        url = first.data("{ bulkOperations(first: 1) { nodes { url } } }")["bulkOperations"]["nodes"][0][
            "url"
        ]
    path = tmp_path / "export.jsonl"
    with urlopen(url) as answer:
        path.write_bytes(answer.read())
    fields = "id name createdAt updatedAt test totalPriceSet { presentmentMoney { amount } } \
        lineItems(first: 150) { nodes { id sku quantity } }"
    second = start(records=(path,))
    orders = [first.all("orders", fields, first=5), second.all("orders", fields, first=5)]
    for rows in orders:
        for order in rows:
            order["lineItems"]["nodes"].sort(key=lambda line: line["id"])
        rows.sort(key=lambda order: order["id"])
    assert orders[0] == orders[1] != []


def test_a_later_line_is_a_newer_state(start, file):
    """The same id twice: the last one counts."""
    shop = start(records=(file(ORDER, {**ORDER, "name": "#1001 edited"}),))
    assert shop.all("orders", "name") == [{"name": "#1001 edited"}]


def test_members_that_nobody_knows_are_kept(start, file):
    """They show in the truth, though the schema cannot ask for them."""
    shop = start(records=(file({**ORDER, "colour": {"of": "money"}, "displayFinancialStatus": "BARTERED"}),))
    (order,) = shop.shop.truth("shopify_orders")
    assert order["colour"] == {"of": "money"}
    assert shop.all("orders", "displayFinancialStatus") == [{"displayFinancialStatus": "BARTERED"}]


def test_what_a_record_does_not_hold_is_null_empty_or_zero(start, file):
    """As the schema allows; an object that must be there holds nothing itself."""
    shop = start(records=(file({"id": "gid://shopify/Order/7", "createdAt": "2026-10-30T00:00:00Z"}),))
    fields = """name test tags email legacyResourceId returnStatus updatedAt closed totalRefundedSet {
        presentmentMoney { amount currencyCode } }
        lineItems(first: 5) { nodes { id } } refunds { id } customer { id }"""
    assert shop.all("orders", fields) == [
        {
            "name": "",
            "test": False,
            "tags": [],
            "email": None,
            "legacyResourceId": "7",
            "returnStatus": "NO_RETURN",
            "updatedAt": "2026-10-30T00:00:00Z",
            "closed": False,
            "totalRefundedSet": {"presentmentMoney": {"amount": "0.0", "currencyCode": "EUR"}},
            "lineItems": {"nodes": []},
            "refunds": [],
            "customer": None,
        }
    ]
    asked = "{ orders(first: 1) { nodes { merchantBusinessEntity { id displayName } } } }"
    (order,) = shop.data(asked)["orders"]["nodes"]
    assert order["merchantBusinessEntity"] == {"id": "gid://shopify/BusinessEntity/7", "displayName": ""}


def test_a_loaded_shop_stands_still(start, file):
    """Nobody's real export is edited by the sandbox's imagination, unless asked for."""
    shop = start(records=(file(ORDER),))
    before = list(shop.shop.truth("shopify_orders"))
    shop.shop.advance(30 * 86_400)
    assert list(shop.shop.truth("shopify_orders")) == before
    alive = start(records=(file(ORDER, PRODUCT),), life=True)
    alive.shop.advance(10 * 86_400)
    assert len(list(alive.shop.truth("shopify_orders"))) > 1


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "records.jsonl:2: not JSON"),
        ("[1]", "records.jsonl:2: a record must be a JSON object"),
        ('{"id": NaN}', "records.jsonl:2: not JSON: NaN is no JSON"),
        ('{"id": [1e400]}', "records.jsonl:2: not JSON: 1e400 is too large a number"),
        ('{"id": 5}', "records.jsonl:2: a record needs an id such as gid://shopify/Order/1, got 5"),
        ('{"name": "#1"}', "records.jsonl:2: a record needs an id"),
        ('{"id": "gid://shopify/LineItem/1"}', "records.jsonl:2: a LineItem needs a __parentId"),
        (
            '{"id": "gid://shopify/LineItem/1", "__parentId": "gid://shopify/Order/9"}',
            "records.jsonl:2: no record has the id of its __parentId gid://shopify/Order/9",
        ),
        (
            '{"id": "gid://shopify/ProductVariant/1", "__parentId": "gid://shopify/Order/5012345678901"}',
            "records.jsonl:2: a ProductVariant cannot be the child of a Order",
        ),
        (
            '{"id": "gid://shopify/Order/1", "lineItems": {"nodes": [], "pageInfo": {"hasNextPage": true}}}',
            "records.jsonl:2: lineItems has a next page",
        ),
        ('{"id": "gid://shopify/Order/1", "lineItems": 5}', "records.jsonl:2: lineItems must be a list"),
        ('{"id": "gid://shopify/Order/1", "lineItems": {"nodes": [5]}}', "must hold a list of objects"),
    ],
)
def test_a_line_that_does_not_load_is_named_by_file_and_line(file, line, says):
    """One sentence, before anything is served."""
    path = file(ORDER)
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(RecordsError, match=r"records\.jsonl") as caught, running_shopify(records=(path,)):
        raise AssertionError("it was served")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_half_of_a_character_is_served_as_an_escape(start, file):
    """An export that was cut within an emoji: UTF-8 has no such half, JSON has; pages, bulk files and truth go on."""
    shop = start(records=(file({**ORDER, "note": "half \ud83d"}),))
    assert shop.all("orders", "note") == [{"note": "half \ud83d"}]
    link = bulk_link(shop, "{ orders { edges { node { id note } } } }")
    assert httpx.get(link).json()["note"] == "half \ud83d"
    assert httpx.get(f"{shop.running.control_url}/truth/shopify_orders").json()["note"] == "half \ud83d"
    change = {"change": "update", "id": ORDER["id"], "set": {"note": "\udc00"}}
    assert shop.http.post("/_sandbox/change", content=json.dumps(change)).status_code == 200
    assert shop.all("orders", "note") == [{"note": "\udc00"}]


def test_a_file_that_is_not_there_is_named(tmp_path):
    """No empty shop is served in its place."""
    path = tmp_path / "none.jsonl"
    with pytest.raises(RecordsError, match=r"none\.jsonl: No such file"), running_shopify(records=(path,)):
        raise AssertionError("it was served")


def test_the_collections_of_loaded_products_are_listed(start, file):
    """A shop has the collections that its products name."""
    sale = {"id": "gid://shopify/Collection/9001", "title": "Sale", "updatedAt": "2026-09-01T00:00:00Z"}
    shop = start(records=(file({**PRODUCT, "collections": {"nodes": [sale]}}),))
    asked = '{ collections(first: 5, query: "title:Sale") { nodes { id title } } collectionsCount { count } }'
    shown = {"id": sale["id"], "title": "Sale"}
    assert shop.data(asked) == {"collections": {"nodes": [shown]}, "collectionsCount": {"count": 1}}
    assert shop.data(f'{{ collection(id: "{sale["id"]}") {{ id title }} }}')["collection"] == shown
    assert shop.data('{ collection(id: "gid://shopify/Collection/1") { id } }')["collection"] is None
