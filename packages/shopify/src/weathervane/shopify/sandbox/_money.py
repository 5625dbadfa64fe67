"""Money as Shopify sends it: decimal strings, in the shop's currency and in the buyer's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

__all__ = ["ZERO", "Amount", "amount_of", "bag", "money_text", "rounded", "total"]

DIGITS = {"JPY": 0, "KRW": 0, "CLP": 0, "VND": 0, "ISK": 0, "KWD": 3, "BHD": 3, "OMR": 3, "TND": 3, "JOD": 3}
"""Decimal places of the currencies that have not two (ISO 4217)."""


def rounded(value: Decimal, currency: str) -> Decimal:
    """Return a value rounded to the smallest unit of its currency."""
    return value.quantize(Decimal(1).scaleb(-DIGITS.get(currency, 2)), ROUND_HALF_UP)


def money_text(value: Decimal, currency: str) -> str:
    """Return a value as Shopify writes it: "118.40" EUR, "1200" JPY, "1.234" KWD."""
    return f"{rounded(value, currency):f}"


@dataclass(frozen=True)
class Amount:
    """A sum in two currencies at once. It is added up on each side, as rounding differs between them."""

    shop: Decimal
    presentment: Decimal

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.shop + other.shop, self.presentment + other.presentment)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.shop - other.shop, self.presentment - other.presentment)

    def __mul__(self, times: Decimal | int) -> Amount:
        return Amount(self.shop * times, self.presentment * times)


ZERO = Amount(Decimal(0), Decimal(0))


def total(amounts: Iterable[Amount]) -> Amount:
    """Return the sum of some amounts."""
    return sum(amounts, ZERO)


def bag(amount: Amount, order: Mapping[str, Any]) -> dict[str, Any]:
    """Return a `MoneyBag` in the currencies of an order."""
    shop, presentment = order["currencyCode"], order["presentmentCurrencyCode"]
    return {
        "shopMoney": {"amount": money_text(amount.shop, shop), "currencyCode": shop},
        "presentmentMoney": {
            "amount": money_text(amount.presentment, presentment),
            "currencyCode": presentment,
        },
    }


def amount_of(money_bag: Mapping[str, Any] | None) -> Amount:
    """Return a `MoneyBag` as an amount; one that is missing counts as zero."""
    if not money_bag:
        return ZERO
    shop = Decimal(money_bag["shopMoney"]["amount"])
    presentment = money_bag.get("presentmentMoney")
    return Amount(shop, shop if presentment is None else Decimal(presentment["amount"]))
