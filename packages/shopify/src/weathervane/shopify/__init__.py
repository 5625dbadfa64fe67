"""Shopify's orders, lines, products and variants, brought into a tenant's lake.

The flows are in `weathervane.shopify.flows` and the Prefect block in `weathervane.shopify.blocks`: they import Prefect,
which takes seconds, and this menu does not.
"""

from weathervane.shopify.client import Shop, ShopifyClient
from weathervane.shopify.credentials import ShopifyCredentials
from weathervane.shopify.orders import LINES, ORDERS
from weathervane.shopify.orders_reader import OrdersReader
from weathervane.shopify.products import PRODUCTS, VARIANTS
from weathervane.shopify.products_reader import ProductsReader
from weathervane.shopify.settings import API_VERSION, API_VERSION_ENDS, ShopifySettings

__all__ = [
    "API_VERSION",
    "API_VERSION_ENDS",
    "LINES",
    "ORDERS",
    "PRODUCTS",
    "VARIANTS",
    "OrdersReader",
    "ProductsReader",
    "Shop",
    "ShopifyClient",
    "ShopifyCredentials",
    "ShopifySettings",
]


def __getattr__(name: str) -> object:
    # For `prefect block register -m weathervane.shopify`. It imports Prefect, so nobody else pays for it.
    if name != "ShopifyCredentialsBlock":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from weathervane.shopify.blocks import ShopifyCredentialsBlock

    return ShopifyCredentialsBlock


def __dir__() -> list[str]:
    return [*__all__, "ShopifyCredentialsBlock"]
