"""The pytest plugin of all tests that need a Prefect server.

In a `conftest.py`, where Prefect is not yet imported:

```python
pytest_plugins = ["weathervane.flow.testing.fixtures"]
```
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from weathervane.flow._environment import prefer
from weathervane.flow.testing._prefect_server import running_prefect

prefer()


@pytest.fixture(scope="session")
def prefect() -> Iterator[None]:
    """A real Prefect server for the few tests that need one."""
    with running_prefect():
        yield
