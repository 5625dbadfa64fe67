"""The seeded shop and its life: the same for a seed, with sums that add up, and every trouble aboard."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import httpx
import pytest

DATASETS = ("shopify_orders", "shopify_order_lines", "shopify_products", "shopify_product_variants")


def everything(shop) -> str:
    """Return all that a shop holds, as text."""
    return json.dumps([list(shop.truth(name)) for name in DATASETS])


def test_the_same_seed_gives_the_same_shop_and_the_same_life(start):
    """However the clock is moved: in one step or in many."""
    one, other = start().shop, start().shop
    assert everything(one) == everything(other) != everything(start(seed=8).shop)
    one.advance(3 * 86_400)
    for _ in range(72):
        other.advance(3600)
    assert everything(one) == everything(other)


def test_the_seeded_shop_holds_every_trouble(acme):
    """What a reader must survive is there from the start."""
    orders = list(acme.shop.truth("shopify_orders"))
    lines = list(acme.shop.truth("shopify_order_lines"))
    products = acme.shop.world.products.values()
    seconds = [order["updatedAt"] for order in orders]
    per_order = [sum(line["order_id"] == order["id"] for line in lines) for order in orders]
    troubles = {
        "guests": [order for order in orders if order["customer"] is None],
        "test orders": [order for order in orders if order["test"]],
        "cancelled orders": [order for order in orders if order["cancelledAt"]],
        "refunds": [order for order in orders if order["refunds"]],
        "no financial status": [order for order in orders if order["displayFinancialStatus"] is None],
        "imported orders": [order for order in orders if order["processedAt"] < order["createdAt"][:10]],
        "older than 400 days": [order for order in orders if order["createdAt"] < "2025-09-27"],
        "same second": [second for second in seconds if seconds.count(second) > 1],
        "deleted variants": [line for line in lines if line["variant"] is None],
        "yen": [order for order in orders if order["presentmentCurrencyCode"] == "JPY"],
        "dinars": [order for order in orders if order["presentmentCurrencyCode"] == "KWD"],
        "130 lines": [count for count in per_order if count == 130],
        "300 variants": [product for product in products if len(product["variants"]) == 300],
        "eight variants": [product for product in products if len(product["variants"]) == 8],
        "archived": [product for product in products if product["status"] == "ARCHIVED"],
        "text beyond ASCII": [product for product in products if not product["vendor"].isascii()],
    }
    assert not [name for name, found in troubles.items() if not found]
    assert len(orders) == 400
    assert max(seconds) <= "2026-11-01T06:00:00Z"


def test_an_orders_sums_follow_from_its_lines_refunds_and_transactions(start):
    """In both currencies, before and after ten days of edits, refunds and cancellations."""
    shop = start(orders=80, products=20).shop
    for _ in range(2):
        for order in shop.world.orders.values():
            for side in ("shopMoney", "presentmentMoney"):

                def money(bag, side=side):
                    return Decimal(bag[side]["amount"])

                net = "discountedUnitPriceAfterAllDiscountsSet"
                shipping = money(order["totalShippingPriceSet"])
                lines = order["lineItems"]
                ordered = sum(money(line[net]) * line["quantity"] for line in lines) + shipping
                current = sum(money(line[net]) * line["currentQuantity"] for line in lines) + shipping
                refunded = sum(money(refund["totalRefundedSet"]) for refund in order["refunds"])
                assert money(order["totalPriceSet"]) == ordered
                assert money(order["currentTotalPriceSet"]) == current
                assert money(order["totalRefundedSet"]) == refunded
                assert money(order["netPaymentSet"]) == money(order["totalReceivedSet"]) - refunded
                assert all(0 <= line["currentQuantity"] <= line["quantity"] for line in lines)
            assert order["createdAt"] <= order["updatedAt"]
            assert all(refund["updatedAt"] <= order["updatedAt"] for refund in order["refunds"])
        shop.advance(10 * 86_400)


def test_two_days_of_life_change_everything_that_can_change(start):
    """New orders, edits of old ones, refunds, cancellations, stock, and deletions with their events."""
    shop = start(orders=60, products=25)
    before = {name: {row["id"]: row for row in shop.shop.truth(name)} for name in DATASETS}
    before = json.loads(json.dumps(before))
    assert shop.http.post("/_sandbox/clock", json={"advance_seconds": 2 * 86_400}).status_code == 200
    after = {
        name: {
            row["id"]: row
            for row in map(json.loads, shop.http.get(f"/_sandbox/truth/{name}").text.splitlines())
        }
        for name in DATASETS
    }
    orders, old = after["shopify_orders"], before["shopify_orders"]
    changed = [orders[one] for one in old if orders[one] != old[one]]
    assert len(orders) > len(old)
    assert all(order["updatedAt"] > "2026-11-01T06:00:00Z" for order in changed)
    assert [order for order in changed if order["createdAt"] < "2026-09-01" and len(order["refunds"])]
    assert [order for order in changed if order["cancelledAt"] and not old[order["id"]]["cancelledAt"]]
    gone = set(before["shopify_order_lines"]) - set(after["shopify_order_lines"])
    assert gone
    products = after["shopify_products"]
    deleted = {one for one, product in products.items() if product["deletedAt"]}
    assert deleted
    assert set(before["shopify_products"]) <= set(products)
    events = shop.all(
        "events",
        "action ... on BasicEvent { subjectId subjectType createdAt }",
        query="\"action:destroy AND subject_type:PRODUCT AND created_at:>='2026-11-01T06:00:00Z'\"",
        sortKey="CREATED_AT",
    )
    assert {event["subjectId"] for event in events} == deleted
    assert all(event["createdAt"] == products[event["subjectId"]]["deletedAt"] for event in events)
    assert not deleted & {product["id"] for product in shop.all("products", "id")}
    lost = set(before["shopify_product_variants"]) - set(after["shopify_product_variants"])
    assert lost
    dead = shop.data("query($id: ID!) { productVariant(id: $id) { id } }", id=lost.pop())
    assert dead == {"productVariant": None}


def test_lines_lose_their_product_when_it_is_deleted_and_the_order_does_not_move(start):
    """As in life: `product` and `variant` become null, updatedAt stays."""
    shop = start(life=False)
    line = next(line for line in shop.shop.truth("shopify_order_lines") if line["product"])
    query = """query($id: ID!) { order(id: $id) { updatedAt
        lineItems(first: 250) { nodes { id product { id } variant { id } } } } }"""
    before = shop.data(query, id=line["order_id"])["order"]
    shop.http.post("/_sandbox/change", json={"change": "delete_product", "id": line["product"]["id"]})
    after = shop.data(query, id=line["order_id"])["order"]
    assert after["updatedAt"] == before["updatedAt"]
    (node,) = [one for one in after["lineItems"]["nodes"] if one["id"] == line["id"]]
    assert node == {"id": line["id"], "product": None, "variant": None}
    (told,) = [one for one in shop.shop.truth("shopify_order_lines") if one["id"] == line["id"]]
    assert told["product"] is told["variant"] is None


def test_stock_moves_the_product_too(start):
    """A product's updatedAt moves when its stock does, so products come often."""
    shop = start(life=False)
    variant = next(iter(shop.shop.truth("shopify_product_variants")))
    shop.shop.advance(60)
    shop.shop.change("set_stock", id=variant["id"], quantity=3)
    query = """query($id: ID!) { productVariant(id: $id) { inventoryQuantity updatedAt product { updatedAt }
        inventoryItem { updatedAt inventoryLevels(first: 1) { nodes { updatedAt
            quantities(names: ["on_hand", "available", "colour"]) { name quantity } } } } } }"""
    found = shop.data(query, id=variant["id"])["productVariant"]
    item = found["inventoryItem"]
    (level,) = item["inventoryLevels"]["nodes"]
    now = "2026-11-01T06:01:00Z"
    assert (found["updatedAt"], found["product"]["updatedAt"], item["updatedAt"], level["updatedAt"]) == (
        now,
    ) * 4
    assert found["inventoryQuantity"] == 3
    assert level["quantities"] == [{"name": "on_hand", "quantity": 5}, {"name": "available", "quantity": 3}]


@pytest.mark.parametrize("change", ["refund_order", "cancel_order", "remove_line", "touch"])
def test_an_order_can_be_changed_on_request(start, change):
    """The change stamps the order with the shop's present."""
    shop = start(life=False)
    order = shop.shop.change("new_order", lines=3)["id"]
    shop.shop.advance(100)
    answer = shop.http.post("/_sandbox/change", json={"change": change, "id": order}).json()
    assert answer["id"] == order
    assert answer["updatedAt"] >= "2026-11-01T06:01:40Z"
    assert len(answer["lineItems"]) == (2 if change == "remove_line" else 3)
    assert bool(answer["cancelledAt"]) == (change == "cancel_order")


def test_an_update_sets_what_it_is_given(start):
    """An enum value from the future is served as it stands."""
    shop = start(life=False)
    order = shop.shop.change("new_order")["id"]
    shop.shop.change("update", id=order, set={"displayFinancialStatus": "PAID_BY_BARTER"})
    query = "query($id: ID!) { order(id: $id) { displayFinancialStatus } }"
    assert shop.data(query, id=order)["order"] == {"displayFinancialStatus": "PAID_BY_BARTER"}


def test_a_deleted_order_leaves_no_trace(start):
    """There is no tombstone and no event: only its absence."""
    shop = start(life=False)
    order = next(iter(shop.shop.truth("shopify_orders")))["id"]
    shop.shop.change("delete_order", id=order)
    assert order not in {one["id"] for one in shop.all("orders", "id")}
    assert shop.all("events", "id") == []
    assert shop.data("{ ordersCount { count } }")["ordersCount"]["count"] == 19


def test_events_are_kept_for_a_year(start):
    """Whoever asks later must reconcile."""
    shop = start(life=False)
    product = next(iter(shop.shop.truth("shopify_products")))["id"]
    shop.shop.change("delete_product", id=product)
    assert len(shop.all("events", "id", query='"subject_type:PRODUCT"')) == 1
    shop.shop.advance(366 * 86_400)
    assert shop.all("events", "id", query='"subject_type:PRODUCT"') == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"now": "2026-10-01T00:00:00Z"}, "does not go back"),
        ({"now": "2026-12-01T00:00:00"}, "needs an offset"),
        ({"now": "soon"}, "Invalid isoformat"),
        ({"advance_seconds": -1}, "does not go back"),
        ({"advance_seconds": "x"}, "could not convert"),
        ({}, "advance_seconds"),
        ([], "JSON object"),
    ],
)
def test_the_clock_refuses_what_is_no_time_to_come(acme, body, says):
    """The answer is one sentence, and the clock stands where it stood."""
    answer = acme.http.post("/_sandbox/clock", json=body)
    assert answer.status_code == 400
    assert says in answer.json()["error"]
    assert acme.http.get("/_sandbox/clock").json() == {"now": "2026-11-01T06:00:00+00:00"}


def test_the_clock_can_be_set_and_can_run(start):
    """A running clock lets life happen between two requests."""
    shop = start(clock_rate=86_400.0)
    first = shop.shop.clock.now()
    assert shop.http.post("/_sandbox/clock", json={"now": "2026-11-03T00:00:00Z"}).status_code == 200
    assert shop.shop.now() > datetime(2026, 11, 3, tzinfo=UTC) > first
    assert shop.data("{ ordersCount { count } }")["ordersCount"]["count"] > 20


def test_the_control_routes_say_what_they_know(acme):
    """Faults, changes and data sets are listed; unknown ones are refused by name."""
    index = acme.http.get("/_sandbox").json()
    assert set(index["truth"]) == set(index["tables"]) == set(DATASETS)
    assert "throttled" in index["faults"]
    assert "delete_product" in index["changes"]
    url = acme.running.control_url
    for answer, word in (
        (httpx.get(f"{url}/truth/shopify_customers"), "shopify_customers"),
        (httpx.get(f"{url}/table/shopify_customers"), "shopify_customers"),
        (httpx.post(f"{url}/faults", json={"name": "earthquake"}), "earthquake"),
        (httpx.post(f"{url}/faults", json={"times": 1}), "name"),
        (httpx.post(f"{url}/faults", json={"name": "throttled", "times": 0}), "times"),
        (httpx.post(f"{url}/change", json={"change": "explode"}), "explode"),
        (httpx.post(f"{url}/change", json={"change": "touch", "id": "gid://shopify/Order/1"}), "Order/1"),
        (httpx.post(f"{url}/change", json={"change": "touch"}), "id"),
    ):
        assert answer.status_code == 400
        assert word in answer.json()["error"]


@pytest.mark.parametrize("currency", ["JPY", "KWD"])
def test_a_shop_can_sell_in_a_currency_without_cents(start, currency):
    """Prices and sums have the shop currency's own decimals."""
    shop = start(currency=currency)
    amounts = [
        node["totalPriceSet"]["shopMoney"]
        for node in shop.all("orders", "totalPriceSet { shopMoney { amount currencyCode } }")
    ]
    assert {one["currencyCode"] for one in amounts} == {currency}
    assert {len(one["amount"].partition(".")[2]) for one in amounts} == {0 if currency == "JPY" else 3}
