"""Real parts: the pretend Google Ads over sockets, and one real lake for all tests, a tenant each."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from weathervane.google_ads.sandbox import running_google_ads
from weathervane.lake import LakeClient

from .bench import Bench

pytest_plugins = ["weathervane.source.testing.fixtures"]


@pytest.fixture
def begin(lake: LakeClient, new_tenant: Callable[[], str]) -> Iterator[Callable[..., Bench]]:
    """Starts vendors of the test's own: one small client account, unless the test says otherwise."""
    with contextlib.ExitStack() as stack:

        def begin(name: str = "acme", **options: Any) -> Bench:
            tenant = new_tenant()
            # A Cloud project of its own: a quota that one test uses up is not another's.
            own = {"clients": 1, "days": 40, "client_id": f"{tenant}-test.apps.googleusercontent.com"}
            running = stack.enter_context(running_google_ads(name, **(own | options)))
            return Bench(lake, running, tenant)

        yield begin


@pytest.fixture
def bench(begin: Callable[..., Bench]) -> Bench:
    """One client account with forty days of figures."""
    return begin()
