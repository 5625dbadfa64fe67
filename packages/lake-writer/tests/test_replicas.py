"""Several lake writers behind one name, over one lake: calls are spread over them, and any of them gives the same
answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyarrow as pa
import pytest
import stamina

from weathervane.lake import BusyError, LakeClient, StaleCheckpointError, TableRef, WriteMode, WriteSpec
from weathervane.lake.server.delta import Table
from weathervane.lake.testing import running_lake

SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False)])


def write(lake: LakeClient, number: int, table: str = "orders") -> int:
    """Upserts one row under its own write id, as a source would; returns the table's version."""
    spec = WriteSpec(TableRef("acme", table), f"w{number}", WriteMode.UPSERT, SCHEMA, unique_keys=("id",))
    for attempt in stamina.retry_context(on=BusyError, attempts=20, timeout=60):
        with attempt:
            return lake.write(spec, [pa.record_batch([pa.array([number])], schema=SCHEMA)]).table_version
    raise AssertionError("unreachable")


@contextmanager
def together(*servers: LakeClient) -> Iterator[LakeClient]:
    """A client that knows all servers by one name."""
    with LakeClient("ipv4:" + ",".join(server.target for server in servers)) as lake:
        yield lake


def test_calls_are_shared_among_all_addresses(tmp_path: Path) -> None:
    """Each server has its own lake here, which shows which one was called."""
    folders = [tmp_path / name for name in "abc"]
    with ExitStack() as stack:
        servers = [stack.enter_context(running_lake(folder)) for folder in folders]
        lake = stack.enter_context(together(*servers))
        for number in range(200):  # the first calls go to whoever is connected by then
            write(lake, number, f"table_{number}")
            if all(any(folder.iterdir()) for folder in folders):
                return
    raise AssertionError(f"200 writes went to {[folder.name for folder in folders if any(folder.iterdir())]}")


def test_it_does_not_matter_who_answers(tmp_path: Path) -> None:
    """Each replica sees what the others have committed, and gives their receipt for a repeat."""
    lake_folder = tmp_path / "lake"
    with (
        running_lake(lake_folder) as first,
        running_lake(lake_folder) as second,
        together(first, second) as lake,
    ):
        versions = [write(lake, number) for number in range(8)]
        assert versions == sorted(set(versions))
        for replica in (first, second):
            assert [write(replica, number) for number in range(8)] == versions
            assert lake.read(TableRef("acme", "orders")).read_all().num_rows == 8


def test_a_replica_that_ends_takes_no_work_with_it(tmp_path: Path) -> None:
    """Its calls go to the others, over existing connections."""
    lake_folder = tmp_path / "lake"
    with running_lake(lake_folder) as stays, ExitStack() as rollout:
        leaves = rollout.enter_context(running_lake(lake_folder))
        with together(stays, leaves) as lake:
            for number in range(4):
                write(lake, number)
            rollout.close()
            for number in range(4, 8):
                write(lake, number)
            assert lake.read(TableRef("acme", "orders")).read_all().num_rows == 8


def test_a_run_that_adds_a_column_while_another_moves_the_checkpoint_is_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit of the new column is based on any version; the run's own must be refused."""
    wider = SCHEMA.append(pa.field("note", pa.string()))
    orders = TableRef("acme", "orders")
    with running_lake(tmp_path / "lake") as first, running_lake(tmp_path / "lake") as second:
        write(first, 1)
        add_columns = Table.add_columns

        def overtaken(table: Table, columns: Sequence[pa.Field]) -> None:
            """Lets the other replica commit between this one's check of the table and its new column."""
            monkeypatch.undo()
            newer = WriteSpec(orders, "newer", WriteMode.UPSERT, SCHEMA, unique_keys=("id",))
            second.write(newer, [], checkpoint="further")
            add_columns(table, columns)

        monkeypatch.setattr(Table, "add_columns", overtaken)
        stale = WriteSpec(
            orders, "stale", WriteMode.UPSERT, wider, unique_keys=("id",), check_checkpoint=True
        )
        with pytest.raises(StaleCheckpointError):
            first.write(stale, [pa.record_batch([[2], ["old"]], schema=wider)], checkpoint="behind")
        assert second.checkpoint(orders).value == "further"
        assert second.read(orders, columns=["id"]).read_all().to_pylist() == [{"id": 1}]
