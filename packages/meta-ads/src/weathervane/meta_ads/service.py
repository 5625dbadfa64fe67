"""Meta Ads as a source: its flow, its datasets, and what a tenant's token may see."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from weathervane.meta_ads.client import MetaAdsClient
from weathervane.meta_ads.credentials import MetaAdsCredentials
from weathervane.meta_ads.datasets import ACTIONS, INSIGHTS
from weathervane.meta_ads.estimates import estimate_insights
from weathervane.meta_ads.flows import ingest_meta_ads
from weathervane.meta_ads.settings import API_VERSION, API_VERSIONS
from weathervane.meta_ads.tokens import token_findings
from weathervane.source.definition import Finding, FlowDefinition, Severity, SourceDefinition
from weathervane.source.errors import CredentialsError

__all__ = ["META_ADS", "check_accounts"]

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
