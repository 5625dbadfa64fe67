"""Real parts: the pretend Klaviyo over sockets, and one real lake for all tests, a tenant each."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from weathervane.klaviyo.sandbox import running_klaviyo
from weathervane.lake import LakeClient

from .bench import Bench

pytest_plugins = ["weathervane.source.testing.fixtures"]


@pytest.fixture
def begin(lake: LakeClient, new_tenant: Callable[[], str]) -> Iterator[Callable[..., Bench]]:
    """Opens accounts of the test's own: small, still, and with quotas that never end, unless it says otherwise."""
    with contextlib.ExitStack() as stack:

        def begin(**options: Any) -> Bench:
            small = {"campaigns": 15, "life": False, "quota_factor": 10_000}
            running = stack.enter_context(running_klaviyo(**(small | options)))
            return Bench(lake, running, new_tenant())

        yield begin


@pytest.fixture
def bench(begin: Callable[..., Bench]) -> Bench:
    """An account of fifteen campaigns."""
    return begin()
