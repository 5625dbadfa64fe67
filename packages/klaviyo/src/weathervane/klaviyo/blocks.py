"""`prefect block register -m weathervane.klaviyo`: credentials of one tenant as a Prefect block."""

from weathervane.klaviyo.credentials import KlaviyoCredentials
from weathervane.source.credentials import credentials_block

KlaviyoCredentialsBlock = credentials_block(KlaviyoCredentials)

__all__ = ["KlaviyoCredentialsBlock"]
