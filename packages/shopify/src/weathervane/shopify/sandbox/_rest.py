"""The one REST resource that clients begin with: `GET /admin/api/{version}/shop.json`."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from weathervane.shopify.sandbox._options import ShopOptions
from weathervane.shopify.sandbox._roots import shop_record
from weathervane.shopify.sandbox._world import number_of

__all__ = ["shop_json"]


def shop_json(options: ShopOptions, now: datetime, fields: str = "") -> dict[str, Any]:
    """Return the shop as REST answers it (Shopify docs, REST Admin API, Shop): times in the shop's own zone.

    Args:
        options: the shop.
        now: the shop's present.
        fields: the members that are asked for, by commas; "" = all.
    """
    record, zone = shop_record(options, now), ZoneInfo(options.timezone)
    offset = record["timezoneOffset"]

    def local(name: str) -> str:
        return datetime.fromisoformat(record[name]).astimezone(zone).isoformat()

    shop = {
        "id": number_of(record["id"]),
        "name": record["name"],
        "email": record["email"],
        "customer_email": record["contactEmail"],
        "domain": options.domain,
        "myshopify_domain": options.domain,
        "shop_owner": record["shopOwnerName"],
        "address1": None,
        "address2": None,
        "city": None,
        "zip": None,
        "province": None,
        "province_code": None,
        "country": None,
        "country_code": None,
        "country_name": None,
        "latitude": None,
        "longitude": None,
        "phone": None,
        "source": None,
        "primary_locale": "en",
        "currency": options.currency,
        "enabled_presentment_currencies": record["enabledPresentmentCurrencies"],
        "money_format": "{{amount}}",
        "money_with_currency_format": f"{{{{amount}}}} {options.currency}",
        "iana_timezone": options.timezone,
        "timezone": f"(GMT{offset[:3]}:{offset[3:]}) {options.timezone}",
        "weight_unit": "kg",
        "taxes_included": record["taxesIncluded"],
        "tax_shipping": None,
        "county_taxes": False,
        "plan_name": "shopify",
        "plan_display_name": record["plan"]["displayName"],
        "has_storefront": True,
        "password_enabled": False,
        "setup_required": False,
        "multi_location_enabled": True,
        "created_at": local("createdAt"),
        "updated_at": local("updatedAt"),
    }
    asked = {name.strip() for name in fields.split(",") if name.strip()}
    return {"shop": {name: value for name, value in shop.items() if not asked or name in asked}}
