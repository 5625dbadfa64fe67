"""Serving a pretend Google Ads: within a test, or as a process of its own."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from weathervane.google_ads.sandbox._app import google_ads_app
from weathervane.google_ads.sandbox._fields import field
from weathervane.google_ads.sandbox._options import GoogleAdsOptions
from weathervane.google_ads.sandbox._vendor import PretendGoogleAds
from weathervane.source.sandbox import bind, run_until_signalled, serving, url_of

__all__ = ["RunningGoogleAds", "run_process", "running_google_ads"]


@dataclass(frozen=True)
class RunningGoogleAds:
    """A pretend Google Ads that is being served.

    Attributes:
        url: in place of `https://googleads.googleapis.com`.
        vendor: its state: clock, faults, requests seen, truth, changes.
    """

    url: str
    vendor: PretendGoogleAds

    @property
    def token_url(self) -> str:
        """In place of `https://oauth2.googleapis.com/token`."""
        return f"{self.url}/token"

    @property
    def control_url(self) -> str:
        """Base URL of the control routes."""
        return f"{self.url}/_sandbox"


@contextlib.contextmanager
def running_google_ads(name: str = "acme", **options: Any) -> Iterator[RunningGoogleAds]:
    """Serve a pretend Google Ads on a free port, in a thread of this process, until the block ends.

    Args:
        name: whose accounts these are.
        **options: the other members of `GoogleAdsOptions`.

    Raises:
        ValueError: an option is no good, or a file of records cannot be loaded.
        SandboxError: the server did not come up.
    """
    with _prepared(GoogleAdsOptions(name=name, **options), "127.0.0.1", 0) as (running, apps), serving(apps):
        yield running


def run_process(options: GoogleAdsOptions, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; print one JSON line on stdout when the port listens."""
    with _prepared(options, host, port) as (running, apps):

        def ready() -> None:
            line = {
                "event": "ready",
                "url": running.url,
                "token_url": running.token_url,
                "control_url": running.control_url,
                "customers": running.vendor.world.accessible,
            }
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()

        run_until_signalled(apps, ready)


@contextlib.contextmanager
def _prepared(
    options: GoogleAdsOptions, host: str, port: int
) -> Iterator[tuple[RunningGoogleAds, list[tuple[Any, socket.socket]]]]:
    with contextlib.closing(bind(host, port)) as sock:
        vendor = PretendGoogleAds(options)
        field("campaign.id", "v26")  # unpacks the catalogue, which the first request should not pay
        yield RunningGoogleAds(url_of(sock), vendor), [(google_ads_app(vendor), sock)]
