"""For how long a vendor may ask us to wait."""

from __future__ import annotations

__all__ = ["LONGEST_DELAY", "bounded_delay"]

LONGEST_DELAY = 86_400.0
"""Seconds. No vendor asks for more than a day: the longest delays that were seen are 62,513 s (Google's daily
operations) and 73,473 s (Klaviyo's daily reports); Meta counts minutes and Shopify seconds. What says more is a
mistake, or an attack, and would put a tenant off for as long as it likes."""


def bounded_delay(seconds: float) -> float:
    """A delay that a vendor asks for, in seconds, as far as it can be meant: 0 to a day; 0 for what is no number."""
    if seconds > LONGEST_DELAY:
        return LONGEST_DELAY
    return float(seconds) if seconds > 0 else 0.0
