"""In no call is the name of a tenant or dataset taken for a path, a URL or the prefix of another tenant."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
import pytest

from weathervane.lake import InvalidNameError, LakeClient, TableRef, WriteMode, WriteSpec
from weathervane.lake.testing import running_lake
from weathervane.lake.v1 import lake_maintenance_pb2 as maintenance
from weathervane.lake.v1 import lake_writer_pb2 as pb

SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False)])
HOSTILE = [
    "", ".", "..", "../acme", "/etc", "/", "acme/../other", "acme/orders", "acme\\orders", "C:\\acme", "~",
    "file:///etc/x", "s3://bucket/x", "acme\x00", "acme\n", "\nacme", "acme ", " acme", "Acme", "ACME", "1acme",
    "_acme", "acme-eu", "acme.eu", "acme%2f..", "%2e%2e", "acmé", "\uff41\uff43\uff4d\uff45",
    "ac\u202eme", "ac\u200bme", "\u0430cme",
    "a" * 64, "a" * 5_000, "acme;rm -rf", "$(id)", "acme?x", "acme#x", "*", "acme,b", "_delta_log", "\u0130", "\u017f",
]  # fmt: skip
CALLS: dict[str, Callable[[Any, pb.TableRef], Any]] = {
    "Write": lambda raw, table: raw.send(raw.header(SCHEMA, table=table), raw.commit(rows=0)),
    "GetWrite": lambda raw, table: raw.stub.GetWrite(pb.GetWriteRequest(table=table, write_id="w")),
    "DescribeTable": lambda raw, table: raw.stub.DescribeTable(pb.DescribeTableRequest(table=table)),
    "GetCheckpoint": lambda raw, table: raw.stub.GetCheckpoint(pb.GetCheckpointRequest(table=table)),
    "ListPositions": lambda raw, table: raw.stub.ListPositions(pb.ListPositionsRequest(table=table)),
    "ReadTable": lambda raw, table: list(raw.stub.ReadTable(pb.ReadTableRequest(table=table))),
    "ListTables": lambda raw, table: raw.stub.ListTables(pb.ListTablesRequest(tenant=table.tenant)),
    "CompactTable": lambda raw, table: raw.maintenance.CompactTable(
        maintenance.CompactTableRequest(table=table)
    ),
    "VacuumTable": lambda raw, table: raw.maintenance.VacuumTable(
        maintenance.VacuumTableRequest(table=table)
    ),
}


def write(lake: LakeClient, tenant: str, dataset: str = "orders") -> None:
    """Creates a table with one row."""
    spec = WriteSpec(TableRef(tenant, dataset), "w", WriteMode.UPSERT, SCHEMA, unique_keys=("id",))
    lake.write(spec, [pa.record_batch([pa.array([1])], schema=SCHEMA)])


def everything(folder: Path) -> set[Path]:
    """All files and folders below a folder."""
    return set(folder.rglob("*"))


def test_the_table_of_calls_is_the_service() -> None:
    """A new call must be added to this test."""
    services = [
        *pb.DESCRIPTOR.services_by_name.values(),
        *maintenance.DESCRIPTOR.services_by_name.values(),
    ]
    # The only call that takes no name.
    assert {*CALLS, "ListTenants"} == {method.name for service in services for method in service.methods}


@pytest.mark.parametrize("call", CALLS)
def test_no_call_takes_a_hostile_name(call: str, raw: Any, tmp_path: Path) -> None:
    """Each call answers INVALID_ARGUMENT before anything is opened or created."""
    before = everything(tmp_path)
    for name in HOSTILE:
        for table in (pb.TableRef(tenant=name, dataset="orders"), pb.TableRef(tenant="acme", dataset=name)):
            if call == "ListTables" and table.tenant == "acme":
                continue
            with pytest.raises(grpc.RpcError) as caught:
                CALLS[call](raw, table)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT, (name, caught.value.details())
            assert repr(name[:80]) in str(caught.value.details())
    assert everything(tmp_path) == before


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: f"{ascii(name)[:20]} {len(name)}")
def test_a_hostile_name_does_not_even_become_a_table_ref(name: str) -> None:
    """So code that has a TableRef need not check its names."""
    with pytest.raises(InvalidNameError, match="use 1-63 characters"):
        TableRef(name, "orders")
    with pytest.raises(InvalidNameError, match="use 1-63 characters"):
        TableRef("acme", name)


@pytest.mark.parametrize("write_id", ["", "a b", "a/b", "é", "a\n", "x" * 129, "../x", "a\x00"], ids=ascii)
def test_a_hostile_write_id_is_refused(write_id: str, raw: Any) -> None:
    """A write id is kept in the table's log."""
    refusal = raw.refusal(raw.header(SCHEMA, write_id=write_id))
    assert (refusal.code(), "write id" in refusal.details()) == (grpc.StatusCode.INVALID_ARGUMENT, True)
    with pytest.raises(grpc.RpcError, match="write id"):
        raw.stub.GetWrite(pb.GetWriteRequest(table=pb.TableRef(tenant="a", dataset="b"), write_id=write_id))


@pytest.mark.parametrize("link", ["acme", "acme/orders"])
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_symbolic_link_does_not_lead_out_of_the_lake(
    link: str, scheme: str, speak: Callable[[str], Any], tmp_path: Path
) -> None:
    """If a tenant's or table's folder is a symbolic link, every call refuses it, and nothing is read or written behind
    it.
    """
    outside = tmp_path / "outside"
    with running_lake(outside) as elsewhere:
        write(elsewhere, "acme")
    target = outside / link
    place = tmp_path / "lake" / link
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)
    before = everything(outside)
    table = pb.TableRef(tenant="acme", dataset="orders")
    with running_lake(f"{scheme}{tmp_path / 'lake'}") as lake, ExitStack() as stack:
        raw = speak(lake.target)
        stack.enter_context(raw.channel)
        for name in sorted(CALLS.keys() - {"ListTables"}):
            with pytest.raises(
                grpc.RpcError, match=r"acme/orders: the table's folder leads out of the lake"
            ) as caught:
                CALLS[name](raw, table)
            assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION, name
        assert list(CALLS["ListTables"](raw, table).tables) == []
    assert everything(outside) == before


def test_a_lake_may_itself_stand_behind_a_link(tmp_path: Path) -> None:
    """Only links within the lake are refused."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with running_lake(tmp_path / "link") as lake:
        write(lake, "acme")
        assert list(lake.tables("acme")) == [TableRef("acme", "orders")]


def test_a_tenant_is_not_the_prefix_of_another(lake: LakeClient, tmp_path: Path) -> None:
    """`acme` never lists, reads or counts what belongs to `acme_eu`."""
    write(lake, "acme_eu")
    write(lake, "acme", "orders_eu")
    assert list(lake.tables("acme")) == [TableRef("acme", "orders_eu")]
    assert list(lake.tables("acme_eu")) == [TableRef("acme_eu", "orders")]
    assert list(lake.tables("acm")) == []
    assert lake.checkpoint(TableRef("acme", "orders")).table_version == -1


@pytest.mark.parametrize("dataset", ["orders_quarantine", "o" * 53])
def test_the_lakes_own_tables_cannot_be_written(dataset: str, raw: Any) -> None:
    """A quarantine cannot be written by its name, nor a dataset whose quarantine's name would be too long."""
    refusal = raw.refusal(raw.header(SCHEMA, table=pb.TableRef(tenant="acme", dataset=dataset)))
    assert refusal.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "at most 52 characters and does not end in '_quarantine'" in refusal.details()


def test_what_else_lies_in_the_lakes_folder_is_no_table(lake: LakeClient, tmp_path: Path) -> None:
    """Files, empty folders and folders with other names are not listed."""
    write(lake, "acme")
    folder = tmp_path / "lake" / "acme"
    (folder / "notes.txt").write_text("x")
    (folder / "empty").mkdir()
    (folder / "Capital").mkdir()
    (folder / "orders-copy").mkdir()
    assert list(lake.tables("acme")) == [TableRef("acme", "orders")]
