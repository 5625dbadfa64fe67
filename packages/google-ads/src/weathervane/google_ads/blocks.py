"""`prefect block register -m weathervane.google_ads`: credentials of one tenant as a Prefect block."""

from weathervane.google_ads.credentials import GoogleAdsCredentials
from weathervane.source.credentials import credentials_block

GoogleAdsCredentialsBlock = credentials_block(GoogleAdsCredentials)

__all__ = ["GoogleAdsCredentialsBlock"]
