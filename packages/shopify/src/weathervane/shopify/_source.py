"""Shopify as a source: its flows, their datasets, and what a shop's token may see."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version

from prefect import flow

from weathervane.shopify._client import Shop, ShopifyClient
from weathervane.shopify._credentials import ShopifyCredentials
from weathervane.shopify._estimate import estimate_orders, estimate_products
from weathervane.shopify._reader.orders import OrdersReader
from weathervane.shopify._reader.products import ProductsReader
from weathervane.shopify._settings import API_VERSION, API_VERSION_ENDS, ShopifySettings
from weathervane.shopify._tables import orders, products
from weathervane.source import (
    Finding,
    FlowDefinition,
    IngestionSummary,
    Severity,
    SourceDefinition,
    credentials_block,
    ingest,
    parse_days,
    run_for_tenant,
    run_name,
)

__all__ = [
    "SHOPIFY",
    "ShopifyCredentialsBlock",
    "check_shop",
    "ingest_shopify_orders",
    "ingest_shopify_products",
]

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

    return run_for_tenant(tenant_id, ShopifyCredentials, work)


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

    return run_for_tenant(tenant_id, ShopifyCredentials, work)


# Long enough for a quarter's release to be planned.
_NOTICE = timedelta(days=90)


def check_shop(tenant: str) -> list[Finding]:
    """What a tenant's token sees of its shop, and what is missing for the flows.

    Raises:
        SourceError: The vendor refuses the token, or cannot be asked.
    """
    with ShopifyClient(tenant, ShopifyCredentials.load(tenant)) as client:
        shop = client.shop()
    seen = f"{shop.domain}: amounts in {shop.currency}, days in {shop.timezone.key}"
    return [Finding(Severity.INFO, "SHOP", seen), *_scopes(shop), *_version(datetime.now(UTC))]


def _scopes(shop: Shop) -> list[Finding]:
    findings = []
    for scope, name in (
        ("read_orders", "ingest_shopify_orders"),
        ("read_products", "ingest_shopify_products"),
    ):
        if scope not in shop.scopes:
            told = f"{name} cannot run without {scope}: add the scope to the app and reinstall it"
            findings.append(Finding(Severity.ERROR, "MISSING_SCOPE", told))
    if "read_all_orders" not in shop.scopes:
        days = ShopifySettings().history.days
        told = f"without read_all_orders only the last {days} days of orders are visible; ask Shopify for the scope"
        findings.append(Finding(Severity.WARNING, "MISSING_SCOPE", told))
    for scope in sorted(set(orders.SCOPES.values()) - shop.scopes):
        columns = ", ".join(column for column, needed in orders.SCOPES.items() if needed == scope)
        told = f"without {scope} these columns of orders and lines are NULL: {columns}"
        findings.append(Finding(Severity.WARNING, "MISSING_SCOPE", told))
    return findings


def _version(now: datetime) -> list[Finding]:
    left = API_VERSION_ENDS - now.date()
    if left > _NOTICE:
        return []
    told = f"Shopify ends version {API_VERSION} on {API_VERSION_ENDS}, in {left.days} days; update weathervane-shopify"
    return [Finding(Severity.WARNING, "API_VERSION_ENDS", told)]


SHOPIFY = SourceDefinition(
    name="shopify",
    package="weathervane-shopify",
    api_version=API_VERSION,
    api_version_ends=API_VERSION_ENDS,
    flows=(
        FlowDefinition(
            "ingest_shopify_orders", ingest_shopify_orders, (orders.ORDERS, orders.LINES), estimate_orders
        ),
        FlowDefinition(
            "ingest_shopify_products",
            ingest_shopify_products,
            (products.PRODUCTS, products.VARIANTS),
            estimate_products,
        ),
    ),
    credentials=ShopifyCredentials,
    check=check_shop,
)
"""The source, as its service, its commands and the conformance suite see it."""

ShopifyCredentialsBlock = credentials_block(ShopifyCredentials)
