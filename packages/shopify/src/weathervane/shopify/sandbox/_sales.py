"""Orders as they are placed: lines, customer, address, discount, payment."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from weathervane.shopify.sandbox._catalogue import sell
from weathervane.shopify.sandbox._money import Amount, amount_of, bag, rounded
from weathervane.shopify.sandbox._sums import RATES, add_transaction, in_both, recompute
from weathervane.shopify.sandbox._world import Record, World, number_of, stamp

__all__ = ["add_order"]

CITIES = (
    ("Paris", "75011", "IDF", "FR"),
    ("Lyon", "69002", "ARA", "FR"),
    ("Berlin", "10405", "BE", "DE"),
    ("København", "2100", None, "DK"),
    ("Osaka", "530-0001", "JP-27", "JP"),
)
NAMES = ("Zoë Martin", "Jürgen Groß", "Mia Sørensen", "Akira Tanaka", "Noor Haddad", "Lou Petit", "Ana Pérez")
GATEWAYS = ("shopify_payments", "shopify_payments", "paypal", "manual")
SOURCES = ("web", "web", "web", "pos", "shopify_draft_order")


def add_order(world: World, rng: Random, at: datetime, *, lines: int | None = None) -> Record:
    """Place an order at a time, of one to five lines unless told otherwise, in the buyer's own currency."""
    options = world.options
    presentment = options.currency
    if rng.random() < 0.15:
        presentment = rng.choice([name for name in RATES if name != options.currency])
    order_id = world.next_id("Order", 5_012_345_678_901)
    number = len(world.orders) + 1001
    guest = rng.random() < 0.15
    customer = None if guest else _customer(world, rng, at)
    address = rng.choice(CITIES)
    gateway = rng.choice(GATEWAYS)
    order: Record = {
        "id": order_id,
        "legacyResourceId": str(number_of(order_id)),
        "name": f"#{number}",
        "number": number,
        "confirmationNumber": f"{number_of(order_id) * 7919 % 36**6:X}",
        "createdAt": stamp(at),
        "updatedAt": stamp(at),
        # An imported order was processed elsewhere, before it was created here.
        "processedAt": stamp(at - (timedelta(days=30) if rng.random() < 0.03 else timedelta(seconds=1))),
        "closedAt": None,
        "cancelledAt": None,
        "cancelReason": None,
        "closed": False,
        "confirmed": True,
        "edited": False,
        "test": rng.random() < 0.03,
        "email": None if guest else f"customer{number}@example.com",
        "phone": None,
        "note": rng.choice((None, None, "Bitte an die Nachbarn", "🎁 geschenk")),
        "currencyCode": options.currency,
        "presentmentCurrencyCode": presentment,
        "displayFinancialStatus": "PAID" if gateway != "manual" else "PENDING",
        "displayFulfillmentStatus": "UNFULFILLED",
        "returnStatus": "NO_RETURN",
        "sourceName": rng.choice(SOURCES),
        "tags": sorted(rng.sample(("vip", "gift", "b2b", "wholesale"), rng.choice((0, 0, 1, 2)))),
        "taxesIncluded": True,
        "discountCodes": ["WELCOME10"] if rng.random() < 0.2 else [],
        "paymentGatewayNames": [gateway],
        "customer": None if customer is None else {"id": customer["id"]},
        "shippingAddress": _address(world, rng, address),
        "customerJourneySummary": _journey(rng),
        "lineItems": [],
        "shippingLines": [],
        "refunds": [],
        "transactions": [],
        "fulfillments": [],
    }
    for _ in range(lines or rng.choices((1, 2, 3, 4, 5), (45, 25, 15, 10, 5))[0]):
        order["lineItems"].append(_line(world, rng, order, at))
    shipping = in_both(Decimal(rng.choice(("0", "4.90", "9.90"))), order)
    shipping_id = world.next_id("ShippingLine", 4_100_000_001)
    order["shippingLines"].append(
        {
            "id": shipping_id,
            "title": "Standard",
            "code": "standard",
            "source": "shopify",
            "originalPriceSet": bag(shipping, order),
            "discountedPriceSet": bag(shipping, order),
            "isRemoved": False,
            "custom": False,
        }
    )
    recompute(order)
    paid = amount_of(order["totalPriceSet"])
    status = "SUCCESS" if gateway != "manual" else "PENDING"
    if rng.random() < 0.1 and gateway != "manual":
        held = add_transaction(world, order, "AUTHORIZATION", "SUCCESS", paid, at, None)
        add_transaction(world, order, "CAPTURE", status, paid, at + timedelta(minutes=1), held)
    else:
        if rng.random() < 0.03:
            add_transaction(world, order, "SALE", "FAILURE", paid, at, None)
        add_transaction(world, order, "SALE", status, paid, at, None)
    recompute(order)
    return world.add(order)


def _line(world: World, rng: Random, order: Record, at: datetime) -> Record:
    variant = world.pick(world.rows("ProductVariant"))
    product = world.parent(variant) if variant else None
    quantity = rng.choice((1, 1, 1, 2, 3))
    price = Decimal(variant["price"]) if variant else Decimal(rng.randint(200, 9000)) / 100
    unit = in_both(price, order)
    off = Decimal("0.10") if order["discountCodes"] else Decimal(0)
    cheaper = Amount(
        rounded(unit.shop * (1 - off), order["currencyCode"]),
        rounded(unit.presentment * (1 - off), order["presentmentCurrencyCode"]),
    )
    gone = rng.random() < 0.02  # bought once, deleted since
    if variant and not gone:
        sell(world, variant, quantity, at)
    return {
        "id": world.next_id("LineItem", 12_901_234_000_001),
        "name": product["title"] if product else "Custom item",
        "title": product["title"] if product else "Custom item",
        "sku": variant["sku"] if variant else None,
        "variantTitle": variant["title"] if variant else None,
        "vendor": product["vendor"] if product else None,
        "quantity": quantity,
        "currentQuantity": quantity,
        "product": {"id": product["id"]} if product and not gone else None,
        "variant": {"id": variant["id"]} if variant and not gone else None,
        "taxable": True,
        "requiresShipping": True,
        "originalUnitPriceSet": bag(unit, order),
        "discountedUnitPriceSet": bag(cheaper, order),
        "discountedUnitPriceAfterAllDiscountsSet": bag(cheaper, order),
        "originalTotalSet": bag(unit * quantity, order),
        "discountedTotalSet": bag(cheaper * quantity, order),
        "totalDiscountSet": bag((unit - cheaper) * quantity, order),
    }


def _customer(world: World, rng: Random, at: datetime) -> Record:
    known = list(world.customers.values())
    if known and rng.random() < 0.4:
        return rng.choice(known)
    first, last = rng.choice(NAMES).split()
    customer_id = world.next_id("Customer", 7_001_234_000_001)
    email = f"{first}.{last}.{number_of(customer_id) % 10_000}@example.com".lower()
    return world.add(
        {
            "id": customer_id,
            "legacyResourceId": str(number_of(customer_id)),
            "firstName": first,
            "lastName": last,
            "displayName": f"{first} {last}",
            "email": email,
            "createdAt": stamp(at),
            "updatedAt": stamp(at),
            "tags": [],
        }
    )


def _address(world: World, rng: Random, place: tuple[str, str, str | None, str]) -> Record:
    city, code, province, country = place
    first, last = rng.choice(NAMES).split()
    return {
        "id": world.next_id("MailingAddress", 8_500_000_001),
        "name": f"{first} {last}",
        "firstName": first,
        "lastName": last,
        "address1": f"{rng.randint(1, 200)} Rue de la Paix",
        "city": city,
        "zip": code,
        "provinceCode": province,
        "countryCodeV2": country,
    }


def _journey(rng: Random) -> Record | None:
    if rng.random() < 0.3:
        return None
    source = rng.choice(("google", "facebook", "newsletter", "direct"))
    visit = {
        "landingPage": "https://acme.example/",
        "referrerUrl": None if source == "direct" else f"https://{source}.example/",
        "source": source,
        "utmParameters": {"source": source, "medium": "cpc", "campaign": "autumn"}
        if rng.random() < 0.6
        else None,
    }
    return {"ready": True, "lastVisit": visit, "firstVisit": visit}
