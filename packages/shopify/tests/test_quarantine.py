"""A record that does not fit is set aside whole and named; all the others arrive."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from weathervane.lake import TableRef

from .bench import BULK, LINES, ORDERS, PRODUCTS, QUICK, VARIANTS, number

ASIDE = "_quarantine"
PAGE = {"operation": "OrdersPage", "page": 1}


@pytest.mark.parametrize("settings", [QUICK, BULK], ids=["pages", "bulk"])
@pytest.mark.parametrize(
    ("member", "value", "column", "shown"),
    [
        (
            "totalTaxSet",
            {"shopMoney": {"amount": "12.1234567", "currencyCode": "EUR"}},
            "total_tax",
            "12.1234567",
        ),
        ("totalTaxSet", {"shopMoney": {"amount": "1e40", "currencyCode": "EUR"}}, "total_tax", "1e40"),
        ("cancelledAt", "soon", "cancelled_at", "soon"),
    ],
)
def test_an_order_with_an_impossible_value_is_set_aside_with_its_reason(
    bench, settings, member, value, column, shown
):
    """Key, column, value, reason and the record; its lines, which are good, arrive."""
    odd = bench.order_ids()[3]
    if isinstance(value, dict):
        value = value | {"presentmentMoney": value["shopMoney"]}
    bench.shop.change("update", id=odd, set={member: value})
    summary = bench.run(settings=settings)
    assert len(bench.rows(ORDERS)) == 11
    bench.holds_the_shop(LINES)
    (aside,) = _quarantine(bench, ORDERS)
    assert json.loads(aside["row_key"]) == [bench.tenant, number(odd)]
    assert (aside["column_name"], aside["value"]) == (column, shown)
    assert aside["reason"].startswith("expected a ")
    assert json.loads(aside["record"])["id"] == odd
    counts = summary.metadata["datasets"][ORDERS]
    assert counts.rows_quarantined >= 1
    assert counts.rows_received == counts.rows_quarantined + counts.rows_inserted + counts.rows_unchanged


@pytest.mark.parametrize("settings", [QUICK, BULK], ids=["pages", "bulk"])
def test_a_value_that_only_describes_is_set_aside_without_its_order(bench, settings):
    """The order's money stays; the value is in the quarantine with all of its record."""
    odd = bench.order_ids()[3]
    bench.shop.change("update", id=odd, set={"closedAt": "soon"})
    bench.run(settings=settings)
    _kept(bench, odd, "closed_at", "soon")


@pytest.mark.parametrize(
    ("members", "column", "shown"),
    [
        ({"tags": "vip"}, "tags", "vip"),
        ({"shippingAddress": {"city": 7}}, "shipping_city", "7"),
        ({"displayFinancialStatus": ["PAID"]}, "financial_status", '["PAID"]'),
        ({"customer": {"id": True}}, "customer_id", "true"),
    ],
)
def test_a_description_of_another_kind_costs_no_order(bench, members, column, shown):
    """What the schema does not let out today."""
    bench.shop.faults.add("merged", match=PAGE, members={"data": {"orders": {"nodes": {"0": members}}}})
    bench.run()
    _kept(bench, bench.order_ids()[0], column, shown)


def _kept(bench, order, column, shown):
    (row,) = [row for row in bench.rows(ORDERS) if row["order_id"] == number(order)]
    total = bench.shop.world.orders[order]["totalPriceSet"]["shopMoney"]["amount"]
    assert (row[column], row["total_price"]) == (None, Decimal(total))
    assert (len(bench.rows(ORDERS)), len(bench.rows(LINES))) == (12, _lines(bench))
    (aside,) = _quarantine(bench, ORDERS)
    assert (aside["column_name"], aside["value"]) == (column, shown)
    assert aside["reason"].startswith("value set aside, row kept: ")


def _lines(bench):
    return sum(len(one["lineItems"]) for one in bench.shop.world.orders.values())


@pytest.mark.parametrize("settings", [QUICK, BULK], ids=["pages", "bulk"])
def test_a_unit_price_that_is_approximate_is_rounded(bench, settings):
    """Shopify calls it so: 3 pieces at 20.00 together are 6.666666666666667 each."""
    line = bench.shop.world.orders[bench.order_ids()[3]]["lineItems"][0]
    line["discountedUnitPriceAfterAllDiscountsSet"]["shopMoney"]["amount"] = "6.666666666666667"
    bench.run(settings=settings)
    (row,) = [row for row in bench.rows(LINES) if row["line_id"] == number(line["id"])]
    assert row["discounted_unit_price"] == Decimal("6.666667")
    assert len(bench.rows(LINES)) == _lines(bench)


def test_an_order_that_is_mended_at_the_shop_arrives(bench):
    """The next change brings it like any other."""
    odd = bench.order_ids()[3]
    good = bench.shop.world.orders[odd]["closedAt"]
    bench.shop.change("update", id=odd, set={"closedAt": "soon"})
    bench.run()
    bench.shop.advance(60)
    bench.shop.change("update", id=odd, set={"closedAt": good})
    bench.run()
    bench.holds_the_shop()


@pytest.mark.parametrize("settings", [QUICK, BULK], ids=["pages", "bulk"])
def test_a_line_that_is_set_aside_takes_none_of_its_siblings_along(bench, settings):
    """Until it fits, what the lake holds of its order is not taken for gone."""
    order = max(bench.shop.world.orders.values(), key=lambda one: len(one["lineItems"]))
    bench.run(settings=settings)
    bench.shop.advance(3600)
    line = order["lineItems"][40]
    line["originalUnitPriceSet"]["shopMoney"]["amount"] = "a lot"
    bench.shop.change("touch", id=order["id"])
    bench.run(settings=settings)
    (aside,) = _quarantine(bench, LINES)
    assert json.loads(aside["row_key"]) == [bench.tenant, number(order["id"]), number(line["id"])]
    assert (aside["column_name"], aside["value"]) == ("original_unit_price", "a lot")
    assert sum(row["order_id"] == number(order["id"]) for row in bench.rows(LINES)) == 130
    line["originalUnitPriceSet"]["shopMoney"]["amount"] = "1.00"
    bench.shop.advance(3600)
    bench.shop.change("remove_line", id=order["id"])
    bench.run(settings=settings)
    bench.holds_the_shop()


def test_a_variant_without_a_price_that_is_one_is_set_aside(bench):
    """Products are judged as orders are."""
    product = next(iter(bench.shop.world.products.values()))
    product["variants"][0]["price"] = "12,50"
    bench.run("products")
    bench.holds_the_shop(PRODUCTS)
    (aside,) = _quarantine(bench, VARIANTS)
    assert (aside["column_name"], aside["value"]) == ("price", "12,50")


def _quarantine(bench, dataset):
    rows = bench.lake.read(TableRef(bench.tenant, dataset + ASIDE)).read_all().to_pylist()
    return list({(row["row_key"], row["value"]): row for row in rows}.values())


@pytest.mark.parametrize(
    ("members", "dataset", "column"),
    [
        ({"totalPriceSet": None}, ORDERS, "total_price"),
        ({"netPaymentSet": {"shopMoney": {"amount": None}}}, ORDERS, "net_payment"),
        ({"transactions": None}, ORDERS, "transactions"),
        ({"lineItems": {"nodes": {"0": {"quantity": None}}}}, LINES, "quantity"),
        ({"lineItems": {"nodes": {"0": {"originalUnitPriceSet": None}}}}, LINES, "original_unit_price"),
    ],
)
def test_an_amount_that_is_null_and_never_may_be_is_not_nothing(bench, members, dataset, column):
    """Shopify's schema promises it: the row is set aside and told; what may be null is NULL."""
    members = members | {"subtotalPriceSet": None}
    bench.shop.faults.add("merged", match=PAGE, members={"data": {"orders": {"nodes": {"0": members}}}})
    bench.run()
    (aside,) = _quarantine(bench, dataset)
    assert (aside["column_name"], aside["value"]) == (column, None)
    total = 12 if dataset == ORDERS else _lines(bench)
    assert len(bench.rows(dataset)) == total - 1
