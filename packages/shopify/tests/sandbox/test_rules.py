"""The vendor's rules on reading: cost, throttle, cursors, a moving world, and who may see what."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from .conftest import bulk_link

IDS = "id updatedAt"


def order_page(first: int, lines: int) -> str:
    """Return a query of known cost."""
    return f"{{ orders(first: {first}) {{ nodes {{ id lineItems(first: {lines}) {{ nodes {{ id }} }} }} }} }}"


# Points that Shopify asked for queries of these shapes, as measured there (see `sandbox/cost.py`).
MEASURED = {
    "{ orders(first: 1) { edges { node { id } } } }": 3,
    "{ productVariants(first: 1) { nodes { id product { id } } } }": 4,
    "{ order(id: $id) { lineItems(first: 3) { nodes { id product { id } variant { id } originalTotalSet { shopMoney {"
    " amount } } customAttributes { key } duties { id taxLines { rate } } fulfillmentService { id location { id } }"
    " discountAllocations { allocatedAmountSet { shopMoney { amount } } } taxLines { rate } } } } }": 23,
    "{ refund(id: $id) { refundLineItems(first: 10) { nodes { id quantity lineItem { id } location { id } priceSet {"
    " presentmentMoney { amount } shopMoney { amount } } } } } }": 15,
    "{ orders(first: 20) { nodes { id shippingAddress { city } customer { defaultAddress { id } } } } }": 22,
    "{ orders(first: 25) { nodes { customer { defaultAddress { id } } shippingAddress { city } } } }": 26,
    "{ product(id: $id) { title seo { title } metafields(first: 50) { edges { node { id key } } } } }": 11,
    "{ products(first: 100) { edges { node { id media(first: 1) { edges { node { alt ... on MediaImage { id image {"
    " url } } } } } } } } }": 47,
    "{ orders(first: 150) { nodes { id } } }": 12,
    "{ products(first: 200) { pageInfo { hasNextPage } edges { cursor node { id updatedAt } } } }": 12,
    "{ productVariants(first: 200) { nodes { id media(first: 1) { nodes { alt ... on MediaImage { image { url } } } } }"
    " } }": 52,
    "{ product(id: $id) { variants(first: 250) { nodes { inventoryItem { id tracked } } } } }": 25,
}


@pytest.mark.parametrize(("query", "points"), MEASURED.items(), ids=lambda one: str(one)[:60])
def test_a_query_costs_what_it_costs_at_shopify(acme, query, points):
    """Sizes count by their logarithm, and money not at all."""
    kind = "Refund" if "refund(" in query else "Order" if "order(" in query else "Product"
    query = query.replace("$id", f'"gid://shopify/{kind}/1"')
    cost = acme.ask(query)["extensions"]["cost"]
    assert cost["requestedQueryCost"] == points
    assert cost["actualQueryCost"] <= points


def test_cost_follows_the_documented_parts(acme):
    """1 for an object, 10 for a mutation, the dearest branch of a union, and a node's selections counted once."""
    cost = acme.ask(order_page(5, 20))["extensions"]["cost"]
    assert cost["requestedQueryCost"] == 2 + 3 * (1 + 2 + 5 * 1)
    assert cost["actualQueryCost"] < cost["requestedQueryCost"]
    merged = "{ orders(first: 5) { nodes { id } edges { node { name customer { id } } } } }"
    assert acme.ask(merged)["extensions"]["cost"]["requestedQueryCost"] == 2 + 3 * (1 + 1)
    union = '{ node(id: "gid://shopify/Order/1") { ... on Order { customer { id } } ... on Product { id } } }'
    assert acme.ask(union)["extensions"]["cost"]["requestedQueryCost"] == 2
    assert acme.ask("{ shop { name } }")["extensions"]["cost"]["requestedQueryCost"] == 1


def test_nested_lists_of_the_largest_size_are_within_bounds(acme):
    """Real clients ask for 250 products with 250 media each."""
    query = "{ products(first: 250) { nodes { id media(first: 250) { nodes { id } } } } }"
    assert acme.ask(query)["extensions"]["cost"]["requestedQueryCost"] == 2 + 11 * (1 + 2 + 11 * 1)
    assert acme.data(query)["products"]["nodes"]


def test_a_request_can_ask_what_each_field_costs(acme):
    """The header adds `fields` to the cost: a leaf costs nothing, and the roots make the whole."""
    query = """query($n: Int!) { shop { name currencyFormats { moneyFormat } } page: orders(first: $n) {
        pageInfo { hasNextPage } edges { node { id lineItems(first: 20) { nodes { id } } } } } }"""
    debug = {"Shopify-GraphQL-Cost-Debug": "1"}
    assert "fields" not in acme.ask(query, n=5)["extensions"]["cost"]
    cost = acme.post(query, "2026-10", debug, n=5).json()["extensions"]["cost"]
    fields = {
        ".".join(one["path"]): (
            one["definedCost"],
            one["requestedTotalCost"],
            one["requestedChildrenCost"],
        )
        for one in cost["fields"]
    }
    assert all(
        set(one) == {"path", "definedCost", "requestedTotalCost", "requestedChildrenCost"}
        for one in cost["fields"]
    )
    assert fields["shop"] == (1, 2, 1)
    assert fields["shop.name"] == fields["page.pageInfo.hasNextPage"] == (0, 0, None)
    assert fields["page.pageInfo"] == (0, 0, 0)
    assert fields["page"] == (2, 2 + 3 * 8, 8)
    assert fields["page.edges"] == (0, 8, 8)
    assert fields["page.edges.node"] == (1, 8, 7)
    assert fields["page.edges.node.lineItems"] == (2, 7, 1)
    assert fields["page.edges.node.lineItems.nodes"] == (1, 1, 0)
    assert cost["requestedQueryCost"] == fields["shop"][1] + fields["page"][1]
    run = 'mutation { bulkOperationRunQuery(query: "{ shop { name } }") { userErrors { message } } }'
    (field,) = acme.post(run, "2026-10", debug).json()["extensions"]["cost"]["fields"]
    assert (field["path"], field["requestedTotalCost"]) == (["bulkOperationRunQuery"], 10)


def test_a_query_over_1000_points_is_refused_whatever_the_bucket_holds(acme):
    """The bound is on what is asked for, not on what there is."""
    answer = acme.ask(
        "{ products(first: 250) { nodes { id variants(first: 250) { nodes { id media(first: 250) {"
        " nodes { id } } } } } } }"
    )
    (error,) = answer["errors"]
    assert "data" not in answer
    assert error["extensions"]["code"] == "MAX_COST_EXCEEDED"
    asked = 2 + 11 * (1 + 2 + 11 * (1 + 2 + 11))
    assert (error["extensions"]["cost"], error["extensions"]["maxCost"]) == (asked, 1000)


def test_an_empty_bucket_throttles_and_refills_with_time(start):
    """A throttled answer has no data and says what was asked, what is there and how fast it comes back."""
    shop = start(bucket_max=45, bucket_rate=1)
    now = [0.0]
    shop.shop.bucket._monotonic = lambda: now[0]
    shop.shop.bucket._at = 0.0
    first = shop.ask(order_page(5, 20))["extensions"]["cost"]
    left = first["throttleStatus"]["currentlyAvailable"]
    assert left == 45 - first["actualQueryCost"]
    throttled = shop.ask(order_page(8, 20))
    assert [one["extensions"]["code"] for one in throttled["errors"]] == ["THROTTLED"]
    assert "data" not in throttled
    cost = throttled["extensions"]["cost"]
    assert cost["actualQueryCost"] is None
    assert cost["throttleStatus"] == {
        "maximumAvailable": 45.0,
        "currentlyAvailable": left,
        "restoreRate": 1.0,
    }
    now[0] += cost["requestedQueryCost"] - left
    assert "data" in shop.ask(order_page(8, 20))


def test_reading_page_by_page_finds_every_record_once(acme):
    """Pages follow each other without gap or overlap, in the order asked for."""
    truth = {order["id"] for order in acme.shop.truth("shopify_orders")}
    for key in ("UPDATED_AT", "CREATED_AT", "ID", "TOTAL_PRICE", "PROCESSED_AT"):
        found = [node["id"] for node in acme.all("orders", IDS, first=37, sortKey=key)]
        assert len(found) == len(truth)
        assert set(found) == truth
    rising = [(node["updatedAt"], node["id"]) for node in acme.all("orders", IDS, sortKey="UPDATED_AT")]
    falling = [
        (node["updatedAt"], node["id"])
        for node in acme.all("orders", IDS, sortKey="UPDATED_AT", reverse="true")
    ]
    assert rising == sorted(rising)
    assert falling == rising[::-1]
    assert len({second for second, _ in rising}) < len(rising)  # some share a second, and none is lost


def test_reading_backwards_gives_the_same_records(acme):
    """`last` and `before` walk a list from its end."""
    query = """query($before: String) { orders(last: 90, before: $before, sortKey: ID) {
        pageInfo { hasPreviousPage startCursor } nodes { id } } }"""
    found: list[str] = []
    before, more = None, True
    while more:
        page = acme.data(query, before=before)["orders"]
        found = [node["id"] for node in page["nodes"]] + found
        before, more = page["pageInfo"]["startCursor"], page["pageInfo"]["hasPreviousPage"]
    assert found == sorted(order["id"] for order in acme.shop.truth("shopify_orders"))


def test_a_cursor_belongs_to_one_query_and_sort(acme):
    """It is refused by another search, sort, list or parent, and when it is no cursor at all."""
    query = "{{ orders(first: 2{}) {{ pageInfo {{ endCursor }} nodes {{ id lineItems(first: 1) {{ \
        pageInfo {{ endCursor }} }} }} }} }}"
    page = acme.data(query.format(""))["orders"]
    end = page["pageInfo"]["endCursor"]
    assert acme.codes(query.format(f', after: "{end}"')) == []
    for other in (f', after: "{end}", sortKey: ID', f', after: "{end}", query: "test:true"', ', after: "x"'):
        assert acme.codes(query.format(other)) == ["BAD_REQUEST"]
    assert acme.codes(f'{{ products(first: 2, after: "{end}") {{ nodes {{ id }} }} }}') == ["BAD_REQUEST"]
    one, two = page["nodes"]
    line = one["lineItems"]["pageInfo"]["endCursor"]
    inner = """query($id: ID!, $after: String) {
        order(id: $id) { lineItems(first: 1, after: $after) { nodes { id } } } }"""
    assert acme.codes(inner, id=one["id"], after=line) == []
    assert acme.codes(inner, id=two["id"], after=line) == ["BAD_REQUEST"]


def test_an_order_of_130_lines_is_read_in_pages(acme):
    """Nested lists have pages of their own."""
    lines = list(acme.shop.truth("shopify_order_lines"))
    per_order: dict[str, list[str]] = {line["order_id"]: [] for line in lines}
    for line in lines:
        per_order[line["order_id"]].append(line["id"])
    long = max(per_order, key=lambda one: len(per_order[one]))
    query = """query($id: ID!, $after: String) { order(id: $id) { lineItems(first: 50, after: $after) {
        pageInfo { hasNextPage endCursor } edges { cursor node { id } } } } }"""
    found, after, sizes = [], None, []
    while True:
        page = acme.data(query, id=long, after=after)["order"]["lineItems"]
        found += [edge["node"]["id"] for edge in page["edges"]]
        sizes.append(len(page["edges"]))
        assert page["pageInfo"]["endCursor"] == page["edges"][-1]["cursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    assert (found, sizes) == (per_order[long], [50, 50, 30])


def test_a_product_has_up_to_300_variants_and_says_how_many(acme):
    """The count equals what the pages bring."""
    products = acme.all("products", "id variantsCount { count precision }")
    big = max(products, key=lambda one: one["variantsCount"]["count"])
    assert big["variantsCount"] == {"count": 300, "precision": "EXACT"}
    query = """query($id: ID!, $after: String) { product(id: $id) { variants(first: 250, after: $after) {
        pageInfo { hasNextPage endCursor } nodes { id position } } } }"""
    first = acme.data(query, id=big["id"])["product"]["variants"]
    rest = acme.data(query, id=big["id"], after=first["pageInfo"]["endCursor"])["product"]["variants"]
    assert [one["position"] for one in first["nodes"] + rest["nodes"]] == list(range(1, 301))
    assert not rest["pageInfo"]["hasNextPage"]


def test_a_record_touched_between_two_pages_moves_behind_and_is_seen_again(start):
    """In ascending UPDATED_AT with an open end nothing is missed."""
    shop = start(life=False)
    shop.shop.faults.add("touch_after_page", match={"page": 1})
    pages = shop.pages("orders", IDS, first=8, sortKey="UPDATED_AT")
    seen = [node for page in pages for node in page]
    touched = pages[0][0]["id"]
    assert [node["id"] for node in seen].count(touched) == 2
    assert seen[-1]["id"] == touched
    assert seen[-1]["updatedAt"] > pages[0][0]["updatedAt"]
    assert {node["id"] for node in seen} == {order["id"] for order in shop.shop.truth("shopify_orders")}


def test_a_line_removed_while_its_order_is_read_shifts_nothing(start):
    """A cursor stands on a record, not on a place."""
    shop = start(life=False)
    order_id = shop.shop.change("new_order", lines=12)["id"]
    query = """query($id: ID!, $after: String) { order(id: $id) { lineItems(first: 5, after: $after) {
        pageInfo { endCursor } nodes { id } } } }"""
    first = shop.data(query, id=order_id)["order"]["lineItems"]
    before = [line["id"] for line in shop.shop.truth("shopify_order_lines") if line["order_id"] == order_id]
    shop.shop.world.orders[order_id]["lineItems"].pop(0)
    second = shop.data(query, id=order_id, after=first["pageInfo"]["endCursor"])["order"]["lineItems"]
    assert [node["id"] for node in second["nodes"]] == before[5:10]
    shop.shop.world.orders[order_id]["lineItems"].pop(3)  # the very line that the cursor stands on
    again = shop.data(query, id=order_id, after=first["pageInfo"]["endCursor"])["order"]["lineItems"]
    assert [node["id"] for node in again["nodes"]] == before[5:10]


def test_a_missing_scope_denies_the_field_and_names_itself(start):
    """Without read_orders there is no data at all; the error says which access is required."""
    shop = start(scopes=("read_products", "read_all_orders"))
    answer = shop.ask("{\n  orders(first: 1) { nodes { id } }\n}")
    assert answer["data"] is None
    (error,) = answer["errors"]
    assert (error["path"], error["locations"]) == (["orders"], [{"line": 2, "column": 3}])
    assert error["extensions"]["code"] == "ACCESS_DENIED"
    assert "`read_orders` access scope" in error["extensions"]["requiredAccess"]
    assert error["message"].startswith("Access denied for orders field. Required access: `read_orders`")


def test_a_scope_missing_deep_down_nulls_the_field_and_reports_it(start):
    """Access is held per type: customer { id } needs read_customers, product { id } read_products."""
    shop = start(scopes=("read_orders", "read_all_orders"))
    query = """{ orders(first: 2) { nodes { id customer { id }
        lineItems(first: 1) { nodes { product { id } } } } } }"""
    answer = shop.ask(query)
    assert {tuple(error["path"][-1:]) for error in answer["errors"]} == {("customer",), ("product",)}
    assert [node["customer"] for node in answer["data"]["orders"]["nodes"]] == [None, None]
    assert shop.codes('{ node(id: "gid://shopify/Product/1") { id } }') == ["ACCESS_DENIED"]


def test_stock_needs_read_inventory(start):
    """Levels are denied without it, the items themselves are not."""
    shop = start(scopes=("read_products",))
    query = "{ inventoryItems(first: 1) { nodes { id inventoryLevels(first: 1) { nodes { id } } } } }"
    assert shop.codes(query) == ["ACCESS_DENIED"]
    assert shop.all("inventoryItems", "id sku")


def test_a_write_scope_includes_its_read_scope(start):
    """The vendor grants reading with writing."""
    assert start(scopes=("write_products",)).all("products", "id")


def test_without_read_all_orders_older_orders_are_silently_absent(start):
    """Sixty days are shown, by list, count and id; nothing says that there is more."""
    shop = start(orders=60, scopes=("read_orders",), life=False)
    shown = shop.all("orders", "id createdAt")
    assert {order["id"] for order in shown} == {
        order["id"]
        for order in shop.shop.truth("shopify_orders")
        if order["createdAt"] >= "2026-09-02T06:00:00Z"
    }
    assert 0 < len(shown) < 60
    assert shop.data("{ ordersCount { count precision } }")["ordersCount"]["count"] == len(shown)
    old = min(shop.shop.truth("shopify_orders"), key=lambda order: order["createdAt"])["id"]
    assert shop.data("query($id: ID!) { order(id: $id) { id } node(id: $id) { id } }", id=old) == {
        "order": None,
        "node": None,
    }


def test_what_belongs_to_an_order_beyond_the_sixty_days_is_absent_too(start):
    """Refunds, transactions and lines lead to no order that the list does not show."""
    shop = start(orders=60, scopes=("read_orders",), life=False)
    shown = {order["id"] for order in shop.all("orders", "id")}
    shop.shop.change("refund_order", id=max(shown))
    query = """query($refund: ID!, $ids: [ID!]!) { refund(id: $refund) { id order { id } } nodes(ids: $ids) {
        id ... on OrderTransaction { paid: order { id } } ... on Refund { order { id } } } }"""
    answers = {}
    for order in shop.shop.world.orders.values():
        if order["refunds"] and order["transactions"] and order["lineItems"]:
            ids = [order[name][0]["id"] for name in ("refunds", "transactions", "lineItems")]
            data = shop.data(query, refund=ids[0], ids=ids)
            seen = [data["refund"], *data["nodes"]]
            answers[order["id"]] = [
                one and (one.get("order") or one.get("paid") or {}).get("id") for one in seen
            ]
            assert [one is None for one in seen] == [order["id"] not in shown] * 4
    expected = {one: [one, one, one, None] if one in shown else [None] * 4 for one in answers}
    assert answers == expected
    assert {one in shown for one in answers} == {True, False}


def test_an_app_without_approval_for_customer_data_is_denied_orders_by_every_door(start):
    """By id, as a node, as a part of an order, or as a number; products are no customer's."""
    shop = start(protected_data="none")
    order = next(one for one in shop.shop.world.orders.values() if one["refunds"])
    ids = [order["id"], *(order[name][0]["id"] for name in ("refunds", "transactions", "lineItems"))]
    for one in ids:
        answer = shop.ask("query($id: ID!) { node(id: $id) { id ... on Order { name } } }", id=one)
        assert answer["data"] == {"node": None}
        assert "not approved" in answer["errors"][0]["message"]
        assert shop.codes("query($id: ID!) { nodes(ids: [$id]) { id } }", id=one) == ["ACCESS_DENIED"]
    assert shop.codes("query($id: ID!) { refund(id: $id) { id } }", id=ids[1]) == ["ACCESS_DENIED"]
    assert shop.codes("query($id: ID!) { order(id: $id) { id } }", id=ids[0]) == ["ACCESS_DENIED"]
    assert shop.codes("{ ordersCount { count } }") == ["ACCESS_DENIED"]
    product = next(iter(shop.shop.world.products))
    assert shop.data("query($id: ID!) { node(id: $id) { id } productsCount { count } }", id=product) == {
        "node": {"id": product},
        "productsCount": {"count": 5},
    }


def test_an_app_without_approval_for_customer_data_is_denied_orders(start):
    """It does not help that it has the scope."""
    answer = start(protected_data="none").ask("{ orders(first: 1) { nodes { id } } }")
    assert answer["data"] is None
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["ACCESS_DENIED"]
    assert "not approved" in answer["errors"][0]["message"]


def test_an_app_with_basic_approval_sees_protected_fields_as_null(start):
    """Name, street and zip are withheld; city and country are not."""
    fields = "email shippingAddress { name zip city countryCodeV2 }"
    (full, *_), (basic, *_) = (
        start(protected_data=level).all("orders", fields, query='"status:any"') for level in ("full", "basic")
    )
    assert full["shippingAddress"]["zip"]
    assert basic["email"] is basic["shippingAddress"]["zip"] is basic["shippingAddress"]["name"] is None
    assert basic["shippingAddress"]["city"] == full["shippingAddress"]["city"]


def test_counts_stop_at_their_limit(acme):
    """Beyond the limit the count says that there are more."""
    query = "query($limit: Int) { ordersCount(limit: $limit) { count precision } }"
    assert acme.data(query, limit=10)["ordersCount"] == {"count": 10, "precision": "AT_LEAST"}
    assert acme.data(query, limit=1000)["ordersCount"] == {"count": 400, "precision": "EXACT"}


def test_nodes_are_found_by_id_and_at_most_250_at_once(acme):
    """Unknown ids are null in their place."""
    one = next(iter(acme.shop.world.orders.values()))
    refund = next(o["refunds"][0] for o in acme.shop.world.orders.values() if o["refunds"])
    ids = [one["id"], "gid://shopify/Order/1", one["lineItems"][0]["id"], refund["id"]]
    query = """query($ids: [ID!]!) { nodes(ids: $ids) {
        __typename id ... on Refund { order { refunds { id } } } } }"""
    nodes = acme.data(query, ids=ids)["nodes"]
    assert [node and node["__typename"] for node in nodes] == ["Order", None, "LineItem", "Refund"]
    assert {"id": refund["id"]} in nodes[3]["order"]["refunds"]
    assert acme.codes(query, ids=ids * 100) == ["MAX_INPUT_SIZE_EXCEEDED"]


@pytest.mark.parametrize("refuses", [False, True])
def test_the_storage_host_ignores_a_token_unless_told_to_refuse_it(start, refuses):
    """As the real one does, so that clients which send it work; who looks at the requests sees that it leaked."""
    shop = start(storage_refuses_tokens=refuses)
    assert shop.running.storage_url != shop.running.url
    link = bulk_link(shop)
    answer = httpx.get(link, headers={"X-Shopify-Access-Token": "x"})
    assert answer.status_code == (400 if refuses else 200)
    assert httpx.get(link).status_code == 200
    seen = [
        one for one in httpx.get(f"{shop.running.control_url}/requests").json() if one["host"] == "storage"
    ]
    assert [one["note"] for one in seen] == [{"leaked": ["x-shopify-access-token"]}, {}]


def test_a_link_to_a_bulk_file_names_the_file(acme):
    """Clients take the name from the link; the storage host gives it to those that do not."""
    link = bulk_link(acme)
    asked = parse_qs(urlsplit(link).query)
    (disposition,) = asked["response-content-disposition"]
    assert re.fullmatch(r"""attachment; filename="(bulk-\d+\.jsonl)"; filename\*=UTF-8''\1""", disposition)
    assert asked["response-content-type"] == ["application/jsonl"]
    headers = httpx.get(link).headers
    assert (headers["content-disposition"], headers["content-type"]) == (disposition, "application/jsonl")


@pytest.mark.parametrize(
    ("asked", "answered"), [("2026-10", "2026-10"), ("2024-07", "2026-01"), ("2026-99", None)]
)
def test_the_shop_is_there_as_a_rest_resource(acme, asked, answered):
    """Clients that read everything else by GraphQL ask it first, to see whether the token works."""
    path = f"/admin/api/{asked}/shop.json"
    answer = acme.http.get(path)
    if answered is None:
        assert answer.status_code == 404
        return
    assert (answer.status_code, answer.headers["x-shopify-api-version"]) == (200, answered)
    shop, graphql = answer.json()["shop"], acme.data("{ shop { id name currencyCode ianaTimezone } }")["shop"]
    assert [shop["currency"], shop["iana_timezone"], shop["name"]] == [
        graphql["currencyCode"],
        graphql["ianaTimezone"],
        graphql["name"],
    ]
    assert graphql["id"] == f"gid://shopify/Shop/{shop['id']}"
    assert shop["created_at"] == "2024-01-15T10:00:00+01:00"
    assert acme.http.get(path, params={"fields": "id,name"}).json()["shop"].keys() == {"id", "name"}
    assert acme.http.get(path, headers={"X-Shopify-Access-Token": "no"}).status_code == 401


@pytest.mark.parametrize("field", ["totalPriceSet", "netPaymentSet", "totalRefundedSet"])
def test_money_is_text_with_the_currencys_own_decimals(acme, field):
    """Yen have none, dinars three; nothing is a JSON number."""
    fields = f"{field} {{ presentmentMoney {{ amount currencyCode }} }}"
    money = [node[field]["presentmentMoney"] for node in acme.all("orders", fields)]
    assert all(isinstance(one["amount"], str) for one in money)
    if field == "totalPriceSet":
        digits = {one["currencyCode"]: len(one["amount"].partition(".")[2]) for one in money}
        assert (digits["JPY"], digits["KWD"], digits["EUR"]) == (0, 3, 2)
