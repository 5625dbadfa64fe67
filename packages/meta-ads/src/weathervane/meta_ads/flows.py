"""The Prefect flow of this source."""

from __future__ import annotations

from datetime import date
from importlib.metadata import version

from prefect import flow

from weathervane.meta_ads.client import MetaAdsClient
from weathervane.meta_ads.credentials import MetaAdsCredentials
from weathervane.meta_ads.reader import InsightsReader
from weathervane.source.conduct import conduct, run_name
from weathervane.source.ingestion import IngestionSummary
from weathervane.source.tasks import ingest, parse_days

__all__ = ["ingest_meta_ads"]


@flow(
    name="ingest_meta_ads",
    version=version("weathervane-meta-ads"),
    flow_run_name=run_name,
    retries=3,
    retry_delay_seconds=60,
)
def ingest_meta_ads(
    tenant_id: str,
    start_date: date | None = None,
    end_date: date | None = None,
    level: str = "adset",
    breakdown: str | None = None,
) -> IngestionSummary:
    """Brings the daily insights of a tenant's ad accounts into its lake, with their actions by type and window.

    Args:
        tenant_id: The tenant; its credentials are a Prefect block `meta-ads-<tenant>` or in the environment. `*` starts
            a run for every tenant that has some.
        start_date: First day, in each ad account's own time zone. Default: 28 days before the checkpoint, because Meta
            restates a day for so long; the first run reads all that Meta keeps (37 months).
        end_date: Last day. Default: today.
        level: `account`, `campaign`, `adset` or `ad`. `adset` fills `meta_ads`, another one `meta_ads_<level>`.
        breakdown: `age_gender`, `country`, `placement`, ...: fills a table of its own, `..._by_<breakdown>`.
    """

    def work(tenant: str, credentials: MetaAdsCredentials) -> IngestionSummary:
        start, end = parse_days(start_date, end_date)
        with MetaAdsClient(tenant, credentials) as client:
            reader = InsightsReader(client, level=level, breakdown=breakdown, start=start, end=end)
            return ingest(tenant, reader)

    return conduct(tenant_id, MetaAdsCredentials, work)
