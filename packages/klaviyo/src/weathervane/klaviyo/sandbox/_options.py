"""How a pretend Klaviyo account starts."""

from __future__ import annotations

import re
from dataclasses import dataclass

from weathervane.source.sandbox import CURRENCY, ZONE, Rule, SandboxOptions, option

__all__ = ["DEFAULT_SCOPES", "AccountOptions"]

DEFAULT_SCOPES = ("accounts:read", "campaigns:read", "metrics:read", "tags:read")
_ID: Rule = (lambda text: re.fullmatch(r"[A-Za-z0-9]{6}", text) is not None, "be six letters and digits")
_KEY: Rule = (lambda text: text.startswith("pk_"), "start with pk_")


@dataclass(frozen=True, kw_only=True)
class AccountOptions(SandboxOptions):
    """The start of one pretend account."""

    account: str = option("ACME01", "public id: six letters and digits", must=_ID)
    timezone: str = option("Europe/Paris", "IANA timezone of the account", must=ZONE)
    currency: str = option("EUR", "currency of the account", must=CURRENCY)
    campaigns: int = option(60, "campaigns to start with", at_least=0)
    life: bool | None = option(
        None, "whether campaigns go on changing as the clock moves; default: seeded ones only"
    )
    event_gap: float = option(7200.0, "mean account seconds between two changes", above=0)
    scopes: tuple[str, ...] = option(DEFAULT_SCOPES, "scopes of the key, by commas")
    api_key: str = option("pk_sandbox", "the private key", secret=True, must=_KEY)
    access_token: str = option("", "an OAuth token that is valid too", secret=True)
    quota_factor: float = option(1.0, "multiplies every rate limit; the documented ones are 1", above=0)
    variations_include: bool = option(
        False,
        "the list of messages takes include=campaign-variations, as the beta did; the published models have no place",
    )
    report_page_size: int = option(
        0,
        "groups on a page of a report, whose size nobody documents; 0 = all on one",
        at_least=0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(scopes=tuple(scope for scope in self.scopes if scope))
