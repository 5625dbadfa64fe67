"""The seeded shop: fifteen months of orders with every trouble that a reader must survive.

The same options give the same shop: nothing here reads a clock or an unseeded source.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from weathervane.shopify.sandbox._aftersales import cancel_order, fulfill_order, refund_order
from weathervane.shopify.sandbox._catalogue import BIG_PRODUCT_VARIANTS, add_location, add_product
from weathervane.shopify.sandbox._sales import add_order
from weathervane.shopify.sandbox._world import World

__all__ = ["fill"]

HISTORY = timedelta(days=455)
LONG_ORDER_LINES = 130


def fill(world: World, now: datetime) -> None:
    """Fill an empty world with a shop as it stands at a time.

    Among the orders are guests, test and cancelled orders, refunds, foreign currencies, deleted variants,
    one order of 130 lines, orders without a financial status, and pairs with the same `updatedAt` second;
    among the products one with 300 variants.
    """
    rng, options = world.random, world.options
    start = now - HISTORY
    add_location(world, start - timedelta(days=30))
    for number in range(options.products):
        born = start - timedelta(days=rng.uniform(0, 25))
        add_product(world, rng, born, variants=BIG_PRODUCT_VARIANTS if number == 3 else None)
    moments = sorted(
        start + timedelta(seconds=rng.uniform(0, HISTORY.total_seconds() - 7200))
        for _ in range(options.orders)
    )
    for number, at in enumerate(moments):
        order = add_order(world, rng, at, lines=LONG_ORDER_LINES if number == 10 else None)

        def later(least: float, most: float, at: datetime = at) -> datetime:
            return min(at + timedelta(hours=rng.uniform(least, most)), now - timedelta(minutes=1))

        if rng.random() < 0.9 and not order["test"]:
            fulfill_order(world, order, later(2, 72))
        if rng.random() < 0.08:
            refund_order(world, rng, order, later(72, 24 * 30), full=rng.random() < 0.3)
        elif rng.random() < 0.04:
            cancel_order(world, rng, order, later(1, 48))
        if rng.random() < 0.02:
            order["displayFinancialStatus"] = None
    _pair_up(world)


def _pair_up(world: World) -> None:
    """Give every fortieth order the second of the one before it, and refresh the search index."""
    rows = sorted(world.orders.values(), key=lambda order: order["updatedAt"])
    for earlier, later in zip(rows[::40], rows[1::40], strict=False):
        later["updatedAt"] = max(earlier["updatedAt"], later["createdAt"])
        if later["updatedAt"] != earlier["updatedAt"]:
            earlier["updatedAt"] = later["updatedAt"]
    world.indexed = {order["id"]: [order["updatedAt"]] for order in rows}
    world.indexed |= {one["id"]: [one["updatedAt"]] for one in world.products.values()}
