"""A list within an object is whole or it is not taken for whole, whatever an answer leaves out of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from weathervane.source import IncompleteError

from .bench import BULK, LINES, PRODUCTS, QUICK, VARIANTS, Once, number

REST = {
    "lines by pages": ("orders", QUICK, "OrderLines", "order"),
    "lines of a bulk file": ("orders", BULK, "OrderLines", "order"),
    "variants": ("products", QUICK, "ProductVariants", "product"),
}


@pytest.mark.parametrize("skip", [0, 1], ids=["at once", "half way"])
@pytest.mark.parametrize("given", REST)
def test_an_object_that_is_null_and_still_counted_is_no_shorter_list(begin, given, skip):
    """It was not deleted: without its rest nothing is written, and what the lake holds stays."""
    bench = begin(products=6)
    kind, settings, operation, root = REST[given]
    settings = replace(settings, nested_page_size=50)
    null = {"times": None, "skip": skip, "match": {"operation": operation}, "members": {"data": {root: None}}}
    bench.shop.faults.add("merged", **null)
    with pytest.raises(IncompleteError) as caught:
        bench.run(kind, settings)
    assert caught.value.reason == "LIST_MISSING"
    assert bench.rows(LINES) == bench.rows(VARIANTS) == []
    bench.shop.faults.clear()
    bench.run(kind, settings)
    datasets = (PRODUCTS, VARIANTS) if kind == "products" else ()
    bench.holds_the_shop(*datasets)
    bench.shop.faults.add("merged", **null)
    with pytest.raises(IncompleteError):
        bench.run(kind, settings, start=date(2024, 1, 1))
    children = VARIANTS if kind == "products" else LINES
    assert len(bench.rows(children)) == len(list(bench.shop.truth(children)))


def test_an_order_that_is_deleted_before_all_its_lines_are_read_keeps_what_the_lake_has(bench):
    """It stays in the lake; half a list of lines is no reason to take lines off it."""
    bench.run()
    bench.shop.advance(3600)
    order = max(bench.shop.world.orders.values(), key=lambda one: len(one["lineItems"]))["id"]
    for one in bench.order_ids():
        bench.shop.change("touch", id=one)
    gone = Once(lambda: bench.shop.change("delete_order", id=order))
    bench.run(wrap=gone.wrap)
    assert gone.done
    assert sum(row["order_id"] == number(order) for row in bench.rows(LINES)) == 130
