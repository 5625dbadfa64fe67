"""A pretend Shopify: one process is one shop that obeys the rules of the real Admin API, version 2026-10.

Run it with `python -m weathervane.shopify.sandbox`, or in a test with `running_shopify()`. It needs the
`sandbox` extra. No client code imports it.
"""

from weathervane.shopify.sandbox._options import DEFAULT_SCOPES, PLANS, ShopOptions
from weathervane.shopify.sandbox._records import RecordsError
from weathervane.shopify.sandbox._running import RunningShopify, running_shopify
from weathervane.shopify.sandbox._shop import FAULTS, PretendShop

__all__ = [
    "DEFAULT_SCOPES",
    "FAULTS",
    "PLANS",
    "PretendShop",
    "RecordsError",
    "RunningShopify",
    "ShopOptions",
    "running_shopify",
]
