"""What a plan says of a backfill, beside what a run of it then asks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from weathervane.shopify._estimate import forecast_orders, forecast_products, page_points
from weathervane.shopify._queries import orders_page_query, products_page_query
from weathervane.shopify._settings import ShopifySettings
from weathervane.shopify._tables.orders import LINES, ORDERS
from weathervane.shopify._tables.orders import PARTS as ORDER_PARTS
from weathervane.shopify._tables.products import PARTS as PRODUCT_PARTS
from weathervane.shopify._tables.products import PRODUCTS, VARIANTS
from weathervane.source import CredentialsError, Days

from .bench import BULK, QUICK

FORECASTS = {"orders": forecast_orders, "products": forecast_products}


@pytest.mark.parametrize(("kind", "settings"), [("orders", QUICK), ("orders", BULK), ("products", QUICK)])
def test_an_estimate_is_near_what_a_window_takes(begin, kind, settings):
    """By pages and by a bulk operation, with a count for each window: the requests within a factor of three.

    By pages also the time, of which the points that the shop really charged are the greater part.
    """
    bench = begin(orders=60, products=20)
    today = bench.shop.clock.now().date()
    window = Days(today - timedelta(days=364), today)
    empty = Days(today - timedelta(days=3000), today - timedelta(days=2900))
    with bench.client(replace(settings, bulk_poll_seconds=ShopifySettings().bulk_poll_seconds)) as client:
        found = FORECASTS[kind](client, [window, empty])
    assert len(bench.requests()) == 3  # the shop, and two counts
    summary = bench.run(kind, settings, start=window.first, end=window.last)
    asked = len([one for one in bench.shop.requests if one.host != "auth"]) - 3
    assert asked / 3 <= found.windows[0].requests <= asked * 3
    if settings is QUICK:
        charged = sum(one.note.get("actual_cost", 0) for one in bench.requests()[3:])
        seconds = charged / 100 + asked * 0.5
        assert seconds / 3 <= found.windows[0].seconds <= seconds * 3
    assert found.windows[0].slices == summary.metadata["slices"]
    assert found.windows[1].requests <= found.windows[0].requests
    assert found.windows[1].seconds < found.windows[0].seconds


def test_a_token_that_may_not_read_is_said_before_the_plan(begin):
    """As a run would say it."""
    bench = begin(scopes=("read_products",))
    with bench.client() as client, pytest.raises(CredentialsError, match="read_orders"):
        forecast_orders(client, [])


def test_a_page_is_reckoned_at_what_the_shop_charges(begin):
    """To the point: a column that adds an object to the query is to be counted here too."""
    pages = {
        "orders": orders_page_query(ORDERS, LINES, ORDER_PARTS),
        "products": products_page_query(PRODUCTS, VARIANTS, PRODUCT_PARTS),
    }
    with begin().client() as client:
        for kind, text in pages.items():
            for first, nested in ((1, 1), (10, 5), (33, 5), (250, 5), (7, 40), (100, 250)):
                variables = {"first": first, "nested": nested, "after": None, "query": ""}
                assert client.query(text, variables).cost == page_points(kind, first, nested)
