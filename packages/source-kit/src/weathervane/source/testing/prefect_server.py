"""A real Prefect server for tests."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from unittest.mock import patch

__all__ = ["running_prefect"]


@contextmanager
def running_prefect(startup_seconds: int = 180) -> Iterator[None]:
    """Starts a Prefect server on a database of its own and points this process at it.

    It takes from ten seconds to a minute: share it between all tests of a session. Half of that would be making the
    tables, which is done once for each version of Prefect: they are kept, empty, in the user's cache folder. Flows do
    not wait for their heartbeat's last second here.
    """
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    from prefect import __version__
    from prefect.settings import (
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        PREFECT_SERVER_DATABASE_MIGRATE_ON_START,
        PREFECT_SERVER_REGISTER_BLOCKS_ON_START,
        temporary_settings,
    )
    from prefect.testing.utilities import prefect_test_harness

    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "weathervane")
    empty = cache / f"prefect-{__version__}.db"
    # The harness removes the folder, and finds the database in it by this name.
    folder = tempfile.mkdtemp()
    database = Path(folder, "prefect-test.db")
    made = empty.exists()
    if made:
        shutil.copyfile(empty, database)
    to_do = {
        PREFECT_SERVER_DATABASE_MIGRATE_ON_START: not made,
        PREFECT_SERVER_REGISTER_BLOCKS_ON_START: not made,
    }
    with (
        temporary_settings(to_do),
        patch("prefect.testing.utilities.mkdtemp", return_value=folder),
        prefect_test_harness(server_startup_timeout=startup_seconds),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        if not made:
            _keep(database, empty)
        yield


def _keep(database: Path, empty: Path) -> None:
    """Copies the database whole, as it is now."""
    empty.parent.mkdir(parents=True, exist_ok=True)
    new = empty.with_suffix(f".{os.getpid()}")
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(new)) as target:
        source.backup(target)
    new.replace(empty)
