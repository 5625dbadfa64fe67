"""Reading a shop's orders: bulk operations for a long history, pages by time of change for what is new."""

from __future__ import annotations

import logging
from collections.abc import Generator
from datetime import UTC, date, datetime, timedelta

import msgspec

from weathervane.shopify import _queries as queries
from weathervane.shopify._bulk_reader import read_bulk
from weathervane.shopify._client import ShopifyClient
from weathervane.shopify._lists import NestedList
from weathervane.shopify._queries import changed_since
from weathervane.shopify._reader.changes import ChangeReader, Shape, Span
from weathervane.shopify._scopes import check_scope, day_bounds, readable
from weathervane.shopify._tables.orders import LINES, ORDERS, PARTS, SCOPES
from weathervane.source import (
    ConfigurationError,
    ContractError,
    Piece,
    Slice,
    SliceEnd,
    decode,
    format_time,
    parse_time,
)

__all__ = ["OrdersReader"]

log = logging.getLogger(__name__)


class OrdersReader:
    """Reads one shop's orders and lines in slices by time of change.

    Args:
        client: The shop.
        start: First day to read, in the shop's time zone; None goes on from the checkpoint, or reads everything.
        end: Last day to read; None means up to now.
        now: When the run began.

    Raises:
        SourceError: The token may not read orders, or not those of `start`.
    """

    source = "shopify"

    def __init__(
        self,
        client: ShopifyClient,
        *,
        start: date | None = None,
        end: date | None = None,
        now: datetime | None = None,
    ) -> None:
        self._client = client
        now = now or datetime.now(UTC)
        shop = client.shop()
        check_scope(shop, "read_orders")
        self._orders, self._lines = (readable(dataset, shop, SCOPES) for dataset in (ORDERS, LINES))
        self.datasets = (self._orders, self._lines)
        self._constants = {"tenant_id": client.tenant, "shop": shop.domain}
        self._span = Span(
            start=day_bounds(start, shop)[0],
            end=day_bounds(end, shop)[1],
            now=now,
            overlap=client.settings.overlap,
        )
        if "read_all_orders" not in shop.scopes:
            self._check_history(now)
        self._within = NestedList(queries.order_lines_query(self._lines, PARTS), "order", "lineItems")
        shape = Shape(
            self._orders,
            self._lines,
            connection="orders",
            within=self._within,
            page_query=queries.orders_page_query(self._orders, self._lines, PARTS),
            count_query=queries.COUNT_ORDERS,
        )
        self._changes = ChangeReader(client, shape, self._constants)

    def next_slice(self, checkpoint: str | None) -> Slice | None:
        """Windows of history for bulk operations while there is much of it, then slices of pages."""
        if self._span.done:
            return None
        lower = self._span.lower(checkpoint)
        window = self._bulk_window(lower)
        return self._span.slice("bulk" if window else "pages", lower, window or self._span.end)

    def read(self, slice: Slice) -> Generator[Piece, None, SliceEnd]:
        """One slice."""
        lower, upper = slice.bounds["lower"], slice.bounds["upper"]
        if slice.bounds["kind"] == "bulk":
            totals = yield from read_bulk(
                self._client, self._orders, self._lines, self._within, self._constants, lower, upper
            )
            reached = self._span.reached(slice, upper, exhausted=False)
            return SliceEnd(reached, {ORDERS.name: totals}, self._span.share)
        end = yield from self._changes.read(lower, upper)
        reached = self._span.reached(slice, end.newest, exhausted=end.exhausted)
        return SliceEnd(reached, {ORDERS.name: end.control_totals}, self._span.share)

    def _check_history(self, now: datetime) -> None:
        visible = now - self._client.settings.history
        if self._span.start is not None and self._span.start < visible:
            raise ConfigurationError(
                f"orders before {format_time(visible)} are invisible to this app: it has read_orders without"
                " read_all_orders. Add the scope, or start later",
                reason="MISSING_SCOPE",
            )
        log.warning(
            "%s: without read_all_orders only the last %d days of orders are visible",
            self._client.tenant,
            self._client.settings.history.days,
        )

    def _bulk_window(self, lower: datetime | None) -> datetime | None:
        """The end of the next bulk operation's window; None when pages will do for what is left."""
        settings, span = self._client.settings, self._span

        def count(upper: datetime | None) -> int:
            return self._client.count(queries.COUNT_ORDERS, changed_since(lower, upper) or None)

        if count(span.end) < settings.bulk_from:
            return None
        times = self._client.ask(queries.ORDER_TIMES, None, _Times)
        if not times.oldest.nodes or not times.newest.nodes:
            return None  # deleted meanwhile
        try:
            oldest, newest = (_time(found.nodes[0]) for found in (times.oldest, times.newest))
        except ContractError as error:
            # Pages do without, and set aside the order whose time it is.
            log.warning(
                "%s: %s of the shop's oldest or newest order: orders are read by pages, not by a bulk operation",
                self._client.tenant,
                error.message,
            )
            return None
        lower = lower or oldest
        # Bounded by what the shop holds, not by our clock: one that runs ahead would put the checkpoint over orders
        # that are yet to come.
        upper = min(filter(None, (span.end, newest)))
        # Halved until one operation's file, and the parents held for it, are bounded.
        while upper - lower > timedelta(minutes=1) and count(upper) > settings.bulk_slice_rows:
            upper = (lower + (upper - lower) / 2).replace(microsecond=0)
        return upper if upper > lower else None


def _time(order: msgspec.Raw) -> datetime:
    return parse_time(decode(order, _Node, "the time of change").changed, "the time of change")


class _Node(msgspec.Struct, rename={"changed": "updatedAt"}):
    changed: str


class _Nodes(msgspec.Struct):
    nodes: list[msgspec.Raw]


class _Times(msgspec.Struct):
    oldest: _Nodes
    newest: _Nodes
