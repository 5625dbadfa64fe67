"""Klaviyo's campaigns, messages, variations and reports, brought into a tenant's lake.

The flow is in `weathervane.klaviyo.flows` and the Prefect block in `weathervane.klaviyo.blocks`: they import Prefect,
which takes seconds, and this menu does not.
"""

from weathervane.klaviyo.campaigns import CAMPAIGNS, MESSAGES, VARIATIONS
from weathervane.klaviyo.client import Account, KlaviyoClient
from weathervane.klaviyo.credentials import KlaviyoCredentials
from weathervane.klaviyo.reader import CampaignsReader
from weathervane.klaviyo.reports import REPORTS
from weathervane.klaviyo.settings import API_VERSION, API_VERSION_ENDS, LEGACY_VERSION, KlaviyoSettings

__all__ = [
    "API_VERSION",
    "API_VERSION_ENDS",
    "CAMPAIGNS",
    "LEGACY_VERSION",
    "MESSAGES",
    "REPORTS",
    "VARIATIONS",
    "Account",
    "CampaignsReader",
    "KlaviyoClient",
    "KlaviyoCredentials",
    "KlaviyoSettings",
]


def __getattr__(name: str) -> object:
    # For `prefect block register -m weathervane.klaviyo`. It imports Prefect, so nobody else pays for it.
    if name != "KlaviyoCredentialsBlock":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from weathervane.klaviyo.blocks import KlaviyoCredentialsBlock

    return KlaviyoCredentialsBlock


def __dir__() -> list[str]:
    return [*__all__, "KlaviyoCredentialsBlock"]
