"""What a pretend Meta can be told at its start."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from weathervane.source.sandbox import CURRENCY, ZONE, Rule, SandboxOptions, option

__all__ = ["DEFAULT_ACCOUNTS", "AccountOptions", "MetaOptions"]

_TIER: Rule = (
    lambda tier: tier in ("development_access", "standard_access"),
    "be development_access or standard_access",
)


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
        for what, value, (is_one, words) in (
            ("currency", self.currency, CURRENCY),
            ("timezone", self.timezone, ZONE),
        ):
            if not is_one(value):
                raise ValueError(f"an account's {what} must {words}, got {value!r}")
        object.__setattr__(self, "name", self.name or f"Account {self.id[-4:]}")


DEFAULT_ACCOUNTS = (
    AccountOptions("1010035716096012", "EUR", "Europe/Paris", "Acme Europe"),
    AccountOptions("1010035716096013", "JPY", "Asia/Tokyo", "Umi Japan"),
    AccountOptions("1010035716096014", "USD", "America/Los_Angeles", "Acme West"),
)


def _token(text: str) -> tuple[str, tuple[str, ...]]:
    token, _, ids = text.partition("=")
    return token, tuple(ids.split(","))


@dataclass(frozen=True, kw_only=True)
class MetaOptions(SandboxOptions):
    """The start of one pretend Meta: one app, its tokens and the ad accounts that they see."""

    accounts: tuple[AccountOptions, ...] = option(
        DEFAULT_ACCOUNTS,
        "an ad account, e.g. 101,EUR,Europe/Paris; default: three of them",
        word="account",
        metavar="ID,CURRENCY,ZONE[,NAME]",
        read=lambda text: AccountOptions(*text.split(",")),
    )
    tokens: tuple[tuple[str, tuple[str, ...]], ...] = option(
        (), "a token and the accounts it sees", secret=True, word="token", metavar="TOKEN=ID,ID", read=_token
    )
    access_token: str = option(
        "EAAsandbox", "a system user's token, which never expires; '' = none", secret=True
    )
    """It sees every account."""
    campaigns: int = option(3, "campaigns of an account", at_least=0)
    adsets: int = option(2, "ad sets of a campaign", at_least=0)
    ads: int = option(3, "ads of an ad set", at_least=0)
    history_days: int = option(60, "days before now on which the oldest ads began", at_least=0)
    app_id: str = option("1234567890", "id of the app")
    app_secret: str = option("sandbox-secret", "secret of the app", secret=True)
    require_proof: bool = option(False, 'the app has "Require App Secret" on')
    tier: Literal["development_access", "standard_access"] = option(
        "standard_access",
        "tier of the app: an account's score, 60 or 9,000, and the hour's calls",
        must=_TIER,
    )
    score_max: float | None = option(None, "points of an ad account's score; default: by the tier", above=0)
    hour_calls: float | None = option(
        None, "calls of an ad account in an hour; default: by the tier", above=0
    )
    app_calls: float | None = option(None, "calls of the app in an hour; default: by the tier", above=0)
    run_polls: int = option(2, "polls until a report run is complete; 0 = at the first look", at_least=0)
    max_page_rows: int = option(5_000, "rows on a page above which it is refused", above=0)
    max_sync_rows: int = option(50_000, "objects x days above which to use a report run", above=0)
    max_run_rows: int = option(2_000_000, "objects x days above which a report run fails", above=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        ids = [account.id for account in self.accounts]
        if len(set(ids)) < len(ids):
            raise ValueError("two accounts have one id")
