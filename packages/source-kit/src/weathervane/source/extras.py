"""Commands that need an extra of their package, and say so where it is not installed."""

from weathervane.lake.extras import extra_command

__all__ = ["extra_command"]
