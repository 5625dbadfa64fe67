"""One pretend shop: its records, tokens, clock and faults, as a test or the control routes see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from random import Random
from typing import Any

from weathervane.shopify.sandbox._aftersales import cancel_order, refund_order, remove_line
from weathervane.shopify.sandbox._bulk import BulkOperations
from weathervane.shopify.sandbox._catalogue import set_stock
from weathervane.shopify.sandbox._life import Life
from weathervane.shopify.sandbox._options import ShopOptions
from weathervane.shopify.sandbox._records import load
from weathervane.shopify.sandbox._sales import add_order
from weathervane.shopify.sandbox._seed import fill
from weathervane.shopify.sandbox._throttle import Bucket
from weathervane.shopify.sandbox._tokens import Tokens
from weathervane.shopify.sandbox._truth import table_truth
from weathervane.shopify.sandbox._world import Record, World, type_of
from weathervane.source.sandbox import HTTP_FAULTS, Clock, Faults, Recorder, TableTruth

__all__ = ["FAULTS", "PretendShop"]

FAULTS: Mapping[str, str] = {
    **HTTP_FAULTS,
    "throttled": "answer THROTTLED, whatever the bucket holds",
    "internal_error": "answer 200 with INTERNAL_SERVER_ERROR",
    "partial": "answer 200 with half of the list and an error beside it",
    "merged": "members are put into the answer, beside and over its own: members (object; a list's by place)",
    "access_denied": "answer 200 with ACCESS_DENIED: field (only where this one is asked), required (text)",
    "shop_inactive": "answer 200 with SHOP_INACTIVE",
    "max_cost": "answer 200 with MAX_COST_EXCEEDED",
    "token_expired": "the token of the request expires with it: 401, now and for every later request",
    "scope_loss": "the app loses scopes while this stands: scopes (list)",
    "empty_page": "the page is empty, with a next page that goes on where it should have begun",
    "cursor_loop": "the page says that there is a next one, which is itself",
    "nested_short": "a list within an object ends early and says that it is whole: keep (default: half of the page)",
    "hidden": "a record is counted but not listed while this stands: id",
    "search_lag": "the search index lags behind while this stands: seconds (default 60)",
    "loose_comparators": "searching takes > for >= and < for <= while this stands",
    "touch_after_page": "a record is updated right after the page: id (default: the page's first)",
    "fall_forward": "another version answers: version",
    "bulk_slow": "the next bulk operation takes many polls: polls (default 20)",
    "bulk_failed": "the next bulk operation fails, with half of its rows in partialDataUrl: error_code",
    "bulk_canceled": "the vendor cancels the next bulk operation",
    "bulk_url_expired": "the storage host says that the URL has expired",
    "bulk_truncated": "the file ends in the middle of a line",
    "bulk_fewer_lines": "the file lacks lines at its end: drop (default 1)",
    "bulk_repeated": "the file's first line stands in it again, in place of its last one",
    "bulk_line": "a line is put into the file in place of its first one: line (text)",
    "bulk_short_children": "the next bulk operation's file lacks children beyond so many of each parent, and so do"
    " its counts: keep (default 100)",
    "slots_busy": "another client of the app holds the bulk slots",
}

DATASETS = ("shopify_orders", "shopify_order_lines", "shopify_products", "shopify_product_variants")

CHANGES: Mapping[str, str] = {
    "touch": "update a record's updatedAt: id",
    "update": "set members of an order, product or variant, and its updatedAt: id, set (object)",
    "new_order": "place an order: lines (how many)",
    "refund_order": "refund one unit, or all with full=true: id",
    "cancel_order": "cancel an order: id",
    "remove_line": "remove one line of an order: id",
    "set_stock": "set a variant's stock: id, quantity",
    "delete_product": "delete a product: id",
    "delete_variant": "delete a variant: id",
    "delete_order": "delete an order, without a trace: id",
    "revoke_token": "make an access token worthless: token",
}


class PretendShop:
    """The state of one pretend shop (`weathervane.source.sandbox.PretendVendor`).

    Attributes:
        options: what it was started with.
        clock, faults, recorder: the parts that every pretend vendor has.
        world: its records.
        tokens: the app's tokens.
        bulk: the app's bulk operations.
        bucket: the app's throttle bucket.
    """

    datasets: tuple[str, ...] = DATASETS
    tables: tuple[str, ...] = DATASETS
    changes: Mapping[str, str] = CHANGES

    def __init__(self, options: ShopOptions) -> None:
        self.options = options
        self.clock = Clock(options.now, rate=options.clock_rate)
        self.faults = Faults(FAULTS)
        self.recorder = Recorder(
            ("x-shopify-access-token", "authorization", "cookie"),
            ("access_token", "refresh_token", "client_secret", "sig"),
        )
        self.world = World(options)
        if options.records:
            load(self.world, options.records)
        else:
            fill(self.world, options.now)
        self.tokens = Tokens(options)
        self.bucket = Bucket(options.bucket_max, options.bucket_rate)
        self.bulk = BulkOperations(self.world, self.faults, self.clock)
        lives = not options.records if options.life is None else options.life
        self._life = Life(self.world, options.now) if lives else None
        self._rng = Random(f"{options.seed} changes")

    @property
    def requests(self) -> list[Any]:
        """Every request seen so far, oldest first (`SeenRequest`)."""
        return self.recorder.seen()

    def now(self) -> datetime:
        """Return the shop's present, after letting happen what is due by then."""
        now = self.clock.now()
        if self._life is not None:
            self._life.catch_up(now)
        return now

    def advance(self, seconds: float) -> datetime:
        """Move the clock forward; orders, edits, refunds and deletions that are due happen."""
        self.clock.advance(seconds)
        return self.now()

    def set_now(self, now: datetime) -> datetime:
        """Move the clock forward to a time."""
        self.clock.set(now)
        return self.now()

    def truth(self, dataset: str) -> Iterable[Mapping[str, Any]]:
        """Return all the shop holds of a data set, in the API's own shape.

        Orders come without their lines, products without their variants; lines carry `order_id`, variants
        `product_id`. Deleted products come with `deletedAt`; their variants do not come.

        Raises:
            ValueError: no such data set.
        """
        world = self.world
        with world.lock:
            if dataset == "shopify_orders":
                return [_without(order, "lineItems") for order in world.orders.values()]
            if dataset == "shopify_order_lines":
                return [
                    {**self._line(line), "order_id": order["id"]}
                    for order in world.orders.values()
                    for line in order.get("lineItems") or ()
                ]
            if dataset == "shopify_products":
                live = [
                    {**_without(product, "variants"), "deletedAt": None}
                    for product in world.products.values()
                ]
                return [
                    *live,
                    *(_without(product, "variants") for product in world.deleted_products.values()),
                ]
            if dataset == "shopify_product_variants":
                return [
                    {**variant, "product_id": product["id"]}
                    for product in world.products.values()
                    for variant in product.get("variants") or ()
                ]
        raise ValueError(f"unknown data set {dataset!r}; known: {', '.join(self.datasets)}")

    def table(self, name: str) -> TableTruth:
        """Return what a table of the lake must hold.

        Raises:
            ValueError: no such table.
        """
        if name not in self.tables:
            raise ValueError(f"unknown table {name!r}; known: {', '.join(self.tables)}")
        return table_truth(name, self.world)

    def change(self, name: str, /, **args: Any) -> Mapping[str, Any]:
        """Do something to the shop's data now; return the record concerned.

        Raises:
            ValueError: no such change, or no such record.
            KeyError: an argument is missing.
        """
        if name not in CHANGES:
            raise ValueError(f"unknown change {name!r}; known: {', '.join(CHANGES)}")
        if name == "revoke_token":
            self.tokens.revoke(str(args["token"]))
            return {}
        now = self.now()
        with self.world.lock:
            if name == "new_order":
                return add_order(self.world, self._rng, now, lines=args.get("lines"))
            if name.startswith("delete_"):
                self._record(
                    args["id"],
                    {"product": "Product", "variant": "ProductVariant", "order": "Order"}[name[7:]],
                )
                return self.world.drop(args["id"], now)
            return self._changed(name, args, now)

    def _changed(self, name: str, args: Mapping[str, Any], now: datetime) -> Record:
        world, rng = self.world, self._rng
        if name in ("touch", "update"):
            record = self._record(args["id"])
            record.update(args.get("set") or {})
            for one in (record, world.parent(record)):
                if one is not None:
                    world.touch(one, now)
            return record
        if name == "set_stock":
            variant = self._record(args["id"], "ProductVariant")
            set_stock(world, variant, int(args["quantity"]), now)
            return variant
        order = self._record(args["id"], "Order")
        if name == "refund_order":
            done: Any = refund_order(world, rng, order, now, full=bool(args.get("full")))
        elif name == "remove_line":
            done = remove_line(world, rng, order, now)
        else:
            done = True
            cancel_order(world, rng, order, now)
        if done is None:
            raise ValueError(f"{name}: the order {order['id']} has nothing left for it")
        return order

    def _record(self, record_id: str, kind: str | None = None) -> Record:
        record = self.world.find(record_id)
        if record is None or (kind is not None and type_of(record_id) != kind):
            raise ValueError(f"the shop holds no {kind or 'record'} with the id {record_id}")
        return record

    def _line(self, line: Record) -> Record:
        gone = {name: self.world.live(line.get(name)) for name in ("product", "variant")}
        return {**line, **{name: value and {"id": value["id"]} for name, value in gone.items()}}


def _without(record: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in names}
