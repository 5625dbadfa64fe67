"""Running a pretend shop: in a thread for a test, or as a process of its own."""

from __future__ import annotations

import contextlib
import gc
import json
import re
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from weathervane.shopify.sandbox._admin_schema import admin_schema
from weathervane.shopify.sandbox._app import admin_app, storage_app
from weathervane.shopify.sandbox._options import ShopOptions
from weathervane.shopify.sandbox._shop import PretendShop
from weathervane.source.sandbox import bind, run_until_signalled, serving, url_of

__all__ = ["RunningShopify", "run_process", "running_shopify"]


@dataclass(frozen=True)
class RunningShopify:
    """A pretend shop that is being served.

    Attributes:
        url: the shop's Admin host, in place of `https://acme.myshopify.com`.
        storage_url: the host that serves the files of bulk operations.
        shop: the shop's state: clock, faults, requests seen, truth, changes.
    """

    url: str
    storage_url: str
    shop: PretendShop

    @property
    def control_url(self) -> str:
        """Base URL of the control routes."""
        return f"{self.url}/_sandbox"


@contextlib.contextmanager
def running_shopify(shop: str = "acme", **options: Any) -> Iterator[RunningShopify]:
    """Serve a pretend shop on free ports, in a thread of this process, until the block ends.

    Args:
        shop: the shop's name.
        **options: the other members of `ShopOptions`.

    Raises:
        ValueError: an option is no good, or a file of records cannot be loaded.
        SandboxError: the server did not come up.
    """
    with _prepared(ShopOptions(shop=shop, **options), "127.0.0.1", 0, 0) as (running, apps), serving(apps):
        yield running


def run_process(
    options: ShopOptions, host: str, port: int, storage_port: int, storage_url: str | None = None
) -> None:
    """Serve a pretend shop until SIGTERM or SIGINT; print one JSON line on stdout when both ports listen.

    Args:
        options: the shop.
        host, port, storage_port: where its two hosts listen.
        storage_url: under which address clients reach the storage host; None = where it listens. One that listens on
            every address cannot know by which of them a client of another machine or container comes.

    Raises:
        ValueError: an option is no good, or a file of records cannot be loaded.
        SandboxError: a port is taken.
    """
    with _prepared(options, host, port, storage_port, storage_url) as (running, apps):
        # The schema is a million objects that live as long as the process: let no collection walk them.
        gc.freeze()

        def ready() -> None:
            line = {
                "event": "ready",
                "url": running.url,
                "storage_url": running.storage_url,
                "shop": options.domain,
                "control_url": running.control_url,
            }
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()

        run_until_signalled(apps, ready)


@contextlib.contextmanager
def _prepared(
    options: ShopOptions, host: str, port: int, storage_port: int, storage_url: str | None = None
) -> Iterator[tuple[RunningShopify, list[tuple[Any, socket.socket]]]]:
    if storage_url is not None:
        storage_url = storage_url.rstrip("/")
        if not re.fullmatch(r"https?://[^/?#@\s]+", storage_url):
            raise ValueError(f"storage URL must be such as http://shopify:8401, got {storage_url!r}")
    with contextlib.ExitStack() as stack:
        admin = stack.enter_context(contextlib.closing(bind(host, port)))
        storage = stack.enter_context(contextlib.closing(bind(host, storage_port)))
        shop = PretendShop(options)
        admin_schema("2026-10")  # a second of work that the first request should not pay
        stack.callback(shop.bulk.close)
        shop.bulk.files.storage_url = storage_url or url_of(storage)
        running = RunningShopify(url_of(admin), shop.bulk.files.storage_url, shop)
        yield running, [(admin_app(shop), admin), (storage_app(shop), storage)]
