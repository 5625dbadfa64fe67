"""Klaviyo as a source: its flow, its datasets, and what an account's key may see."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from weathervane.klaviyo.answers import NotFoundError
from weathervane.klaviyo.campaigns import CAMPAIGNS, MESSAGES, VARIATIONS
from weathervane.klaviyo.client import KlaviyoClient, address
from weathervane.klaviyo.credentials import KlaviyoCredentials
from weathervane.klaviyo.estimates import UNDIVIDED, estimate_campaigns
from weathervane.klaviyo.flows import ingest_klaviyo_campaigns
from weathervane.klaviyo.reports import REPORTS
from weathervane.klaviyo.settings import API_VERSION, API_VERSION_ENDS, LEGACY_VERSION, LEGACY_VERSION_ENDS
from weathervane.source.definition import Finding, FlowDefinition, Severity, SourceDefinition
from weathervane.source.errors import CredentialsError

__all__ = ["KLAVIYO", "check_account"]

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
