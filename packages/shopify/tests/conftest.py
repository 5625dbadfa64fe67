"""Real parts: the pretend Shopify over sockets, and one real lake for all tests, a tenant each."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
import stamina

from weathervane.lake import LakeClient
from weathervane.lake.testing import running_lake
from weathervane.shopify.sandbox import RunningShopify, running_shopify

from .bench import SMALL, Bench

# Before anything imports Prefect.
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")

_tenants = itertools.count(1)


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """Tries again at once, as often as the code says."""
    stamina.set_testing(True, attempts=100, cap=True)
    yield
    stamina.set_testing(False)


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeClient]:
    """The real lake."""
    with running_lake(tmp_path_factory.mktemp("lake")) as client:
        yield client


def small_shop(**options: Any) -> AbstractContextManager[RunningShopify]:
    """A shop that is small, still, and has a bucket that never empties, unless it says otherwise."""
    small = {"orders": 12, "products": 3, "life": False, "bucket_max": 20_000, "bucket_rate": 20_000}
    return running_shopify(**(small | options))


@pytest.fixture
def begin(lake: LakeClient) -> Iterator[Callable[..., Bench]]:
    """Opens shops of the test's own; see `small_shop`."""
    with contextlib.ExitStack() as stack:

        def begin(**options: Any) -> Bench:
            return Bench(lake, stack.enter_context(small_shop(**options)), f"tenant{next(_tenants)}")

        yield begin


@pytest.fixture(scope="module")
def standing(lake: LakeClient) -> Iterator[Bench]:
    """A shop for all tests of a module that leave it as it is: read once, and then all its orders were touched."""
    with small_shop() as running:
        bench = Bench(lake, running, f"tenant{next(_tenants)}")
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
def prefect() -> Iterator[None]:
    """A real Prefect server for the few tests that need one."""
    from weathervane.source.testing import running_prefect

    with running_prefect():
        yield
