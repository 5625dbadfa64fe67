"""What a backfill will take: Shopify counts what changed in each window, and its points say how fast it is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from weathervane.shopify import queries
from weathervane.shopify.client import ShopifyClient
from weathervane.shopify.credentials import ShopifyCredentials
from weathervane.shopify.queries import changed_since
from weathervane.shopify.scopes import check_scope, day_bounds
from weathervane.shopify.settings import ShopifySettings
from weathervane.source.definition import Days, Estimate, Forecast

__all__ = ["estimate_orders", "estimate_products", "forecast_orders", "forecast_products"]

_POINTS_OF_ONE = 60.0
"""Of an order or a product with what hangs on it. See `ShopifySettings.bulk_from`."""
_POINTS_A_SECOND = 100.0
"""What the smallest plan restores."""
_CALL_SECONDS = 0.5
"""Of one call. Assumed."""
_BULK_SECONDS = 60.0
"""Of any bulk operation. Assumed, as is the next one."""
_BULK_ORDERS_A_SECOND = 100.0


def estimate_orders(tenant: str, windows: Sequence[Days], parameters: Mapping[str, str]) -> Forecast:
    """See `weathervane.source.definition.Estimator`."""
    with ShopifyClient(tenant, ShopifyCredentials.load(tenant)) as client:
        return forecast_orders(client, windows)


def estimate_products(tenant: str, windows: Sequence[Days], parameters: Mapping[str, str]) -> Forecast:
    """See `weathervane.source.definition.Estimator`."""
    with ShopifyClient(tenant, ShopifyCredentials.load(tenant)) as client:
        return forecast_products(client, windows)


def forecast_orders(client: ShopifyClient, windows: Sequence[Days]) -> Forecast:
    """What each window will take of a shop's orders.

    Raises:
        CredentialsError: The token may not read orders.
    """

    def of(orders: int, settings: ShopifySettings) -> Estimate:
        if orders < settings.bulk_from:
            return _by_pages(orders, settings)
        slices = math.ceil(orders / settings.bulk_slice_rows)
        working = slices * _BULK_SECONDS + orders / _BULK_ORDERS_A_SECOND
        polls, waited = 0, 0.0
        while waited < working / slices:
            waited += settings.bulk_poll_seconds[min(polls, len(settings.bulk_poll_seconds) - 1)]
            polls += 1
        # Three counts and the shop's times, the start, looks and the file; then a page of what came meanwhile.
        requests = slices * (6 + polls) + 5
        return Estimate(slices + 1, requests, working + requests * _CALL_SECONDS)

    return _forecast(client, windows, "orders", queries.COUNT_ORDERS, of)


def forecast_products(client: ShopifyClient, windows: Sequence[Days]) -> Forecast:
    """What each window will take of a shop's products.

    Raises:
        CredentialsError: The token may not read products.
    """

    def of(products: int, settings: ShopifySettings) -> Estimate:
        pages = _by_pages(products, settings)
        # And a slice of deletions, a page as a rule.
        return Estimate(pages.slices + 1, pages.requests + 1, pages.seconds + _CALL_SECONDS)

    return _forecast(client, windows, "products", queries.COUNT_PRODUCTS, of)


def _by_pages(objects: int, settings: ShopifySettings) -> Estimate:
    page = max(1, int(0.9 * settings.max_query_cost / _POINTS_OF_ONE))
    slices = max(1, math.ceil(objects / settings.slice_rows))
    # The shop and its scopes once; each slice is counted before and after.
    requests = 1 + slices * 3 + max(1, math.ceil(objects / page))
    return Estimate(slices, requests, objects * _POINTS_OF_ONE / _POINTS_A_SECOND + requests * _CALL_SECONDS)


def _forecast(
    client: ShopifyClient,
    windows: Sequence[Days],
    what: str,
    count_query: str,
    of: Callable[[int, ShopifySettings], Estimate],
) -> Forecast:
    shop = client.shop()
    check_scope(shop, f"read_{what}")
    counts = []
    for window in windows:
        lower, upper = day_bounds(window.first, shop)[0], day_bounds(window.last, shop)[1]
        counts.append(client.count(count_query, changed_since(lower, upper)))
    note = (
        f"{sum(counts):,} {what} changed last in these days; one is taken for {_POINTS_OF_ONE:.0f} points, of which the"
        f" smallest plan restores {_POINTS_A_SECOND:.0f} a second; long lists within one cost further requests"
    )
    return Forecast(tuple(of(count, client.settings) for count in counts), (note,))
