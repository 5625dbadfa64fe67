"""What a pretend Google Ads is started with, checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from weathervane.source.sandbox import CURRENCY, ZONE, Rule, SandboxOptions, option

__all__ = ["GoogleAdsOptions"]

_NAME: Rule = (
    lambda name: re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,59}", name) is not None,
    "be of a-z, 0-9, - and _, such as acme",
)


_NOW = datetime(2026, 11, 22, 18, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class GoogleAdsOptions(SandboxOptions):
    """A pretend Google Ads.

    The tree around its clients is always there: two managers that share a client, a manager below the first one, a
    cancelled and a suspended account.
    """

    name: str = option("acme", "whose accounts these are; a part of their names and numbers", must=_NAME)
    now: datetime = option(_NOW, "where the vendor's clock starts")
    timezone: str = option("America/New_York", "IANA time zone of the client accounts", must=ZONE)
    currency: str = option("USD", "currency of the client accounts", must=CURRENCY)
    days: int = option(60, "days of figures before --now", at_least=0, at_most=1_200)
    clients: int = option(3, "enabled client accounts, 1 to 4", at_least=1, at_most=4)
    conversion_window: int = option(
        30, "days in which a conversion is still credited to its click", at_least=1, at_most=90
    )
    client_id: str = option("407408718192-sandbox.apps.googleusercontent.com", "OAuth client id")
    client_secret: str = option("sandbox-secret", "OAuth client secret", secret=True)
    refresh_token: str = option("1//sandbox-refresh", "the user's refresh token", secret=True)
    service_account: str = option("", "e-mail address of a service account")
    service_account_key: str = option(
        "", "its public key, PEM", secret=True, metavar="FILE.pem", read=lambda name: Path(name).read_text()
    )
    developer_token: str = option("", "refuse calls without it, as before September 2026", secret=True)
    operations_per_day: int = option(15_000, "operations that the project has a day", above=0)
    queries_per_second: float = option(
        0.0, "queries of the project in a second of real time; 0 = no limit", at_least=0
    )
    chunk_rows: int = option(1_000, "rows of a chunk of searchStream", above=0)
    page_rows: int = option(10_000, "rows of a page of search", above=0)
    token_life: int = option(3_599, "vendor seconds that an access token lives", above=0)
