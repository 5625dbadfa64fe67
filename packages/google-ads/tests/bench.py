"""A pretend Google Ads, the real lake, and one judge of whether the lake holds what the vendor holds."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from weathervane.google_ads import (
    REPORTS,
    GoogleAdsClient,
    GoogleAdsCredentials,
    GoogleAdsSettings,
    MetricsReader,
)
from weathervane.google_ads.sandbox import RunningGoogleAds
from weathervane.lake import LakeClient, NotFoundError, TableRef
from weathervane.source import Ingestion, IngestionSummary, SliceResult

Row = Mapping[str, Any]

LEVELS = {
    "google_ads_customers": "customer",
    "google_ads": "campaign",
    "google_ads_ad_groups": "ad_group",
    "google_ads_ads": "ad_group_ad",
}
"""Table -> the vendor's level."""

_runs = itertools.count(1)


def expected(level: str, row: Row) -> dict[str, Any]:
    """What the lake must hold of a row of the vendor's truth; read by hand, without the source's own declarations."""
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


def key(row: Row) -> tuple[Any, ...]:
    """What names a row, at any level."""
    return tuple(row.get(name) for name in ("customer_id", "campaign_id", "ad_group_id", "ad_id", "date"))


class Bench:
    """The accounts of one pretend vendor read into one tenant's tables."""

    def __init__(self, lake: LakeClient, running: RunningGoogleAds, tenant: str) -> None:
        self.lake = lake
        self.running = running
        self.vendor = running.vendor
        self.tenant = tenant

    def credentials(self, **more: Any) -> GoogleAdsCredentials:
        """The sandbox's own; its name makes the Cloud project one of the test's own."""
        options = self.vendor.options
        return GoogleAdsCredentials(
            **{
                "client_id": options.client_id,
                "client_secret": options.client_secret,
                "refresh_token": options.refresh_token,
                "api_url": self.running.url,
                "token_url": self.running.token_url,
                **more,
            }
        )

    def client(self, settings: GoogleAdsSettings | None = None, **more: Any) -> GoogleAdsClient:
        """A client of the vendor."""
        return GoogleAdsClient(self.tenant, self.credentials(**more), settings)

    def run(
        self,
        *,
        settings: GoogleAdsSettings | None = None,
        credentials: Mapping[str, Any] | None = None,
        on_slice: Callable[[SliceResult], object] = lambda result: None,
        reports: Sequence[Any] = REPORTS,
        run_id: str | None = None,
        **given: Any,
    ) -> IngestionSummary:
        """One run to its end, without Prefect; `given` goes to the reader."""
        given.setdefault("now", self.vendor.clock.now())
        with self.client(settings, **(credentials or {})) as client:
            self.reader = MetricsReader(client, reports, **given)
            with Ingestion(
                self.lake.target, self.tenant, self.reader, run_id or f"run-{next(_runs)}"
            ) as ingestion:
                while (slice := ingestion.next_slice()) is not None:
                    on_slice(ingestion.write(slice))
                return ingestion.summary()

    def rows(self, table: str = "google_ads") -> list[dict[str, Any]]:
        """A table of the lake; empty when there is none."""
        try:
            return list(self.lake.read(TableRef(self.tenant, table)).read_all().to_pylist())
        except NotFoundError:
            return []

    def assert_true(self) -> None:
        """Every table holds the vendor's rows, each once, with the vendor's values, and no other."""
        for table, level in LEVELS.items():
            truth = {key(row): row for row in (expected(level, row) for row in self.vendor.truth(level))}
            rows = self.rows(table)
            held = {key(row): row for row in rows}
            assert truth, f"the vendor has nothing at level {level}, so this proves nothing"
            assert len(held) == len(rows), f"{table} holds a key twice"
            assert sorted(truth) == sorted(held), f"{table}: {sorted(truth.keys() ^ held.keys())[:3]}"
            for name, row in truth.items():
                assert {column: held[name][column] for column in row} == row, f"{table} {name}"

    def queries(self, resource: str | None = None) -> list[Mapping[str, Any]]:
        """The searchStream calls that were seen, of one resource or all but the lists of accounts."""
        seen = [one for one in self.vendor.requests if one.path.endswith("searchStream")]
        asked = [one for one in seen if f"FROM {resource or ''}" in one.body]
        return [vars(one) for one in asked]

    def clients(self) -> list[str]:
        """The enabled accounts that the user reaches."""
        world = self.vendor.world
        reached = {one for root in world.accessible for one, _ in world.below(root)}
        return sorted(
            one
            for one in reached
            if not world.accounts[one].manager and world.accounts[one].status == "ENABLED"
        )


def lately() -> datetime:
    """Three days ago, in the evening: where a vendor begins whose reader has the machine's own clock."""
    return (datetime.now(UTC) - timedelta(days=3)).replace(hour=18, minute=0, second=0, microsecond=0)


def at(text: str) -> datetime:
    """A time in UTC."""
    return datetime.fromisoformat(text)
