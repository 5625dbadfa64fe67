"""What a pretend Meta can be told at its start."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

__all__ = ["DEFAULT_ACCOUNTS", "AccountOptions", "MetaOptions"]

Tier = Literal["development_access", "standard_access"]


@dataclass(frozen=True)
class AccountOptions:
    """One ad account: its bare number, its currency and its time zone, in which its days begin."""

    id: str
    currency: str = "USD"
    timezone: str = "America/New_York"
    name: str = ""

    def __post_init__(self) -> None:
        """Check the options. Raises ValueError with one sentence."""
        object.__setattr__(self, "id", self.id.removeprefix("act_"))
        if not re.fullmatch(r"[0-9]{1,20}", self.id):
            raise ValueError(f"an account's id must be a number such as 1010035716096012, got {self.id!r}")
        if not re.fullmatch(r"[A-Z]{3}", self.currency):
            raise ValueError(f"an account's currency must be an ISO code such as EUR, got {self.currency!r}")
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(
                f"an account's timezone must be an IANA name such as Europe/Paris, got {self.timezone!r}"
            ) from None
        object.__setattr__(self, "name", self.name or f"Account {self.id[-4:]}")


DEFAULT_ACCOUNTS = (
    AccountOptions("1010035716096012", "EUR", "Europe/Paris", "Acme Europe"),
    AccountOptions("1010035716096013", "JPY", "Asia/Tokyo", "Umi Japan"),
    AccountOptions("1010035716096014", "USD", "America/Los_Angeles", "Acme West"),
)


@dataclass(frozen=True)
class MetaOptions:
    """The start of one pretend Meta: one app, its tokens and the ad accounts that they see.

    The same options give the same world, byte for byte.

    Attributes:
        accounts: the ad accounts.
        tokens: token -> ids of the accounts it sees; empty = `access_token` sees all.
        access_token: a system user's token, which never expires and sees every account; "" = none.
        now: where the clock starts.
        clock_rate: vendor seconds per real second; 0 = the clock moves only when told.
        seed: the seed of everything random.
        campaigns, adsets, ads: campaigns of an account, ad sets of a campaign, ads of an ad set.
        history_days: how many days before `now` the oldest ads began to deliver.
        records: files of API-shaped records to serve in place of the seeded world.
        app_id, app_secret: the app.
        require_proof: whether the app has "Require App Secret" on.
        tier: access tier of the app: sets the ad account's score (60 or 9,000) and the hour's calls.
        score_max, hour_calls, app_calls: the three limits, in points and calls; None = by the tier.
        run_polls: how many polls a report run takes to complete; 0 = it is complete at the first look.
        max_page_rows: rows on one page above which the API asks for less.
        max_sync_rows: entities times days above which a synchronous call is refused.
        max_run_rows: entities times days above which a report run fails.
    """

    accounts: tuple[AccountOptions, ...] = DEFAULT_ACCOUNTS
    tokens: tuple[tuple[str, tuple[str, ...]], ...] = field(default=(), repr=False)
    access_token: str = field(default="EAAsandbox", repr=False)
    now: datetime = datetime(2026, 11, 1, 6, tzinfo=UTC)
    clock_rate: float = 0.0
    seed: int = 7
    campaigns: int = 3
    adsets: int = 2
    ads: int = 3
    history_days: int = 60
    records: tuple[Path, ...] = ()
    app_id: str = "1234567890"
    app_secret: str = field(default="sandbox-secret", repr=False)
    require_proof: bool = False
    tier: Tier = "standard_access"
    score_max: float | None = None
    hour_calls: float | None = None
    app_calls: float | None = None
    run_polls: int = 2
    max_page_rows: int = 5_000
    max_sync_rows: int = 50_000
    max_run_rows: int = 2_000_000

    def __post_init__(self) -> None:
        """Check the options. Raises ValueError with one sentence."""
        object.__setattr__(self, "records", tuple(Path(path) for path in self.records))
        if self.now.tzinfo is None:
            raise ValueError("now needs an offset or Z")
        object.__setattr__(self, "now", self.now.astimezone(UTC).replace(microsecond=0))
        ids = [account.id for account in self.accounts]
        if len(set(ids)) < len(ids):
            raise ValueError("two accounts have one id")
        if self.tier not in ("development_access", "standard_access"):
            raise ValueError(f"tier must be development_access or standard_access, got {self.tier!r}")
        for name in ("campaigns", "adsets", "ads", "history_days", "clock_rate", "run_polls"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        for name in (
            "score_max",
            "hour_calls",
            "app_calls",
            "max_page_rows",
            "max_sync_rows",
            "max_run_rows",
        ):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
