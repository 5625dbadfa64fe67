"""Products and their variants: the tables, and where each value stands in Shopify's product."""

from __future__ import annotations

import pyarrow as pa

from weathervane.shopify._rows import MONEY, TIME, described, gid_tail, tenant_columns
from weathervane.source import Column, Dataset

__all__ = ["DELETIONS", "PARTS", "PRODUCTS", "VARIANTS"]

_TEXT = pa.string()

PARTS = {"options": "id name position values", "selectedOptions": "name value"}
"""What is asked for of the lists that are kept as JSON text."""

PRODUCTS = Dataset(
    name="shopify_products",
    description="One row per product; a deleted one stays, with the time of its deletion.",
    unique_keys=("tenant_id", "product_id"),
    version_column="updated_at",
    cluster_by="product_id",
    columns=(
        *tenant_columns(),
        Column("product_id", _TEXT, "id", convert=gid_tail, doc="Shopify's id, the number of the gid."),
        described("title", _TEXT, "title"),
        described("handle", _TEXT, "handle"),
        described("status", _TEXT, "status", doc="ACTIVE, ARCHIVED, DRAFT, UNLISTED; an open list."),
        described("vendor", _TEXT, "vendor"),
        described("product_type", _TEXT, "productType"),
        described("category", _TEXT, "category.fullName"),
        described("tags", pa.list_(_TEXT), "tags"),
        Column("created_at", TIME, "createdAt", nullable=False),
        Column("updated_at", TIME, "updatedAt", nullable=False, doc="Moves on stock changes by orders too."),
        described("published_at", TIME, "publishedAt"),
        described("is_gift_card", pa.bool_(), "isGiftCard"),
        Column("total_inventory", pa.int64(), "totalInventory"),
        described("tracks_inventory", pa.bool_(), "tracksInventory"),
        Column("variants_count", pa.int64(), "variantsCount.count"),
        described(
            "options", _TEXT, "options", json="raw", doc="JSON: name, position and values of each option."
        ),
        described("online_store_url", _TEXT, "onlineStoreUrl"),
        described("image_url", _TEXT, "featuredMedia.preview.image.url"),
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
        described("sku", _TEXT, "sku"),
        described("barcode", _TEXT, "barcode"),
        described("title", _TEXT, "title"),
        described("position", pa.int64(), "position"),
        Column("price", MONEY, "price", doc="In the shop's currency."),
        Column("compare_at_price", MONEY, "compareAtPrice"),
        described("taxable", pa.bool_(), "taxable"),
        Column("inventory_quantity", pa.int64(), "inventoryQuantity"),
        described("inventory_policy", _TEXT, "inventoryPolicy"),
        described("inventory_item_id", _TEXT, "inventoryItem.id", convert=gid_tail),
        described("tracked", pa.bool_(), "inventoryItem.tracked"),
        Column(
            "unit_cost", MONEY, "inventoryItem.unitCost.amount", doc="NULL without permission to see costs."
        ),
        described(
            "selected_options", _TEXT, "selectedOptions", json="raw", doc="JSON: name and value of each."
        ),
        described("created_at", TIME, "createdAt"),
        described("updated_at", TIME, "updatedAt"),
    ),
)

DELETIONS = Dataset(
    name=PRODUCTS.name,
    description="What Shopify's events tell of deleted products, as changes of the products' rows.",
    unique_keys=("tenant_id", "product_id"),
    columns=(
        Column("tenant_id", _TEXT),
        Column("product_id", _TEXT, "subjectId", convert=gid_tail),
        Column("subject_type", _TEXT, "subjectType", nullable=False),
        Column("deleted_at", TIME, "createdAt", nullable=False),
    ),
)
