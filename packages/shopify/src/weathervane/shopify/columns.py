"""Columns that orders and products share: ids out of Shopify's gids, money as decimals."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from weathervane.source.dataset import Column

__all__ = ["MONEY", "TIME", "described", "gid_tail", "money_bag", "plain_amounts", "tenant_columns"]

MONEY = pa.decimal128(20, 6)
"""Shopify's amounts have 0 to 3 decimals by currency, unit prices after discounts may have more."""
TIME = pa.timestamp("us", "UTC")

# Within another string the quotes would be escaped, so only a member `amount` of canonical JSON matches.
_AMOUNT_ZEROS = (
    (r'("amount":"-?[0-9]+)\.0*"', r'\1"'),
    (r'("amount":"-?[0-9]+\.[0-9]*[1-9])0+"', r'\1"'),
)

_GID = r"^gid://shopify/[A-Za-z]+/([0-9]+)(\?.*)?$"


def gid_tail(gids: pa.Array) -> pa.Array:
    """`gid://shopify/Order/5012345678901` -> `5012345678901`; null for what is no gid."""
    return pc.if_else(
        pc.match_substring_regex(gids, _GID),
        pc.replace_substring_regex(gids, _GID, r"\1"),
        pa.scalar(None, pa.string()),
    )


def plain_amounts(texts: pa.Array) -> pa.Array:
    """JSON texts whose amounts have one form each: `"40.0"` and `"40.00"` become `"40"`, `"0.50"` becomes `"0.5"`.

    Shopify writes the same amount in more than one way; as text it would look like a change of the order.
    """
    for pattern, shorter in _AMOUNT_ZEROS:
        texts = pc.replace_substring_regex(texts, pattern, shorter)
    return texts


def described(name: str, type: pa.DataType, path: str, **more: Any) -> Column:
    """A column that only describes: a value that does not fit is set aside by itself, and the row stays.

    Amounts, counts and whatever decides about revenue are none: without them the row would say something else.
    """
    return Column(name, type, path, on_misfit="value", **more)


def tenant_columns() -> tuple[Column, ...]:
    """The columns that say whose row it is."""
    return (
        Column("tenant_id", pa.string(), doc="The tenant (brand)."),
        Column("shop", pa.string(), doc="The shop's permanent domain, `acme.myshopify.com`."),
    )


def money_bag(name: str, path: str, doc: str, *, presentment: bool = False) -> tuple[Column, ...]:
    """An amount in the shop's currency, and where it matters in the customer's."""
    columns: tuple[Column, ...] = (
        Column(name, MONEY, f"{path}.shopMoney.amount", doc=f"{doc}, in the shop's currency."),
    )
    if presentment:
        columns += (
            Column(
                f"{name}_presentment",
                MONEY,
                f"{path}.presentmentMoney.amount",
                doc=f"{doc}, in the customer's currency.",
            ),
        )
    return columns
