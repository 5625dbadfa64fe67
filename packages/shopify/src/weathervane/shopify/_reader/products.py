"""Reading a shop's products and variants by time of change, and then which products were deleted."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from weathervane.shopify import _queries as queries
from weathervane.shopify._client import ShopifyClient
from weathervane.shopify._lists import NestedList
from weathervane.shopify._pages import PageSize
from weathervane.shopify._reader.changes import ChangeReader, Shape, Span
from weathervane.shopify._scopes import check_scope, day_bounds
from weathervane.shopify._tables.products import DELETIONS, PARTS, PRODUCTS, VARIANTS
from weathervane.source import (
    ContractError,
    Piece,
    Slice,
    SliceEnd,
    decode,
    format_time,
    normalise,
    split_records,
)

__all__ = ["ProductsReader"]

log = logging.getLogger(__name__)


class ProductsReader:
    """Reads one shop's products and variants in slices by time of change, then its deletions.

    Lists never show what was deleted; Shopify's events do, for a year. The checkpoint has a time for each of the two
    reads, `updated_at` and `deleted_at`.

    Args:
        client: The shop.
        start: First day to read, in the shop's time zone; None goes on from the checkpoint, or reads everything.
        end: Last day to read; None means up to now.
        now: When the run began.

    Raises:
        SourceError: The token may not read products.
    """

    source = "shopify"
    datasets = (PRODUCTS, VARIANTS)

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
        check_scope(shop, "read_products")
        self._constants = {"tenant_id": client.tenant, "shop": shop.domain}
        first, last = day_bounds(start, shop)[0], day_bounds(end, shop)[1]
        overlap = client.settings.overlap
        self._changed = Span(start=first, end=last, now=now, overlap=overlap)
        self._deleted = Span(start=first, end=last, now=now, overlap=overlap, name="deleted_at")
        shape = Shape(
            PRODUCTS,
            VARIANTS,
            connection="products",
            within=NestedList(
                queries.product_variants_query(VARIANTS, PARTS), "product", "variants", "variantsCount"
            ),
            page_query=queries.products_page_query(PRODUCTS, VARIANTS, PARTS),
            count_query=queries.COUNT_PRODUCTS,
        )
        self._changes = ChangeReader(client, shape, self._constants)

    def next_slice(self, checkpoint: str | None) -> Slice | None:
        """Slices of pages, then one of deletions."""
        for kind, span in (("pages", self._changed), ("events", self._deleted)):
            if not span.done:
                return span.slice(kind, span.lower(checkpoint), span.end)
        return None

    def read(self, slice: Slice) -> Generator[Piece, None, SliceEnd]:
        """One slice."""
        lower, upper = slice.bounds["lower"], slice.bounds["upper"]
        if slice.bounds["kind"] == "pages":
            end = yield from self._changes.read(lower, upper)
            reached = self._changed.reached(slice, end.newest, exhausted=end.exhausted)
            return SliceEnd(reached, {PRODUCTS.name: end.control_totals}, self._changed.share)
        # In one piece: the rows that they change are looked up in the lake once.
        found = normalise(
            DELETIONS, list(self._events(lower, upper)), constants={"tenant_id": self._client.tenant}
        )
        if found.quarantined.num_rows:
            none = pa.RecordBatch.from_pylist([], schema=PRODUCTS.schema)
            yield Piece(PRODUCTS.name, replace(found, rows=none))
        newest = None
        if found.rows.num_rows:
            changes = found.rows.select(["tenant_id", "product_id", "deleted_at"])
            yield Piece(PRODUCTS.name, changes=changes)
            # A deleted product has no variants: it is a member of the window without rows.
            yield Piece(
                VARIANTS.name,
                members=changes.select(["product_id"]).cast(pa.schema([VARIANTS.schema.field("product_id")])),
            )
            newest = pc.max(changes.column("deleted_at")).as_py()
        return SliceEnd(self._deleted.reached(slice, newest, exhausted=True))

    def _events(self, lower: datetime | None, upper: datetime | None) -> Iterator[bytes]:
        """The deletions of products, as they were sent."""
        terms = ["action:destroy", "subject_type:PRODUCT"]
        terms += [f"created_at:>='{format_time(lower)}'"] if lower else []
        terms += [f"created_at:<='{format_time(upper)}'"] if upper else []
        sizes = PageSize(self._client.settings, self._client.settings.max_page_size)
        search = {"query": " AND ".join(terms)}
        for body in self._client.pages(queries.DELETED_PRODUCTS, search, "events", sizes):
            yield from filter(_may_tell_of_a_product, split_records(body, "data.events.nodes")[0])


def _may_tell_of_a_product(event: bytes) -> bool:
    """Not what tells of another kind of subject, or of none. What nobody can read may: it is set aside."""
    try:
        one = decode(event, _Event, "an event")
    except ContractError:
        return True
    return one.subject_id is not None and one.subject_type == "PRODUCT"


class _Event(msgspec.Struct, rename="camel"):
    subject_id: str | None = None
    subject_type: str | None = None
