"""What a pretend shop can be told at its start."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

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


@dataclass(frozen=True)
class ShopOptions:
    """The start of one pretend shop. The same options give the same shop, byte for byte.

    Attributes:
        shop: its name; `acme`, `acme.myshopify.com` and `https://acme.myshopify.com/` are the same.
        now: where the shop's clock starts.
        timezone: the shop's IANA timezone.
        currency: the shop's ISO currency.
        seed: the seed of everything random.
        orders: how many orders the seeded shop starts with.
        products: how many products the seeded shop starts with.
        records: files of API-shaped records to serve in place of the seeded shop.
        life: whether orders and products go on changing as the clock moves; None = for seeded shops only.
        event_gap: mean shop seconds between two changes of a living shop.
        clock_rate: shop seconds per real second; 0 = the clock moves only when told.
        scopes: access scopes that every token of the app has.
        protected_data: "full" = approved for protected customer data and fields, "basic" = for the data
            without the fields, "none" = not approved: orders and customers are denied.
        access_token: an offline token that never expires; "" = none.
        client_id, client_secret: the app's credentials.
        refresh_token: a first refresh token; "" = none.
        bucket_max: points that the throttle's bucket holds.
        bucket_rate: points that it regains a second of real time.
        cost_factor: multiplies the requested cost, as the vendor's own formula is not public.
        storage_refuses_tokens: whether the storage host refuses a request that carries the shop's token; the real one
            ignores it.
        bulk_polls: how many polls a bulk operation takes to complete.
    """

    shop: str = "acme"
    now: datetime = datetime(2026, 11, 1, 6, tzinfo=UTC)
    timezone: str = "Europe/Paris"
    currency: str = "EUR"
    seed: int = 7
    orders: int = 400
    products: int = 60
    records: tuple[Path, ...] = ()
    life: bool | None = None
    event_gap: float = 1800.0
    clock_rate: float = 0.0
    scopes: tuple[str, ...] = DEFAULT_SCOPES
    protected_data: Literal["full", "basic", "none"] = "full"
    access_token: str = field(default="shpat_sandbox", repr=False)
    client_id: str = "sandbox-client"
    client_secret: str = field(default="sandbox-secret", repr=False)
    refresh_token: str = field(default="shprt_sandbox", repr=False)
    bucket_max: float = 2000.0
    bucket_rate: float = 100.0
    cost_factor: float = 1.0
    storage_refuses_tokens: bool = False
    bulk_polls: int = 2

    def __post_init__(self) -> None:
        """Check the options. Raises ValueError with one sentence."""
        name = re.sub(r"^https?://", "", self.shop.strip().lower()).rstrip("/")
        name = name.removesuffix(".myshopify.com")
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,59}", name):
            raise ValueError(f"shop must be a myshopify name such as acme, got {self.shop!r}")
        object.__setattr__(self, "shop", name)
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
        if self.protected_data not in ("full", "basic", "none"):
            raise ValueError(f"protected data must be full, basic or none, got {self.protected_data!r}")
        for name in ("orders", "products", "clock_rate"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        for name in ("event_gap", "bucket_max", "bucket_rate", "cost_factor", "bulk_polls"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")

    @property
    def domain(self) -> str:
        """The shop's `….myshopify.com` domain."""
        return f"{self.shop}.myshopify.com"
