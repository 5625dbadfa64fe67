"""What the tests of every source share.

In a source's `conftest.py`, where Prefect is not yet imported:

```python
pytest_plugins = ["weathervane.source.testing.fixtures"]
```
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stamina

# It also sets what has to be in the environment before anything imports Prefect.
from weathervane.flow.testing.fixtures import prefect as prefect
from weathervane.lake import LakeClient
from weathervane.lake.testing import running_lake
from weathervane.source import _block_store


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """Tries again at once, as often as the code says."""
    stamina.set_testing(True, attempts=100, cap=True)
    yield
    stamina.set_testing(False)


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeClient]:
    """The real lake, one for all tests: each takes tenants of its own."""
    with running_lake(tmp_path_factory.mktemp("lake")) as client:
        yield client


@pytest.fixture(scope="session")
def new_tenant() -> Callable[[], str]:
    """Names a tenant that no other test has."""
    numbers = itertools.count(1)
    return lambda: f"tenant{next(numbers)}"


class BlockDocument:
    """One Prefect block document in memory, where credentials are looked for; a change calls `on_update` first."""

    def __init__(self) -> None:
        self.document: dict[str, Any] | None = None
        self.on_update: Callable[[], None] = lambda: None


@pytest.fixture
def block_document(monkeypatch: pytest.MonkeyPatch) -> BlockDocument:
    """For the many tests of what credentials do with one; a test of the flow keeps one on a real server."""
    held = BlockDocument()

    def update(block_type: str, name: str, data: dict[str, Any]) -> bool:
        held.on_update()
        held.document = dict(data)
        return True

    monkeypatch.setattr(_block_store, "read", lambda block_type, name: held.document)
    monkeypatch.setattr(_block_store, "update", update)
    return held
