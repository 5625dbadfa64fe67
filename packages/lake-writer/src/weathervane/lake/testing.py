"""The real lake writer for tests of any package: a server on a free port over a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from weathervane.lake._client import LakeClient
from weathervane.rpc import ServerSettings, running_server


@contextmanager
def running_lake(path: Path | str, **settings: Any) -> Iterator[LakeClient]:
    """Serves the lake in `path` from a thread of this process, and yields a client whose `target` is the address.

    Needs `weathervane-lake-writer[server]`.

    Args:
        path: The lake's folder, which is created if it does not exist, or the URL of a store.
        settings: Fields of `weathervane.lake.server.LakeSettings` to override, e.g. `max_write_rows=10`.
    """
    from weathervane.lake.server import LakeSettings, lake_services

    if "://" not in str(path):
        Path(path).mkdir(parents=True, exist_ok=True)
    services = lake_services(LakeSettings(root=str(path), **settings))
    with (
        running_server(services, ServerSettings(grace_seconds=2), domain="weathervane.lake") as server,
        LakeClient(server.address) as client,
    ):
        yield client
