"""Bulk operations: what may be asked, how they go, and the file that they leave."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import httpx
import pytest

RUN = """mutation Run($q: String!, $group: Boolean!) {
    bulkOperationRunQuery(query: $q, groupObjects: $group) {
    bulkOperation { id status createdAt } userErrors { code field message } } }"""
POLL = """query Poll($id: ID!) { bulkOperation(id: $id) { id type status errorCode createdAt completedAt
    objectCount rootObjectCount fileSize url partialDataUrl query } }"""
LIST = '{ bulkOperations(first: 10, query: "status:running") { nodes { id status } } }'
ORDERS = "{ orders(sortKey: UPDATED_AT) { edges { node { id updatedAt \
    lineItems { edges { node { id sku quantity } } } } } } }"
NONE = "{ orders(query: \"updated_at:>'2030-01-01T00:00:00Z'\") { edges { node { id } } } }"


def run(shop, query: str, group: bool = False) -> dict[str, Any]:
    """Start an operation; return the mutation's payload."""
    payload: dict[str, Any] = shop.data(RUN, q=query, group=group)["bulkOperationRunQuery"]
    return payload


def finish(shop, query: str, group: bool = False) -> dict[str, Any]:
    """Start an operation and poll it to its end."""
    started = run(shop, query, group)
    assert started["userErrors"] == []
    for _ in range(30):
        operation: dict[str, Any] = shop.data(POLL, id=started["bulkOperation"]["id"])["bulkOperation"]
        if operation["status"] not in ("CREATED", "RUNNING", "CANCELING"):
            return operation
    raise AssertionError("the operation does not end")


def lines(url: str) -> list[dict[str, Any]]:
    """Fetch a file as anyone without credentials would."""
    answer = httpx.get(url)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def test_a_bulk_operation_brings_every_order_and_line_once(acme):
    """Counts are strings; the lines of the file are parents and children together."""
    operation = finish(acme, ORDERS)
    rows = lines(operation["url"])
    parents = [row for row in rows if "__parentId" not in row]
    children = [row for row in rows if "__parentId" in row]
    truth = [
        (line["order_id"], line["id"], line["quantity"]) for line in acme.shop.truth("shopify_order_lines")
    ]
    assert sorted((one["__parentId"], one["id"], one["quantity"]) for one in children) == sorted(truth)
    assert sorted(one["id"] for one in parents) == sorted(
        one["id"] for one in acme.shop.truth("shopify_orders")
    )
    assert (operation["status"], operation["errorCode"], operation["type"]) == ("COMPLETED", None, "QUERY")
    assert (operation["objectCount"], operation["rootObjectCount"]) == (str(len(rows)), str(len(parents)))
    plain = httpx.get(operation["url"], headers={"Accept-Encoding": "identity"})
    assert operation["fileSize"] == str(len(plain.content))
    assert set(parents[0]) == {"id", "updatedAt"}


def test_children_follow_their_parent_only_when_asked_to(acme):
    """Without groupObjects no order is promised: children come before parents, and after others'."""
    grouped = lines(finish(acme, ORDERS, group=True)["url"])
    mixed = lines(finish(acme, ORDERS, group=False)["url"])
    last = None
    for row in grouped:
        last = row["id"] if "__parentId" not in row else last
        assert row.get("__parentId", last) == last
    places = {row["id"]: place for place, row in enumerate(mixed) if "__parentId" not in row}
    early = [row for place, row in enumerate(mixed) if places.get(row.get("__parentId"), -1) > place]
    assert early

    def by_id(row: dict[str, Any]) -> tuple[str, str]:
        return row["id"], row.get("__parentId", "")

    assert sorted(mixed, key=by_id) == sorted(grouped, key=by_id)


def test_an_operation_moves_on_with_its_polls(start):
    """CREATED, RUNNING, COMPLETED; it is found by id, in the list, as the current one, and as a node."""
    shop = start(bulk_polls=3)
    created = run(shop, ORDERS)["bulkOperation"]
    assert created["status"] == "CREATED"
    first = shop.data(POLL, id=created["id"])["bulkOperation"]
    assert (first["status"], first["url"], first["completedAt"]) == ("RUNNING", None, None)
    assert shop.data(LIST)["bulkOperations"]["nodes"] == [{"id": created["id"], "status": "RUNNING"}]
    node = shop.data(
        "query($id: ID!) { node(id: $id) { ... on BulkOperation { status url } } }", id=created["id"]
    )
    assert node["node"]["status"] == "COMPLETED"
    assert shop.data("{ currentBulkOperation { id status } }")["currentBulkOperation"] == {
        "id": created["id"],
        "status": "COMPLETED",
    }
    assert shop.data(LIST)["bulkOperations"]["nodes"] == []


def test_an_operation_without_rows_is_complete_without_a_file(acme):
    """`url` is null: that is zero rows, not a failure."""
    operation = finish(acme, NONE)
    assert (operation["status"], operation["objectCount"]) == ("COMPLETED", "0")
    assert operation["url"] is operation["fileSize"] is None


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("{ shop { name } }", "at least one connection"),
        ("{ orders { nodes { id } } }", "edges { node"),
        ("{ orders { edges { cursor } } }", "edges { node"),
        ('{ node(id: "gid://shopify/Order/1") { id } }', "top level `node`"),
        (
            "{ orders { edges { node { name lineItems { edges { node { id } } } } } } }",
            "without 'id': lineItems",
        ),
        ("{ orders { edges { node { key: id lineItems { edges { node { id } } } } } } }", "without 'id'"),
        (
            "{ orders { edges { node { id refunds { refundLineItems { edges { node { quantity } } } } } } } }",
            "connection field within a list field",
        ),
        (
            "{ locations { edges { node { id inventoryLevels { edges { node { id item { id variants { edges { node "
            "{ id media { edges { node { id } } } } } } } } } } } } } }",
            "nesting depth greater than 2",
        ),
        (
            "{ " + " ".join(f"a{n}: orders {{ edges {{ node {{ id }} }} }}" for n in range(6)) + " }",
            "more than 5 connections",
        ),
        ("{ orders { edges { node { colour } } } }", "doesn't exist on type 'Order'"),
        ('mutation { bulkOperationCancel(id: "x") { userErrors { message } } }', "only queries"),
        ("query($n: Int) { orders(first: $n) { edges { node { id } } } }", "variables are not supported"),
        ("{ orders {", "Syntax Error"),
    ],
)
def test_what_cannot_run_in_bulk_is_a_user_error(acme, query, says):
    """HTTP 200, no operation, code INVALID on the field query."""
    answer = run(acme, query)
    assert answer["bulkOperation"] is None
    (error,) = answer["userErrors"]
    assert (error["code"], error["field"]) == ("INVALID", ["query"])
    assert says in error["message"]


def test_two_connections_below_one_of_the_root_are_read(start):
    """The root's own does not count, as connectors that read products, variants and stock at Shopify show."""
    shop = start(orders=0, products=3)
    below = (
        "variants { edges { node { id inventoryItem { id inventoryLevels { edges { node { id } } } } } } }"
    )
    operation = finish(shop, f"{{ products {{ edges {{ node {{ id {below} }} }} }} }}")
    lines = [json.loads(line) for line in httpx.get(operation["url"]).text.splitlines()]
    parents = {one["id"]: one.get("__parentId") for one in lines}
    levels = [one for one in lines if "/InventoryLevel/" in one["id"]]
    assert levels
    assert all(
        "/ProductVariant/" in one["__parentId"] or "/InventoryItem/" in one["__parentId"] for one in levels
    )
    assert all(
        parent is None or parent in parents or "/InventoryItem/" in parent for parent in parents.values()
    )


def test_first_and_page_info_are_ignored_in_bulk(start):
    """A bulk operation reads the whole list, whatever `first` says."""
    shop = start()
    operation = finish(shop, "{ orders(first: 1) { pageInfo { hasNextPage } edges { node { id } } } }")
    assert operation["objectCount"] == "20"


def test_five_operations_run_at_once_and_the_sixth_waits(start):
    """The refusal is a user error that names a running operation; nothing is cancelled."""
    shop = start()
    running = [run(shop, ORDERS)["bulkOperation"]["id"] for _ in range(5)]
    refused = run(shop, ORDERS)
    assert refused["bulkOperation"] is None
    (error,) = refused["userErrors"]
    assert (error["code"], error["field"]) == ("OPERATION_IN_PROGRESS", None)
    assert error["message"].endswith(f"already in progress: {running[0]}.")
    shop.data(POLL, id=running[2])
    assert run(shop, ORDERS)["userErrors"] == []


def test_an_operation_can_be_cancelled_while_it_runs(start):
    """It is CANCELING first, then CANCELED; a finished or unknown one cannot be."""
    cancel = """mutation($id: ID!) { bulkOperationCancel(id: $id) {
        bulkOperation { status } userErrors { message } } }"""
    shop = start()
    operation = run(shop, ORDERS)["bulkOperation"]["id"]
    assert shop.data(cancel, id=operation)["bulkOperationCancel"]["bulkOperation"] == {"status": "CANCELING"}
    ended = shop.data(POLL, id=operation)["bulkOperation"]
    assert (ended["status"], ended["url"]) == ("CANCELED", None)
    assert shop.data(cancel, id=operation)["bulkOperationCancel"]["userErrors"]
    assert shop.data(cancel, id="gid://shopify/BulkOperation/1")["bulkOperationCancel"]["userErrors"]


def test_a_file_expires_seven_days_after_completion(start):
    """By the shop's clock; the signature covers the expiry."""
    shop = start(life=False)
    operation = finish(shop, ORDERS)
    url = operation["url"]
    shop.shop.advance(7 * 86_400 - 1)
    assert httpx.get(url).status_code == 200
    shop.shop.advance(1)
    assert httpx.get(url).status_code == 400
    assert "ExpiredToken" in httpx.get(url).text
    later = shop.data(POLL, id=operation["id"])["bulkOperation"]
    assert (later["status"], later["url"]) == ("EXPIRED", None)
    assert httpx.get(url.replace("sig=", "sig=0")).status_code == 403
    assert httpx.get(url.replace("Expires=1", "Expires=2")).status_code == 403
    assert httpx.get(url.split("?")[0]).status_code == 403


def test_a_missing_scope_fails_the_operation(start):
    """ACCESS_DENIED is the operation's error code; nothing is left to fetch."""
    operation = finish(start(scopes=("read_products",)), ORDERS)
    assert (operation["status"], operation["errorCode"]) == ("FAILED", "ACCESS_DENIED")
    assert operation["url"] is operation["partialDataUrl"] is None


def test_a_bulk_read_keeps_to_the_sixty_days(start):
    """A list has one truth, whichever way it is read."""
    shop = start(orders=60, scopes=("read_orders",), life=False)
    assert finish(shop, "{ orders { edges { node { id } } } }")["objectCount"] == str(
        len(shop.all("orders", "id"))
    )


def test_a_big_shop_is_read_in_slices_while_it_is_polled(start):
    """More records than one slice: still each exactly once."""
    shop = start(orders=2001, products=2, life=False)
    started = run(shop, "{ orders { edges { node { id lineItems { edges { node { id } } } } } } }")
    shop.shop.bulk._operations[started["bulkOperation"]["id"]].work.join(60)
    shop.data(POLL, id=started["bulkOperation"]["id"])
    operation = shop.data(POLL, id=started["bulkOperation"]["id"])["bulkOperation"]
    rows = lines(operation["url"])
    assert operation["rootObjectCount"] == "2001"
    assert len({row["id"] for row in rows}) == len(rows) == int(operation["objectCount"])


def test_a_running_operation_with_a_clock_ends_without_polls(start):
    """A killed client does not hold its slots for ever: shop time ends them too."""
    shop = start(bulk_polls=50, life=False)
    operation = run(shop, ORDERS)["bulkOperation"]["id"]
    assert shop.data(POLL, id=operation)["bulkOperation"]["status"] == "RUNNING"
    shop.shop.advance(600)
    assert shop.data(POLL, id=operation)["bulkOperation"]["status"] == "COMPLETED"


@pytest.mark.parametrize(
    ("fault", "args", "status"),
    [
        ("bulk_failed", {"error_code": "TIMEOUT"}, "FAILED"),
        ("bulk_canceled", {}, "CANCELED"),
        ("bulk_slow", {"polls": 9}, "COMPLETED"),
    ],
)
def test_an_operation_can_end_badly(start, fault, args, status):
    """Failed with partial data, cancelled by the vendor, or just slow; the next one is well again."""
    shop = start(life=False)
    shop.shop.faults.add(fault, **args)
    operation = finish(shop, ORDERS)
    assert operation["status"] == status
    if fault == "bulk_failed":
        assert (operation["errorCode"], operation["url"], operation["completedAt"]) == ("TIMEOUT", None, None)
        assert len(lines(operation["partialDataUrl"])) == int(operation["objectCount"]) // 2
    if fault == "bulk_slow":
        polls = [one for one in shop.shop.requests if one.note.get("operation") == "Poll"]
        assert len(polls) == 9
    assert finish(shop, ORDERS)["status"] == "COMPLETED"


def test_a_file_can_be_cut_short_or_lack_lines(start):
    """Cut in the middle of a line, or whole lines fewer than counted; the next fetch is whole."""
    shop = start(life=False)
    operation = finish(shop, ORDERS)
    shop.shop.faults.add("bulk_truncated")
    with pytest.raises(json.JSONDecodeError):
        lines(operation["url"])
    shop.shop.faults.add("bulk_fewer_lines", drop=3)
    assert len(lines(operation["url"])) == int(operation["objectCount"]) - 3
    whole = lines(operation["url"])
    shop.shop.faults.add("bulk_repeated")
    assert lines(operation["url"]) == [*whole[:-1], whole[0]]
    shop.shop.faults.add("bulk_line", line='{"errors":"half"}')
    assert lines(operation["url"]) == [{"errors": "half"}, *whole[1:]]
    shop.shop.faults.add("bulk_url_expired")
    assert httpx.get(operation["url"]).status_code == 400
    assert len(lines(operation["url"])) == int(operation["objectCount"])


def test_a_file_can_lack_the_children_of_deep_parents_and_count_what_it_has(start):
    """Nothing within the file tells: its counts are those of its lines."""
    shop = start(life=False)
    truth = {one["id"]: len(one["lineItems"]) for one in shop.shop.world.orders.values()}
    assert max(truth.values()) == 130
    shop.shop.faults.add("bulk_short_children")
    operation = finish(shop, ORDERS)
    rows = lines(operation["url"])
    held = Counter(row["__parentId"] for row in rows if "__parentId" in row)
    assert held == {order: min(100, size) for order, size in truth.items()}
    assert (operation["objectCount"], operation["rootObjectCount"]) == (str(len(rows)), str(len(truth)))
    shop.shop.faults.add("bulk_short_children", keep=2)
    held = Counter(row["__parentId"] for row in lines(finish(shop, ORDERS)["url"]) if "__parentId" in row)
    assert held == {order: min(2, size) for order, size in truth.items()}
    assert len(lines(finish(shop, ORDERS)["url"])) == len(truth) + sum(truth.values())


def test_the_slots_can_be_held_by_somebody_else(start):
    """Another client of the app is running something; it shows in the list and ends by itself."""
    shop = start()
    shop.shop.faults.add("slots_busy", times=2)
    for _ in range(2):
        assert run(shop, ORDERS)["userErrors"][0]["code"] == "OPERATION_IN_PROGRESS"
        assert len(shop.data(LIST)["bulkOperations"]["nodes"]) == 1
    assert run(shop, ORDERS)["userErrors"] == []
    assert finish(shop, ORDERS)["status"] == "COMPLETED"
