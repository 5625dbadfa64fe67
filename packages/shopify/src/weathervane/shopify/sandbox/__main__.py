"""`python -m weathervane.shopify.sandbox`: serve one pretend shop until SIGTERM or SIGINT."""

from __future__ import annotations

from weathervane.shopify.sandbox._options import ShopOptions
from weathervane.shopify.sandbox._running import prepared
from weathervane.source.sandbox import sandbox_command

__all__ = ["main"]

main = sandbox_command(
    "weathervane-shopify-sandbox", "Serve one pretend Shopify shop.", ShopOptions, prepared
)

if __name__ == "__main__":
    main()
