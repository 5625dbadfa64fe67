"""Google Ads as a source: its flow, its datasets, and what a tenant's credentials may see."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime
from importlib.metadata import version

from prefect import flow

from weathervane.google_ads._accounts import find_accounts
from weathervane.google_ads._client import GoogleAdsClient
from weathervane.google_ads._credentials import GoogleAdsCredentials
from weathervane.google_ads._estimate import estimate_metrics
from weathervane.google_ads._reader import MetricsReader
from weathervane.google_ads._settings import API_VERSION, NOTICE_DAYS, SUNSETS, days_left
from weathervane.google_ads._tables import REPORTS
from weathervane.source import (
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

__all__ = ["GOOGLE_ADS", "GoogleAdsCredentialsBlock", "check_tenant", "ingest_google_ads"]


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
        The summary; `metadata["skipped_accounts"]` lists the accounts that are closed or suspended.
    """

    def work(tenant: str, credentials: GoogleAdsCredentials) -> IngestionSummary:
        start, end = parse_days(start_date, end_date)
        with GoogleAdsClient(tenant, credentials) as client:
            reader = MetricsReader(client, start=start, end=end)
            summary = ingest(tenant, reader)
        summary.metadata["skipped_accounts"] = [asdict(one) for one in reader.skipped]
        return summary

    return run_for_tenant(tenant_id, GoogleAdsCredentials, work)


def check_tenant(tenant: str) -> list[Finding]:
    """Which accounts a tenant's credentials reach.

    Raises:
        SourceError: Google refuses the credentials, or cannot be asked.
    """
    credentials = GoogleAdsCredentials.load(tenant)
    with GoogleAdsClient(tenant, credentials) as client:
        accounts = find_accounts(client)
    findings = [
        Finding(
            Severity.INFO,
            "CUSTOMER",
            f"{one.id} {one.name}: amounts in {one.currency}, days in {one.timezone.key},"
            f" reached {f'through {one.login}' if one.login else 'directly'}",
        )
        for one in accounts.customers
    ]
    findings += [
        Finding(Severity.WARNING, "CUSTOMER_NOT_ENABLED", f"{one.id} {one.name} is not read: {one.reason}")
        for one in accounts.skipped
    ]
    findings += [
        Finding(
            Severity.ERROR, error.reason, f"{number} cannot be read: {error.message}; next: {error.advice}"
        )
        for number, error in accounts.denied.items()
    ]
    return findings + version_findings(credentials.api_version, datetime.now(UTC).date())


def version_findings(version: str, today: date) -> list[Finding]:
    """A warning when Google will soon stop answering to this version."""
    left = days_left(version, today)
    if left > NOTICE_DAYS:
        return []
    told = f"Google ends {version} about {SUNSETS[version]}, in {left} days; the newest is {API_VERSION}"
    return [Finding(Severity.WARNING, "API_VERSION_ENDS", told)]


GOOGLE_ADS = SourceDefinition(
    name="google_ads",
    package="weathervane-google-ads",
    api_version=API_VERSION,
    api_version_ends=SUNSETS[API_VERSION],
    flows=(
        FlowDefinition(
            "ingest_google_ads",
            ingest_google_ads,
            tuple(report.dataset for report in REPORTS),
            estimate_metrics,
        ),
    ),
    credentials=GoogleAdsCredentials,
    check=check_tenant,
)
"""The source, as its service, its commands and the conformance suite see it."""

GoogleAdsCredentialsBlock = credentials_block(GoogleAdsCredentials)
