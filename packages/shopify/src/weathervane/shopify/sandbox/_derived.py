"""Fields whose value follows from other records: parents, counts and sums over children."""

from __future__ import annotations

import html
import re
import zlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from weathervane.shopify.sandbox._context import View
from weathervane.shopify.sandbox._money import amount_of, money_text, total
from weathervane.shopify.sandbox._world import Record, gid

__all__ = ["DERIVED"]

Derive = Callable[[View, Record, Any, Mapping[str, Any]], Any]
"""(view, record, the record's own value or None, arguments) -> value."""


def _parent(view: View, record: Record, own: Any, _: Mapping[str, Any]) -> Any:
    return view.world.parent(record) or own


def _variants_of_item(view: View, record: Record, own: Any, _: Mapping[str, Any]) -> Any:
    parent = view.world.parent(record)
    return own if parent is None else [parent]


def _variants(_: View, product: Record, own: Any, arguments: Mapping[str, Any]) -> Any:
    if (arguments.get("sortKey") or "POSITION") != "POSITION":
        return sorted(own or (), key=lambda variant: str(variant.get("id")))
    return own


def _orders_of_customer(view: View, customer: Record, _own: Any, arguments: Mapping[str, Any]) -> Any:
    return [
        order
        for order in view.matching("Order", "orders", arguments.get("query"))
        if (order.get("customer") or {}).get("id") == customer.get("id")
    ]


def _number_of_orders(view: View, customer: Record, own: Any, _: Mapping[str, Any]) -> Any:
    return str(len(_orders_of_customer(view, customer, None, {}))) if own is None else own


def _last_order(view: View, customer: Record, own: Any, _: Mapping[str, Any]) -> Any:
    orders = _orders_of_customer(view, customer, None, {})
    return max(orders, key=lambda order: str(order.get("createdAt")), default=None) if own is None else own


def _amount_spent(view: View, customer: Record, own: Any, _: Mapping[str, Any]) -> Any:
    if own is not None:
        return own
    currency = view.world.options.currency
    orders = _orders_of_customer(view, customer, None, {})
    spent = total(amount_of(order.get("netPaymentSet")) for order in orders)
    return {"amount": money_text(spent.shop, currency), "currencyCode": currency}


def _quantities(_: View, level: Record, own: Any, arguments: Mapping[str, Any]) -> Any:
    held = {one["name"]: one for one in own or ()}
    return [held[name] for name in arguments.get("names") or () if name in held]


def _count_of(member: str) -> Derive:
    def count(_: View, record: Record, own: Any, _arguments: Mapping[str, Any]) -> Any:
        # A loaded record may bring the count of the day it was exported; the list has changed since.
        held = record.get(member)
        return own if own and held is None else {"count": len(held or ()), "precision": "EXACT"}

    return count


def _follows(compute: Callable[[Record], Any]) -> Derive:
    def value(_: View, record: Record, own: Any, _arguments: Mapping[str, Any]) -> Any:
        return compute(record) if own is None else own

    return value


def _sum_of(member: str) -> Derive:
    return _follows(lambda order: sum(line.get(member) or 0 for line in order.get("lineItems") or ()))


def _one_of(member: str, values: tuple[str, ...]) -> Derive:
    return _follows(lambda record: record.get(member) in values)


def _description(_: View, product: Record, own: Any, arguments: Mapping[str, Any]) -> Any:
    text = own
    if text is None:
        text = " ".join(html.unescape(re.sub("<[^>]*>", " ", product.get("descriptionHtml") or "")).split())
    limit = arguments.get("truncateAt")
    return text if limit is None or len(text) <= limit else f"{text[: max(0, limit - 3)]}..."


def _option_value(name: str) -> Record:
    return {"id": gid("ProductOptionValue", zlib.crc32(name.encode("utf-8", "replace"))), "name": name}


def _unless_held(compute: Callable[[list[Record]], Any]) -> Derive:
    def value(_: View, product: Record, own: Any, _arguments: Mapping[str, Any]) -> Any:
        return compute(product.get("variants") or []) if own is None else own

    return value


def _price_range(view: View, product: Record, own: Any, _: Mapping[str, Any]) -> Any:
    prices = sorted((one["price"] for one in product.get("variants") or () if one.get("price")), key=Decimal)
    if own is not None:
        return own
    low, high = (prices[0], prices[-1]) if prices else ("0.0", "0.0")
    currency = view.world.options.currency
    return {
        "minVariantPrice": {"amount": low, "currencyCode": currency},
        "maxVariantPrice": {"amount": high, "currencyCode": currency},
    }


def _only_default(variants: list[Record]) -> bool:
    return len(variants) == 1 and variants[0].get("title") == "Default Title"


DERIVED: Mapping[tuple[str, str], Derive] = {
    ("ProductVariant", "product"): _parent,
    ("InventoryItem", "variant"): _parent,
    ("InventoryItem", "variants"): _variants_of_item,
    ("InventoryLevel", "item"): _parent,
    ("InventoryLevel", "quantities"): _quantities,
    ("Refund", "order"): _parent,
    ("OrderTransaction", "order"): _parent,
    ("Customer", "orders"): _orders_of_customer,
    ("Customer", "numberOfOrders"): _number_of_orders,
    ("Customer", "amountSpent"): _amount_spent,
    ("Customer", "lastOrder"): _last_order,
    ("Order", "subtotalLineItemsQuantity"): _sum_of("quantity"),
    ("Order", "currentSubtotalLineItemsQuantity"): _sum_of("currentQuantity"),
    ("Order", "fullyPaid"): _one_of("displayFinancialStatus", ("PAID", "PARTIALLY_REFUNDED", "REFUNDED")),
    ("Order", "unpaid"): _one_of("displayFinancialStatus", ("AUTHORIZED", "EXPIRED", "PENDING")),
    ("LineItem", "name"): _follows(
        lambda line: " - ".join(filter(None, (line.get("title"), line.get("variantTitle"))))
    ),
    ("LineItem", "refundableQuantity"): _follows(lambda line: line.get("currentQuantity") or 0),
    ("Order", "closed"): _follows(lambda order: order.get("closedAt") is not None),
    ("Order", "discountCode"): _follows(lambda order: next(iter(order.get("discountCodes") or ()), None)),
    ("Order", "fulfillmentsCount"): _count_of("fulfillments"),
    ("Order", "transactionsCount"): _count_of("transactions"),
    ("Product", "variants"): _variants,
    ("Product", "variantsCount"): _count_of("variants"),
    ("Product", "totalVariants"): _unless_held(len),
    ("Product", "bodyHtml"): _follows(lambda product: product.get("descriptionHtml")),
    ("Product", "description"): _description,
    ("Product", "descriptionPlainSummary"): _description,
    ("ProductVariant", "sellableOnlineQuantity"): _follows(lambda one: one.get("inventoryQuantity") or 0),
    ("ProductOption", "optionValues"): _follows(
        lambda option: [_option_value(value) for value in option.get("values") or ()]
    ),
    ("SelectedOption", "optionValue"): _follows(lambda chosen: _option_value(chosen.get("value") or "")),
    ("InventoryItem", "locationsCount"): _count_of("inventoryLevels"),
    ("Product", "totalInventory"): _unless_held(
        lambda variants: sum(one.get("inventoryQuantity") or 0 for one in variants)
    ),
    ("Product", "tracksInventory"): _unless_held(
        lambda variants: any((one.get("inventoryItem") or {}).get("tracked") for one in variants)
    ),
    ("Product", "hasOnlyDefaultVariant"): _unless_held(_only_default),
    ("Product", "hasOutOfStockVariants"): _unless_held(
        lambda variants: any((one.get("inventoryQuantity") or 0) <= 0 for one in variants)
    ),
    ("Product", "priceRangeV2"): _price_range,
}
"""(type, field) -> how its value is worked out."""
