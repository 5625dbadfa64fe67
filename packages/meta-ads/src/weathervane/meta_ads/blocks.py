"""`prefect block register -m weathervane.meta_ads`: credentials of one tenant as a Prefect block."""

from weathervane.meta_ads.credentials import MetaAdsCredentials
from weathervane.source.credentials import credentials_block

MetaAdsCredentialsBlock = credentials_block(MetaAdsCredentials)

__all__ = ["MetaAdsCredentialsBlock"]
