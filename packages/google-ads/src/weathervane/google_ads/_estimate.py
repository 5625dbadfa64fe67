"""What a backfill will take: the tenant's accounts, and four queries for each of their slices."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from weathervane.google_ads._accounts import find_accounts
from weathervane.google_ads._client import GoogleAdsClient
from weathervane.google_ads._credentials import GoogleAdsCredentials
from weathervane.google_ads._tables import REPORTS
from weathervane.source import Days, Estimate, Forecast

__all__ = ["estimate_metrics", "forecast"]

_CALL_SECONDS = 2.0
"""Of one query, with its rows. Assumed: Google publishes no rate below a day's."""


def estimate_metrics(tenant: str, windows: Sequence[Days], parameters: Mapping[str, str]) -> Forecast:
    """See `weathervane.source._definition.Estimator`."""
    with GoogleAdsClient(tenant, GoogleAdsCredentials.load(tenant)) as client:
        return forecast(client, windows)


def forecast(client: GoogleAdsClient, windows: Sequence[Days]) -> Forecast:
    """What each window will take of a tenant's accounts."""
    customers = find_accounts(client).customers
    # Each run looks for the accounts again: which there are, and what is below each.
    finding = 1 + len({one.login or one.id for one in customers})

    def of(window: Days) -> Estimate:
        slices = len(customers) * math.ceil(window.count / client.settings.window_days)
        # An account's active days come first.
        requests = finding + len(customers) + slices * len(REPORTS)
        return Estimate(slices, requests, requests * _CALL_SECONDS)

    note = (
        f"{len(customers):,} accounts; a request is one operation, of which a Cloud project with basic access has"
        f" 15,000 a day; it is taken for {_CALL_SECONDS:.0f} s"
    )
    return Forecast(tuple(of(window) for window in windows), (note,))
