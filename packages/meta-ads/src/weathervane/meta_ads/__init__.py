"""Meta Ads: daily insights of a tenant's ad accounts, through the Marketing API, into its lake.

Flows and the service import Prefect, which takes seconds: they are in `flows` and `service`.
"""

from weathervane.meta_ads.client import Account, MetaAdsClient
from weathervane.meta_ads.credentials import MetaAdsCredentials
from weathervane.meta_ads.datasets import ACTIONS, BREAKDOWNS, INSIGHTS, datasets_for
from weathervane.meta_ads.reader import InsightsReader
from weathervane.meta_ads.settings import API_VERSION, API_VERSIONS, LEVELS, WINDOWS, MetaAdsSettings

__all__ = [
    "ACTIONS",
    "API_VERSION",
    "API_VERSIONS",
    "BREAKDOWNS",
    "INSIGHTS",
    "LEVELS",
    "WINDOWS",
    "Account",
    "InsightsReader",
    "MetaAdsClient",
    "MetaAdsCredentials",
    "MetaAdsSettings",
    "datasets_for",
]


def __getattr__(name: str) -> object:
    # For `prefect block register -m weathervane.meta_ads`. It imports Prefect, so nobody else pays for it.
    if name != "MetaAdsCredentialsBlock":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from weathervane.meta_ads.blocks import MetaAdsCredentialsBlock

    return MetaAdsCredentialsBlock


def __dir__() -> list[str]:
    return [*__all__, "MetaAdsCredentialsBlock"]
