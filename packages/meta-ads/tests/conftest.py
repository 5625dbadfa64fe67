"""Real parts: the pretend Meta over sockets, and one real lake for all tests, a tenant each."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stamina

from weathervane.lake import LakeClient
from weathervane.lake.testing import running_lake
from weathervane.meta_ads.sandbox import AccountOptions, running_meta

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
    """Opens worlds of the test's own: one small account, whose report runs are complete at the first look."""
    with contextlib.ExitStack() as stack:

        def begin(**options: Any) -> Bench:
            one = (AccountOptions("101", "EUR", "Europe/Paris", "Acme"),)
            small = {
                "accounts": one,
                "campaigns": 2,
                "adsets": 2,
                "ads": 2,
                "history_days": 40,
                "run_polls": 0,
            }
            running = stack.enter_context(running_meta(**(small | options)))
            return stack.enter_context(Bench(lake, running, f"tenant{next(_tenants)}"))

        yield begin


@pytest.fixture
def bench(begin: Callable[..., Bench]) -> Bench:
    """One account with eight ads."""
    return begin()


@pytest.fixture(scope="session")
def prefect() -> Iterator[None]:
    """A real Prefect server for the tests that run the flow."""
    from weathervane.source.testing import running_prefect

    with running_prefect():
        yield
