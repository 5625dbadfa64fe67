"""One object of which an id, a time or the structure cannot be read is set aside and told; all others arrive."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from weathervane.lake import NotFoundError, TableRef
from weathervane.shopify import _bulk as bulk
from weathervane.shopify import _nested as nested
from weathervane.shopify._reader.orders import OrdersReader
from weathervane.source import ContractError, IncompleteError, download

from .bench import BULK, LINES, ORDERS, PRODUCTS, QUICK, SMALL, VARIANTS, Bench, number

TIMES: list[Any] = [
    "2026-11-02T09:14:07",
    "yesterday",
    "9999-12-31T23:59:59-14:00",
    "",
    5,
    None,
    "2026-11-02",
    "0001-01-01T00:00:00+14:00",
]
IDS: list[Any] = [5, None, "", "12", "gid://shopify/Order/x", {}, "gid://shopify/Order/\ud83d"]
NODES: list[Any] = [
    *({"updatedAt": time} for time in TIMES),
    *({"id": one} for one in IDS),
    None,
    7,
    "x",
    [],
]
LISTS: list[Any] = [
    None,
    5,
    [],
    {"nodes": None},
    {"nodes": "x"},
    {"pageInfo": None},
    {"pageInfo": {"hasNextPage": "yes"}},
    {"pageInfo": {"hasNextPage": True, "endCursor": None}},
    {"pageInfo": {"hasNextPage": True, "endCursor": 5}},
]
ELEMENTS: list[Any] = [7, None, [], "x", {"id": 5}, {"id": None}, {"id": "gid://shopify/X/y"}]


class Kind:
    """What a run reads, and the shop's own objects of it by time of change."""

    def __init__(self, name: str) -> None:
        self.name = name
        orders = name == "orders"
        self.parents, self.children = (ORDERS, LINES) if orders else (PRODUCTS, VARIANTS)
        self.operation = "OrdersPage" if orders else "ProductsPage"
        self.key = "order_id" if orders else "product_id"
        self.list = "lineItems" if orders else "variants"

    def objects(self, bench: Bench) -> list[dict[str, Any]]:
        """All that there are."""
        world = bench.shop.world.orders if self.name == "orders" else bench.shop.world.products
        return sorted(world.values(), key=lambda one: (one["updatedAt"], int(number(one["id"]) or 0)))

    def spoil(self, bench: Bench, nodes: list[Any], **more: Any) -> None:
        """The first objects of a page become these, or get their members."""
        members = {"data": {self.name: {"nodes": {str(at): node for at, node in enumerate(nodes)}}}}
        more = {"match": {"operation": self.operation}} | more
        bench.shop.faults.add("merged", members=members, **more)


KINDS = [Kind("orders"), Kind("products")]
WHOLE = replace(QUICK, page_size=60)
"""All objects come on one page."""


def _aside(bench: Bench, dataset: str) -> list[dict[str, Any]]:
    try:
        found = bench.lake.read(TableRef(bench.tenant, f"{dataset}_quarantine")).read_all()
    except NotFoundError:
        return []
    return list(found.to_pylist())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_objects_of_a_page_that_cannot_be_told_cost_themselves_alone(begin, kind):
    """Their rows and those of their lists are in the quarantine with their record, and in the run's own numbers."""
    bench = begin(orders=50, products=50)
    kind.spoil(bench, NODES)
    summary = bench.run(kind.name, WHOLE)
    objects = kind.objects(bench)
    odd, good = objects[: len(NODES)], {number(one["id"]) for one in objects[len(NODES) :]}
    assert {row[kind.key] for row in bench.rows(kind.parents)} == good
    assert {row[kind.key] for row in bench.rows(kind.children)} == good
    sent = [json.loads(one["record"]) for one in _aside(bench, kind.parents)]
    assert len(sent) == len(NODES)
    for node in NODES:
        assert any(
            one == node if not isinstance(node, dict) else isinstance(one, dict) and one | node == one
            for one in sent
        ), node
    told = summary.metadata["datasets"]
    assert told[kind.parents].rows_quarantined == len(NODES)
    assert told[kind.children].rows_quarantined == len(_aside(bench, kind.children))
    shown = sum(
        min(5, len(one[kind.list])) for one, node in zip(odd, NODES, strict=False) if isinstance(node, dict)
    )
    assert len(_aside(bench, kind.children)) == shown
    # Nothing hides them: the others' times say where the next run goes on, and a later change is read like any other.
    bench.shop.advance(3600)
    for one in odd:
        bench.shop.change("update", id=one["id"], set={"tags": ["mended"]})
    bench.run(kind.name, WHOLE)
    bench.holds_the_shop(kind.parents, kind.children)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_lists_that_cannot_be_read_leave_their_objects_and_are_told(begin, kind):
    """The order's money is right whatever its lines are; nothing that the lake holds of them is taken off."""
    bench = begin(orders=30, products=30)
    bench.run(kind.name, WHOLE)
    before = [_keys(row) for row in bench.rows(kind.children)]
    bench.shop.advance(3600)
    for one in kind.objects(bench):
        bench.shop.change("update", id=one["id"], set={"tags": ["again"]})
    odd = [one["id"] for one in kind.objects(bench)[: len(LISTS)]]
    kind.spoil(bench, [{kind.list: nested} for nested in LISTS])
    summary = bench.run(kind.name, WHOLE)
    bench.holds_the_shop(kind.parents)
    assert [_keys(row) for row in bench.rows(kind.children)] == before
    told = [
        one for one in _aside(bench, kind.children) if "the list cannot be read to its end" in one["reason"]
    ]
    assert [json.loads(one["row_key"]) for one in told] == [[bench.tenant, number(gid)] for gid in odd]
    assert [json.loads(one["record"])["id"] for one in told] == odd
    counts = summary.metadata["datasets"][kind.children]
    assert (counts.rows_deleted, counts.rows_quarantined >= len(odd)) == (0, True)


def _keys(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in ("order_id", "line_id", "product_id", "variant_id"))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_elements_that_are_none_cost_themselves_alone(begin, kind):
    """They count as listed, their siblings land, and what the lake holds of their object stays."""
    bench = begin(orders=20, products=20)
    odd = [number(one["id"]) for one in kind.objects(bench)[: len(ELEMENTS)]]
    kind.spoil(bench, [{kind.list: {"nodes": {"0": element}}} for element in ELEMENTS])
    bench.run(kind.name, WHOLE)
    bench.holds_the_shop(kind.parents)
    truth = list(bench.shop.truth(kind.children))
    assert len(bench.rows(kind.children)) == len(truth) - len(ELEMENTS)
    assert [json.loads(one["row_key"])[1] for one in _aside(bench, kind.children)] == odd


REST: list[Any] = [
    5,
    {"id": 5},
    {"id": "gid://shopify/Order/1"},
    {"updatedAt": None},
    {"lineItems": None},
    {"lineItems": {"pageInfo": {"hasNextPage": True, "endCursor": ""}}},
    {"lineItems": {"nodes": {"0": 7}}},
    "a loop",
]


@pytest.mark.parametrize("settings", [QUICK, BULK], ids=["pages", "bulk"])
def test_odd_answers_about_one_list_end_no_run(bench, settings):
    """All orders land, its own too; what could not be read is told, and nothing that the lake holds is taken off."""
    bench.run(settings=settings)
    longest = max(bench.shop.world.orders.values(), key=lambda one: len(one["lineItems"]))
    with bench.client() as client:
        query = OrdersReader(client, now=bench.shop.clock.now())._within.query
        found = client.query(query, {"id": longest["id"], "after": None, "first": 3})
    cursor = json.loads(found.body)["data"]["order"]["lineItems"]["pageInfo"]["endCursor"]
    loop = {"lineItems": {"pageInfo": {"hasNextPage": True, "endCursor": cursor}}}
    for answer in REST:
        bench.shop.advance(3600)
        for one in bench.order_ids():
            bench.shop.change("touch", id=one)
        members = {"data": {"order": loop if answer == "a loop" else answer}}
        times = None if answer == "a loop" else 1
        bench.shop.faults.add("merged", times=times, match={"operation": "OrderLines"}, members=members)
        summary = bench.run(settings=settings)
        bench.shop.faults.clear()
        bench.holds_the_shop(ORDERS)
        assert len(bench.rows(LINES)) == len(list(bench.shop.truth(LINES)))
        counts = summary.metadata["datasets"][LINES]
        assert (counts.rows_deleted, counts.rows_quarantined >= 1) == (0, True), answer


@pytest.mark.parametrize("node", [None, {"updatedAt": "soon"}], ids=json.dumps)
def test_an_odd_object_on_each_of_many_pages_counts_as_listed(begin, node):
    """By itself, also where nothing tells it from the others; and slices that are full go on behind it."""
    bench = begin(orders=12)
    KINDS[0].spoil(bench, [node], times=3)
    results = []
    bench.run(settings=replace(SMALL, slice_rows=4), on_slice=results.append)
    assert len(results) > 1
    aside = _aside(bench, ORDERS)
    assert len(aside) == 3
    # The third was behind the end of a slice, and came whole with the next one.
    if node is not None:
        told = {json.loads(one["row_key"])[1] for one in aside}
        landed = {row["order_id"] for row in bench.rows(ORDERS)}
        assert (len(told), len(landed), len(told | landed)) == (3, 10, 12)


def test_a_shop_of_which_no_order_can_be_told_is_incomplete(begin):
    """Nothing is committed, and the checkpoint stays."""
    bench = begin(orders=4)
    KINDS[0].spoil(bench, [{"updatedAt": "soon"}] * 4)
    with pytest.raises(IncompleteError, match="TOO_MANY_SET_ASIDE"):
        bench.run()
    assert (bench.rows(ORDERS), bench.checkpoint()) == ([], None)


@pytest.mark.parametrize(("which", "node"), [("oldest", {"updatedAt": "2026-11-02"}), ("newest", None)])
def test_a_history_whose_ends_cannot_be_read_is_read_by_pages(begin, which, node):
    """They only cut it into bulk operations."""
    bench = begin(orders=4)
    members = {"data": {which: {"nodes": {"0": node}}}}
    bench.shop.faults.add("merged", times=None, match={"operation": "Times"}, members=members)
    bench.run(settings=BULK)
    assert bench.requests("Run") == []
    bench.holds_the_shop()


def test_deletions_that_cannot_be_read_are_set_aside_beside_the_others(begin):
    """They mark nothing; the others' products are marked, and they are told."""
    odd: list[Any] = [
        *({"createdAt": time} for time in TIMES),
        *({"subjectId": gid} for gid in ("gid://shopify/Product/x", "12", "", 5)),
        {"subjectType": 5},
        7,
    ]
    bench = begin(products=40)
    bench.run("products")
    gone = list(bench.shop.world.products)[: 2 * len(odd) + 1]
    for gid in gone:
        bench.shop.advance(60)
        bench.shop.change("delete_product", id=gid)
    members = {"data": {"events": {"nodes": {str(at): event for at, event in enumerate(odd)}}}}
    bench.shop.faults.add("merged", match={"operation": "Deleted"}, members=members)
    summary = bench.run("products")
    marked = {row["product_id"] for row in bench.rows(PRODUCTS) if row["deleted_at"]}
    assert len(marked) == len(odd) + 1
    assert marked < set(map(number, gone))
    assert len(_aside(bench, PRODUCTS)) == len(odd)
    assert summary.metadata["datasets"][PRODUCTS].rows_quarantined == len(odd)


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[list[Any]], None]], None]:
    """Changes the objects of the next bulk files, once they are here whole."""

    def spoil(change: Callable[[list[Any]], None]) -> None:
        def spoiled(url: str, path: Any, **given: Any) -> None:
            download(url, path, **given)
            lines = [json.loads(line) for line in path.read_bytes().splitlines()]
            change(lines)
            path.write_text("".join(json.dumps(line) + "\n" for line in lines))

        monkeypatch.setattr(bulk, "download", spoiled)

    return spoil


def test_orders_of_a_bulk_file_that_cannot_be_told_cost_themselves_and_their_lines(begin, spoil):
    """As on a page: lines have no version without their order. Some have so many that pages would be asked."""
    odd = [
        *({"updatedAt": time} for time in TIMES),
        *({"id": one} for one in IDS),
        {"createdAt": "soon"},
        {"createdAt": None},
        {"currencyCode": 5},
        {"currencyCode": None},
    ]
    bench = begin(orders=50)
    objects = sorted(bench.shop.world.orders.values(), key=lambda one: -len(one["lineItems"]))
    objects = objects[1 : 1 + len(odd)]
    deep = len(objects[3]["lineItems"])
    assert deep > len(objects[-1]["lineItems"])
    by_id = dict(zip((one["id"] for one in objects), odd, strict=True))

    def change(lines: list[Any]) -> None:
        for one in lines:
            one.update(by_id.get(one["id"], {}))

    spoil(change)
    bench.run(settings=replace(BULK, bulk_deep_from=deep))
    others = {number(one) for one in bench.shop.world.orders} - set(map(number, by_id))
    assert {row["order_id"] for row in bench.rows(ORDERS)} == others
    assert {row["order_id"] for row in bench.rows(LINES)} == others
    assert len(_aside(bench, ORDERS)) == len(odd)
    aside = [json.loads(one["row_key"])[1] for one in _aside(bench, LINES)]
    assert Counter(aside) == {number(one["id"]): len(one["lineItems"]) for one in objects}


def test_lines_of_a_bulk_file_without_an_id_cost_themselves_alone(begin, spoil):
    """Their orders land, and keep what the lake has of them."""
    bench = begin(orders=20)
    orders = [one["id"] for one in bench.shop.world.orders.values() if len(one["lineItems"]) < 90][: len(IDS)]

    def change(lines: list[Any]) -> None:
        for order, gid in zip(orders, IDS, strict=True):
            next(one for one in lines if one.get("__parentId") == order)["id"] = gid

    spoil(change)
    bench.run(settings=BULK)
    bench.holds_the_shop(ORDERS)
    aside = {tuple(json.loads(one["row_key"])) for one in _aside(bench, LINES)}
    assert aside == {(bench.tenant, number(order), None) for order in orders}
    assert len(bench.rows(LINES)) == len(list(bench.shop.truth(LINES))) - len(IDS)


@pytest.mark.parametrize("parent", [5, "12"])
def test_a_line_that_names_no_order_is_a_fault_of_the_file(begin, spoil, parent):
    """Whose line it is nobody knows, so no order's lines are whole."""
    bench = begin(orders=4)

    def change(lines: list[Any]) -> None:
        next(one for one in lines if "__parentId" in one)["__parentId"] = parent

    spoil(change)
    with pytest.raises(ContractError, match="a line of the bulk file"):
        bench.run(settings=BULK)
    assert bench.rows(ORDERS) == bench.rows(LINES) == []


@pytest.mark.parametrize("settings", [QUICK, BULK], ids=["pages", "bulk"])
def test_half_an_emoji_in_the_rest_of_a_list_is_set_aside_by_value(bench, settings):
    """As everywhere else; it was U+FFFD without a word."""
    order = max(bench.shop.world.orders.values(), key=lambda one: len(one["lineItems"]))
    for line in order["lineItems"]:
        line["title"] = "cut \ud83d"
    bench.run(settings=settings)
    titles = [row["title"] for row in bench.rows(LINES) if row["order_id"] == number(order["id"])]
    assert titles == [None] * 130
    aside = [one for one in _aside(bench, LINES) if one["column_name"] == "title"]
    assert len(aside) == 130
    assert all(one["reason"].startswith("value set aside, row kept: ") for one in aside)


def test_a_page_as_documented_is_read_at_once(bench, monkeypatch):
    """Object by object takes several times as long."""
    with bench.client() as client:
        reader = OrdersReader(client, now=bench.shop.clock.now())
        shape = reader._changes._shape
        variables = {"first": 12, "after": None, "query": "", "nested": 5}
        body = client.query(shape.page_query, variables).body
    monkeypatch.setattr(nested, "_found_in", None)
    page, odd = nested.seen_on(body, shape.connection, shape.within)
    assert ([one.id for one in page], odd) == (bench.order_ids(), [])
