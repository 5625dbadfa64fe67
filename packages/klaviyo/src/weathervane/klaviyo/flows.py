"""The Prefect flow of this source."""

from __future__ import annotations

from datetime import date
from importlib.metadata import version

from prefect import flow

from weathervane.klaviyo.client import KlaviyoClient
from weathervane.klaviyo.credentials import KlaviyoCredentials
from weathervane.klaviyo.reader import CampaignsReader
from weathervane.lake import LakeClient, lake_address
from weathervane.source.conduct import conduct, run_name
from weathervane.source.ingestion import IngestionSummary
from weathervane.source.tasks import ingest, parse_days

__all__ = ["ingest_klaviyo_campaigns"]


@flow(
    name="ingest_klaviyo_campaigns",
    version=version("weathervane-klaviyo"),
    flow_run_name=run_name,
    retries=3,
    retry_delay_seconds=60,
)
def ingest_klaviyo_campaigns(
    tenant_id: str, start_date: date | None = None, end_date: date | None = None
) -> IngestionSummary:
    """Brings an account's campaigns, messages, variations and reports into the tenant's lake; marks what was deleted.

    When the day's quota of reports is used up, the run of a deployment is put off until there is more. Called directly
    it ends well with what it has; the summary's `metadata["deferred"]` then says which dataset waits, for how many
    seconds, and why. The next run goes on there.

    Args:
        tenant_id: The tenant; its credentials are a Prefect block `klaviyo-<tenant>` or in the environment. `*` starts
            a run for every tenant that has some.
        start_date: First day by the campaigns' time of change, in the account's time zone; reports are those of the
            quarters from it on. Default: all campaigns, and the reports that may have grown since the last run.
        end_date: Last day. Default: up to now.
    """

    def work(tenant: str, credentials: KlaviyoCredentials) -> IngestionSummary:
        start, end = parse_days(start_date, end_date)
        with KlaviyoClient(tenant, credentials) as client, LakeClient(lake_address()) as lake:
            return ingest(tenant, CampaignsReader(client, lake, start=start, end=end))

    return conduct(tenant_id, KlaviyoCredentials, work)
