"""What a backfill will take: the tenant's accounts, and one day of each as the measure of all days."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from weathervane.meta_ads._accounts import Account
from weathervane.meta_ads._client import MetaAdsClient
from weathervane.meta_ads._credentials import MetaAdsCredentials
from weathervane.meta_ads._queries import SPEND, Extent
from weathervane.meta_ads._report_run import InsightsRead
from weathervane.meta_ads._tables import BREAKDOWNS, datasets_for
from weathervane.meta_ads._verdict import of_account
from weathervane.source import Days, Estimate, Forecast, SourceError

__all__ = ["estimate_insights", "forecast"]

_CALL_SECONDS = 1.0
"""Of one call. Assumed."""
_REPORT_SECONDS = 30.0
"""From a report run's start to its end. Assumed: Meta promises nothing below an hour."""


def estimate_insights(tenant: str, windows: Sequence[Days], parameters: Mapping[str, str]) -> Forecast:
    """See `weathervane.source._definition.Estimator`."""
    level, breakdown = parameters.get("level", "adset"), parameters.get("breakdown")
    with MetaAdsClient(tenant, MetaAdsCredentials.load(tenant)) as client:
        return forecast(client, windows, level=level, breakdown=breakdown)


def forecast(
    client: MetaAdsClient, windows: Sequence[Days], *, level: str = "adset", breakdown: str | None = None
) -> Forecast:
    """What each window will take of a tenant's accounts.

    Raises:
        ConfigurationError: There is no such level or breakdown.
    """
    datasets_for(level, breakdown)
    breakdowns = BREAKDOWNS[breakdown] if breakdown else ()
    rows: dict[str, int] = {}
    accounts = client.accounts()
    for account in accounts.readable:
        try:
            rows[account.id] = _rows_a_day(client, account, level, breakdowns, windows)
        except SourceError as error:
            if not of_account(error):
                raise
            accounts.refused[account.id] = error
    refused = [f"ad account {one} cannot be read: {error.message}" for one, error in accounts.refused.items()]
    settings = client.settings
    polls = 1 + sum(passed < _REPORT_SECONDS for passed in itertools.accumulate(settings.poll_seconds))

    def of(window: Days) -> Estimate:
        days = min(window.count, settings.slice_days[level])
        slices = math.ceil(window.count / days)
        by_report = days > settings.sync_days[level]
        pieces = math.ceil(window.count / (settings.sync_days["account"] or window.count))
        requests, reports = 1, 0
        for daily in rows.values():
            pages = max(1, math.ceil(daily * days / settings.page_size))
            # The account's spend before, in pieces, and after; and the rows between.
            requests += pieces + slices * (1 + pages + (1 + polls if by_report else 0))
            reports += slices if by_report else 0
        seconds = requests * _CALL_SECONDS + reports * _REPORT_SECONDS
        return Estimate(slices * len(rows), requests, seconds)

    notes = [
        f"{len(rows):,} ad accounts with {sum(rows.values()):,} rows at level {level} on the newest day; a call is"
        f" taken for {_CALL_SECONDS:.0f} s, a report run for {_REPORT_SECONDS:.0f} s (Meta: up to an hour)"
    ]
    return Forecast(tuple(of(window) for window in windows), (*notes, *refused))


def _rows_a_day(
    client: MetaAdsClient,
    account: Account,
    level: str,
    breakdowns: tuple[str, ...],
    windows: Sequence[Days],
) -> int:
    yesterday = account.today(datetime.now(UTC)) - timedelta(days=1)
    day = min(max(window.last for window in windows), yesterday)
    read = InsightsRead(client, account, level, SPEND, breakdowns)
    return sum(len(page) for page in read.pages(Extent(day, day)))
