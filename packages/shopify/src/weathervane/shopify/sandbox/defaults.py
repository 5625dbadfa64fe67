"""What is answered for a field that the record does not hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphql import GraphQLError

from weathervane.shopify.sandbox.context import View
from weathervane.shopify.sandbox.plans import FieldPlan
from weathervane.shopify.sandbox.world import number_of

__all__ = ["missing_value"]

SCALARS: Mapping[str, Any] = {
    "Boolean": False,
    "Int": 0,
    "Float": 0.0,
    "String": "",
    "UnsignedInt64": "0",
    "Decimal": "0.0",
    "Money": "0.0",
    "HTML": "",
}
ENUMS = {
    "OrderReturnStatus": "NO_RETURN",
    "OrderDisplayFulfillmentStatus": "UNFULFILLED",
    "ProductStatus": "ACTIVE",
    "ProductVariantInventoryPolicy": "DENY",
    "RefundLineItemRestockType": "NO_RESTOCK",
}
TIMES = ("processedAt", "updatedAt", "createdAt")


def missing_value(view: View, plan: FieldPlan, record: Mapping[str, Any]) -> Any:
    """Return the value of a field that the record does not hold.

    It follows from another member where that is certain (`legacyResourceId` from `id`, `totalPrice` from
    `totalPriceSet`); else it is null, an empty list or connection, a zero, or "" as the schema allows.

    Raises:
        GraphQLError: the schema allows none of these: an honest error names the field.
    """
    value = _follows(view, plan, record)
    if value is not None or plan.nullable:
        return value
    if plan.is_list or plan.is_connection:
        return []
    if plan.type in SCALARS:
        return SCALARS[plan.type]
    if plan.type in ENUMS:
        return ENUMS[plan.type]
    if plan.type in ("MoneyBag", "MoneyV2"):
        return _zero(view, plan, record)
    raise GraphQLError(
        f"The sandbox's {plan.parent} holds no {plan.name}, and the schema does not allow null."
    )


def _follows(view: View, plan: FieldPlan, record: Mapping[str, Any]) -> Any:
    if plan.name == "legacyResourceId":
        return str(number_of(record.get("id")))
    if plan.parent == "MoneyBag":  # a record that was read with one side only
        return record.get("shopMoney") or record.get("presentmentMoney")
    if plan.type in ("Money", "MoneyV2"):
        money = (record.get(f"{plan.name.removesuffix('V2')}Set") or {}).get("shopMoney")
        return None if money is None else money["amount"] if plan.type == "Money" else money
    if plan.type == "DateTime" and not plan.nullable:
        return next((record[name] for name in TIMES if record.get(name)), None)
    if plan.type == "CurrencyCode" and not plan.nullable:
        return record.get("currencyCode") or view.world.options.currency
    if (plan.parent, plan.name) == ("Order", "closed"):
        return record.get("closedAt") is not None
    if (plan.parent, plan.name) == ("Order", "discountCode"):
        return next(iter(record.get("discountCodes") or ()), None)
    return None


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
