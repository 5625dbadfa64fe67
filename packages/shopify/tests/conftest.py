"""Real parts: the pretend Shopify over sockets, and one real lake for all tests, a tenant each."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import pytest

from weathervane.lake import LakeClient
from weathervane.shopify._client import ShopifyClient
from weathervane.shopify._credentials import ShopifyCredentials
from weathervane.shopify._settings import ShopifySettings
from weathervane.shopify.sandbox import RunningShopify, running_shopify

from .bench import QUICK, READERS, SMALL, Bench

pytest_plugins = ["weathervane.source.testing.fixtures"]


def small_shop(**options: Any) -> AbstractContextManager[RunningShopify]:
    """A shop that is small, still, and has a bucket that never empties, unless it says otherwise."""
    small = {"orders": 12, "products": 3, "life": False, "bucket_max": 20_000, "bucket_rate": 20_000}
    # The real storage host ignores a token that leaks to it; in our own tests it must not go by unseen.
    small["storage_refuses_tokens"] = True
    return running_shopify(**(small | options))


@pytest.fixture
def begin(lake: LakeClient, new_tenant: Callable[[], str]) -> Iterator[Callable[..., Bench]]:
    """Opens shops of the test's own; see `small_shop`."""
    with contextlib.ExitStack() as stack:

        def begin(**options: Any) -> Bench:
            return Bench(lake, stack.enter_context(small_shop(**options)), new_tenant())

        yield begin


@pytest.fixture(scope="module")
def standing(lake: LakeClient, new_tenant: Callable[[], str]) -> Iterator[Bench]:
    """A shop for all tests of a module that leave it as it is: read once, and then all its orders were touched."""
    with small_shop() as running:
        bench = Bench(lake, running, new_tenant())
        bench.run(settings=SMALL)
        bench.shop.advance(3600)
        for one in bench.order_ids():
            bench.shop.change("touch", id=one)
        yield bench


@pytest.fixture
def bench(begin: Callable[..., Bench]) -> Bench:
    """A shop of twelve orders, one of them with 130 lines, and three products."""
    return begin()


@pytest.fixture(scope="session")
def _vendor() -> Iterator[Any]:
    with small_shop(products=6) as running:
        yield running


@pytest.fixture
def read(_vendor: Any) -> Iterator[Callable[..., None]]:
    """Reads all of the shop as a run does, and forgets it; `read.shop` is the shop."""
    credentials = ShopifyCredentials(
        shop="acme", client_id="sandbox-client", client_secret="sandbox-secret", api_url=_vendor.url
    )

    def read(kind: str, settings: ShopifySettings) -> None:
        with ShopifyClient(
            "acme", credentials, replace(settings, bulk_patience=QUICK.bulk_patience)
        ) as client:
            reader = READERS[kind](client, now=_vendor.shop.clock.now())
            while (slice := reader.next_slice(None)) is not None:
                for _ in reader.read(slice):
                    pass

    read.shop = _vendor.shop  # type: ignore[attr-defined]
    read.credentials = credentials  # type: ignore[attr-defined]
    yield read
    _vendor.shop.faults.clear()
