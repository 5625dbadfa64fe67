"""Prefect's server on SQLite, without the errors that its transactions give there.

Prefect (3.8) begins most transactions DEFERRED: such a one reads first, and when another has written before it writes
itself, SQLite fails it at once ("database is locked"), whatever the busy timeout. The server answers 503 then, clients
wait two seconds and more, and events are lost: thirty small flow runs took 50 s, and 5 s with this.

In the server's environment, where this package is installed:

    PREFECT_SERVER_DATABASE_CONNECTION_URL=sqlite+aiosqlite:////folder/prefect.db?plugin=weathervane_immediate
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import CreateEnginePlugin, event

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

__all__ = ["ImmediateTransactions", "database_url", "keep_tables", "with_tables"]


def database_url(file: Path) -> str:
    """Returns the setting by which a Prefect server keeps its tables in this file."""
    return f"sqlite+aiosqlite:///{file.resolve()}?plugin=weathervane_immediate"


def with_tables(database: Path) -> bool:
    """Begins a database with Prefect's tables, when a server of this version has left them; making them takes ten
    seconds. One that is there already is not touched.
    """
    kept = _kept()
    if not kept.exists():
        return False
    if not database.exists():
        shutil.copyfile(kept, database)
    return True


def keep_tables(database: Path) -> None:
    """Keeps a copy of a database that has tables and nothing else yet, in the user's cache folder."""
    kept = _kept()
    kept.parent.mkdir(parents=True, exist_ok=True)
    new = kept.with_suffix(f".{os.getpid()}")
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(new)) as target:
        source.backup(target)
    new.replace(kept)


def _kept() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "weathervane")
    return cache / f"prefect-{version('prefect')}.db"


class ImmediateTransactions(CreateEnginePlugin):
    """Lets transactions take SQLite's one place for a writer when they begin, for which they wait in line."""

    def update_url(self, url: URL) -> URL:
        """Leaves the URL as it is."""
        return url

    def engine_created(self, engine: Engine) -> None:
        """Changes how the new engine's transactions begin."""
        event.listen(engine, "before_cursor_execute", _immediate, retval=True)


def _immediate(
    connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
) -> tuple[str, Any]:
    return "BEGIN IMMEDIATE" if statement == "BEGIN DEFERRED" else statement, parameters
