"""Columns that orders and products share: ids out of Shopify's gids, money as decimals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from weathervane.source import Column, Dataset, Misfit, Normalised, Parsed, normalise

__all__ = [
    "MONEY",
    "TIME",
    "described",
    "gid_tail",
    "money_bag",
    "normalise_required",
    "parsed",
    "plain_amounts",
    "tenant_columns",
]

MONEY = pa.decimal128(20, 6)
"""Shopify's amounts have 0 to 3 decimals by currency, unit prices after discounts may have more."""
TIME = pa.timestamp("us", "UTC")

# Within another string the quotes would be escaped, so only a member `amount` of canonical JSON matches.
_AMOUNT_ZEROS = (
    (r'("amount":"-?[0-9]+)\.0*"', r'\1"'),
    (r'("amount":"-?[0-9]+\.[0-9]*[1-9])0+"', r'\1"'),
)

_GID = r"^gid://shopify/[A-Za-z]+/([0-9]+)(\?.*)?$"

# Shopify's schema lets none of these be null: one that is was not answered, and is no amount of nothing.
_REQUIRED = frozenset(
    {
        "test",
        "currency",
        "total_price",
        "total_price_presentment",
        "current_total_price",
        "current_total_price_presentment",
        "current_subtotal_price",
        "total_shipping_price",
        "total_refunded",
        "total_refunded_presentment",
        "net_payment",
        "refunds",
        "transactions",
        "quantity",
        "current_quantity",
        "original_unit_price",
        "discounted_unit_price",
        "total_discount",
        "price",
        "total_inventory",
        "order_created_at",
        "order_updated_at",
        "product_updated_at",
    }
)


def parsed(records: Sequence[bytes], *datasets: Dataset) -> Parsed:
    """The objects of a page, read once for `normalise_required` and `members_of` of the datasets."""
    return Parsed(records, *map(_strict, datasets))


def normalise_required(
    dataset: Dataset,
    records: Parsed | Sequence[bytes],
    *,
    constants: Mapping[str, object],
    unfit: Callable[[pa.RecordBatch], Mapping[int, Misfit]] | None = None,
) -> Normalised:
    """As `normalise`, but a row without an amount, count or time that Shopify's schema promises is set aside.

    The columns stay nullable in the lake: a scope that is missing leaves them NULL.
    """
    found = normalise(_strict(dataset), records, constants=constants, unfit=unfit)
    rows = pa.RecordBatch.from_arrays(found.rows.columns, schema=dataset.schema)
    return replace(found, rows=rows)


@lru_cache(maxsize=64)
def _strict(dataset: Dataset) -> Dataset:
    required = [column for column in dataset.selected if column.name in _REQUIRED]
    return dataset.with_columns(*(replace(column, nullable=False) for column in required))


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
