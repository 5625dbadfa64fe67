"""Every number of this source, with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

__all__ = ["API_VERSION", "API_VERSIONS", "LEVELS", "WINDOWS", "MetaAdsSettings"]

API_VERSIONS: Mapping[str, date] = {"v25.0": date(2027, 2, 18), "v26.0": date(2027, 7, 29)}
"""Versions that this source speaks, and the day after which each is to be taken for dead.

Released 2026-02-18 and 2026-07-29. Meta announces an end only 90 days ahead; v23.0 and v24.0 lived for a year, which is
what stands here until Meta's version table says otherwise."""
API_VERSION = "v26.0"
"""The one that is used unless a tenant's credentials say otherwise."""

LEVELS = ("account", "campaign", "adset", "ad")
"""Coarsest first."""
WINDOWS = ("1d_click", "7d_click", "28d_click", "1d_view")
"""Attribution windows that are asked for beside the default reading. Meta: windows overlap, so they are never added up;
7d_view and 28d_view give no data since 2026-01-12."""


@dataclass(frozen=True, kw_only=True)
class MetaAdsSettings:
    """How this source reads. The defaults suit every account; tests make them small."""

    page_size: int = 500
    """Rows of a page. Halved whenever Meta says that it is too much."""
    min_page_size: int = 10
    """Below this a page is not made smaller: the read is cut in parts instead."""
    slice_days: Mapping[str, int] = field(
        default_factory=lambda: {"account": 92, "campaign": 31, "adset": 31, "ad": 31}
    )
    """Days of one slice, by level: what a failure costs at most to read again. 31 holds a look-back and today."""
    sync_days: Mapping[str, int] = field(
        default_factory=lambda: {"account": 92, "campaign": 31, "adset": 7, "ad": 1}
    )
    """Up to how many days are asked for synchronously, by level; more is a report run. Meta: sync for small ranges."""
    look_back: timedelta = timedelta(days=28)
    """Meta: a day's row may change for 28 days, then it is frozen."""
    history: timedelta = timedelta(days=1122)
    """How far back a run may begin. Meta: 37 months, without a rule by days; 1122 days are always within."""
    poll_seconds: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
    """Waits between looks at a report run; the last one repeats."""
    run_patience: timedelta = timedelta(hours=1)
    """How long a report run is waited for. Meta: up to an hour, its own retries included."""
    throttle_default: float = 300.0
    """Seconds to pause for a throttle that does not say how long. Meta: an ad account's score decays in 300 s."""
    abuse_pause: float = 3600.0
    """Seconds to leave an account alone after 613 without a subcode: Meta took the calls for abuse."""
    high_water: tuple[tuple[float, float], ...] = ((95.0, 300.0), (85.0, 60.0))
    """Percent of a limit -> seconds of pause before the next call, so that the limit itself is not met."""
    max_wait: float = 600.0
    """The longest pause that is slept in place, in seconds; a longer one ends the run with the time to come back."""
    breakdown_share: Decimal = Decimal("0.01")
    """By how much of a day's spend the rows of a breakdown may add up to something else than their account's. Meta:
    "Insights breakdown values are estimated". Rows without a breakdown may not differ at all."""
    max_accounts: int = 1_900
    """Ad accounts of one tenant: their days are kept in one checkpoint of at most 65,536 bytes, up to 34 for each."""
