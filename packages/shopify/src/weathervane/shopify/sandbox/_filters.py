"""What each list can be searched and sorted by."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

from weathervane.shopify.sandbox._admin_schema import admin_schema
from weathervane.shopify.sandbox._money import amount_of
from weathervane.shopify.sandbox._search import SearchField, epoch
from weathervane.shopify.sandbox._world import World, number_of

__all__ = ["documented_fields", "search_fields", "sort_value"]

Get = Callable[[Mapping[str, Any]], Any]


def _id(record: Mapping[str, Any]) -> int:
    return number_of(record["id"])


def _of(name: str) -> Get:
    return lambda record: record.get(name)


def _children(name: str, member: str) -> Get:
    return lambda record: [child.get(member) for child in record.get(name) or ()]


def _child_id(name: str) -> Get:
    return lambda record: number_of((record.get(name) or {}).get("id"))


def _status(order: Mapping[str, Any]) -> list[str]:
    if order.get("cancelledAt"):
        return ["any", "cancelled"]
    return ["any", "closed"] if order.get("closedAt") else ["any", "open", "not_closed"]


_FULFILLMENT_WORDS = {
    "FULFILLED": ["fulfilled", "shipped"],
    "UNFULFILLED": ["unfulfilled", "unshipped"],
    "PARTIALLY_FULFILLED": ["partial"],
}


def _fulfillment(order: Mapping[str, Any]) -> list[str]:
    status = order.get("displayFulfillmentStatus") or ""
    return _FULFILLMENT_WORDS.get(status, [status.lower()])


_TIMES = {
    "created_at": SearchField("time", _of("createdAt")),
    "updated_at": SearchField("time", _of("updatedAt")),
    "id": SearchField("number", _id),
}

_ORDERS = {
    **_TIMES,
    "processed_at": SearchField("time", _of("processedAt")),
    "default": SearchField(
        "word", lambda o: [o.get("name"), o.get("email"), *_children("lineItems", "title")(o)]
    ),
    "name": SearchField("text", lambda o: [o.get("name"), (o.get("name") or "").lstrip("#")]),
    "email": SearchField("text", _of("email")),
    "status": SearchField("text", _status),
    "financial_status": SearchField("text", _of("displayFinancialStatus")),
    "fulfillment_status": SearchField("text", _fulfillment),
    "return_status": SearchField("text", _of("returnStatus")),
    "test": SearchField("bool", _of("test")),
    "tag": SearchField("text", _of("tags")),
    "sku": SearchField("text", _children("lineItems", "sku")),
    "source_name": SearchField("text", _of("sourceName")),
    "source_identifier": SearchField("text", _of("sourceIdentifier")),
    "discount_code": SearchField("text", lambda o: (o.get("discountCodes") or [None])[0]),
    "gateway": SearchField("text", _of("paymentGatewayNames")),
    "confirmation_number": SearchField("text", _of("confirmationNumber")),
    "po_number": SearchField("text", _of("poNumber")),
    "customer_id": SearchField("number", _child_id("customer")),
    "current_total_price": SearchField("number", lambda o: amount_of(o.get("currentTotalPriceSet")).shop),
}
_PRODUCTS = {
    **_TIMES,
    "published_at": SearchField("time", _of("publishedAt")),
    "default": SearchField("word", lambda p: [p.get("title"), p.get("vendor"), p.get("productType")]),
    "title": SearchField("word", _of("title")),
    "handle": SearchField("text", _of("handle")),
    "status": SearchField("text", _of("status")),
    "vendor": SearchField("text", _of("vendor")),
    "product_type": SearchField("text", _of("productType")),
    "tag": SearchField("text", _of("tags")),
    "sku": SearchField("text", _children("variants", "sku")),
    "barcode": SearchField("text", _children("variants", "barcode")),
    "variant_title": SearchField("text", _children("variants", "title")),
    "variant_id": SearchField("number", lambda p: [_id(variant) for variant in p.get("variants") or ()]),
    "gift_card": SearchField("bool", _of("isGiftCard")),
    "inventory_total": SearchField(
        "number", lambda p: sum(variant.get("inventoryQuantity") or 0 for variant in p.get("variants") or ())
    ),
}
_VARIANTS = {
    "id": _TIMES["id"],
    "updated_at": _TIMES["updated_at"],
    "default": SearchField("word", lambda v: [v.get("displayName"), v.get("sku")]),
    "title": SearchField("text", _of("title")),
    "sku": SearchField("text", _of("sku")),
    "barcode": SearchField("text", _of("barcode")),
    "taxable": SearchField("bool", _of("taxable")),
    "inventory_quantity": SearchField("number", lambda v: v.get("inventoryQuantity") or 0),
    "product_id": SearchField("number", _child_id("product")),
}
_CUSTOMERS = {
    "id": _TIMES["id"],
    "updated_at": _TIMES["updated_at"],
    "customer_date": _TIMES["created_at"],
    "default": SearchField("word", lambda c: [c.get("displayName"), c.get("email"), c.get("phone")]),
    "email": SearchField("text", _of("email")),
    "first_name": SearchField("text", _of("firstName")),
    "last_name": SearchField("text", _of("lastName")),
    "phone": SearchField("text", _of("phone")),
    "tag": SearchField("text", _of("tags")),
}
_FIELDS: Mapping[str, Mapping[str, SearchField]] = {
    "Customer": _CUSTOMERS,
    "Collection": {
        "id": _TIMES["id"],
        "updated_at": _TIMES["updated_at"],
        "default": SearchField("word", _of("title")),
        "title": SearchField("text", _of("title")),
        "handle": SearchField("text", _of("handle")),
    },
    "Order": _ORDERS,
    "Product": _PRODUCTS,
    "ProductVariant": _VARIANTS,
    "InventoryItem": {**_TIMES, "sku": SearchField("text", _of("sku"))},
    "Location": {
        "id": _TIMES["id"],
        "created_at": _TIMES["created_at"],
        "name": SearchField("text", _of("name")),
        "default": SearchField("word", _of("name")),
    },
    "BasicEvent": {
        "id": _TIMES["id"],
        "created_at": _TIMES["created_at"],
        "action": SearchField("text", _of("action")),
        "subject_type": SearchField("text", _of("subjectType")),
        "comments": SearchField("bool", lambda _: True),
    },
    "BulkOperation": {
        "id": _TIMES["id"],
        "created_at": _TIMES["created_at"],
        "status": SearchField("text", _of("status")),
        "operation_type": SearchField("text", _of("type")),
    },
}

_SORTS: Mapping[str, Get] = {
    "CREATED_AT": lambda record: epoch(record.get("createdAt")) or 0,
    "COMPLETED_AT": lambda record: epoch(record.get("completedAt")) or 0,
    "UPDATED_AT": lambda record: epoch(record.get("updatedAt")) or 0,
    "PROCESSED_AT": lambda record: epoch(record.get("processedAt")) or 0,
    "PUBLISHED_AT": lambda record: epoch(record.get("publishedAt")) or 0,
    "ID": _id,
    "RELEVANCE": _id,
    "ORDER_NUMBER": lambda record: record.get("number") or 0,
    "TOTAL_PRICE": lambda record: float(amount_of(record.get("totalPriceSet")).shop),
    "CURRENT_TOTAL_PRICE": lambda record: float(amount_of(record.get("currentTotalPriceSet")).shop),
    "TOTAL_ITEMS_QUANTITY": lambda record: record.get("subtotalLineItemsQuantity") or 0,
    "FINANCIAL_STATUS": lambda record: record.get("displayFinancialStatus") or "",
    "FULFILLMENT_STATUS": lambda record: record.get("displayFulfillmentStatus") or "",
    "PO_NUMBER": lambda record: record.get("poNumber") or "",
    "DESTINATION": lambda record: (record.get("shippingAddress") or {}).get("city") or "",
    "TITLE": lambda record: record.get("title") or "",
    "FULL_TITLE": lambda record: record.get("displayName") or "",
    "NAME": lambda record: record.get("name") or record.get("title") or record.get("displayName") or "",
    "SKU": lambda record: record.get("sku") or "",
    "VENDOR": lambda record: record.get("vendor") or "",
    "PRODUCT_TYPE": lambda record: record.get("productType") or "",
    "POSITION": lambda record: record.get("position") or 0,
    "INVENTORY_QUANTITY": lambda record: record.get("inventoryQuantity") or 0,
    "INVENTORY_TOTAL": _PRODUCTS["inventory_total"].get,
}


def search_fields(kind: str, world: World) -> Mapping[str, SearchField]:
    """Return the fields that a list of this type can be searched by."""
    fields = _FIELDS.get(kind, {})
    if kind != "ProductVariant":
        return fields

    def of_product(name: str) -> Get:
        return lambda variant: (world.parent(variant) or {}).get(name)

    return {
        **fields,
        "vendor": SearchField("text", of_product("vendor")),
        "product_type": SearchField("text", of_product("productType")),
        "product_status": SearchField("text", of_product("status")),
        "tag": SearchField("text", of_product("tags")),
    }


def sort_value(sort_key: str) -> Get | None:
    """Return what a sort key sorts by; None = the sandbox does not serve it."""
    return _SORTS.get(sort_key)


@functools.lru_cache(maxsize=32)
def documented_fields(root_field: str) -> frozenset[str]:
    """Return every search field that the vendor documents for a list of the query root."""
    root = admin_schema("2026-10").schema.query_type
    assert root is not None  # every Admin schema has one
    argument = root.fields[root_field].args.get("query")
    text = (argument.description or "") if argument else ""
    # The description is a table whose head is "| name | type | …"; orders have a field `name`, too.
    return frozenset(re.findall(r"^\| ([a-z]\w*) \| (?!type )", text, re.MULTILINE))
