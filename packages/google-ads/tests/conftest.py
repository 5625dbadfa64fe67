"""Real parts: the pretend Google Ads over sockets, and one real lake for all tests, a tenant each."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stamina

from weathervane.google_ads.sandbox import running_google_ads
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
    """Starts vendors of the test's own: one small client account, unless the test says otherwise."""
    with contextlib.ExitStack() as stack:

        def begin(name: str = "acme", **options: Any) -> Bench:
            number = next(_tenants)
            # A Cloud project of its own: a quota that one test uses up is not another's.
            own = {"clients": 1, "days": 40, "client_id": f"{number:012d}-test.apps.googleusercontent.com"}
            running = stack.enter_context(running_google_ads(name, **(own | options)))
            return Bench(lake, running, f"tenant{number}")

        yield begin


@pytest.fixture
def bench(begin: Callable[..., Bench]) -> Bench:
    """One client account with forty days of figures."""
    return begin()


@pytest.fixture(scope="session")
def prefect() -> Iterator[None]:
    """A real Prefect server for the few tests that need one."""
    from weathervane.source.testing import running_prefect

    with running_prefect():
        yield
