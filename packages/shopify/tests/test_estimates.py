"""What a plan says of a backfill, beside what a run of it then asks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from weathervane.shopify.estimates import forecast_orders, forecast_products
from weathervane.shopify.settings import ShopifySettings
from weathervane.source.definition import Days
from weathervane.source.errors import CredentialsError

from .bench import BULK, QUICK

FORECASTS = {"orders": forecast_orders, "products": forecast_products}


@pytest.mark.parametrize(("kind", "settings"), [("orders", QUICK), ("orders", BULK), ("products", QUICK)])
def test_an_estimate_is_near_what_a_window_takes(begin, kind, settings):
    """By pages and by a bulk operation, with a count for each window: the requests within a factor of three."""
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
    assert found.windows[0].slices == summary.metadata["slices"]
    assert found.windows[1].requests <= found.windows[0].requests
    assert found.windows[1].seconds < found.windows[0].seconds


def test_a_token_that_may_not_read_is_said_before_the_plan(begin):
    """As a run would say it."""
    bench = begin(scopes=("read_products",))
    with bench.client() as client, pytest.raises(CredentialsError, match="read_orders"):
        forecast_orders(client, [])
