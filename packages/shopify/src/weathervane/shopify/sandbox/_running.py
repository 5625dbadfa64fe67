"""Running a pretend shop: in a thread for a test, or as a process of its own."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any

from weathervane.shopify.sandbox._admin_schema import admin_schema
from weathervane.shopify.sandbox._app import admin_app, storage_app
from weathervane.shopify.sandbox._options import ShopOptions
from weathervane.shopify.sandbox._shop import PretendShop
from weathervane.source.sandbox import Apps, Running, bind, running, url_of

__all__ = ["RunningShopify", "prepared", "running_shopify"]


@dataclass(frozen=True)
class RunningShopify(Running):
    """A pretend shop that is being served; `url` is its Admin host, in place of `https://acme.myshopify.com`."""

    storage_url: str
    """The host that serves the files of bulk operations."""
    shop: PretendShop
    """Its state: clock, faults, requests seen, truth, changes."""

    def ready(self) -> dict[str, Any]:
        """Its domain and its storage."""
        return {"storage_url": self.storage_url, "shop": self.shop.options.domain}


def running_shopify(shop: str = "acme", **options: Any) -> AbstractContextManager[RunningShopify]:
    """Serve a pretend shop on free ports, in a thread of this process, until the block ends.

    Args:
        shop: the shop's name.
        **options: the other members of `ShopOptions`.

    Raises:
        ValueError: an option is no good, or a file of records cannot be loaded.
        SandboxError: the server did not come up.
    """
    return running(prepared, ShopOptions(shop=shop, **options))


@contextmanager
def prepared(options: ShopOptions, host: str, port: int) -> Iterator[tuple[RunningShopify, Apps]]:
    """A pretend shop, and what serves its two hosts."""
    with ExitStack() as stack:
        admin = stack.enter_context(closing(bind(host, port)))
        storage = stack.enter_context(closing(bind(host, options.storage_port)))
        shop = PretendShop(options)
        admin_schema("2026-10")  # a second of work that the first request should not pay
        # Its million objects live as long as the process: let no collection walk them.
        gc.freeze()
        stack.callback(shop.bulk.close)
        shop.bulk.files.storage_url = options.storage_url or url_of(storage)
        vendor = RunningShopify(url_of(admin), shop.bulk.files.storage_url, shop)
        yield vendor, [(admin_app(shop), admin), (storage_app(shop), storage)]
