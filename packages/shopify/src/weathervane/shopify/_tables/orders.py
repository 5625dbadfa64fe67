"""Orders and their lines: the tables, and where each value stands in Shopify's order."""

from __future__ import annotations

import pyarrow as pa

from weathervane.shopify._rows import (
    MONEY,
    TIME,
    described,
    gid_tail,
    money_bag,
    plain_amounts,
    tenant_columns,
)
from weathervane.source import Column, Dataset

__all__ = ["BULK_LINES", "LINES", "ORDERS", "PARENTS", "PARENT_COLUMNS", "PARTS", "SCOPES"]

_TEXT = pa.string()

PARTS = {
    "refunds": "id createdAt updatedAt processedAt totalRefundedSet { shopMoney { amount currencyCode } }",
    "transactions": (
        "id kind status gateway test createdAt processedAt amountSet { shopMoney { amount currencyCode } }"
        " parentTransaction { id }"
    ),
}
"""What is asked for of the lists that are kept as JSON text."""

SCOPES = {"customer_id": "read_customers", "product_id": "read_products", "variant_id": "read_products"}
"""Columns that need a scope beyond `read_orders`; without it they are not asked for, and NULL."""

ORDERS = Dataset(
    name="shopify_orders",
    description="One row per order, in its newest version; test and cancelled orders are there and say so.",
    unique_keys=("tenant_id", "order_id"),
    version_column="updated_at",
    cluster_by="order_id",
    columns=(
        *tenant_columns(),
        Column("order_id", _TEXT, "id", convert=gid_tail, doc="Shopify's id, the number of the gid."),
        described("name", _TEXT, "name", doc="`#1001`: for people, not unique."),
        Column("created_at", TIME, "createdAt", nullable=False),
        Column(
            "updated_at",
            TIME,
            "updatedAt",
            nullable=False,
            doc="Moves with every edit, refund and fulfilment.",
        ),
        Column(
            "processed_at",
            TIME,
            "processedAt",
            doc="When the sale was made; not created_at for imported orders.",
        ),
        described("closed_at", TIME, "closedAt"),
        Column("cancelled_at", TIME, "cancelledAt"),
        described("cancel_reason", _TEXT, "cancelReason"),
        Column("test", pa.bool_(), "test", doc="Made by a test payment: leave it out of revenue."),
        described(
            "financial_status",
            _TEXT,
            "displayFinancialStatus",
            doc="An open list: new values arrive as text.",
        ),
        described("fulfillment_status", _TEXT, "displayFulfillmentStatus"),
        described("return_status", _TEXT, "returnStatus"),
        Column(
            "currency", _TEXT, "currencyCode", doc="The shop's currency: of every amount without a suffix."
        ),
        described("presentment_currency", _TEXT, "presentmentCurrencyCode", doc="The customer's currency."),
        *money_bag("total_price", "totalPriceSet", "As ordered", presentment=True),
        *money_bag(
            "current_total_price", "currentTotalPriceSet", "After edits and refunds", presentment=True
        ),
        *money_bag("subtotal_price", "subtotalPriceSet", "Lines after discounts, as ordered"),
        *money_bag("current_subtotal_price", "currentSubtotalPriceSet", "The same after edits"),
        *money_bag("total_discounts", "totalDiscountsSet", "Discounts, as ordered"),
        *money_bag("total_tax", "totalTaxSet", "Tax, as ordered"),
        *money_bag("total_shipping_price", "totalShippingPriceSet", "Shipping, as ordered"),
        *money_bag("total_refunded", "totalRefundedSet", "All refunds", presentment=True),
        *money_bag("net_payment", "netPaymentSet", "Received less refunded"),
        described("taxes_included", pa.bool_(), "taxesIncluded"),
        described("discount_codes", pa.list_(_TEXT), "discountCodes"),
        described("tags", pa.list_(_TEXT), "tags"),
        described("source_name", _TEXT, "sourceName", doc="`web`, `pos`, or the app that made the order."),
        described(
            "customer_id",
            _TEXT,
            "customer.id",
            convert=gid_tail,
            doc="NULL for guests; needs `read_customers`.",
        ),
        described("shipping_city", _TEXT, "shippingAddress.city"),
        described("shipping_province_code", _TEXT, "shippingAddress.provinceCode"),
        described("shipping_country_code", _TEXT, "shippingAddress.countryCodeV2"),
        described("landing_page", _TEXT, "customerJourneySummary.lastVisit.landingPage"),
        described("referrer_url", _TEXT, "customerJourneySummary.lastVisit.referrerUrl"),
        described("utm_source", _TEXT, "customerJourneySummary.lastVisit.utmParameters.source"),
        described("utm_medium", _TEXT, "customerJourneySummary.lastVisit.utmParameters.medium"),
        described("utm_campaign", _TEXT, "customerJourneySummary.lastVisit.utmParameters.campaign"),
        Column(
            "refunds",
            _TEXT,
            "refunds",
            json="raw",
            convert=plain_amounts,
            doc="JSON: id, times and amount of each refund; amounts without zeros at their end.",
        ),
        Column(
            "transactions",
            _TEXT,
            "transactions",
            json="raw",
            convert=plain_amounts,
            doc="JSON, as refunds; only status SUCCESS is money.",
        ),
    ),
)

LINES = Dataset(
    name="shopify_order_lines",
    description="One row per line of an order; a line that was taken off the order vanishes.",
    unique_keys=("tenant_id", "order_id", "line_id"),
    version_column="order_updated_at",
    cluster_by="order_id",
    explode="lineItems.nodes",
    replace_members=("order_id",),
    columns=(
        *tenant_columns(),
        Column("order_id", _TEXT, "^.id", convert=gid_tail),
        Column("line_id", _TEXT, "id", convert=gid_tail),
        Column("order_updated_at", TIME, "^.updatedAt", doc="The order's version that this line is of."),
        Column("order_created_at", TIME, "^.createdAt"),
        Column("currency", _TEXT, "^.currencyCode", doc="Of every amount."),
        described("sku", _TEXT, "sku"),
        described("title", _TEXT, "title"),
        Column("quantity", pa.int64(), "quantity", doc="As ordered; counts removed and refunded units."),
        Column("current_quantity", pa.int64(), "currentQuantity", doc="Without removed and refunded units."),
        described(
            "product_id",
            _TEXT,
            "product.id",
            convert=gid_tail,
            doc="NULL once deleted; needs `read_products`.",
        ),
        described(
            "variant_id",
            _TEXT,
            "variant.id",
            convert=gid_tail,
            doc="NULL once deleted; needs `read_products`.",
        ),
        Column("original_unit_price", MONEY, "originalUnitPriceSet.shopMoney.amount"),
        Column(
            "discounted_unit_price",
            MONEY,
            "discountedUnitPriceAfterAllDiscountsSet.shopMoney.amount",
            approximate=True,
            doc="Approximate by Shopify's own word: rounded to six decimals. Exact are the line's other amounts.",
        ),
        Column("total_discount", MONEY, "totalDiscountSet.shopMoney.amount"),
    ),
)

PARENT_COLUMNS = ("order_updated_at", "order_created_at", "currency")
"""Columns of a line that its order knows."""

BULK_LINES = LINES.without(*PARENT_COLUMNS).read_from({"order_id": "__parentId"})
"""Lines of a bulk file: each stands by itself and names its order; the order's columns are joined afterwards."""

PARENTS = Dataset(
    name="shopify_orders",
    description="What the lines of a bulk file take over from their orders, whatever else is wrong with those.",
    unique_keys=("order_id",),
    columns=(
        Column("order_id", _TEXT, "id", convert=gid_tail),
        Column("updated_at", TIME, "updatedAt", nullable=False),
        Column("created_at", TIME, "createdAt", nullable=False),
        Column("currency", _TEXT, "currencyCode", nullable=False),
    ),
)
