"""What is answered for a field that the record does not hold."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

from weathervane.shopify.sandbox._context import View
from weathervane.shopify.sandbox._plans import FieldPlan
from weathervane.shopify.sandbox._world import gid, number_of

__all__ = ["SHOP_CREATED", "missing_value"]

SHOP_CREATED = "2024-01-15T09:00:00Z"
SCALARS: Mapping[str, Any] = {
    "Boolean": False,
    "Int": 0,
    "Float": 0.0,
    "BigInt": "0",
    "UnsignedInt64": "0",
    "Decimal": "0.0",
    "Money": "0.0",
    "Date": SHOP_CREATED[:10],
    "DateTime": SHOP_CREATED,
    "JSON": {},
    "Color": "#000000",
    "UtcOffset": "+00:00",
}
"""Scalar -> what stands for nothing; any other scalar is text, and "" does."""

ENUMS = {
    "CountryCode": "ZZ",
    "CustomerState": "DISABLED",
    "FulfillmentStatus": "SUCCESS",
    "OrderReturnStatus": "NO_RETURN",
    "OrderDisplayFulfillmentStatus": "UNFULFILLED",
    "OrderRiskRecommendationResult": "NONE",
    "ProductStatus": "ACTIVE",
    "ProductVariantInventoryPolicy": "DENY",
    "RefundLineItemRestockType": "NO_RESTOCK",
    "WeightUnit": "KILOGRAMS",
}
"""Enum -> the value of a record to which nothing has happened; of any other, the schema's first value."""

TIMES = ("processedAt", "updatedAt", "createdAt")


def missing_value(view: View, plan: FieldPlan, record: Mapping[str, Any]) -> Any:
    """Return the value of a field that the record does not hold, for every field of every type.

    It follows from another member where that is certain (`legacyResourceId` from `id`, `totalPrice` from
    `totalPriceSet`); else it is null, or, where the schema does not allow null, an empty list or connection, a zero,
    "", an enum's plain value, or an object that itself holds nothing.
    """
    if plan.is_list or plan.is_connection:
        return None if plan.nullable else []
    value = _follows(view, plan, record)
    if value is not None or plan.nullable:
        return value
    if plan.values:
        usual = ENUMS.get(plan.type)
        return usual if usual in plan.values else plan.values[0]
    if plan.type in ("MoneyBag", "MoneyV2"):
        return _zero(view, plan, record)
    if plan.kinds:
        return _object(view, plan, record)
    return SCALARS.get(plan.type, "")


def _follows(view: View, plan: FieldPlan, record: Mapping[str, Any]) -> Any:
    options = view.world.options
    if plan.name == "legacyResourceId":
        return str(number_of(record.get("id")))
    if plan.type == "Count":  # `mediaCount` counts `media`, also where the record does not hold the list
        return {"count": len(record.get(plan.name.removesuffix("Count")) or ()), "precision": "EXACT"}
    if plan.parent == "MoneyBag":  # a record that was read with one side only
        return record.get("shopMoney") or record.get("presentmentMoney")
    if plan.type in ("Money", "MoneyV2"):
        money = (record.get(f"{plan.name.removesuffix('V2')}Set") or {}).get("shopMoney")
        return None if money is None else money["amount"] if plan.type == "Money" else money
    if plan.nullable:
        return None
    if plan.type == "DateTime":
        return next((record[name] for name in TIMES if record.get(name)), None)
    if plan.type == "CurrencyCode":
        return record.get("currencyCode") or options.currency
    if plan.type in ("ID", "StorefrontID"):
        # The same record has the same id whenever it is asked.
        held = json.dumps(record, sort_keys=True, default=str).encode()
        return record.get("id") or gid(plan.parent, zlib.crc32(held))
    if plan.type == "URL":
        return f"https://{options.domain}/{plan.name}/{number_of(record.get('id'))}"
    return None


def _object(view: View, plan: FieldPlan, record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the record that an object stands for, or one that holds nothing but its type and an id."""
    if plan.of == "Location" and view.world.locations:
        return next(iter(view.world.locations.values()))
    return {"__typename": plan.kinds[0], "id": gid(plan.kinds[0], number_of(record.get("id")))}


def _zero(view: View, plan: FieldPlan, record: Mapping[str, Any]) -> dict[str, Any]:
    shop = record.get("currencyCode") or view.world.options.currency
    presentment = record.get("presentmentCurrencyCode") or shop
    for value in record.values():  # a line item knows its order's currencies only by its other sums
        if isinstance(value, dict) and "shopMoney" in value:
            shop = value["shopMoney"]["currencyCode"]
            presentment = (value.get("presentmentMoney") or value["shopMoney"])["currencyCode"]
            break
    if plan.type == "MoneyV2":
        return {"amount": "0.0", "currencyCode": shop}
    return {
        "shopMoney": {"amount": "0.0", "currencyCode": shop},
        "presentmentMoney": {"amount": "0.0", "currencyCode": presentment},
    }
