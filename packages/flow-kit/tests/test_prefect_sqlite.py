"""Prefect's server on SQLite: a transaction that has read is not failed because another has written since."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from prefect.server.database.configurations import AioSqliteConfiguration

from weathervane.flow._sqlite import database_url


@pytest.mark.parametrize(("plugin", "failed"), [(True, "second"), (False, "first")])
def test_who_begins_first_writes_first(tmp_path: Path, plugin: bool, failed: str) -> None:
    """The second waits for its turn: here it may not, so it is told at once. Without the plugin, which shows that
    Prefect still needs it, the second writes and the first fails.
    """
    url = database_url(tmp_path / "a folder" / "prefect.db")
    (tmp_path / "a folder").mkdir()

    def impatient(connection: Any, record: Any) -> None:
        connection.cursor().execute("PRAGMA busy_timeout = 0")

    async def both() -> tuple[list[str], list[str]]:
        database = AioSqliteConfiguration(url if plugin else url.partition("?")[0])
        engine = await database.engine()
        async with engine.begin() as connection:
            await connection.execute(sa.text("CREATE TABLE written (by TEXT)"))
        sa.event.listen(engine.sync_engine, "connect", impatient)
        losers = []

        async def write(session: Any, name: str) -> None:
            await session.execute(sa.text("INSERT INTO written VALUES (:name)"), {"name": name})

        try:
            async with await database.session(engine) as first, database.begin_transaction(first):
                await first.execute(sa.text("SELECT count(*) FROM written"))
                try:
                    async with await database.session(engine) as second, database.begin_transaction(second):
                        await write(second, "second")
                except sa.exc.OperationalError:
                    losers.append("second")
                await write(first, "first")
        except sa.exc.OperationalError:
            losers.append("first")
        async with engine.connect() as connection:
            return losers, list(await connection.scalars(sa.text("SELECT by FROM written")))

    losers, written = asyncio.run(both())
    assert losers == [failed]
    assert written == [{"first": "second", "second": "first"}[failed]]
