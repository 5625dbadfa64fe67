"""What the lake's tables must hold, worked out of the shop's records."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from weathervane.shopify.sandbox._world import Record, World
from weathervane.source.sandbox import TableTruth

__all__ = ["product_row", "table_truth"]

_BAGS = {
    "total_price": "totalPriceSet",
    "current_total_price": "currentTotalPriceSet",
    "subtotal_price": "subtotalPriceSet",
    "current_subtotal_price": "currentSubtotalPriceSet",
    "total_discounts": "totalDiscountsSet",
    "total_tax": "totalTaxSet",
    "total_shipping_price": "totalShippingPriceSet",
    "total_refunded": "totalRefundedSet",
    "net_payment": "netPaymentSet",
}
_PRESENTMENT = ("total_price", "current_total_price", "total_refunded")


def table_truth(table: str, world: World) -> TableTruth:
    """What a table must hold by the shop's records as they are."""
    with world.lock:
        if table == "shopify_orders":
            return TableTruth(("order_id",), [_order(one, world) for one in world.orders.values()])
        if table == "shopify_order_lines":
            lines = [
                _line(line, order, world)
                for order in world.orders.values()
                for line in order.get("lineItems") or ()
            ]
            # The deletion of a product takes it off its lines, and stamps no order with that.
            return TableTruth(("order_id", "line_id"), lines, fleeting=("product_id", "variant_id"))
        if table == "shopify_products":
            # Nobody can read what a product became between the last read and its deletion.
            gone = [
                {"product_id": _number(one["id"]), "deleted_at": _time(one["deletedAt"])}
                for one in world.deleted_products.values()
            ]
            return TableTruth(("product_id",), [product_row(one) for one in world.products.values()], gone)
        variants = [
            _variant(one, product)
            for product in world.products.values()
            for one in product.get("variants") or ()
        ]
        return TableTruth(("product_id", "variant_id"), variants)


def _order(order: Record, world: World) -> dict[str, Any]:
    amounts = {name: _amount(order.get(bag), "shopMoney") for name, bag in _BAGS.items()}
    amounts |= {f"{n}_presentment": _amount(order.get(_BAGS[n]), "presentmentMoney") for n in _PRESENTMENT}
    return amounts | {
        "order_id": _number(order["id"]),
        "shop": f"{world.options.shop}.myshopify.com",
        "name": order["name"],
        "created_at": _time(order["createdAt"]),
        "updated_at": _time(order["updatedAt"]),
        "processed_at": _time(order["processedAt"]),
        "closed_at": _time(order["closedAt"]),
        "cancelled_at": _time(order["cancelledAt"]),
        "cancel_reason": order["cancelReason"],
        "test": order["test"],
        "financial_status": order["displayFinancialStatus"],
        "fulfillment_status": order["displayFulfillmentStatus"],
        "currency": order["currencyCode"],
        "presentment_currency": order["presentmentCurrencyCode"],
        "customer_id": _number((world.live(order.get("customer")) or {}).get("id")),
        "tags": order["tags"],
        "discount_codes": order["discountCodes"],
        "shipping_country_code": (order["shippingAddress"] or {}).get("countryCodeV2"),
    }


def _line(line: Record, order: Record, world: World) -> dict[str, Any]:
    return {
        "order_id": _number(order["id"]),
        "line_id": _number(line["id"]),
        "order_updated_at": _time(order["updatedAt"]),
        "order_created_at": _time(order["createdAt"]),
        "currency": order["currencyCode"],
        "sku": line["sku"],
        "title": line["title"],
        "quantity": line["quantity"],
        "current_quantity": line["currentQuantity"],
        "product_id": _number((world.live(line.get("product")) or {}).get("id")),
        "variant_id": _number((world.live(line.get("variant")) or {}).get("id")),
        "original_unit_price": _amount(line["originalUnitPriceSet"], "shopMoney"),
        "discounted_unit_price": _amount(line["discountedUnitPriceAfterAllDiscountsSet"], "shopMoney"),
        "total_discount": _amount(line["totalDiscountSet"], "shopMoney"),
    }


def product_row(product: Record) -> dict[str, Any]:
    """A product's row, also of one that is deleted: as a lake has it that read it at its last."""
    return {
        "product_id": _number(product["id"]),
        "title": product["title"],
        "status": product["status"],
        "vendor": product["vendor"],
        "tags": product["tags"],
        "updated_at": _time(product["updatedAt"]),
        "deleted_at": _time(product.get("deletedAt")),
    }


def _variant(variant: Record, product: Record) -> dict[str, Any]:
    cost = variant["inventoryItem"].get("unitCost")
    return {
        "product_id": _number(product["id"]),
        "variant_id": _number(variant["id"]),
        "product_updated_at": _time(product["updatedAt"]),
        "sku": variant["sku"],
        "position": variant["position"],
        "price": Decimal(variant["price"]),
        "compare_at_price": _decimal(variant["compareAtPrice"]),
        "inventory_quantity": variant["inventoryQuantity"],
        "inventory_item_id": _number(variant["inventoryItem"]["id"]),
        "unit_cost": _decimal(cost and cost["amount"]),
    }


def _number(gid: str | None) -> str | None:
    return None if gid is None else gid.rsplit("/", 1)[-1]


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _amount(bag: Record | None, side: str) -> Decimal | None:
    return None if bag is None else Decimal(bag[side]["amount"])


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
