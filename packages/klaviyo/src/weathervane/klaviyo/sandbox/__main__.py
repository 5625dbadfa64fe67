"""`python -m weathervane.klaviyo.sandbox`: serve one pretend account until SIGTERM or SIGINT."""

from __future__ import annotations

from weathervane.klaviyo.sandbox._options import AccountOptions
from weathervane.klaviyo.sandbox._running import prepared
from weathervane.source.sandbox import sandbox_command

__all__ = ["main"]

main = sandbox_command(
    "weathervane-klaviyo-sandbox", "Serve one pretend Klaviyo account.", AccountOptions, prepared
)

if __name__ == "__main__":
    main()
