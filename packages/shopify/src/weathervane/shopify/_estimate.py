"""What a backfill will take: Shopify counts what changed in each window, and its points say how fast it is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from weathervane.shopify import _queries as queries
from weathervane.shopify._client import ShopifyClient
from weathervane.shopify._credentials import ShopifyCredentials
from weathervane.shopify._pages import PageSize
from weathervane.shopify._queries import changed_since
from weathervane.shopify._scopes import check_scope, day_bounds
from weathervane.shopify._settings import ShopifySettings
from weathervane.source import Days, Estimate, Forecast

__all__ = ["estimate_orders", "estimate_products", "forecast_orders", "forecast_products", "page_points"]


@dataclass(frozen=True)
class _Objects:
    """How many objects a page's query selects of each kind, the free ones (amounts, `pageInfo`) left out."""

    of_one: int
    """Of an order or a product: itself, and what hangs on it but for its list."""
    of_element: int
    """Of an element of its list."""
    further: float
    """Requests for what a page did not show of a list, for each object. Assumed: most orders have few lines, and most
    products more variants than come with them."""


_OBJECTS = {"orders": _Objects(9, 3, 0.1), "products": _Objects(7, 3, 1.0)}
_CONNECTION_POINTS = 2
_POINTS_A_SECOND = 100.0
"""What the smallest plan restores."""
_CALL_SECONDS = 0.5
"""Of one call. Assumed."""
_BULK_SECONDS = 60.0
"""Of any bulk operation. Assumed, as is the next one."""
_BULK_ORDERS_A_SECOND = 100.0


def estimate_orders(tenant: str, windows: Sequence[Days], parameters: Mapping[str, str]) -> Forecast:
    """See `weathervane.source._definition.Estimator`."""
    with ShopifyClient(tenant, ShopifyCredentials.load(tenant)) as client:
        return forecast_orders(client, windows)


def estimate_products(tenant: str, windows: Sequence[Days], parameters: Mapping[str, str]) -> Forecast:
    """See `weathervane.source._definition.Estimator`."""
    with ShopifyClient(tenant, ShopifyCredentials.load(tenant)) as client:
        return forecast_products(client, windows)


def page_points(what: str, first: int, nested: int) -> int:
    """The points that a page of `orders` or `products` asks for.

    Shopify does not publish how it sizes connections. Costs measured there all follow one rule: a connection of n costs
    2 and, the greater of 1 and floor(2 ln n) times, what a node costs (see the pretend shop's docs/sandbox.md).

    Args:
        what: `orders` or `products`.
        first: Objects of the page.
        nested: Elements of each one's list.
    """
    objects = _OBJECTS[what]
    elements = _CONNECTION_POINTS + _times_charged(nested) * objects.of_element
    return _CONNECTION_POINTS + _times_charged(first) * (objects.of_one + elements)


def _times_charged(size: int) -> int:
    return max(1, math.floor(2 * math.log(size))) if size else 0


def forecast_orders(client: ShopifyClient, windows: Sequence[Days]) -> Forecast:
    """What each window will take of a shop's orders.

    Raises:
        CredentialsError: The token may not read orders.
    """

    def of(orders: int, settings: ShopifySettings) -> Estimate:
        if orders < settings.bulk_from:
            return _by_pages("orders", orders, settings)
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
        pages = _by_pages("products", products, settings)
        # And a slice of deletions, a page as a rule.
        return Estimate(pages.slices + 1, pages.requests + 1, pages.seconds + _CALL_SECONDS)

    return _forecast(client, windows, "products", queries.COUNT_PRODUCTS, of)


def _by_pages(what: str, objects: int, settings: ShopifySettings) -> Estimate:
    sizes = PageSize(settings, settings.page_size, settings.nested_page_size)
    pages, points, left = 0, 0, objects
    while not pages or left > 0:
        size = sizes.variables
        # Shopify gives back what a page that is not full asked for too much.
        points += page_points(what, min(size["first"], left), size["nested"])
        pages, left = pages + 1, left - size["first"]
        sizes.learn(page_points(what, size["first"], size["nested"]))
    further = round(objects * _OBJECTS[what].further)
    # Of each one's list twice as many as came with the page.
    elements = _times_charged(2 * settings.nested_page_size) * _OBJECTS[what].of_element
    points += further * (1 + _CONNECTION_POINTS + elements)
    slices = max(1, math.ceil(objects / settings.slice_rows))
    # The shop and its scopes once; each slice is counted before and after.
    requests = 1 + slices * 3 + pages + further
    return Estimate(slices, requests, points / _POINTS_A_SECOND + requests * _CALL_SECONDS)


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
    settings = client.settings
    first, nested, further = settings.max_page_size, settings.nested_page_size, _OBJECTS[what].further
    note = (
        f"{sum(counts):,} {what} changed last in these days; a page of {first} is taken for"
        f" {page_points(what, first, nested):,} points, of which the smallest plan restores {_POINTS_A_SECOND:.0f} a"
        f" second, and {further:.0%} of them for one more request each, for a list of more than {nested}"
    )
    return Forecast(tuple(of(count, settings) for count in counts), (note,))
