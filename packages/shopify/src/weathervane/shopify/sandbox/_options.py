"""What a pretend shop can be told at its start."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from weathervane.source.sandbox import CURRENCY, ZONE, Rule, SandboxOptions, option

__all__ = ["DEFAULT_SCOPES", "PLANS", "ShopOptions"]

DEFAULT_SCOPES = (
    "read_orders",
    "read_all_orders",
    "read_products",
    "read_customers",
    "read_inventory",
    "read_locations",
)

PLANS = {"standard": 100.0, "advanced": 200.0, "plus": 1000.0, "enterprise": 2000.0}
"""Plan -> points a second that the bucket regains (Shopify docs, rate limits); it holds 20 times that."""


_LEVELS: Rule = (lambda level: level in ("full", "basic", "none"), "be full, basic or none")
_PLAN: Rule = (lambda plan: plan in PLANS, f"be one of {', '.join(PLANS)}")
_HOST: Rule = (
    lambda url: not url or re.fullmatch(r"https?://[^/?#@\s]+", url) is not None,
    "be such as http://shopify:8401",
)


@dataclass(frozen=True, kw_only=True)
class ShopOptions(SandboxOptions):
    """The start of one pretend shop."""

    shop: str = option("acme", "name: acme is acme.myshopify.com")
    storage_port: int = option(0, "port of the storage host; 0 = a free one")
    storage_url: str = option(
        "",
        "under which clients reach the storage host, for the links to bulk files; default: where it listens",
        metavar="URL",
        must=_HOST,
    )
    """One that listens on every address cannot know by which of them a client of another machine comes."""
    timezone: str = option("Europe/Paris", "IANA timezone of the shop", must=ZONE)
    currency: str = option("EUR", "currency of the shop", must=CURRENCY)
    orders: int = option(400, "orders to start with", at_least=0)
    products: int = option(60, "products to start with", at_least=0)
    life: bool | None = option(
        None, "whether the shop goes on changing as the clock moves; default: a seeded one only"
    )
    event_gap: float = option(1800.0, "mean shop seconds between two changes", above=0)
    scopes: tuple[str, ...] = option(DEFAULT_SCOPES, "scopes of the app, by commas")
    protected_data: Literal["full", "basic", "none"] = option(
        "full", "approved for protected customer data and fields; for the data; not at all", must=_LEVELS
    )
    access_token: str = option("shpat_sandbox", "a permanent access token; '' = none", secret=True)
    client_id: str = option("sandbox-client", "client id of the app")
    client_secret: str = option("sandbox-secret", "client secret of the app", secret=True)
    refresh_token: str = option("shprt_sandbox", "a first refresh token; '' = none", secret=True)
    plan: str = option("standard", f"plan, which sets the bucket: {', '.join(PLANS)}", must=_PLAN)
    bucket_rate: float = option(
        0.0, "points that the bucket regains a second; default: by the plan", at_least=0
    )
    bucket_max: float = option(0.0, "points that the bucket holds; default: 20 times the rate", at_least=0)
    cost_factor: float = option(1.0, "multiplies the requested cost, whose formula is not public", above=0)
    bulk_polls: int = option(2, "polls until a bulk operation is complete", above=0)
    storage_refuses_tokens: bool = option(
        False, "the storage host refuses a request that carries the shop's token, which the real one ignores"
    )

    def __post_init__(self) -> None:
        name = re.sub(r"^https?://", "", self.shop.strip().lower()).rstrip("/")
        name = name.removesuffix(".myshopify.com")
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,59}", name):
            raise ValueError(f"shop must be a myshopify name such as acme, got {self.shop!r}")
        self._set(shop=name, scopes=tuple(scope for scope in self.scopes if scope))
        self._set(storage_url=self.storage_url.rstrip("/"))
        super().__post_init__()
        rate = self.bucket_rate or PLANS[self.plan]
        self._set(bucket_rate=rate, bucket_max=self.bucket_max or 20 * rate)

    @property
    def domain(self) -> str:
        """The shop's `….myshopify.com` domain."""
        return f"{self.shop}.myshopify.com"
