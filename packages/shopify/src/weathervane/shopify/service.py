"""Shopify as a source: its flows, their datasets, and what a shop's token may see."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from weathervane.shopify import orders, products
from weathervane.shopify.client import Shop, ShopifyClient
from weathervane.shopify.credentials import ShopifyCredentials
from weathervane.shopify.estimates import estimate_orders, estimate_products
from weathervane.shopify.flows import ingest_shopify_orders, ingest_shopify_products
from weathervane.shopify.settings import API_VERSION, API_VERSION_ENDS, ShopifySettings
from weathervane.source.definition import Finding, FlowDefinition, Severity, SourceDefinition

__all__ = ["SHOPIFY", "check_shop"]

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
    for scope, flow in (
        ("read_orders", "ingest_shopify_orders"),
        ("read_products", "ingest_shopify_products"),
    ):
        if scope not in shop.scopes:
            told = f"{flow} cannot run without {scope}: add the scope to the app and reinstall it"
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
