"""Real parts: the pretend Meta over sockets, and one real lake for all tests, a tenant each."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from weathervane.lake import LakeClient
from weathervane.meta_ads.sandbox import AccountOptions, running_meta

from .bench import Bench

pytest_plugins = ["weathervane.source.testing.fixtures"]


@pytest.fixture
def begin(lake: LakeClient, new_tenant: Callable[[], str]) -> Iterator[Callable[..., Bench]]:
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
            return stack.enter_context(Bench(lake, running, new_tenant()))

        yield begin


@pytest.fixture
def bench(begin: Callable[..., Bench]) -> Bench:
    """One account with eight ads."""
    return begin()


@pytest.fixture
def recorded(begin: Callable[..., Bench], tmp_path: Path) -> Callable[..., Bench]:
    """Opens a world of given rows."""

    def recorded(*rows: Any, **options: Any) -> Bench:
        path = tmp_path / "rows.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)))
        return begin(records=[path], **options)

    return recorded
