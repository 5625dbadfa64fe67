"""What a pretend Google Ads is started with, checked."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

__all__ = ["GoogleAdsOptions"]


@dataclass(frozen=True, kw_only=True)
class GoogleAdsOptions:
    """A pretend Google Ads.

    Attributes:
        name: whose accounts these are; part of every account's name and of every account's number.
        now: where the vendor's clock starts.
        clock_rate: vendor seconds per real second; 0 = the clock moves only when told.
        timezone: the IANA time zone of every client account.
        currency: the ISO currency of every client account.
        seed: the seed of everything random.
        days: how many days of figures there are before `now`.
        clients: enabled client accounts, 1 to 4. The tree around them is always there: two managers that share a
            client, a manager below the first one, a cancelled and a suspended account.
        conversion_window: days in which a conversion is still credited to its click.
        records: files of API-shaped rows to serve in place of the seeded accounts.
        client_id, client_secret, refresh_token: the credentials of the OAuth client and of its user.
        service_account: the e-mail address of a service account; "" = there is none.
        service_account_key: its public key, PEM.
        developer_token: when not empty, the legacy rule stands: a call without this `developer-token` is refused.
        operations_per_day: how many operations the project has a day.
        queries_per_second: how many it has a second of real time; 0 = no limit.
        chunk_rows: rows of one chunk of searchStream.
        page_rows: rows of one page of search.
        token_life: seconds of vendor time that an access token lives.
    """

    name: str = "acme"
    now: datetime = datetime(2026, 11, 22, 18, tzinfo=UTC)
    clock_rate: float = 0.0
    timezone: str = "America/New_York"
    currency: str = "USD"
    seed: int = 7
    days: int = 60
    clients: int = 3
    conversion_window: int = 30
    records: tuple[Path, ...] = ()
    client_id: str = "407408718192-sandbox.apps.googleusercontent.com"
    client_secret: str = field(default="sandbox-secret", repr=False)
    refresh_token: str = field(default="1//sandbox-refresh", repr=False)
    service_account: str = ""
    service_account_key: str = field(default="", repr=False)
    developer_token: str = field(default="", repr=False)
    operations_per_day: int = 15_000
    queries_per_second: float = 0.0
    chunk_rows: int = 1_000
    page_rows: int = 10_000
    token_life: int = 3_599

    def __post_init__(self) -> None:
        """Check the options. Raises ValueError with one sentence."""
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,59}", self.name):
            raise ValueError(f"name must be of a-z, 0-9, - and _, such as acme, got {self.name!r}")
        if self.now.tzinfo is None:
            raise ValueError("now needs an offset or Z")
        object.__setattr__(self, "now", self.now.astimezone(UTC).replace(microsecond=0))
        object.__setattr__(self, "records", tuple(Path(path) for path in self.records))
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(
                f"timezone must be an IANA name such as Asia/Tokyo, got {self.timezone!r}"
            ) from None
        if not re.fullmatch(r"[A-Z]{3}", self.currency):
            raise ValueError(f"currency must be an ISO code such as JPY, got {self.currency!r}")
        if not 1 <= self.clients <= 4:
            raise ValueError(f"clients must be 1 to 4, got {self.clients}")
        if not 1 <= self.conversion_window <= 90:
            raise ValueError(f"conversion-window must be 1 to 90 days, got {self.conversion_window}")
        if not 0 <= self.days <= 1_200:
            raise ValueError(f"days must be 0 to 1200, got {self.days}")
        for name in ("clock_rate", "queries_per_second"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name.replace('_', '-')} must not be negative, got {getattr(self, name)}")
        for name in ("operations_per_day", "chunk_rows", "page_rows", "token_life"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name.replace('_', '-')} must be above 0, got {getattr(self, name)}")
