"""Every number of this source, with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

__all__ = [
    "API_URL",
    "API_VERSION",
    "NOTICE_DAYS",
    "SUNSETS",
    "TOKEN_URL",
    "ApiVersion",
    "GoogleAdsSettings",
    "days_left",
]

ApiVersion = Literal["v23", "v24", "v25", "v26"]
API_VERSION: ApiVersion = "v26"
"""The newest (October 2026). Google makes four majors a year, each lives for about 12 months."""
SUNSETS: dict[str, date] = {
    "v23": date(2027, 2, 1),
    "v24": date(2027, 5, 1),
    "v25": date(2027, 8, 1),
    "v26": date(2027, 11, 1),
}
"""The first day of the month in which Google says that the version will stop answering (announced as estimates)."""
NOTICE_DAYS = 60
"""How long before that day a run and a check warn."""
API_URL = "https://googleads.googleapis.com"
TOKEN_URL = "https://oauth2.googleapis.com/token"


def days_left(version: str, today: date) -> int:
    """Days until Google stops answering to a version."""
    return (SUNSETS[version] - today).days


@dataclass(frozen=True, kw_only=True)
class GoogleAdsSettings:
    """How this source reads. The defaults suit every account; tests make them small."""

    window_days: int = 35
    """Days of one slice: four queries, and what a failure costs at most to read again. More than a look-back of 30 days
    and the days since, so that a daily run is one slice for each account."""
    look_back: timedelta = timedelta(days=30)
    """How far before the last day read a run begins, at least: Google credits conversions to the day of the click for
    30 days by default, and takes back invalid clicks."""
    max_look_back: timedelta = timedelta(days=90)
    """Google: no conversion window is longer."""
    history_months: int = 37
    """Google, since 2026-06-01: daily figures are kept for the last 37 months; older days are an error."""
    read_seconds: float = 300.0
    """Silence that a report may take before its first byte."""
    exchange_seconds: float = 600.0
    """For one answer, from connecting to its last byte."""
    answer_bytes: int = 16 * 1024 * 1024
    """Bytes of an answer about several days, some 25,000 rows of ads; a larger one is asked for in halves, so that the
    memory that a slice takes grows neither with its days nor with the account."""
    max_body: int = 128 * 1024 * 1024
    """Bytes of any answer: of a single day, which cannot be halved. It is held in memory."""
    quota_delay: float = 3_600.0
    """Seconds to stay away when the day's operations are used up and Google does not say for how long."""
    max_customers: int = 2_000
    """Accounts of one tenant: their days, whichever they are, fit the 64 KiB that a checkpoint may have."""
