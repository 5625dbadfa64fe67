"""Products, their variants, and what was deleted."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from weathervane.source import IncompleteError

from .bench import PRODUCTS, QUICK, SMALL, VARIANTS, Once, moment, number


@pytest.fixture
def bench(begin):
    """A shop of four products, one of them with 300 variants."""
    return begin(orders=3, products=4)


def test_every_product_and_variant_arrives_as_the_shop_holds_it(bench):
    """Also the product with 300 variants, of which a page shows five (fact 17)."""
    summary = bench.run("products")
    bench.holds_the_shop(PRODUCTS, VARIANTS)
    counts = [row["variants_count"] for row in bench.rows(PRODUCTS)]
    assert max(counts) == 300
    assert sum(counts) == len(bench.rows(VARIANTS)) == summary.metadata["datasets"][VARIANTS].rows_inserted


def test_a_second_run_without_changes_writes_nothing(bench):
    """The overlap is read again and found equal."""
    bench.run("products")
    summary = bench.run("products")
    for table in (PRODUCTS, VARIANTS):
        assert summary.metadata["datasets"][table].rows_inserted == 0
        assert summary.metadata["datasets"][table].rows_updated == 0
    bench.holds_the_shop(PRODUCTS, VARIANTS)


def test_variants_that_a_list_did_not_show_are_read_anew(bench):
    """A list that ends early and says that it is whole is shorter than Shopify's own count (fact 17)."""
    bench.run("products")
    bench.shop.advance(3600)
    for one in bench.shop.world.products:
        bench.shop.change("touch", id=one)
    fault = bench.shop.faults.add("nested_short", times=4, match={"field": "variants"})
    summary = bench.run("products")
    assert fault.fired == 4
    assert summary.metadata["datasets"][VARIANTS].rows_deleted == 0
    bench.holds_the_shop(PRODUCTS, VARIANTS)


@pytest.mark.parametrize("skip", [0, 6])
def test_variants_that_are_counted_and_never_shown_fail_the_slice(bench, skip):
    """Twice is no edit that came between; the lake keeps what it has. Also when only a later page is short."""
    bench.run("products")
    before, checkpoint = bench.rows(VARIANTS), bench.checkpoint(PRODUCTS)
    bench.shop.advance(3600)
    for one in bench.shop.world.products:
        bench.shop.change("touch", id=one)
    bench.shop.faults.add("nested_short", times=None, skip=skip, match={"field": "variants"})
    with pytest.raises(IncompleteError, match=r"does not list .*reason=LIST_SHORT"):
        bench.run("products")
    assert bench.rows(VARIANTS) == before
    assert bench.checkpoint(PRODUCTS) == checkpoint


def test_a_variant_deleted_while_the_rest_is_read_is_no_loss(bench):
    """Fewer are counted then than were shown: the product comes again."""
    long = max(bench.shop.world.products.values(), key=lambda one: len(one["variants"]))
    once = Once(
        lambda: bench.shop.change("delete_variant", id=long["variants"][0]["id"]),
        when=bench.asked("ProductVariants", 1),
    )
    bench.run("products", wrap=once.wrap)
    assert once.done
    bench.run("products")
    bench.holds_the_shop(PRODUCTS, VARIANTS)


def test_a_deleted_variant_vanishes(bench):
    """Among five and among 300; its product was stamped with it."""
    bench.run("products")
    bench.shop.advance(3600)
    products = [one for one in bench.shop.world.products.values() if len(one["variants"]) > 1]
    assert any(len(one["variants"]) == 300 for one in products)
    for product in products:
        bench.shop.change("delete_variant", id=product["variants"][-1]["id"])
    summary = bench.run("products")
    assert summary.metadata["datasets"][VARIANTS].rows_deleted == len(products)
    bench.holds_the_shop(PRODUCTS, VARIANTS)


def test_a_deleted_product_stays_with_the_time_of_its_deletion_and_its_variants_vanish(bench):
    """Lists never show it again; the events do (fact 18)."""
    bench.run("products")
    bench.shop.advance(3600)
    gone = next(iter(bench.shop.world.products))
    bench.shop.change("delete_product", id=gone)
    deleted = bench.shop.clock.now()
    bench.shop.advance(3600)
    summary = bench.run("products")
    row = next(row for row in bench.rows(PRODUCTS) if row["product_id"] == number(gone))
    assert row["deleted_at"] == deleted
    assert row["title"] is not None
    assert summary.metadata["updated_rows"] == 1
    bench.holds_the_shop(PRODUCTS, VARIANTS)
    assert moment(bench.checkpoint(PRODUCTS)["deleted_at"]) == deleted
    again = bench.run("products")
    assert again.metadata["updated_rows"] == 0
    bench.holds_the_shop(PRODUCTS, VARIANTS)


def test_deletions_of_one_second_on_both_sides_of_a_run_are_both_marked(bench):
    """The events are read with an overlap, too."""
    bench.run("products")
    bench.shop.advance(60)
    for _ in range(2):
        bench.shop.change("delete_product", id=next(iter(bench.shop.world.products)))
        bench.run("products", settings=replace(QUICK, overlap=timedelta(0)))
    bench.holds_the_shop(PRODUCTS, VARIANTS)


def test_a_product_deleted_while_its_variants_are_read_is_marked_by_the_same_run(bench):
    """The rest of its list is not there any more; the deletions are read last."""
    gone = next(one["id"] for one in bench.shop.world.products.values() if len(one["variants"]) == 300)
    once = Once(lambda: bench.shop.change("delete_product", id=gone), when=bench.asked("ProductVariants", 2))
    bench.run("products", wrap=once.wrap)
    assert once.done
    bench.holds_the_shop(PRODUCTS, VARIANTS)


def test_a_product_that_was_never_read_is_not_invented_by_its_deletion(begin):
    """There is no row to mark."""
    bench = begin(products=4)
    bench.shop.change("delete_product", id=next(iter(bench.shop.world.products)))
    bench.run("products")
    assert len(bench.rows(PRODUCTS)) == 3
    assert [row["deleted_at"] for row in bench.rows(PRODUCTS)] == [None] * 3


def test_a_variant_deleted_while_pages_are_read_is_not_kept(begin):
    """Its product jumps behind the reader and is seen again."""
    bench = begin(products=9, orders=0)
    bench.shop.advance(60)
    ids = sorted(bench.shop.world.products.values(), key=lambda one: one["updatedAt"])
    product = next(one for one in ids[:5] if len(one["variants"]) > 1)
    gone = product["variants"][0]["id"]
    once = Once(lambda: bench.shop.change("delete_variant", id=gone), when=bench.asked("ProductsPage", 2))
    bench.run("products", settings=replace(SMALL, max_page_size=3), wrap=once.wrap)
    assert once.done
    bench.holds_the_shop(PRODUCTS, VARIANTS)


def test_a_run_that_stops_before_the_deletions_marks_them_the_next_time(bench):
    """Each of the two reads has its own place in the checkpoint."""
    bench.run("products")
    bench.shop.advance(60)
    bench.shop.change("delete_product", id=next(iter(bench.shop.world.products)))
    bench.shop.advance(60)
    bench.shop.change("touch", id=next(iter(bench.shop.world.products)))
    bench.shop.faults.add("access_denied", times=None, match={"operation": "Deleted"})
    with pytest.raises(Exception, match="ACCESS_DENIED"):
        bench.run("products")
    assert "deleted_at" not in bench.checkpoint(PRODUCTS)
    bench.shop.faults.clear()
    bench.run("products")
    bench.holds_the_shop(PRODUCTS, VARIANTS)


def test_prices_of_every_currency_survive_exactly(begin):
    """Also where three decimals are usual (fact 13)."""
    bench = begin(currency="KWD", products=2)
    variant = next(iter(bench.shop.world.products.values()))["variants"][0]
    bench.shop.change(
        "update", id=variant["id"], set={"price": "1.234", "compareAtPrice": "1000000000000.005"}
    )
    bench.run("products")
    bench.holds_the_shop(PRODUCTS, VARIANTS)


def test_deletions_are_asked_for_in_shopifys_own_words(bench):
    """Only products, only destroyed, from where the last run came (fact 24)."""
    bench.run("products")
    bench.shop.advance(600)
    bench.shop.change("delete_product", id=next(iter(bench.shop.world.products)))
    bench.run("products")
    bench.run("products")
    searches = [json.loads(one.body)["variables"]["query"] for one in bench.requests("Deleted")]
    since = f"{bench.shop.clock.now() - timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}"
    assert searches[0] == "action:destroy AND subject_type:PRODUCT"
    assert searches[-1] == f"{searches[0]} AND created_at:>='{since}'"
