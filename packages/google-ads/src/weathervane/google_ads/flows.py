"""The Prefect flow of this source."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from importlib.metadata import version

from prefect import flow

from weathervane.google_ads.client import GoogleAdsClient
from weathervane.google_ads.credentials import GoogleAdsCredentials
from weathervane.google_ads.reader import MetricsReader
from weathervane.source.conduct import conduct, run_name
from weathervane.source.ingestion import IngestionSummary
from weathervane.source.tasks import ingest, parse_days

__all__ = ["ingest_google_ads"]


@flow(
    name="ingest_google_ads",
    version=version("weathervane-google-ads"),
    flow_run_name=run_name,
    retries=3,
    retry_delay_seconds=60,
)
def ingest_google_ads(
    tenant_id: str, start_date: date | None = None, end_date: date | None = None
) -> IngestionSummary:
    """Brings the daily figures of a tenant's Google Ads accounts into its lake, by account, campaign, ad group and ad.

    Args:
        tenant_id: The tenant; its credentials are a Prefect block `google-ads-<tenant>` or in the environment. `*`
            starts a run for every tenant that has some.
        start_date: First day, in each account's time zone. Default: go on from the checkpoint, and read again the days
            whose conversions may still change; the first run reads all that Google keeps.
        end_date: Last day. Default: today.

    Returns:
        The summary; `metadata["skipped_customers"]` lists the accounts that are closed or suspended.
    """

    def work(tenant: str, credentials: GoogleAdsCredentials) -> IngestionSummary:
        start, end = parse_days(start_date, end_date)
        with GoogleAdsClient(tenant, credentials) as client:
            reader = MetricsReader(client, start=start, end=end)
            summary = ingest(tenant, reader)
        summary.metadata["skipped_customers"] = [asdict(one) for one in reader.skipped]
        return summary

    return conduct(tenant_id, GoogleAdsCredentials, work)
