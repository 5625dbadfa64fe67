"""Klaviyo as a source: its flow, its datasets, and what an account's key may see."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version

from prefect import flow

from weathervane.klaviyo._client import KlaviyoClient, address
from weathervane.klaviyo._credentials import KlaviyoCredentials
from weathervane.klaviyo._estimate import UNDIVIDED, estimate_campaigns
from weathervane.klaviyo._reader.campaigns import CampaignsReader
from weathervane.klaviyo._settings import API_VERSION, API_VERSION_ENDS, LEGACY_VERSION, LEGACY_VERSION_ENDS
from weathervane.klaviyo._tables.campaigns import CAMPAIGNS, MESSAGES, VARIATIONS
from weathervane.klaviyo._tables.reports import REPORTS
from weathervane.klaviyo._verdict import NotFoundError
from weathervane.lake import LakeClient, lake_address
from weathervane.source import (
    CredentialsError,
    Finding,
    FlowDefinition,
    IngestionSummary,
    Severity,
    SourceDefinition,
    credentials_block,
    ingest,
    parse_days,
    run_for_tenant,
    run_name,
)

__all__ = ["KLAVIYO", "KlaviyoCredentialsBlock", "check_account", "ingest_klaviyo_campaigns"]


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

    return run_for_tenant(tenant_id, KlaviyoCredentials, work)


# Long enough for a quarter's release to be planned.
_NOTICE = timedelta(days=90)


def check_account(tenant: str) -> list[Finding]:
    """What a tenant's key sees of its account, and what is missing for the flow.

    Raises:
        SourceError: Klaviyo refuses the key, or cannot be asked.
    """
    credentials = KlaviyoCredentials.load(tenant)
    with KlaviyoClient(tenant, credentials) as client:
        account = client.account()
        seen = f"{account.id}: amounts in {account.currency}, days in {account.timezone.key}"
        findings = [
            Finding(Severity.INFO, "ACCOUNT", seen),
            *_campaigns(client),
            *_reports(client, credentials),
        ]
    return [*findings, *_version(credentials.revision, datetime.now(UTC))]


def _campaigns(client: KlaviyoClient) -> list[Finding]:
    try:
        # One page of one: enough to be refused.
        next(
            client.pages(
                "campaigns", {"filter": "equals(messages.channel,'email')"} if _legacy(client) else {}
            )
        )
    except CredentialsError as error:
        return [Finding(Severity.ERROR, error.reason, f"campaigns cannot be read: {error.message}")]
    return []


def _legacy(client: KlaviyoClient) -> bool:
    return client.credentials.revision == LEGACY_VERSION


def _reports(client: KlaviyoClient, credentials: KlaviyoCredentials) -> list[Finding]:
    metric = credentials.conversion_metric_id
    if not metric:
        if credentials.wants_reports:
            told = "reports are asked for without conversion_metric_id: give the id of the account's Placed Order"
            return [Finding(Severity.ERROR, "NO_CONVERSION_METRIC", told)]
        return [
            Finding(Severity.INFO, "NO_REPORTS", "without conversion_metric_id no campaign reports are read")
        ]
    try:
        client.one(address("metrics", metric))
    except NotFoundError:
        told = f"the account has no metric {metric[:40]}; give the id of its own Placed Order"
        return [Finding(Severity.ERROR, "NO_SUCH_METRIC", told)]
    except CredentialsError as error:
        return [Finding(Severity.ERROR, error.reason, f"reports cannot be read: {error.message}")]
    return []


def _version(revision: str, now: datetime) -> list[Finding]:
    findings = []
    if revision == LEGACY_VERSION:
        told = f"by the legacy revision {LEGACY_VERSION} WhatsApp campaigns cannot be listed; {API_VERSION} shows them"
        findings.append(Finding(Severity.WARNING, "LEGACY_REVISION", told))
    ends = LEGACY_VERSION_ENDS if revision == LEGACY_VERSION else API_VERSION_ENDS
    if (left := ends - now.date()) <= _NOTICE:
        told = f"revision {revision} probably ends on {ends}, in {left.days} days; update weathervane-klaviyo"
        findings.append(Finding(Severity.WARNING, "API_VERSION_ENDS", told))
    return findings


KLAVIYO = SourceDefinition(
    name="klaviyo",
    package="weathervane-klaviyo",
    api_version=API_VERSION,
    api_version_ends=API_VERSION_ENDS,
    flows=(
        FlowDefinition(
            "ingest_klaviyo_campaigns",
            ingest_klaviyo_campaigns,
            (CAMPAIGNS, MESSAGES, VARIATIONS, REPORTS),
            estimate_campaigns,
            UNDIVIDED,
        ),
    ),
    credentials=KlaviyoCredentials,
    check=check_account,
)
"""The source, as its service, its commands and the conformance suite see it."""

KlaviyoCredentialsBlock = credentials_block(KlaviyoCredentials)
