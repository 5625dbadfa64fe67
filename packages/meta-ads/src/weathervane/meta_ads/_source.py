"""Meta Ads as a source: its flow, its datasets, and what a tenant's token may see."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version

from prefect import flow

from weathervane.meta_ads._client import MetaAdsClient
from weathervane.meta_ads._credentials import MetaAdsCredentials
from weathervane.meta_ads._estimate import estimate_insights
from weathervane.meta_ads._reader import InsightsReader
from weathervane.meta_ads._settings import API_VERSION, API_VERSIONS
from weathervane.meta_ads._tables import ACTIONS, INSIGHTS
from weathervane.meta_ads._tokens import token_findings
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

__all__ = ["META_ADS", "MetaAdsCredentialsBlock", "check_accounts", "ingest_meta_ads"]


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

    return run_for_tenant(tenant_id, MetaAdsCredentials, work)


# Meta announces the end of a version 90 days ahead.
_NOTICE = timedelta(days=90)


def check_accounts(tenant: str) -> list[Finding]:
    """What a tenant's token sees, and what is wrong with it.

    Raises:
        SourceError: Meta refuses the token, or cannot be asked.
    """
    credentials = MetaAdsCredentials.load(tenant)
    with MetaAdsClient(tenant, credentials) as client:
        accounts = client.accounts()
    findings = [
        Finding(
            Severity.INFO if account.status == 1 else Severity.WARNING,
            "ACCOUNT" if account.status == 1 else "ACCOUNT_NOT_ACTIVE",
            f"act_{account.id} {account.name}: amounts in {account.currency}, days in {account.timezone.key}",
        )
        for account in accounts.readable
    ]
    findings += [
        Finding(Severity.ERROR, "ACCOUNT_REFUSED", f"act_{one} cannot be read: {error.message}")
        for one, error in accounts.refused.items()
    ]
    now = datetime.now(UTC)
    try:
        findings += token_findings(credentials, now)
    except CredentialsError as error:
        findings.append(Finding(Severity.ERROR, error.reason, error.message))
    return [*findings, *_version(credentials.api_version, now.date())]


def _version(version: str, today: date) -> list[Finding]:
    ends = API_VERSIONS[version]
    if ends - today > _NOTICE:
        return []
    told = f"version {version} of the Marketing API ends about {ends}; the newest here is {API_VERSION}"
    return [Finding(Severity.WARNING, "API_VERSION_ENDS", told)]


META_ADS = SourceDefinition(
    name="meta_ads",
    package="weathervane-meta-ads",
    api_version=API_VERSION,
    api_version_ends=API_VERSIONS[API_VERSION],
    flows=(FlowDefinition("ingest_meta_ads", ingest_meta_ads, (INSIGHTS, ACTIONS), estimate_insights),),
    credentials=MetaAdsCredentials,
    check=check_accounts,
)
"""The source, as its service, its commands and the conformance suite see it."""

MetaAdsCredentialsBlock = credentials_block(MetaAdsCredentials)
