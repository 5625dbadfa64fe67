"""Life in the shop: what happens as its clock moves, the same for a seed however the clock is moved."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta

from weathervane.shopify.sandbox._aftersales import cancel_order, fulfill_order, refund_order, remove_line
from weathervane.shopify.sandbox._catalogue import add_product, change_product, set_stock
from weathervane.shopify.sandbox._sales import add_order
from weathervane.shopify.sandbox._world import Record, World, stamp

__all__ = ["Life"]

DECK = (
    ("new_order",) * 14
    + ("fulfill",) * 5
    + ("refund",) * 5
    + ("stock",) * 6
    + ("edit_product",) * 4
    + ("remove_line",) * 3
    + ("cancel",) * 2
    + ("new_product", "delete_variant", "delete_product")
)
"""One shuffled round of events; every kind happens once in a round, which is most of a shop day."""

SAME_SECOND = 0.1
"""Share of events that happen in the same second as the one before."""


class Life:
    """The events of one shop, due at times drawn in advance.

    Args:
        world: what the events change.
        start: no event happens before this time.
    """

    def __init__(self, world: World, start: datetime) -> None:
        self._world = world
        self._rng = random.Random(f"{world.options.seed} life")
        self._deck: list[str] = []
        self._next = start
        self._plan()

    def catch_up(self, now: datetime) -> int:
        """Let everything happen that is due by now; return how many events that was."""
        happened = 0
        with self._world.lock:
            while self._next <= now:
                if not self._deck:
                    self._deck = self._rng.sample(DECK, len(DECK))
                self._happen(self._deck.pop(), self._next)
                happened += 1
                self._plan()
        return happened

    def _plan(self) -> None:
        if self._rng.random() >= SAME_SECOND:
            gap = self._rng.expovariate(1 / self._world.options.event_gap)
            self._next += timedelta(seconds=max(1, round(gap)))

    def _happen(self, kind: str, at: datetime) -> None:
        world, rng = self._world, self._rng
        if kind == "new_order":
            add_order(world, rng, at)
        elif kind == "new_product":
            world.event("create", add_product(world, rng, at), at)
        elif kind in ("fulfill", "refund", "remove_line", "cancel"):
            self._to_order(kind, at)
        elif kind == "delete_variant":
            product = world.pick(world.rows("Product"), lambda one: len(one.get("variants") or ()) > 1)
            if product is not None:
                world.drop(rng.choice(product["variants"])["id"], at)
        elif kind == "stock":
            variant = world.pick(world.rows("ProductVariant"))
            if variant is not None:
                set_stock(world, variant, rng.randint(0, 150), at)
        else:
            # The product with 300 variants stays: it is there to be read.
            product = world.pick(world.rows("Product"), lambda one: len(one.get("variants") or ()) < 100)
            if product is not None and kind == "edit_product":
                change_product(world, rng, product, at)
            elif product is not None:
                world.drop(product["id"], at)

    def _to_order(self, kind: str, at: datetime) -> None:
        world, rng = self._world, self._rng
        now = stamp(at)

        def open_(order: Record) -> bool:
            return order.get("cancelledAt") is None and order.get("createdAt", "") <= now

        wanted: dict[str, Callable[[Record], bool]] = {
            "fulfill": lambda order: open_(order) and order.get("displayFulfillmentStatus") != "FULFILLED",
            "refund": lambda order: open_(order) and bool(order.get("currentSubtotalLineItemsQuantity", 1)),
            "remove_line": lambda order: open_(order) and len(order.get("lineItems") or ()) > 1,
            "cancel": lambda order: open_(order) and order.get("displayFulfillmentStatus") != "FULFILLED",
        }
        order = world.pick(list(world.orders.values()), wanted[kind])
        if order is None:
            return
        if kind == "fulfill":
            fulfill_order(world, order, at)
        elif kind == "refund":
            refund_order(world, rng, order, at)
        elif kind == "remove_line":
            remove_line(world, rng, order, at)
        else:
            cancel_order(world, rng, order, at)
