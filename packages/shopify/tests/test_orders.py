"""Orders by pages: what the shop holds is what the lake holds, whatever moves meanwhile."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from weathervane.shopify import _nested as nested

from .bench import BULK, LINES, ORDERS, PRODUCTS, QUICK, SMALL, VARIANTS, Once, moment, number


def test_every_order_and_line_arrives_as_the_shop_holds_it(begin):
    """Ids, times, states, quantities and every amount; also of the order with 130 lines (fact 11)."""
    bench = begin(orders=40)
    summary = bench.run()
    bench.holds_the_shop()
    assert summary.row_count == summary.metadata["new_rows"] == summary.metadata["total_rows"] == 40
    assert summary.metadata["state"] == "loaded"
    longest = max(bench.shop.world.orders.values(), key=lambda one: len(one["lineItems"]))
    assert len(longest["lineItems"]) == 130
    assert sum(row["order_id"] == number(longest["id"]) for row in bench.rows(LINES)) == 130


def test_a_second_run_without_changes_writes_nothing_new(bench):
    """The overlap is read again and found equal; the checkpoint stays (fact 9's other side)."""
    bench.run()
    before = bench.checkpoint()
    summary = bench.run()
    assert (summary.metadata["new_rows"], summary.metadata["updated_rows"]) == (0, 0)
    assert summary.metadata["datasets"][LINES].rows_updated == 0
    assert bench.checkpoint() == before == {"updated_at": _newest(bench)}


def test_an_empty_shop_is_verified_empty(begin):
    """Nothing there is another answer than nothing read: the run says so, and sets no checkpoint."""
    bench = begin(orders=0)
    assert bench.run().metadata["state"] == "verified_empty"
    assert bench.rows(ORDERS) == []
    assert bench.checkpoint() is None


def test_shopify_is_asked_only_through_graphql_and_in_its_own_words(bench):
    """One path, POST, the token's header (fact 1); dates quoted, in UTC, of whole seconds, sorted by change (24)."""
    bench.run(settings=SMALL)
    bench.run(settings=SMALL)
    seen = bench.requests()
    assert {(one.method, one.path) for one in seen} == {("POST", "/admin/api/2026-10/graphql.json")}
    assert all(one.headers["x-shopify-access-token"].startswith("sha256:") for one in seen)
    pages = [json.loads(one.body) for one in bench.requests("OrdersPage")]
    assert all("sortKey: UPDATED_AT" in page["query"] for page in pages)
    second = moment(_newest(bench)) - timedelta(minutes=5)
    assert pages[-1]["variables"]["query"] == f"updated_at:>='{second:%Y-%m-%dT%H:%M:%SZ}'"


@pytest.mark.parametrize("page", [1, 2, 3])
def test_an_order_that_is_touched_while_pages_are_read_arrives_in_its_newest_form(bench, page):
    """It jumps behind the reader, is seen twice, and loses no line and keeps none too many (fact 8)."""
    bench.shop.advance(60)
    first = bench.order_ids()[0]
    bench.shop.faults.add("touch_after_page", match={"field": "orders", "page": page}, id=first)
    bench.run(settings=SMALL)
    bench.holds_the_shop()
    assert [one.note["errors"] for one in bench.requests("OrdersPage")] == [[]] * len(
        bench.requests("OrdersPage")
    )


@pytest.mark.parametrize("slice_rows", [1, 5_000])
def test_a_line_that_is_removed_while_pages_are_read_is_not_kept(begin, slice_rows):
    """The order's older sight brought the line, the newer one must take it away (fact 12)."""
    bench = begin(orders=15)
    order = next(one for one in bench.order_ids() if len(bench.shop.world.orders[one]["lineItems"]) > 1)
    bench.shop.advance(3600)
    removed = Once(lambda: bench.shop.change("remove_line", id=order), when=bench.asked("OrdersPage", 3))
    bench.run(settings=replace(SMALL, slice_rows=slice_rows), wrap=removed.wrap)
    assert removed.done
    bench.holds_the_shop()


def test_a_touch_within_a_second_that_fills_the_slice_keeps_no_removed_line(begin):
    """All orders of one second cannot be parted by time; the touched one still arrives once, in its newest form."""
    bench = begin(orders=12)
    _stamp_all(bench, seconds_ago=600)
    order = next(one for one in bench.order_ids() if len(bench.shop.world.orders[one]["lineItems"]) > 1)
    removed = Once(lambda: bench.shop.change("remove_line", id=order), when=bench.asked("OrdersPage", 2))
    bench.run(settings=replace(SMALL, slice_rows=2), wrap=removed.wrap)
    assert removed.done
    bench.holds_the_shop()
    # And from a checkpoint that stands in that very second.
    _stamp_all(bench, seconds_ago=0)
    bench.shop.advance(600)
    order = next(one for one in bench.order_ids() if len(bench.shop.world.orders[one]["lineItems"]) > 1)
    removed = Once(lambda: bench.shop.change("remove_line", id=order), when=bench.asked("OrdersPage", 2))
    bench.run(settings=replace(SMALL, slice_rows=2, overlap=timedelta(0)), wrap=removed.wrap)
    assert removed.done
    bench.holds_the_shop()


def test_an_order_that_changes_while_the_rest_of_its_lines_is_fetched_ends_as_the_shop_holds_it(
    begin, monkeypatch
):
    """First lines of one version, the others of the next: the order jumped behind, and is read again as a whole."""
    bench = begin(orders=15)
    long = max(bench.shop.world.orders.values(), key=lambda one: len(one["lineItems"]))
    for order in bench.shop.world.orders.values():
        if order is not long:
            bench.shop.change("touch", id=order["id"])  # so that there are pages behind it
    bench.shop.advance(600)
    real = nested.drain

    def meanwhile(*given):
        records = real(*given)
        yield next(records)
        if len(long["lineItems"]) == 130:
            bench.shop.change("update", id=long["id"], set={"lineItems": long["lineItems"][1:-1]})
        yield from records

    monkeypatch.setattr(nested, "drain", meanwhile)
    bench.run(settings=SMALL)
    assert len(long["lineItems"]) == 128
    bench.holds_the_shop()


@pytest.mark.parametrize("settings", [QUICK, BULK])
def test_a_transaction_that_did_not_stamp_its_order_is_read_by_a_run_with_a_start_date(bench, settings):
    """A run from the checkpoint does not see it, and the README says so."""
    bench.run(settings=settings)
    order = bench.shop.world.orders[bench.order_ids()[0]]
    assert order["transactions"][0]["status"] == "SUCCESS"
    bench.shop.advance(3600)
    order["transactions"][0]["status"] = "FAILURE"
    bench.shop.world.changed(order)
    bench.run(settings=settings)
    with pytest.raises(AssertionError, match="FAILURE"):
        bench.holds_the_shop()
    bench.run(settings=settings, start=date(2024, 1, 1))
    bench.holds_the_shop()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_living_shop_is_followed_run_by_run(begin, seed):
    """Orders, edits, refunds, deletions come by themselves; a run reads by pages or files, in small or large slices.

    A product's deletion takes it off the lines of its orders, which are not stamped with that.
    """
    bench = begin(orders=8, seed=seed, life=True, event_gap=900)
    chance = random.Random(seed)
    for _ in range(4):
        settings = chance.choice([QUICK, BULK, replace(SMALL, slice_rows=chance.randint(1, 9))])
        bench.run(settings=settings)
        bench.holds_the_shop(but=("product_id", "variant_id"))
        bench.shop.advance(chance.choice([0, 1, 3600, 8 * 3600]))
    bench.run("products")
    bench.shop.advance(86400)
    bench.run("products")
    bench.holds_the_shop(VARIANTS)
    assert bench.shop.table(PRODUCTS).difference(bench.rows(PRODUCTS)) is None


@pytest.mark.parametrize("slice_rows", [1, 2, 4, 7])
def test_slices_may_be_cut_anywhere_also_within_a_second(begin, slice_rows):
    """Orders of one second on both sides of a cut, and more of them than a slice holds: none lost (fact 9)."""
    bench = begin(orders=14)
    orders = [bench.shop.world.orders[one] for one in bench.order_ids()]
    for group in (orders[:4], orders[4:11]):
        for order in group:
            order["updatedAt"] = group[-1]["updatedAt"]
            bench.shop.world.changed(order)
    slices = []
    bench.run(settings=replace(SMALL, slice_rows=slice_rows), on_slice=slices.append)
    bench.holds_the_shop()
    assert len(slices) > 1
    assert bench.checkpoint() == {"updated_at": _newest(bench)}


def test_orders_of_one_second_on_both_sides_of_a_run_are_both_stored(bench):
    """The second of the checkpoint is read again, even without an overlap (fact 9)."""
    settings = replace(QUICK, overlap=timedelta(0))
    bench.shop.change("new_order")
    bench.run(settings=settings)
    bench.shop.change("new_order")  # the clock stands still
    bench.run(settings=settings)
    bench.holds_the_shop()


def test_a_stamp_that_is_newer_than_the_index_does_not_carry_the_reader_over_unread_orders(begin):
    """An order of the last page before a cut was just touched: it says now, and stands where it stood before."""
    bench = begin(orders=15)
    bench.shop.advance(7200)
    settings = replace(SMALL, slice_rows=5)
    lag = bench.shop.faults.add("search_lag", times=None, seconds=3600)
    bench.shop.change("touch", id=bench.order_ids()[5])
    bench.run(settings=settings, on_slice=lambda _: bench.shop.faults.clear("search_lag"))
    assert lag.fired == 0  # a standing fault
    bench.holds_the_shop()


def test_what_the_search_index_learns_late_is_found_by_the_overlap(bench):
    """A change that the index did not know yet lies before the checkpoint; five minutes are read again."""
    bench.run()
    late, soon = bench.order_ids()[:2]
    bench.shop.advance(3600)
    bench.shop.change("update", id=late, set={"tags": ["late"]})
    learnt = bench.shop.world.indexed[late].pop()
    bench.shop.advance(60)
    bench.shop.change("update", id=soon, set={"tags": ["soon"]})
    bench.shop.advance(60)
    bench.shop.faults.add("search_lag", times=None, seconds=1)  # so that the index is asked, not the records
    assert bench.run().metadata["updated_rows"] == 1
    bench.shop.world.indexed[late].append(learnt)
    assert bench.run().metadata["updated_rows"] == 1
    bench.holds_the_shop()


def test_an_old_order_that_is_refunded_today_arrives_with_its_refund(begin):
    """Reading goes by time of change, never of creation (fact 10)."""
    bench = begin(orders=20)
    bench.run()
    old = min(bench.shop.world.orders.values(), key=lambda one: one["createdAt"])
    assert moment(old["createdAt"]) < bench.shop.clock.now() - timedelta(days=400)
    bench.shop.advance(3600)
    bench.shop.change("refund_order", id=old["id"], full=True)
    summary = bench.run()
    assert (summary.metadata["new_rows"], summary.metadata["updated_rows"]) == (0, 1)
    bench.holds_the_shop()
    row = next(row for row in bench.rows(ORDERS) if row["order_id"] == number(old["id"]))
    assert len(json.loads(row["refunds"])) == len(old["refunds"]) > 0


def test_a_line_taken_off_an_order_vanishes(bench):
    """Also the lines beyond the page's first few are accounted for (fact 12)."""
    bench.run()
    order = next(one for one in bench.order_ids() if len(bench.shop.world.orders[one]["lineItems"]) > 1)
    long = max(bench.shop.world.orders.values(), key=lambda one: len(one["lineItems"]))["id"]
    bench.shop.advance(3600)
    for one in {order, long}:
        bench.shop.change("remove_line", id=one)
    assert bench.run().metadata["datasets"][LINES].rows_deleted == len({order, long})
    bench.holds_the_shop()


def test_states_that_nobody_foresaw_and_missing_parties_arrive_as_they_are(bench):
    """Test and cancelled orders with their flags (14), unknown words as text (15), guests and NULLs (16)."""
    ids = bench.order_ids()
    change = bench.shop.change
    change("cancel_order", id=ids[0])
    change("update", id=ids[1], set={"test": True, "customer": None, "shippingAddress": None})
    change("update", id=ids[2], set={"displayFinancialStatus": None})
    line = bench.shop.world.orders[ids[3]]["lineItems"][0]
    line["variant"] = line["product"] = line["sku"] = None
    bench.run()
    bench.holds_the_shop()
    rows = {row["order_id"]: row for row in bench.rows(ORDERS)}
    assert rows[number(ids[0])]["cancelled_at"] is not None
    assert rows[number(ids[1])]["test"] is True
    assert rows[number(ids[1])]["customer_id"] is None
    assert rows[number(ids[2])]["financial_status"] is None


@pytest.mark.parametrize("currency", ["JPY", "KWD", "EUR"])
def test_amounts_of_every_currency_survive_exactly(begin, currency):
    """No decimals, three decimals, and 0.10 three times is 0.30 (fact 13)."""
    bench = begin(currency=currency, orders=14)
    tenths = bench.order_ids()[:3]
    for one in tenths:
        bag = {"amount": "0.10", "currencyCode": currency}
        bench.shop.change(
            "update", id=one, set={"totalPriceSet": {"shopMoney": bag, "presentmentMoney": bag}}
        )
    bench.run()
    bench.holds_the_shop()
    rows = [row for row in bench.rows(ORDERS) if row["order_id"] in {number(one) for one in tenths}]
    assert sum(row["total_price"] for row in rows) == Decimal("0.30")


def test_another_way_to_write_an_amount_is_no_change(bench):
    """Shopify writes 40.0 here and 40.00 there; neither a decimal nor a JSON column takes it for an update."""
    bench.shop.change("refund_order", id=bench.order_ids()[0], full=True)
    bench.run()
    for order in bench.shop.world.orders.values():
        _rewrite_amounts(order)
    bench.shop.world.revision += 1
    summary = bench.run(settings=replace(QUICK, overlap=timedelta(days=900)))
    assert summary.metadata["datasets"][ORDERS].rows_received == 12
    assert (summary.metadata["updated_rows"], summary.metadata["datasets"][LINES].rows_updated) == (0, 0)
    bench.holds_the_shop()


def _newest(bench):
    return max(order["updatedAt"] for order in bench.shop.world.orders.values())


def _stamp_all(bench, *, seconds_ago):
    at = bench.shop.clock.now() - timedelta(seconds=seconds_ago)
    for order in bench.shop.world.orders.values():
        order["updatedAt"] = f"{at:%Y-%m-%dT%H:%M:%SZ}"
        bench.shop.world.changed(order)


def _rewrite_amounts(value):
    if isinstance(value, dict):
        if isinstance(value.get("amount"), str):
            value["amount"] += "0" if "." in value["amount"] else ".0"
        for inner in value.values():
            _rewrite_amounts(inner)
    elif isinstance(value, list):
        for inner in value:
            _rewrite_amounts(inner)
