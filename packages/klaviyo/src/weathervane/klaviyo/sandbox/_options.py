"""How a pretend Klaviyo account starts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

__all__ = ["DEFAULT_SCOPES", "AccountOptions"]

DEFAULT_SCOPES = ("accounts:read", "campaigns:read", "metrics:read", "tags:read")


@dataclass(frozen=True)
class AccountOptions:
    """The start of one pretend account. The same options give the same account, byte for byte.

    Attributes:
        account: its public id, six letters and digits.
        now: where its clock starts.
        timezone: its IANA timezone.
        currency: its ISO currency.
        seed: the seed of everything random.
        campaigns: how many campaigns the seeded account starts with.
        records: files of JSON:API resources to serve in place of the seeded account.
        life: whether campaigns go on changing as the clock moves; None = for seeded accounts only.
        event_gap: mean account seconds between two changes of a living account.
        clock_rate: account seconds per real second; 0 = the clock moves only when told.
        scopes: scopes of the key.
        api_key: the private key.
        access_token: an OAuth token that is valid as well; "" = none.
        quota_factor: multiplies every rate limit; the documented ones are 1.
        variations_include: whether the list of messages takes `include=campaign-variations`. The beta did; the
            published 2026-10-15 models have no place for it.
        report_page_size: groups on a page of a report; 0 = all on one. Klaviyo's models have pages of reports, and
            nobody says of what size.
    """

    account: str = "ACME01"
    now: datetime = datetime(2026, 11, 1, 6, tzinfo=UTC)
    timezone: str = "Europe/Paris"
    currency: str = "EUR"
    seed: int = 7
    campaigns: int = 60
    records: tuple[Path, ...] = ()
    life: bool | None = None
    event_gap: float = 7200.0
    clock_rate: float = 0.0
    scopes: tuple[str, ...] = DEFAULT_SCOPES
    api_key: str = field(default="pk_sandbox", repr=False)
    access_token: str = field(default="", repr=False)
    quota_factor: float = 1.0
    variations_include: bool = False
    report_page_size: int = 0

    def __post_init__(self) -> None:
        """Check the options. Raises ValueError with one sentence."""
        if not re.fullmatch(r"[A-Za-z0-9]{6}", self.account):
            raise ValueError(f"account must be six letters and digits, got {self.account!r}")
        object.__setattr__(self, "records", tuple(Path(path) for path in self.records))
        object.__setattr__(self, "scopes", tuple(scope for scope in self.scopes if scope))
        if self.now.tzinfo is None:
            raise ValueError("now needs an offset or Z")
        object.__setattr__(self, "now", self.now.astimezone(UTC).replace(microsecond=0))
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(
                f"timezone must be an IANA name such as Europe/Paris, got {self.timezone!r}"
            ) from None
        if not re.fullmatch(r"[A-Z]{3}", self.currency):
            raise ValueError(f"currency must be an ISO code such as EUR, got {self.currency!r}")
        if not self.api_key.startswith("pk_"):
            raise ValueError("a private key starts with pk_")
        for name in ("campaigns", "clock_rate", "report_page_size"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        for name in ("event_gap", "quota_factor"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
