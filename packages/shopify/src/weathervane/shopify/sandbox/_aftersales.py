"""What happens to an order after it was placed: edits, refunds, cancellation, shipping."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

from weathervane.shopify.sandbox._money import amount_of, bag, total
from weathervane.shopify.sandbox._sums import add_transaction, recompute, short_form, tax_within
from weathervane.shopify.sandbox._world import Record, World, number_of, stamp

__all__ = ["cancel_order", "fulfill_order", "refund_order", "remove_line"]


def refund_order(
    world: World, rng: Random, order: Record, at: datetime, *, full: bool = False
) -> Record | None:
    """Refund one unit of a line, or everything that is left; None when nothing is left to refund."""
    lines = [line for line in order.get("lineItems") or () if (line.get("currentQuantity") or 0) > 0]
    if not lines:
        return None
    chosen = lines if full else [rng.choice(lines)]
    refund_id = world.next_id("Refund", 900_000_001)
    parts: list[Record] = []
    for line in chosen:
        units = line["currentQuantity"] if full else 1
        price = amount_of(line.get("discountedUnitPriceAfterAllDiscountsSet")) * units
        line["currentQuantity"] -= units
        parts.append(
            {
                "id": world.next_id("RefundLineItem", 600_000_001),
                "quantity": units,
                "restockType": rng.choice(("RETURN", "NO_RESTOCK")),
                "restocked": True,
                "lineItem": {"id": line["id"]},
                "subtotalSet": bag(price, order),
                "totalTaxSet": bag(tax_within(price, order), order),
                "priceSet": bag(amount_of(line.get("originalUnitPriceSet")), order),
            }
        )
    back = total(amount_of(part["subtotalSet"]) for part in parts)
    if not amount_of(order.get("totalReceivedSet")).shop:  # never paid: nothing goes back but the goods
        back = back * 0
    refund: Record = {
        "id": refund_id,
        "legacyResourceId": str(number_of(refund_id)),
        "createdAt": stamp(at),
        "updatedAt": stamp(at),
        "processedAt": stamp(at),
        "note": rng.choice((None, "kaputt", "wrong size")),
        "totalRefundedSet": short_form(bag(back, order)),
        "refundLineItems": parts,
        "transactions": [],
    }
    order.setdefault("refunds", []).append(refund)
    sale = next((one for one in order.get("transactions") or () if one["kind"] in ("SALE", "CAPTURE")), None)
    refund["transactions"] = [
        {"id": add_transaction(world, order, "REFUND", "SUCCESS", back, at, sale)["id"]}
    ]
    recompute(order)
    left = any((line.get("currentQuantity") or 0) > 0 for line in order["lineItems"])
    order["displayFinancialStatus"] = "PARTIALLY_REFUNDED" if left else "REFUNDED"
    # A parent is stamped after its children: the lag is a second in life, too.
    world.touch(order, at + timedelta(seconds=1))
    return refund


def cancel_order(world: World, rng: Random, order: Record, at: datetime) -> None:
    """Cancel an order: everything is refunded, and it stays listed."""
    refund_order(world, rng, order, at, full=True)
    order["cancelledAt"] = order["closedAt"] = stamp(at)
    order["closed"] = True
    order["cancelReason"] = rng.choice(("CUSTOMER", "DECLINED", "FRAUD", "INVENTORY", "OTHER", "STAFF"))
    if order.get("displayFinancialStatus") == "PENDING":
        order["displayFinancialStatus"] = "VOIDED"
    world.touch(order, at)


def remove_line(world: World, rng: Random, order: Record, at: datetime) -> Record | None:
    """Edit an order: one line disappears altogether. None when it has only one."""
    lines = order.get("lineItems") or []
    if len(lines) < 2:
        return None
    gone: Record = lines.pop(rng.randrange(len(lines)))
    order["edited"] = True
    recompute(order)
    world.touch(order, at)
    return gone


def fulfill_order(world: World, order: Record, at: datetime) -> None:
    """Ship an order; it is closed with that."""
    order["displayFulfillmentStatus"] = "FULFILLED"
    order["closedAt"] = stamp(at)
    order["closed"] = True
    fulfillment_id = world.next_id("Fulfillment", 4_500_000_001)
    order.setdefault("fulfillments", []).append(
        {
            "id": fulfillment_id,
            "legacyResourceId": str(number_of(fulfillment_id)),
            "createdAt": stamp(at),
            "updatedAt": stamp(at),
            "status": "SUCCESS",
            "displayStatus": "FULFILLED",
            "name": f"{order.get('name')}.1",
            "totalQuantity": sum(line.get("currentQuantity") or 0 for line in order.get("lineItems") or ()),
        }
    )
    world.touch(order, at)
