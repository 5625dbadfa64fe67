"""The Prefect flows of this source."""

from __future__ import annotations

from datetime import date
from importlib.metadata import version

from prefect import flow

from weathervane.shopify.client import ShopifyClient
from weathervane.shopify.credentials import ShopifyCredentials
from weathervane.shopify.orders_reader import OrdersReader
from weathervane.shopify.products_reader import ProductsReader
from weathervane.source.conduct import conduct, run_name
from weathervane.source.ingestion import IngestionSummary
from weathervane.source.tasks import ingest, parse_days

__all__ = ["ingest_shopify_orders", "ingest_shopify_products"]

_VERSION = version("weathervane-shopify")


@flow(
    name="ingest_shopify_orders",
    version=_VERSION,
    flow_run_name=run_name,
    retries=3,
    retry_delay_seconds=60,
)
def ingest_shopify_orders(
    tenant_id: str, start_date: date | None = None, end_date: date | None = None
) -> IngestionSummary:
    """Brings a shop's orders and their lines into the tenant's lake.

    Args:
        tenant_id: The tenant; its credentials are a Prefect block `shopify-<tenant>` or in the environment. `*` starts
            a run for every tenant that has some.
        start_date: First day by time of change, in the shop's time zone. Default: go on from the checkpoint; the first
            run reads everything that the token sees.
        end_date: Last day. Default: up to now.
    """

    def work(tenant: str, credentials: ShopifyCredentials) -> IngestionSummary:
        start, end = parse_days(start_date, end_date)
        with ShopifyClient(tenant, credentials) as client:
            return ingest(tenant, OrdersReader(client, start=start, end=end))

    return conduct(tenant_id, ShopifyCredentials, work)


@flow(
    name="ingest_shopify_products",
    version=_VERSION,
    flow_run_name=run_name,
    retries=3,
    retry_delay_seconds=60,
)
def ingest_shopify_products(
    tenant_id: str, start_date: date | None = None, end_date: date | None = None
) -> IngestionSummary:
    """Brings a shop's products and their variants into the tenant's lake, and marks deleted products.

    Args:
        tenant_id: The tenant; its credentials are a Prefect block `shopify-<tenant>` or in the environment. `*` starts
            a run for every tenant that has some.
        start_date: First day by time of change, in the shop's time zone. Default: go on from the checkpoint; the first
            run reads everything.
        end_date: Last day. Default: up to now.
    """

    def work(tenant: str, credentials: ShopifyCredentials) -> IngestionSummary:
        start, end = parse_days(start_date, end_date)
        with ShopifyClient(tenant, credentials) as client:
            return ingest(tenant, ProductsReader(client, start=start, end=end))

    return conduct(tenant_id, ShopifyCredentials, work)
