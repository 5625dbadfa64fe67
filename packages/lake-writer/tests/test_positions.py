"""Each partition of a table has a position of its own: it moves with the rows, and no other's write moves it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from weathervane.lake import (
    CorruptedError,
    InvalidNameError,
    LakeClient,
    RejectedError,
    StaleCheckpointError,
    TableRef,
    WriteSpec,
)
from weathervane.lake.server import LakeSettings
from weathervane.lake.testing import running_lake
from weathervane.lake.v1 import lake_writer_pb2 as pb

from .writer_process import batch, spec

ORDERS = TableRef("acme", "orders")


def of(partition: str, write_id: str, expected: str | None = None) -> WriteSpec:
    """A header of a run that has read this position of a partition."""
    header = spec("orders", write_id)
    return replace(header, partition=partition, check_checkpoint=True, expected_checkpoint=expected)


def test_partitions_do_not_refuse_each_other(lake: LakeClient) -> None:
    """Two partitions begin together and commit one after the other; neither is stale, and both positions are told."""
    assert lake.positions(ORDERS) == {}
    with lake.begin(of("act_1", "one")) as one, lake.begin(of("act_2", "two")) as two:
        one.rows(batch([[1, 1]]))
        two.rows(batch([[2, 2]]))
        assert one.commit(checkpoint="a-1").checkpoint == "a-1"
        assert two.commit(checkpoint="b-1").checkpoint == "b-1"
    lake.write(of("act_1", "three", "a-1"), [batch([[3, 3]])], checkpoint="a-2")
    assert lake.positions(ORDERS) == {"act_1": "a-2", "act_2": "b-1"}
    assert lake.checkpoint(ORDERS).value is None
    with pytest.raises(StaleCheckpointError, match="partition act_1 is at 'a-2'"):
        lake.begin(of("act_1", "four", "a-1"))


def test_the_tables_own_checkpoint_and_the_positions_stand_apart(lake: LakeClient) -> None:
    """An older client goes on as it is, beside a newer one."""
    lake.write(spec("orders", "old-1"), [batch([[1, 1]])], checkpoint="all-1")
    lake.write(of("act_1", "new-1"), [batch([[2, 2]])], checkpoint="a-1")
    whole = replace(spec("orders", "old-2"), check_checkpoint=True, expected_checkpoint="all-1")
    assert lake.write(whole, [batch([[3, 3]])], checkpoint="all-2").checkpoint == "all-2"
    assert lake.checkpoint(ORDERS).value == lake.describe(ORDERS).checkpoint == "all-2"
    assert lake.positions(ORDERS) == {"act_1": "a-1"}


def test_a_partition_without_a_position_is_not_listed(lake: LakeClient) -> None:
    """A write that sets no checkpoint moves nothing."""
    assert lake.write(of("act_1", "one"), [batch([[1, 1]])]).checkpoint is None
    assert lake.positions(ORDERS) == {}


def test_positions_are_listed_by_name_over_pages_and_log_checkpoints(tmp_path: Path) -> None:
    """Asked of a server that has just started: all is in the table."""
    names = [
        f"shop-{number:03}.example/{'x' * 30}" for number in range(LakeSettings.log_checkpoint_interval + 5)
    ]
    with running_lake(tmp_path) as lake:
        for number, name in enumerate(names):
            lake.write(of(name, f"write-{number}"), [], checkpoint=f"at {name}")
    with running_lake(tmp_path) as lake:
        assert list(lake.positions(ORDERS).items()) == [(name, f"at {name}") for name in names]
        request = pb.ListPositionsRequest(table=pb.TableRef(tenant="acme", dataset="orders"), page_size=40)
        found = []
        while True:
            response = lake._stub.ListPositions(request)
            assert len(response.positions) <= 40
            found += [position.partition for position in response.positions]
            if not response.next_page_token:
                break
            request.page_token = response.next_page_token
        assert found == names


def test_partitions_that_write_side_by_side_lose_no_position(lake: LakeClient) -> None:
    """Each of eight moves its position twenty times, all at once; the table has every row and every last position."""

    def run(name: str) -> None:
        last = None
        for step in range(20):
            row = [int(name) * 100 + step, step]
            lake.write(of(name, f"{name}-{step}", last), [batch([row])], checkpoint=f"{step}")
            last = f"{step}"

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(run, "12345678"))
    assert lake.positions(ORDERS) == dict.fromkeys("12345678", "19")
    assert lake.read(ORDERS).read_all().num_rows == 160


def test_the_partition_belongs_to_what_a_write_id_stands_for(lake: LakeClient) -> None:
    """Else another partition's rows would be taken for a repeat, and its position never move."""
    lake.write(of("act_1", "same"), [batch([[1, 1]])], checkpoint="1")
    assert lake.write(of("act_1", "same"), [batch([[1, 1]])], checkpoint="1").repeat
    for other in ("act_2", ""):
        with pytest.raises(RejectedError, match="with other partition"):
            lake.write(replace(spec("orders", "same"), partition=other), [batch([[1, 1]])], checkpoint="1")


def test_a_write_of_a_server_before_partitions_was_the_whole_tables(lake: LakeClient, tmp_path: Path) -> None:
    """Its note says nothing of partitions; the same id for one of them is another write."""
    lake.write(spec("orders", "same"), [batch([[1, 1]])], checkpoint="1")

    def older(info: dict[str, Any]) -> None:
        info.pop("partition")

    rewrite(tmp_path / "lake", 1, older)
    assert lake.write(spec("orders", "same"), [batch([[1, 1]])], checkpoint="1").repeat
    with pytest.raises(RejectedError, match="with other partition"):
        lake.write(replace(spec("orders", "same"), partition="act_1"), [batch([[1, 1]])], checkpoint="1")


@pytest.mark.parametrize("name", ["a b", "x" * 129, "ü", "a\nb", '"'])
def test_what_is_no_partition_is_refused(lake: LakeClient, raw: Any, name: str) -> None:
    """By the client before anything is sent, and by the server."""
    with pytest.raises(InvalidNameError, match="partition"):
        of(name, "one")
    refusal = raw.refusal(
        raw.header(batch([[1, 1]]).schema, partition=name, required_features=["partitions"])
    )
    assert "BAD_NAME" in str(refusal.trailing_metadata())


def test_a_header_that_needs_what_this_server_does_not_know_is_refused(lake: LakeClient, raw: Any) -> None:
    """And one that it knows is acknowledged."""
    refusal = raw.refusal(raw.header(batch([[1, 1]]).schema, required_features=["partitions", "telepathy"]))
    assert "UNKNOWN_FEATURE" in str(refusal.trailing_metadata())
    assert "telepathy" in refusal.details()


def test_an_older_server_is_not_given_rows_of_a_partition(
    lake: LakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would move the whole table's checkpoint; one that leaves the features out is such a server."""
    import weathervane.lake.server.service as service

    acknowledge = service._acknowledge
    monkeypatch.setattr(service, "_acknowledge", lambda *given: acknowledge(*given[:2]))
    with pytest.raises(RejectedError, match="knows no partitions") as caught:
        lake.write(of("act_1", "one"), [batch([[1, 1]])], checkpoint="1")
    assert caught.value.reason == "UNKNOWN_FEATURE"
    assert lake.checkpoint(ORDERS).value is None
    assert not list(lake.tables("acme"))


def test_a_restore_takes_positions_back_with_the_rows(lake: LakeClient, tmp_path: Path) -> None:
    """Of a partition that is new since, too."""
    lake.write(of("act_1", "one"), [batch([[1, 1]])], checkpoint="a-1")
    lake.write(of("act_1", "two", "a-1"), [batch([[2, 2]])], checkpoint="a-2")
    lake.write(of("act_2", "three"), [batch([[3, 3]])], checkpoint="b-1")
    DeltaTable(str(tmp_path / "lake/acme/orders")).restore(1)
    assert lake.positions(ORDERS) == {"act_1": "a-1"}
    lake.write(of("act_3", "four"), [batch([[4, 4]])], checkpoint="c-1")
    lake.write(of("act_2", "five"), [batch([[3, 3]])], checkpoint="b-1")
    assert lake.positions(ORDERS) == {"act_1": "a-1", "act_2": "b-1", "act_3": "c-1"}


@pytest.mark.parametrize(
    ("version", "damage"),
    [
        (1, lambda info: info.pop("partitions")),
        (1, lambda info: info.update(partitions=[1])),
        (2, lambda info: info.pop("checkpoint")),
    ],
    ids=["no list", "no names", "no checkpoint"],
)
def test_a_position_that_cannot_be_read_is_damage_and_never_no_position(
    tmp_path: Path, version: int, damage: Callable[[dict[str, Any]], None]
) -> None:
    """An empty answer would begin that account anew, or forget it."""
    with running_lake(tmp_path) as lake:
        lake.write(of("act_1", "one"), [batch([[1, 1]])], checkpoint="a-1")
        lake.write(of("act_1", "two", "a-1"), [batch([[2, 2]])], checkpoint="a-2")
    rewrite(tmp_path, version, damage)
    with running_lake(tmp_path) as lake, pytest.raises(CorruptedError):
        lake.positions(ORDERS)


def test_a_table_that_is_gone_has_no_positions(lake: LakeClient, tmp_path: Path) -> None:
    """As it has no checkpoint: somebody moved the folder aside so that it is filled anew."""
    lake.write(of("act_1", "one"), [batch([[1, 1]])], checkpoint="a-1")
    shutil.rmtree(tmp_path / "lake/acme/orders")
    assert lake.positions(ORDERS) == {}
    response = lake._stub.ListPositions(
        pb.ListPositionsRequest(table=pb.TableRef(tenant="acme", dataset="orders"))
    )
    assert response.table_version == -1


def rewrite(lake: Path, version: int, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes the note in a commit file."""
    path = lake / "acme/orders/_delta_log" / f"{version:020}.json"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        if "commitInfo" in line:
            note = json.loads(line["commitInfo"]["weathervane.commit"])
            change(note)
            line["commitInfo"]["weathervane.commit"] = json.dumps(note)
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
