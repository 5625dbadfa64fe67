"""Real parts: the pretend Klaviyo over sockets, and one real lake for all tests, a tenant each."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stamina

from weathervane.klaviyo.sandbox import running_klaviyo
from weathervane.lake import LakeClient
from weathervane.lake.testing import running_lake

from .bench import Bench

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


@pytest.fixture
def begin(lake: LakeClient) -> Iterator[Callable[..., Bench]]:
    """Opens accounts of the test's own: small, still, and with quotas that never end, unless it says otherwise."""
    with contextlib.ExitStack() as stack:

        def begin(**options: Any) -> Bench:
            small = {"campaigns": 15, "life": False, "quota_factor": 10_000}
            running = stack.enter_context(running_klaviyo(**(small | options)))
            return Bench(lake, running, f"tenant{next(_tenants)}")

        yield begin


@pytest.fixture
def bench(begin: Callable[..., Bench]) -> Bench:
    """An account of fifteen campaigns."""
    return begin()


@pytest.fixture(scope="session")
def prefect() -> Iterator[None]:
    """A real Prefect server for the few tests that need one."""
    from weathervane.source.testing import running_prefect

    with running_prefect():
        yield
