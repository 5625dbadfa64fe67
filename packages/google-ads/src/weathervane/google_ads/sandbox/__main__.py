"""`python -m weathervane.google_ads.sandbox`: serve one pretend Google Ads until SIGTERM or SIGINT."""

from __future__ import annotations

from weathervane.google_ads.sandbox._options import GoogleAdsOptions
from weathervane.google_ads.sandbox._running import prepared
from weathervane.source.sandbox import sandbox_command

__all__ = ["main"]

main = sandbox_command(
    "weathervane-google-ads-sandbox", "Serve one pretend Google Ads.", GoogleAdsOptions, prepared
)

if __name__ == "__main__":
    main()
