"""`prefect block register -m weathervane.shopify`: credentials of one tenant as a Prefect block."""

from weathervane.shopify.credentials import ShopifyCredentials
from weathervane.source.credentials import credentials_block

ShopifyCredentialsBlock = credentials_block(ShopifyCredentials)

__all__ = ["ShopifyCredentialsBlock"]
