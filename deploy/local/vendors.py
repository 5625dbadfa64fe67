"""The four pretend vendors of a local stack, and what each offers to whoever starts it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import demo_google_ads
import demo_klaviyo
import demo_meta_ads
import demo_shopify
from processes import Stack

from weathervane.lake import LakeClient


class Pretend(Protocol):
    """Both tenants' accounts at one pretend vendor, running."""

    environment: dict[str, str]
    """Their credentials, as variables `WEATHERVANE_<SOURCE>__<TENANT>__<FIELD>`."""

    def advance(self, seconds: int) -> None:
        """Lets the vendor's clock run."""

    def differences(self, lake: LakeClient) -> Iterator[str]:
        """One line for each table that is not what the vendor says it should be."""


@dataclass(frozen=True)
class Vendor:
    """One vendor: its source, and what starts it."""

    source: str
    """The module in `weathervane`, e.g. `meta_ads`."""
    flows: tuple[str, ...]
    start: Callable[[Stack, datetime], Pretend]
    port: int
    """Where the source's gRPC service listens on a machine of its own, as `compose.yaml` has it."""


VENDORS = (
    Vendor("shopify", demo_shopify.FLOWS, demo_shopify.PretendShopify, 50061),
    Vendor("meta_ads", demo_meta_ads.FLOWS, demo_meta_ads.PretendMetaAds, 50062),
    Vendor("google_ads", demo_google_ads.FLOWS, demo_google_ads.PretendGoogleAds, 50063),
    Vendor("klaviyo", demo_klaviyo.FLOWS, demo_klaviyo.PretendKlaviyo, 50064),
)
