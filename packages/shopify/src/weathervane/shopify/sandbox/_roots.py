"""The fields of the query root and the mutations that the sandbox serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from graphql import GraphQLError

from weathervane.shopify.sandbox._admin_schema import PUBLIC_VERSIONS, admin_schema
from weathervane.shopify.sandbox._context import View, access_denied
from weathervane.shopify.sandbox._defaults import SHOP_CREATED
from weathervane.shopify.sandbox._options import ShopOptions
from weathervane.shopify.sandbox._world import type_of

__all__ = ["ROOTS", "Listed", "not_served", "shop_record"]

MAX_IDS = 250


@dataclass(frozen=True)
class Listed:
    """A list of the query root: which records, in which order."""

    kind: str
    sort_key: str


def _listed(kind: str, sort_key: str = "ID") -> Callable[[View, Mapping[str, Any]], Listed]:
    return lambda view, arguments: Listed(kind, arguments.get("sortKey") or sort_key)


def _one(kind: str) -> Callable[[View, Mapping[str, Any]], Any]:
    return lambda view, arguments: view.find(arguments["id"], kind)


def _count(kind: str, root_field: str) -> Callable[[View, Mapping[str, Any]], dict[str, Any]]:
    def count(view: View, arguments: Mapping[str, Any]) -> dict[str, Any]:
        view.approve(kind)
        found = len(view.matching(kind, root_field, arguments.get("query"), counting=True))
        limit = arguments.get("limit")
        if limit is not None and found > limit:
            return {"count": limit, "precision": "AT_LEAST"}
        return {"count": found, "precision": "EXACT"}

    return count


def _shop(view: View, _: Mapping[str, Any]) -> dict[str, Any]:
    return shop_record(view.world.options, view.now)


def shop_record(options: ShopOptions, now: datetime) -> dict[str, Any]:
    """Return what is known of the shop itself, as `shop` answers it."""
    local = now.astimezone(ZoneInfo(options.timezone))
    offset = int((local.utcoffset() or timedelta()).total_seconds() // 60)
    sign = "-" if offset < 0 else "+"
    return {
        "id": "gid://shopify/Shop/61234567",
        "name": options.shop.replace("-", " ").title(),
        "myshopifyDomain": options.domain,
        "email": f"owner@{options.shop}.example",
        "contactEmail": f"hello@{options.shop}.example",
        "shopOwnerName": "Sam Owner",
        "currencyCode": options.currency,
        "enabledPresentmentCurrencies": [options.currency],
        "ianaTimezone": options.timezone,
        "timezoneOffset": f"{sign}{abs(offset) // 60:02}{abs(offset) % 60:02}",
        "timezoneOffsetMinutes": offset,
        "timezoneAbbreviation": local.tzname(),
        "plan": {
            "publicDisplayName": "Shopify",
            "displayName": "Shopify",
            "partnerDevelopment": False,
            "shopifyPlus": False,
        },
        "url": f"https://{options.domain}",
        "primaryDomain": {
            "id": "gid://shopify/Domain/1",
            "host": options.domain,
            "url": f"https://{options.domain}",
            "sslEnabled": True,
        },
        "taxesIncluded": True,
        "unitSystem": "METRIC_SYSTEM",
        "weightUnit": "KILOGRAMS",
        "createdAt": SHOP_CREATED,
        "updatedAt": "2026-01-15T09:00:00Z",
    }


def _installation(view: View, _: Mapping[str, Any]) -> dict[str, Any]:
    scopes = [
        {"handle": scope, "description": scope.replace("_", " ").capitalize()} for scope in view.handles
    ]
    return {"id": "gid://shopify/AppInstallation/417", "accessScopes": scopes}


def _node(view: View, arguments: Mapping[str, Any]) -> Any:
    return _any(view, arguments["id"])


def _nodes(view: View, arguments: Mapping[str, Any]) -> list[Any]:
    ids = arguments["ids"]
    if len(ids) > MAX_IDS:
        raise GraphQLError(
            f"The input array size of {len(ids)} is greater than the maximum allowed of {MAX_IDS}.",
            extensions={"code": "MAX_INPUT_SIZE_EXCEEDED"},
        )
    return [_any(view, one) for one in ids]


def _any(view: View, record_id: str) -> Any:
    kind = type_of(record_id)
    rule = admin_schema(view.version).type_access.get(kind)
    if rule is not None and not rule.allows(view.scopes):
        raise access_denied("node", rule.text)
    view.approve(kind)
    if kind == "Shop":
        return _shop(view, {})
    return view.find(record_id)


def _collection(view: View, arguments: Mapping[str, Any]) -> Any:
    found = (one for one in view.world.rows("Collection") if one["id"] == arguments["id"])
    return next(found, view.find(arguments["id"], "Collection"))


def _run(view: View, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return view.bulk.run(view, arguments["query"], bool(arguments.get("groupObjects")))


def _cancel(view: View, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return view.bulk.cancel(arguments["id"], view.now)


ROOTS: Mapping[str, Callable[[View, Mapping[str, Any]], Any]] = {
    "shop": _shop,
    "currentAppInstallation": _installation,
    "publicApiVersions": lambda view, arguments: list(PUBLIC_VERSIONS),
    "orders": _listed("Order", "PROCESSED_AT"),
    "order": _one("Order"),
    "ordersCount": _count("Order", "orders"),
    "products": _listed("Product"),
    "product": _one("Product"),
    "productsCount": _count("Product", "products"),
    "productVariants": _listed("ProductVariant"),
    "productVariant": _one("ProductVariant"),
    "inventoryItems": _listed("InventoryItem"),
    "inventoryItem": _one("InventoryItem"),
    "customers": _listed("Customer"),
    "customer": _one("Customer"),
    "customersCount": _count("Customer", "customers"),
    "collections": _listed("Collection"),
    "collection": _collection,
    "collectionsCount": _count("Collection", "collections"),
    "locations": _listed("Location", "NAME"),
    "refund": _one("Refund"),
    "events": _listed("BasicEvent"),
    "node": _node,
    "nodes": _nodes,
    "bulkOperations": _listed("BulkOperation", "CREATED_AT"),
    "bulkOperation": _one("BulkOperation"),
    "currentBulkOperation": lambda view, arguments: view.bulk.newest(arguments.get("type", "QUERY")),
    "bulkOperationRunQuery": _run,
    "bulkOperationCancel": _cancel,
}
"""Root field -> resolver. Any other root field is answered with an error that says so."""


def not_served(parent: str, name: str) -> str:
    """Return what is said of a root field that the vendor has and the sandbox has not."""
    return f"The sandbox does not serve the field {name} of {parent}."
