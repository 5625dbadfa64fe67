"""What the lake's tables must hold, worked out of the accounts' daily figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from weathervane.source.sandbox import TableTruth

__all__ = ["TABLES", "table_truth"]

TABLES: Mapping[str, str] = {
    "google_ads_customers": "customer",
    "google_ads": "campaign",
    "google_ads_ad_groups": "ad_group",
    "google_ads_ads": "ad_group_ad",
}
"""Table -> the level of which it holds the daily figures."""

_KEYS = {
    "customer": (),
    "campaign": ("campaign_id",),
    "ad_group": ("ad_group_id",),
    "ad_group_ad": ("ad_group_id", "ad_id"),
}


def table_truth(table: str, figures: Iterable[Mapping[str, Any]]) -> TableTruth:
    """What a table must hold when these are all daily figures of its level, in the API's shape."""
    level = TABLES[table]
    return TableTruth(("customer_id", *_KEYS[level], "date"), [_row(level, one) for one in figures])


def _row(level: str, row: Mapping[str, Any]) -> dict[str, Any]:
    metrics = row["metrics"]
    found = {
        "customer_id": row["customer"]["id"],
        "date": date.fromisoformat(row["segments"]["date"]),
        "currency": row["customer"]["currencyCode"],
        "time_zone": row["customer"]["timeZone"],
        "impressions": int(metrics["impressions"]),
        "clicks": int(metrics["clicks"]),
        "cost_micros": int(metrics["costMicros"]),
        "spend": Decimal(metrics["costMicros"]) / 1_000_000,
        "conversions": float(metrics["conversions"]),
        "conversions_value": float(metrics["conversionsValue"]),
        "all_conversions": float(metrics["allConversions"]),
        "view_through_conversions": int(metrics["viewThroughConversions"]),
    }
    if level != "customer":
        found["campaign_id"] = row["campaign"]["id"]
    if level == "campaign":
        found["campaign_name"] = row["campaign"]["name"]
        found["campaign_status"] = row["campaign"]["status"]
    if level in ("ad_group", "ad_group_ad"):
        found["ad_group_id"] = row["adGroup"]["id"]
    if level == "ad_group_ad":
        found["ad_id"] = row["adGroupAd"]["ad"]["id"]
    return found
