"""A pretend shop, the real lake, and one judge of whether the lake holds what the shop holds."""

from __future__ import annotations

import itertools
import json
import traceback
from collections.abc import Callable, Collection, Generator, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from weathervane.lake import LakeClient, NotFoundError, TableRef
from weathervane.shopify._client import ShopifyClient
from weathervane.shopify._credentials import ShopifyCredentials
from weathervane.shopify._reader.orders import OrdersReader
from weathervane.shopify._reader.products import ProductsReader
from weathervane.shopify._settings import ShopifySettings
from weathervane.shopify.sandbox import RunningShopify
from weathervane.shopify.sandbox._truth import product_row
from weathervane.source import Ingestion, IngestionSummary, SliceResult

ORDERS, LINES = "shopify_orders", "shopify_order_lines"
PRODUCTS, VARIANTS = "shopify_products", "shopify_product_variants"
READERS: Mapping[str, Any] = {"orders": OrdersReader, "products": ProductsReader}
QUICK = ShopifySettings(bulk_poll_seconds=(0.01,), bulk_slot_seconds=0.01)
"""The source as it is, but for waits that a pretend shop does not need."""
SMALL = replace(QUICK, page_size=3, max_query_cost=55)
"""Pages of three orders, so that few make many pages; lists within them come in larger parts."""
BULK = replace(QUICK, bulk_from=1)
"""Everything by bulk operations."""

_runs = itertools.count(1)


class Bench:
    """One shop read into one tenant's tables."""

    def __init__(self, lake: LakeClient, running: RunningShopify, tenant: str) -> None:
        self.lake = lake
        self.running = running
        self.shop = running.shop
        self.tenant = tenant
        self.credentials = ShopifyCredentials(
            shop="acme", client_id="sandbox-client", client_secret="sandbox-secret", api_url=running.url
        )

    def other(self, tenant: str) -> Bench:
        """The same shop read into another tenant's tables."""
        return Bench(self.lake, self.running, f"{self.tenant}_{tenant}")

    def client(self, settings: ShopifySettings = QUICK) -> ShopifyClient:
        """A client of the shop."""
        return ShopifyClient(self.tenant, self.credentials, settings)

    def run(
        self,
        kind: str = "orders",
        settings: ShopifySettings = QUICK,
        *,
        run_id: str | None = None,
        wrap: Callable[[Any], Any] = lambda reader: reader,
        on_slice: Callable[[SliceResult], object] = lambda result: None,
        **given: Any,
    ) -> IngestionSummary:
        """One run to its end, without Prefect; `given` goes to the reader."""
        given.setdefault("now", self.shop.clock.now())
        with self.client(settings) as client:
            reader = wrap(READERS[kind](client, **given))
            run_id = run_id or f"run-{next(_runs)}"
            with Ingestion(self.lake.target, self.tenant, reader, run_id) as ingestion:
                while (slice := ingestion.next_slice()) is not None:
                    on_slice(ingestion.write(slice))
                return ingestion.summary()

    def rows(self, dataset: str) -> list[dict[str, Any]]:
        """A table of the lake, without the tenant's name, sorted by key; empty when there is none."""
        try:
            table = self.lake.read(TableRef(self.tenant, dataset)).read_all()
        except NotFoundError:
            return []
        rows = [{k: v for k, v in row.items() if k != "tenant_id"} for row in table.to_pylist()]
        return sorted(rows, key=lambda row: [str(row.get(key)) for key in _KEYS.get(dataset, ())])

    def checkpoint(self, dataset: str = ORDERS) -> dict[str, str] | None:
        """A table's checkpoint."""
        value = self.lake.checkpoint(TableRef(self.tenant, dataset)).value
        return None if value is None else json.loads(value)

    def holds_the_shop(self, *datasets: str, but: Collection[str] = ()) -> None:
        """Asserts that the tables hold exactly what the shop holds, `but` for some columns."""
        for dataset in datasets or (ORDERS, LINES):
            held = {_key(dataset, row): _taken_apart(dataset, row) for row in self.rows(dataset)}
            truth = expected(self, dataset)
            assert set(held) == set(truth), f"{dataset}: {_difference(held, truth)}"
            for key, row in truth.items():
                differ = {n: (held[key][n], row[n]) for n in row if n not in but and held[key][n] != row[n]}
                assert not differ, f"{dataset} {key}: {differ}"

    def requests(self, operation: str | None = None, host: str = "admin") -> list[Any]:
        """The requests that the shop saw, of one GraphQL operation or of all."""
        seen = [one for one in self.shop.requests if one.host == host]
        return [one for one in seen if operation is None or one.note.get("operation") == operation]

    def asked(self, operation: str, times: int) -> Callable[[], bool]:
        """A condition: the shop was asked for this operation so many times."""
        return lambda: len(self.requests(operation)) >= times

    def order_ids(self) -> list[str]:
        """The gids of the shop's orders by time of change, oldest first."""
        orders = self.shop.world.orders.values()
        return [one["id"] for one in sorted(orders, key=lambda one: (one["updatedAt"], number(one["id"])))]


def everything_said(error: BaseException, caplog: pytest.LogCaptureFixture) -> str:
    """All that a person or a log could see of a failure: texts, tracebacks and every member of every log record."""
    shown = ["".join(traceback.format_exception(error)), repr(error), str(vars(error))]
    return "\n".join([*shown, *(str(vars(record)) + record.getMessage() for record in caplog.records)])


def secrets_of(bench: Bench) -> set[str]:
    """Every secret that the shop ever gave or took."""
    tokens = bench.shop.tokens
    return {"sandbox-secret", "sig=", *tokens._access, *tokens._refresh}


class Once:
    """Does something to the shop once while a reader reads: before a piece is written, as soon as it is time.

    Args:
        action: What happens.
        when: Whether it is time.
        ahead: It happens before the first slice is read at all.
    """

    def __init__(
        self, action: Callable[[], object], *, when: Callable[[], bool] = lambda: True, ahead: bool = False
    ) -> None:
        self.done = False
        self._action, self._when, self._ahead = action, when, ahead

    def wrap(self, reader: Any) -> Any:
        """The reader, watched."""
        read = reader.read

        def watched(slice: Any) -> Generator[Any, None, Any]:
            if self._ahead:
                self._act()
            pieces = read(slice)
            while True:
                try:
                    piece = next(pieces)
                except StopIteration as stop:
                    return stop.value
                self._act()
                yield piece

        reader.read = watched
        return reader

    def _act(self) -> None:
        if not self.done and self._when():
            self.done = True
            self._action()


def number(gid: str | None) -> str | None:
    """`gid://shopify/Order/5` -> `5`."""
    return None if gid is None else gid.rsplit("/", 1)[-1]


def expected(bench: Bench, dataset: str) -> dict[tuple[str, ...], dict[str, Any]]:
    """What a table must hold, by key, when it was read before each deletion; orders with their lists."""
    world = bench.shop.world
    rows = [dict(row) for row in bench.shop.table(dataset).rows]
    if dataset == PRODUCTS:
        rows += map(product_row, world.deleted_products.values())
    if dataset == ORDERS:
        rows = [row | _lists(order) for row, order in zip(rows, world.orders.values(), strict=True)]
    return {_key(dataset, row): row for row in rows}


_KEYS = {
    ORDERS: ("order_id",),
    LINES: ("order_id", "line_id"),
    PRODUCTS: ("product_id",),
    VARIANTS: ("product_id", "variant_id"),
}


def _lists(order: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "refunds": [(one["id"], _amount(one["totalRefundedSet"])) for one in order["refunds"]],
        "transactions": [
            (one["id"], one["kind"], one["status"], _amount(one["amountSet"]))
            for one in order["transactions"]
        ],
    }


def _taken_apart(dataset: str, row: dict[str, Any]) -> dict[str, Any]:
    """A row of the lake with its JSON columns in the form of `expected`."""
    if dataset != ORDERS:
        return row
    return row | _lists({name: json.loads(row[name]) for name in ("refunds", "transactions")})


def _key(dataset: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(row[name] for name in _KEYS[dataset])


def moment(text: str | None) -> datetime | None:
    """A time as Shopify writes it."""
    return None if text is None else datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _amount(bag: Mapping[str, Any]) -> Decimal:
    return Decimal(bag["shopMoney"]["amount"])


def _difference(held: Iterable[Any], truth: Iterable[Any]) -> str:
    lacks, extra = sorted(set(truth) - set(held)), sorted(set(held) - set(truth))
    return f"lacks {len(lacks)} {lacks[:3]}, has {len(extra)} too many {extra[:3]}"
