"""An order's money: its sums, its transactions, and prices in two currencies."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from weathervane.shopify.sandbox._money import Amount, amount_of, bag, rounded, total
from weathervane.shopify.sandbox._world import Record, World, stamp

__all__ = ["RATES", "add_transaction", "in_both", "recompute", "short_form", "tax_within"]

RATES = {"EUR": "1", "USD": "1.09", "GBP": "0.86", "JPY": "163", "KWD": "0.335", "CHF": "0.94", "SEK": "11.3"}
"""Units of a currency for one euro; invented, but of the right size."""

TAX = Decimal("0.20")


def recompute(order: Record) -> None:
    """Work out an order's sums from its lines, shipping, refunds and transactions."""
    lines = order.get("lineItems") or ()
    net = "discountedUnitPriceAfterAllDiscountsSet"
    ordered = total(amount_of(line.get(net)) * line["quantity"] for line in lines)
    current = total(amount_of(line.get(net)) * (line.get("currentQuantity") or 0) for line in lines)
    full = total(amount_of(line.get("originalUnitPriceSet")) * line["quantity"] for line in lines)
    shipping = total(amount_of(line.get("discountedPriceSet")) for line in order.get("shippingLines") or ())
    refunded = total(amount_of(refund.get("totalRefundedSet")) for refund in order.get("refunds") or ())
    received = total(
        amount_of(one["amountSet"])
        for one in order.get("transactions") or ()
        if one.get("status") == "SUCCESS" and one.get("kind") in ("SALE", "CAPTURE")
    )
    sums = {
        "subtotalPriceSet": ordered,
        "currentSubtotalPriceSet": current,
        "totalPriceSet": ordered + shipping,
        "originalTotalPriceSet": ordered + shipping,
        "currentTotalPriceSet": current + shipping,
        "totalDiscountsSet": full - ordered,
        "currentTotalDiscountsSet": full - ordered,
        "totalTaxSet": tax_within(ordered + shipping, order),
        "currentTotalTaxSet": tax_within(current + shipping, order),
        "totalShippingPriceSet": shipping,
        "currentShippingPriceSet": shipping,
        "totalRefundedSet": refunded,
        "totalReceivedSet": received,
        "netPaymentSet": received - refunded,
    }
    order.update({name: bag(amount, order) for name, amount in sums.items()})
    order["totalRefundedSet"] = short_form(order["totalRefundedSet"])
    order["subtotalLineItemsQuantity"] = sum(line["quantity"] for line in lines)
    order["currentSubtotalLineItemsQuantity"] = sum(line.get("currentQuantity") or 0 for line in lines)


def add_transaction(
    world: World, order: Record, kind: str, status: str, amount: Amount, at: datetime, parent: Record | None
) -> Record:
    """Add a transaction to an order and return it."""
    record: Record = {
        "id": world.next_id("OrderTransaction", 6_001_234_000_001),
        "kind": kind,
        "status": status,
        "gateway": (order.get("paymentGatewayNames") or [None])[0],
        "test": order.get("test", False),
        "createdAt": stamp(at),
        "processedAt": stamp(at),
        "amountSet": bag(amount, order),
        "parentTransaction": None if parent is None else {"id": parent["id"]},
    }
    order.setdefault("transactions", []).append(record)
    return record


def in_both(price: Decimal, order: Record) -> Amount:
    """Return a price of the shop in the order's two currencies, each rounded to its own unit."""
    shop, presentment = order["currencyCode"], order["presentmentCurrencyCode"]
    own = rounded(price, shop)
    rate = Decimal(RATES.get(presentment, "1")) / Decimal(RATES.get(shop, "1"))
    return Amount(own, own if shop == presentment else rounded(own * rate, presentment))


def tax_within(gross: Amount, order: Record) -> Amount:
    """Return the tax that a gross amount includes."""
    share = TAX / (1 + TAX)
    return Amount(
        rounded(gross.shop * share, order["currencyCode"]),
        rounded(gross.presentment * share, order["presentmentCurrencyCode"]),
    )


def short_form(money: dict[str, Any]) -> dict[str, Any]:
    """Write amounts as the vendor does at times, "40.0" for "40.00": readers must compare decimals."""
    for side in money.values():
        if side["amount"].endswith("0") and "." in side["amount"]:
            side["amount"] = side["amount"].rstrip("0") + (
                "0" if side["amount"].rstrip("0").endswith(".") else ""
            )
    return money
