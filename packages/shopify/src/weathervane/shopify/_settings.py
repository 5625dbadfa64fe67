"""Every number of this source, with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

API_VERSION = "2026-10"
"""Shopify: quarterly versions `YYYY-01|04|07|10`, each supported for at least 12 months."""
API_VERSION_ENDS = date(2027, 10, 1)
"""Twelve months after its first day; after that Shopify silently answers with another version, which we refuse."""


@dataclass(frozen=True, kw_only=True)
class ShopifySettings:
    """How this source reads. The defaults suit every shop; tests make them small."""

    api_version: str = API_VERSION
    page_size: int = 10
    """Orders or products of the first page. Then it follows the cost that Shopify says a page has."""
    nested_page_size: int = 5
    """Lines of an order, or variants of a product, that come with it; the rest is fetched for each by itself. Few,
    because a page is charged beforehand for all the lines that it might hold."""
    max_page_size: int = 250
    """Shopify: `first` is at most 250."""
    max_query_cost: int = 1000
    """Shopify: points that one query may request, on any plan."""
    slice_rows: int = 10_000
    """Orders or products of one slice of an incremental read: what a failure costs at most to read again. A slice is a
    task run of Prefect's, so 100,000 objects are ten of them."""
    bulk_from: int = 500
    """From how many orders on a bulk operation is used instead of pages. A page costs some 200 points, each order with
    more lines than come with it a request of its own, and the smallest plan restores 100 a second; a bulk operation
    costs 10 in all."""
    bulk_slice_rows: int = 50_000
    """Orders of one bulk operation: bounds the file, and the parents that are held while their lines are joined."""
    bulk_deep_from: int = 90
    """From how many lines on an order's lines are read by pages instead of taken from the bulk file: deep lists were
    seen silently cut near 100 in one stream, counts and all. Below 100, because nobody said how near."""
    overlap: timedelta = timedelta(minutes=5)
    """How far before the checkpoint an incremental read starts: Shopify's search index lags, and a parent is stamped
    before its children."""
    bulk_poll_seconds: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
    """Waits between looks at a bulk operation; the last one repeats."""
    bulk_slot_seconds: float = 15.0
    """Wait between attempts to start a bulk operation while all slots of the app are taken."""
    bulk_patience: timedelta = timedelta(hours=6)
    """How long one bulk operation (and a free slot for it) is waited for. Shopify itself allows ten days."""
    max_bulk_bytes: int = 20 * 1024**3
    """A result file larger than this is refused instead of filling the disk."""
    history: timedelta = timedelta(days=60)
    """Shopify: what a token without `read_all_orders` sees of the orders; older ones are absent without a word."""
