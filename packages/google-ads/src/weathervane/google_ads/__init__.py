"""Google Ads for WeatherVane: daily figures by account, campaign, ad group and ad, and any report that is declared."""

from weathervane.google_ads.client import GoogleAdsClient
from weathervane.google_ads.credentials import GoogleAdsCredentials
from weathervane.google_ads.datasets import AD_GROUPS, ADS, CAMPAIGNS, CUSTOMERS, METRICS, REPORTS
from weathervane.google_ads.reader import MetricsReader
from weathervane.google_ads.reports import MONEY, WITH_ADS, Field, Report, report
from weathervane.google_ads.settings import GoogleAdsSettings

__all__ = [
    "ADS",
    "AD_GROUPS",
    "CAMPAIGNS",
    "CUSTOMERS",
    "METRICS",
    "MONEY",
    "REPORTS",
    "WITH_ADS",
    "Field",
    "GoogleAdsClient",
    "GoogleAdsCredentials",
    "GoogleAdsSettings",
    "MetricsReader",
    "Report",
    "report",
]


def __getattr__(name: str) -> object:
    # For `prefect block register -m weathervane.google_ads`. It imports Prefect, so nobody else pays for it.
    if name != "GoogleAdsCredentialsBlock":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from weathervane.google_ads.blocks import GoogleAdsCredentialsBlock

    return GoogleAdsCredentialsBlock


def __dir__() -> list[str]:
    return [*__all__, "GoogleAdsCredentialsBlock"]
