"""Serving a pretend Google Ads: within a test, or as a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from typing import Any

from weathervane.google_ads.sandbox._app import google_ads_app
from weathervane.google_ads.sandbox._fields import field
from weathervane.google_ads.sandbox._options import GoogleAdsOptions
from weathervane.google_ads.sandbox._vendor import PretendGoogleAds
from weathervane.source.sandbox import Apps, Running, bind, running, url_of

__all__ = ["RunningGoogleAds", "prepared", "running_google_ads"]


@dataclass(frozen=True)
class RunningGoogleAds(Running):
    """A pretend Google Ads that is being served; `url` is in place of `https://googleads.googleapis.com`."""

    vendor: PretendGoogleAds
    """Its state: clock, faults, requests seen, truth, changes."""

    @property
    def token_url(self) -> str:
        """In place of `https://oauth2.googleapis.com/token`."""
        return f"{self.url}/token"

    def ready(self) -> dict[str, Any]:
        """Where tokens are, and the customers that they reach."""
        return {"token_url": self.token_url, "customers": self.vendor.world.accessible}


def running_google_ads(name: str = "acme", **options: Any) -> AbstractContextManager[RunningGoogleAds]:
    """Serve a pretend Google Ads on a free port, in a thread of this process, until the block ends.

    Args:
        name: whose accounts these are.
        **options: the other members of `GoogleAdsOptions`.

    Raises:
        ValueError: an option is no good, or a file of records cannot be loaded.
        SandboxError: the server did not come up.
    """
    return running(prepared, GoogleAdsOptions(name=name, **options))


@contextmanager
def prepared(options: GoogleAdsOptions, host: str, port: int) -> Iterator[tuple[RunningGoogleAds, Apps]]:
    """A pretend Google Ads, and what serves it."""
    with closing(bind(host, port)) as sock:
        vendor = PretendGoogleAds(options)
        field("campaign.id", "v26")  # unpacks the catalogue, which the first request should not pay
        yield RunningGoogleAds(url_of(sock), vendor), [(google_ads_app(vendor), sock)]
