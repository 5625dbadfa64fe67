"""`python -m weathervane.meta_ads.sandbox`: serve one pretend Meta until SIGTERM or SIGINT."""

from __future__ import annotations

from weathervane.meta_ads.sandbox._options import MetaOptions
from weathervane.meta_ads.sandbox._running import prepared
from weathervane.source.sandbox import sandbox_command

__all__ = ["main"]

main = sandbox_command(
    "weathervane-meta-ads-sandbox", "Serve one pretend Meta and its ad accounts.", MetaOptions, prepared
)

if __name__ == "__main__":
    main()
