"""Every number of this source, with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

__all__ = ["API_VERSION", "API_VERSION_ENDS", "LEGACY_VERSION", "LEGACY_VERSION_ENDS", "KlaviyoSettings"]

API_VERSION = "2026-10-15"
"""Klaviyo: quarterly revisions, chosen by the header `revision`; this one brought messages and variations."""
API_VERSION_ENDS = date(2028, 10, 15)
"""Two years after its first day, by the rule that retired 2024-10-15 on 2026-10-15; Klaviyo states no date yet."""
LEGACY_VERSION = "2026-07-15"
"""The last revision of flat campaigns; for tenants who pin it."""
LEGACY_VERSION_ENDS = date(2028, 7, 15)
"""By the same rule."""


@dataclass(frozen=True, kw_only=True)
class KlaviyoSettings:
    """How this source reads. The defaults suit every account; tests make them small."""

    page_size: int = 100
    """Klaviyo: 1 to 100. Always sent, since the list of messages has 20 a page without it."""
    max_wait: float = 60.0
    """Seconds of a Retry-After that are waited in place. Minutes' quotas ask for less; the daily one of reports asks
    for up to a day (seen: 73,473), which ends the run's reports until the next run."""
    max_strays: int = 50
    """Campaigns that messages name and the lists lack: so many may have come or gone meanwhile and are asked for one
    by one. More say that the lists were not whole."""
    report_look_back: timedelta = timedelta(days=90)
    """How far before the newest sending reports are read again: a report is dated by the sending, so the numbers of
    an old campaign go on growing."""
    future_margin: timedelta = timedelta(seconds=10)
    """Klaviyo refuses a bound that is not in the past; clocks differ by seconds."""
