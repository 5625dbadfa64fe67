"""Google Ads' part of the demo: two pretend vendors, their credentials, their flow, and what the lake must hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from control import difference, post
from control import truth as rows_of
from processes import Stack

from weathervane.lake import LakeClient, TableRef

Row = dict[str, Any]


@dataclass(frozen=True)
class DemoAccounts:
    """One tenant's pretend accounts."""

    tenant: str
    timezone: str
    currency: str
    seed: int


ACCOUNTS = (
    DemoAccounts("acme", "America/New_York", "USD", 7),
    # Ahead of UTC, and a currency without cents.
    DemoAccounts("umi_japan", "Asia/Tokyo", "JPY", 11),
)
FLOWS = ("ingest_google_ads",)


class PretendGoogleAds:
    """Both tenants' accounts, running. They begin at the same moment whenever they are started, and live the same."""

    def __init__(self, stack: Stack, begins: datetime) -> None:
        self._control: dict[str, str] = {}
        self.environment: dict[str, str] = {}
        for number, accounts in enumerate(ACCOUNTS, 1):
            client = f"40740871819{number}-demo.apps.googleusercontent.com"
            ready = stack.module(
                f"google-ads-{accounts.tenant}",
                "weathervane.google_ads.sandbox",
                *(
                    "--name",
                    accounts.tenant,
                    "--timezone",
                    accounts.timezone,
                    "--currency",
                    accounts.currency,
                ),
                *("--seed", str(accounts.seed), "--now", begins.isoformat(), "--port", "0"),
                *("--days", "75", "--clients", "3"),
                *("--client-id", client, "--client-secret", "demo-secret", "--refresh-token", "1//demo"),
            )
            self._control[accounts.tenant] = ready["control_url"]
            prefix = f"WEATHERVANE_GOOGLE_ADS__{accounts.tenant.upper()}__"
            self.environment |= {
                f"{prefix}CLIENT_ID": client,
                f"{prefix}CLIENT_SECRET": "demo-secret",
                f"{prefix}REFRESH_TOKEN": "1//demo",
                f"{prefix}API_URL": ready["url"],
                f"{prefix}TOKEN_URL": ready["token_url"],
            }

    def advance(self, seconds: int) -> None:
        """Lets the clocks run: conversions arrive, invalid clicks are taken back, days vanish, new days come."""
        for control in self._control.values():
            post(f"{control}/clock", {"advance_seconds": seconds})

    def differences(self, lake: LakeClient) -> Iterator[str]:
        """One line for each table that is not what the vendor says it should be."""
        for tenant, control in self._control.items():
            for dataset, (level, parts) in _LEVELS.items():
                truth = {_key(parts, row): row for row in rows_of(f"{control}/truth/{level}")}
                rows = lake.read(TableRef(tenant, dataset)).read_all().to_pylist()
                held = {tuple(row[name] for name in (*parts, "date")): row for row in rows}
                missing, extra = truth.keys() - held.keys(), held.keys() - truth.keys()
                changed = [key for key in truth.keys() & held.keys() if not _same(truth[key], held[key])]
                yield from difference(f"{tenant}/{dataset}", missing, extra, changed, len(rows) - len(held))


def _same(truth: Row, held: Row) -> bool:
    metrics = truth["metrics"]
    return bool(
        Decimal(metrics["costMicros"]) / 1_000_000 == held["spend"]
        and int(metrics["costMicros"]) == held["cost_micros"]
        and int(metrics["impressions"]) == held["impressions"]
        and int(metrics["clicks"]) == held["clicks"]
        and float(metrics["conversions"]) == held["conversions"]
        and float(metrics["conversionsValue"]) == held["conversions_value"]
        and truth["customer"]["currencyCode"] == held["currency"]
        and truth["customer"]["timeZone"] == held["time_zone"]
    )


_IDS: dict[str, Callable[[Row], str]] = {
    "customer_id": lambda row: row["customer"]["id"],
    "campaign_id": lambda row: row["campaign"]["id"],
    "ad_group_id": lambda row: row["adGroup"]["id"],
    "ad_id": lambda row: row["adGroupAd"]["ad"]["id"],
}
_LEVELS = {
    "google_ads": ("campaign", ("customer_id", "campaign_id")),
    "google_ads_customers": ("customer", ("customer_id",)),
    "google_ads_ad_groups": ("ad_group", ("customer_id", "ad_group_id")),
    "google_ads_ads": ("ad_group_ad", ("customer_id", "ad_group_id", "ad_id")),
}


def _key(parts: tuple[str, ...], row: Row) -> tuple[Any, ...]:
    return (*(_IDS[name](row) for name in parts), date.fromisoformat(row["segments"]["date"]))
