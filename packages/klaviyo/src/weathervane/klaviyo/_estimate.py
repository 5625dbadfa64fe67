"""What a backfill will take: the campaigns are listed once to be counted, and each quarter is one report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from weathervane.klaviyo._client import KlaviyoClient
from weathervane.klaviyo._credentials import KlaviyoCredentials
from weathervane.klaviyo._filters import all_of, equals
from weathervane.klaviyo._legacy import CHANNELS
from weathervane.klaviyo._resources import Resource
from weathervane.klaviyo._rows import dig, moment_of
from weathervane.klaviyo._settings import LEGACY_VERSION
from weathervane.klaviyo._tables.reports import Quarter
from weathervane.source import Days, Estimate, Forecast

__all__ = ["UNDIVIDED", "estimate_campaigns", "forecast"]

UNDIVIDED = "every run lists all messages, and a report is of a whole quarter"
"""Why a backfill is not cut into windows."""

_CALLS_A_MINUTE = 150
"""Klaviyo: of campaigns and messages, sustained."""
_REPORTS_A_MINUTE = 2
_REPORTS_A_DAY = 225


def estimate_campaigns(tenant: str, windows: Sequence[Days], parameters: Mapping[str, str]) -> Forecast:
    """See `weathervane.source._definition.Estimator`."""
    with KlaviyoClient(tenant, KlaviyoCredentials.load(tenant)) as client:
        return forecast(client, windows)


def forecast(client: KlaviyoClient, windows: Sequence[Days]) -> Forecast:
    """What each window will take of an account."""
    zone = client.account().timezone
    listed = [moment_of(time) for time in _times_of_change(client)]
    changed = [time.astimezone(zone).date() for time in listed if time is not None]
    legacy = client.credentials.revision == LEGACY_VERSION
    lists = 2 * len(CHANNELS) if legacy else 2

    def of(window: Days) -> Estimate:
        within = sum(window.first <= day <= window.last for day in changed)
        requests = 1 + max(lists, math.ceil(within / client.settings.page_size))
        if not legacy:
            # The list of all messages, about one a campaign, and what each within the days says.
            requests += max(1, math.ceil(len(listed) / client.settings.page_size)) + within
        reports = _quarters(window) if client.credentials.wants_reports else 0
        seconds = 60 * (requests / _CALLS_A_MINUTE + reports / _REPORTS_A_MINUTE)
        # Before the reports, their metric is looked up.
        return Estimate(1 + reports, requests + reports + (reports > 0), seconds)

    note = (
        f"{len(listed):,} campaigns, of which what a message says is asked for one by one unless the lake has it;"
        f" Klaviyo gives {_REPORTS_A_MINUTE} reports a minute and {_REPORTS_A_DAY} a day"
    )
    return Forecast(tuple(of(window) for window in windows), (note,))


def _times_of_change(client: KlaviyoClient) -> list[Any]:
    legacy = client.credentials.revision == LEGACY_VERSION
    of_channels = [(equals("messages.channel", one),) for one in CHANNELS] if legacy else [()]
    return [
        dig(campaign.said(), "updated_at") if isinstance(campaign, Resource) else None
        for channel in of_channels
        for archived in (False, True)
        for page in client.pages(
            "campaigns",
            {
                "filter": all_of(*channel, equals("archived", archived)),
                "sort": "id",
                "page[size]": str(client.settings.page_size),
            },
        )
        for campaign in (*page.data, *page.odd)
    ]


def _quarters(window: Days) -> int:
    quarter, last, number = Quarter.of(window.first), Quarter.of(window.last), 1
    while quarter.first < last.first:
        quarter, number = quarter.next, number + 1
    return number
