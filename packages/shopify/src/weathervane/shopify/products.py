"""Products and their variants: the tables, and where each value stands in Shopify's product."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa

from weathervane.shopify.columns import MONEY, TIME, gid_tail, tenant_columns
from weathervane.source.dataset import Column, Dataset

__all__ = ["PARTS", "PRODUCTS", "VARIANTS"]

_TEXT = pa.string()

PARTS = {"options": "id name position values", "selectedOptions": "name value"}
"""What is asked for of the lists that are kept as JSON text."""

PRODUCTS = Dataset(
    name="shopify_products",
    description="One row per product; a deleted one stays, with the time of its deletion.",
    unique_keys=("tenant_id", "product_id"),
    cursor="updated_at",
    version_column="updated_at",
    cluster_by="product_id",
    look_back=timedelta(minutes=5),
    control_totals=("products",),
    columns=(
        *tenant_columns(),
        Column("product_id", _TEXT, "id", convert=gid_tail, doc="Shopify's id, the number of the gid."),
        Column("title", _TEXT, "title"),
        Column("handle", _TEXT, "handle"),
        Column("status", _TEXT, "status", doc="ACTIVE, ARCHIVED, DRAFT, UNLISTED; an open list."),
        Column("vendor", _TEXT, "vendor"),
        Column("product_type", _TEXT, "productType"),
        Column("category", _TEXT, "category.fullName"),
        Column("tags", pa.list_(_TEXT), "tags"),
        Column("created_at", TIME, "createdAt", nullable=False),
        Column("updated_at", TIME, "updatedAt", nullable=False, doc="Moves on stock changes by orders too."),
        Column("published_at", TIME, "publishedAt"),
        Column("is_gift_card", pa.bool_(), "isGiftCard"),
        Column("total_inventory", pa.int64(), "totalInventory"),
        Column("tracks_inventory", pa.bool_(), "tracksInventory"),
        Column("variants_count", pa.int64(), "variantsCount.count"),
        Column(
            "options", _TEXT, "options", json="raw", doc="JSON: name, position and values of each option."
        ),
        Column("online_store_url", _TEXT, "onlineStoreUrl"),
        Column("image_url", _TEXT, "featuredMedia.preview.image.url"),
        Column(
            "deleted_at", TIME, "deletedAt", available=False, doc="When the product was deleted at Shopify."
        ),
    ),
)

VARIANTS = Dataset(
    name="shopify_product_variants",
    description="One row per variant of a product that exists; a deleted variant vanishes.",
    unique_keys=("tenant_id", "product_id", "variant_id"),
    version_column="product_updated_at",
    cluster_by="product_id",
    explode="variants.nodes",
    replace_members=("product_id",),
    columns=(
        *tenant_columns(),
        Column("product_id", _TEXT, "^.id", convert=gid_tail),
        Column("variant_id", _TEXT, "id", convert=gid_tail),
        Column("product_updated_at", TIME, "^.updatedAt", doc="The product's version that this row is of."),
        Column("sku", _TEXT, "sku"),
        Column("barcode", _TEXT, "barcode"),
        Column("title", _TEXT, "title"),
        Column("position", pa.int64(), "position"),
        Column("price", MONEY, "price", doc="In the shop's currency."),
        Column("compare_at_price", MONEY, "compareAtPrice"),
        Column("taxable", pa.bool_(), "taxable"),
        Column("inventory_quantity", pa.int64(), "inventoryQuantity"),
        Column("inventory_policy", _TEXT, "inventoryPolicy"),
        Column("inventory_item_id", _TEXT, "inventoryItem.id", convert=gid_tail),
        Column("tracked", pa.bool_(), "inventoryItem.tracked"),
        Column(
            "unit_cost", MONEY, "inventoryItem.unitCost.amount", doc="NULL without permission to see costs."
        ),
        Column("selected_options", _TEXT, "selectedOptions", json="raw", doc="JSON: name and value of each."),
        Column("created_at", TIME, "createdAt"),
        Column("updated_at", TIME, "updatedAt"),
    ),
)
