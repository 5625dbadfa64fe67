"""Google Ads as a source: its flow, its datasets, and what a tenant's credentials may see."""

from __future__ import annotations

from datetime import UTC, date, datetime

from weathervane.google_ads.client import GoogleAdsClient
from weathervane.google_ads.credentials import GoogleAdsCredentials
from weathervane.google_ads.customers import find_accounts
from weathervane.google_ads.datasets import REPORTS
from weathervane.google_ads.estimates import estimate_metrics
from weathervane.google_ads.flows import ingest_google_ads
from weathervane.google_ads.settings import API_VERSION, NOTICE_DAYS, SUNSETS, days_left
from weathervane.source.definition import Finding, FlowDefinition, Severity, SourceDefinition

__all__ = ["GOOGLE_ADS", "check_tenant"]


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
