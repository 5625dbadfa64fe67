"""Writers of one table at the same time: nothing lost, nothing twice, whichever server they use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from weathervane.lake import LakeClient, TableRef

from .test_exactly_once import caller, data_files, together

WRITERS, TURNS = 4, 5
ORDERS, EVENTS = TableRef("acme", "orders"), TableRef("acme", "events")


@pytest.mark.parametrize("servers", [1, 2])
def test_four_writers_at_once_lose_nothing(served: Callable[..., Any], tmp_path: Path, servers: int) -> None:
    """Each upserts rows that the others upsert too, and appends: the tables are what one after another gives."""
    with ExitStack() as stack:
        targets = [stack.enter_context(served()).address for _ in range(servers)]
        callers = []
        for writer in range(WRITERS):
            writes = []
            for turn in range(TURNS):
                # All share keys 0-9 and meet on new ones in every turn; each has keys of its own besides.
                keys = [*range(10), 100 + turn, 1_000 * (writer + 1) + turn]
                value = turn * WRITERS + writer
                rows = [[key, value] for key in keys]
                name = f"writer-{writer}.turn-{turn}"
                writes.append({"dataset": "orders", "write_id": name, "mode": "upsert", "rows": rows})
                writes.append({"dataset": "events", "write_id": name, "mode": "append", "rows": rows})
            target = targets[writer % servers]
            callers.append(stack.enter_context(caller(do="write", target=target, writes=writes)))
        receipts = [receipt for answers in together(*callers) for receipt in answers]
        with LakeClient(targets[-1]) as client:
            orders = client.read(ORDERS).read_all().to_pylist()
            events = client.read(EVENTS).read_all().to_pylist()
            described = {table: client.describe(table) for table in (ORDERS, EVENTS)}

    upserts = sorted(
        (receipt for receipt in receipts if receipt["table"]["dataset"] == "orders"),
        key=lambda receipt: int(receipt["table_version"]),
    )
    assert [receipt["table_version"] for receipt in upserts] == list(range(1, WRITERS * TURNS + 1))
    model: dict[int, int] = {}
    for receipt in upserts:
        writer, turn = (int(part.split("-")[1]) for part in receipt["write_id"].split("."))
        keys = [*range(10), 100 + turn, 1_000 * (writer + 1) + turn]
        known = sum(key in model for key in keys)
        model |= dict.fromkeys(keys, turn * WRITERS + writer)
        assert (receipt["rows_inserted"], receipt["rows_updated"]) == (len(keys) - known, known)
        assert receipt["total_rows"] == len(model)
    assert sorted((row["id"], row["value"]) for row in orders) == sorted(model.items())

    sent = Counter(
        (key, turn * WRITERS + writer)
        for writer in range(WRITERS)
        for turn in range(TURNS)
        for key in [*range(10), 100 + turn, 1_000 * (writer + 1) + turn]
    )
    assert Counter((row["id"], row["value"]) for row in events) == sent
    assert described[EVENTS].version == WRITERS * TURNS
    assert data_files(tmp_path / "lake" / "acme" / "events") == described[EVENTS].file_count
