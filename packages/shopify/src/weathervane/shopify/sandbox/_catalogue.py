"""Products as a seeded shop has them: variants, options, stock, and one product with 300 variants."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from weathervane.shopify.sandbox._money import money_text
from weathervane.shopify.sandbox._world import Record, World, number_of, stamp

__all__ = ["STOCK_NAMES", "add_location", "add_product", "change_product", "sell", "set_stock"]

NOUNS = (
    "Soap",
    "Candle",
    "Mug",
    "Towel",
    "Lamp",
    "Basket",
    "Vase",
    "Blanket",
    "Notebook",
    "Tray",
    "Jar",
    "Apron",
)
ADJECTIVES = (
    "Linen",
    "Olive",
    "Sea",
    "Nordic",
    "Amber",
    "Raw",
    "Quiet",
    "Blue",
    "Ash",
    "Fern",
    "Salt",
    "Mossy",
)
VENDORS = ("Acme", "Atelier Öl", "Köpenick & Söhne", "Studio 9", "Les Frères")
TYPES = ("Bath", "Kitchen", "Living", "")
SIZES = ("S", "M", "L", "XL")
COLOURS = ("Blue", "Grün", "Rouge", "Sand", "Black")
STOCK_NAMES = ("available", "on_hand", "committed", "incoming")
BIG_PRODUCT_VARIANTS = 300


def add_location(world: World, at: datetime) -> Record:
    """Open the shop's one warehouse."""
    record = {
        "id": world.next_id("Location", 70_000_000_001),
        "name": "Lager 1",
        "isActive": True,
        "isPrimary": True,
        "createdAt": stamp(at),
        "updatedAt": stamp(at),
    }
    return world.add(record)


def add_product(world: World, rng: Random, at: datetime, *, variants: int | None = None) -> Record:
    """Add a product that is created at a time, with one to eight variants unless told otherwise."""
    product_id = world.next_id("Product", 8_012_345_000_001)
    title = f"{rng.choice(ADJECTIVES)} {rng.choice(NOUNS)}"
    count = variants or rng.choice((1, 1, 1, 2, 3, 4, 4, 6, 8))
    status = rng.choices(("ACTIVE", "DRAFT", "ARCHIVED", "UNLISTED"), (80, 8, 8, 4))[0]
    product: Record = {
        "id": product_id,
        "legacyResourceId": str(number_of(product_id)),
        "title": title,
        "handle": f"{title.lower().replace(' ', '-')}-{number_of(product_id) % 1000}",
        "status": status,
        "vendor": rng.choice(VENDORS),
        "productType": rng.choice(TYPES),
        "tags": sorted(rng.sample(("new", "sale", "gift", "vegan", "été"), rng.randint(0, 2))),
        "descriptionHtml": f"<p>{title}</p>",
        "createdAt": stamp(at),
        "updatedAt": stamp(at),
        "publishedAt": stamp(at) if status == "ACTIVE" else None,
        "isGiftCard": rng.random() < 0.03,
        "category": None,
        "featuredMedia": None,
        "onlineStoreUrl": None,
        "options": [],
        "variants": [],
    }
    price = Decimal(rng.randint(300, 12_000)) / 100
    names = ("Title",) if count == 1 else ("Size",) if count <= len(SIZES) else ("Size", "Colour")
    for position in range(1, count + 1):
        product["variants"].append(_variant(world, rng, product, names, position, price, at))
    for position, name in enumerate(names, 1):
        values = dict.fromkeys(
            variant["selectedOptions"][position - 1]["value"] for variant in product["variants"]
        )
        option_id = world.next_id("ProductOption", 10_000_000_001)
        product["options"].append(
            {"id": option_id, "name": name, "position": position, "values": list(values)}
        )
    return world.add(product)


def change_product(world: World, rng: Random, product: Record, at: datetime) -> None:
    """Edit a product as a merchant would: a price, the status, the title or the tags."""
    kind = rng.randrange(4)
    if kind == 0 and product["variants"]:
        variant = rng.choice(product["variants"])
        factor = Decimal(rng.choice((90, 95, 105, 110))) / 100
        variant["price"] = money_text(Decimal(variant["price"]) * factor, world.options.currency)
        world.touch(variant, at)
    elif kind == 1:
        product["status"] = rng.choice(("ACTIVE", "ARCHIVED", "DRAFT"))
    elif kind == 2:
        product["title"] = f"{rng.choice(ADJECTIVES)} {product['title'].split()[-1]}"
    else:
        product["tags"] = sorted({*product.get("tags", ()), rng.choice(("autumn", "winter", "late"))})
    world.touch(product, at)


def sell(world: World, variant: Record, quantity: int, at: datetime) -> None:
    """Take sold units out of the stock; the product's `updatedAt` moves with it, as in life."""
    set_stock(world, variant, (variant.get("inventoryQuantity") or 0) - quantity, at)


def set_stock(world: World, variant: Record, quantity: int, at: datetime) -> None:
    """Set a variant's stock; variant, item, level and product are stamped."""
    variant["inventoryQuantity"] = quantity
    item = variant.get("inventoryItem") or {}
    for level in item.get("inventoryLevels") or ():
        level["quantities"] = _quantities(world, quantity, at)
        world.touch(level, at)
    if item.get("id"):
        world.touch(item, at)
    world.touch(variant, at)
    product = world.parent(variant)
    if product is not None:
        world.touch(product, at)


def _variant(
    world: World,
    rng: Random,
    product: Record,
    names: tuple[str, ...],
    position: int,
    price: Decimal,
    at: datetime,
) -> Record:
    variant_id = world.next_id("ProductVariant", 44_012_345_000_001)
    if names == ("Title",):
        values = ["Default Title"]
    elif len(names) == 1:
        values = [SIZES[position - 1]]
    else:
        row, column = divmod(position - 1, len(COLOURS))
        values = [SIZES[row] if row < len(SIZES) else f"Size {row + 1}", COLOURS[column]]
    stock = rng.randint(0, 120)
    sku = None if rng.random() < 0.03 else f"{product['handle'][:12].upper()}-{position:02}"
    own_price = price + rng.choice((0, 0, 1, 2))
    return {
        "id": variant_id,
        "legacyResourceId": str(number_of(variant_id)),
        "product": {"id": product["id"]},
        "sku": sku,
        "barcode": None if rng.random() < 0.5 else f"40{rng.randrange(10**11):011}",
        "title": " / ".join(values),
        "displayName": f"{product['title']} - {' / '.join(values)}",
        "position": position,
        "price": money_text(own_price, world.options.currency),
        "compareAtPrice": None if rng.random() < 0.8 else money_text(own_price + 5, world.options.currency),
        "taxable": True,
        "inventoryQuantity": stock,
        "inventoryPolicy": rng.choice(("DENY", "DENY", "CONTINUE")),
        "availableForSale": stock > 0,
        "createdAt": stamp(at),
        "updatedAt": stamp(at),
        "selectedOptions": [
            {"name": name, "value": value} for name, value in zip(names, values, strict=True)
        ],
        "inventoryItem": _item(world, rng, sku, stock, own_price, at),
    }


def _item(world: World, rng: Random, sku: str | None, stock: int, price: Decimal, at: datetime) -> Record:
    item_id = world.next_id("InventoryItem", 46_012_345_000_001)
    currency = world.options.currency
    levels = [
        {
            "id": f"{world.next_id('InventoryLevel', 523_000_001)}?inventory_item_id={number_of(item_id)}",
            "location": {"id": location["id"]},
            "isActive": True,
            "createdAt": stamp(at),
            "updatedAt": stamp(at),
            "quantities": _quantities(world, stock, at),
        }
        for location in world.locations.values()
    ]
    cost = money_text(price * Decimal("0.4"), currency)
    return {
        "id": item_id,
        "legacyResourceId": str(number_of(item_id)),
        "sku": sku,
        "tracked": True,
        "requiresShipping": True,
        "unitCost": None if rng.random() < 0.2 else {"amount": cost, "currencyCode": currency},
        "createdAt": stamp(at),
        "updatedAt": stamp(at + timedelta(0)),
        "inventoryLevels": levels,
    }


def _quantities(world: World, stock: int, at: datetime) -> list[dict[str, Any]]:
    amounts = {"available": stock, "on_hand": stock + 2, "committed": 2, "incoming": 0}
    return [
        {
            "name": name,
            "quantity": amounts[name],
            "updatedAt": stamp(at),
            "id": f"gid://shopify/InventoryQuantity/{name}",
        }
        for name in STOCK_NAMES
    ]
