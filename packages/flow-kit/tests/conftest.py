"""A real Prefect server, one for all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

# Before anything imports Prefect.
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")


@pytest.fixture(scope="session")
def prefect() -> Iterator[None]:
    """Of these tests alone."""
    from weathervane.flow.testing import running_prefect

    with running_prefect():
        yield
