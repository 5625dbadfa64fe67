"""A pretend Google Ads, the real lake, and one judge of whether the lake holds what the vendor holds."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
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

LEVELS = {
    "google_ads_customers": "customer",
    "google_ads": "campaign",
    "google_ads_ad_groups": "ad_group",
    "google_ads_ads": "ad_group_ad",
}
"""Table -> the vendor's level."""

_runs = itertools.count(1)


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
        for table in LEVELS:
            truth = self.vendor.table(table)
            assert truth.rows, f"the vendor has no rows of {table}, so this proves nothing"
            assert truth.difference(self.rows(table)) is None, table

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
