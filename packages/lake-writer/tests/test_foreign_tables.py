"""A table that another tool changed is either refused, with the change named, or fully supported."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pytest
from deltalake import DeltaTable, TableFeatures, write_deltalake

from weathervane.lake import (
    ColumnRange,
    CorruptedError,
    LakeClient,
    MaintenanceClient,
    RejectedError,
    ReplaceWindow,
    TableRef,
    WriteMode,
    WriteSpec,
)
from weathervane.lake.testing import running_lake

from .test_exactly_once import values
from .writer_process import SCHEMA, batch, spec

ORDERS = TableRef("acme", "orders")


@pytest.fixture
def upkeep(lake: LakeClient) -> Iterator[MaintenanceClient]:
    """A client for the lake's upkeep."""
    with MaintenanceClient(lake.target) as client:
        yield client


def with_property(name: str, value: str) -> Callable[[Path], None]:
    """Sets a table property."""
    return lambda folder: DeltaTable(folder).alter.set_table_properties({name: value})


def with_feature(name: str) -> Callable[[Path], None]:
    """Turns a table feature on with deltalake."""
    feature = getattr(TableFeatures, name)
    return lambda folder: DeltaTable(folder).alter.add_feature(feature, allow_protocol_versions_increase=True)


def with_log(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    """Changes the metadata or protocol in the first commit file, as tools would that are not installed here."""

    def changed(folder: Path) -> None:
        first = folder / "_delta_log" / f"{0:020d}.json"
        actions = [json.loads(line) for line in first.read_text().splitlines()]
        for action in actions:
            change(action)
        first.write_text("".join(json.dumps(action) + "\n" for action in actions))

    return changed


def protocol(reader: int, writer: int, *features: str) -> Callable[[Path], None]:
    """Another protocol version, with these features for versions that list them."""

    def change(action: dict[str, Any]) -> None:
        if "protocol" in action:
            action["protocol"] = {"minReaderVersion": reader, "minWriterVersion": writer}
            if writer == 7:
                action["protocol"]["writerFeatures"] = list(features)
            if reader == 3:
                action["protocol"]["readerFeatures"] = list(features)

    return with_log(change)


def column_metadata(key: str, value: Any) -> Callable[[Path], None]:
    """Metadata of a column."""

    def change(action: dict[str, Any]) -> None:
        if "metaData" in action:
            schema = json.loads(action["metaData"]["schemaString"])
            schema["fields"][0]["metadata"][key] = value
            action["metaData"]["schemaString"] = json.dumps(schema)

    return with_log(change)


def nested_invariant(action: dict[str, Any]) -> None:
    """One more column, with an invariant of a field in its list of structs."""
    if "metaData" in action:
        schema = json.loads(action["metaData"]["schemaString"])
        inner = {"name": "n", "type": "long", "nullable": True, "metadata": {"delta.invariants": "{}"}}
        items = {"type": "array", "elementType": {"type": "struct", "fields": [inner]}, "containsNull": True}
        schema["fields"].append({"name": "items", "type": items, "nullable": True, "metadata": {}})
        action["metaData"]["schemaString"] = json.dumps(schema)


def partitioned(folder: Path) -> None:
    """Replaces the table by one that is partitioned by its key."""
    whole = DeltaTable(folder)
    write_deltalake(
        folder, whole.to_pyarrow_table(), partition_by=["id"], mode="overwrite", schema_mode="overwrite"
    )


FOREIGN: dict[str, tuple[Callable[[Path], None], str]] = {
    "append only": (with_property("delta.appendOnly", "true"), "append-only"),
    "change data": (with_property("delta.enableChangeDataFeed", "true"), "a change data feed"),
    "deletion vectors": (with_property("delta.enableDeletionVectors", "true"), "deletion vectors"),
    "a constraint": (lambda folder: DeltaTable(folder).alter.add_constraint({"big": "id >= 0"}), r"CHECK .*\(big\)"),
    "partitions": (partitioned, "partitioned by id"),
    "generated": (column_metadata("delta.generationExpression", "1"), "delta.generationExpression of column id"),
    "identity": (column_metadata("delta.identity.start", 1), "delta.identity.start of column id"),
    "invariant": (column_metadata("delta.invariants", "{}"), "delta.invariants of column id"),
    "invariant within": (with_log(nested_invariant), "delta.invariants of column n"),
    "default": (column_metadata("CURRENT_DEFAULT", "1"), "CURRENT_DEFAULT of column id"),
    "writer 3": (protocol(1, 3), "CHECK constraints"),
    "writer 4": (protocol(1, 4), "generated columns"),
    "reader 2": (protocol(2, 5), "column mapping"),
    "writer 6": (protocol(1, 6), "not known here"),
    "reader 9": (protocol(9, 9), "Unsupported minimum reader version 9"),
    "an unknown feature": (protocol(3, 7, "fancy"), "'fancy' is not supported"),
    **{
        name: (protocol(1, 7, name), f"table features {name}")
        for name in ("clustering", "allowColumnDefaults", "inCommitTimestamp", "rowTracking", "domainMetadata")
    },
    **{name: (protocol(3, 7, name), f"table features {name}") for name in ("typeWidening", "vacuumProtocolCheck")},
    "TimestampNanos": (protocol(3, 7, "timestampNanos", "timestampNtz"), "timestampNanos"),
    **{
        name: (with_feature(name), "table features ")
        for name in sorted(name for name in vars(TableFeatures) if name[0].isupper() and name != "TimestampNanos")
    },
}  # fmt: skip


@pytest.mark.parametrize(("change", "told"), FOREIGN.values(), ids=FOREIGN)
def test_a_feature_that_is_not_ours_is_refused_by_name(
    lake: LakeClient, upkeep: MaintenanceClient, tmp_path: Path, change: Callable[[Path], None], told: str
) -> None:
    """Reads, writes, questions and upkeep fail with an error that is not retriable, and the table is not changed."""
    lake.write(spec("orders", "first"), [batch([[1, 1]])], checkpoint="c-1")
    folder = tmp_path / "lake" / "acme" / "orders"
    change(folder)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    calls: tuple[Callable[[], Any], ...] = (
        lambda: lake.write(spec("orders", "second"), [batch([[2, 2]])]),
        lambda: lake.read(ORDERS).read_all(),
        lambda: lake.describe(ORDERS),
        lambda: lake.checkpoint(ORDERS),
        lambda: lake.get_write(ORDERS, "first"),
        lambda: upkeep.compact(ORDERS),
        lambda: upkeep.vacuum(ORDERS, dry_run=True),
    )
    for call in calls:
        with pytest.raises(RejectedError, match=told) as caught:
            call()
        assert (caught.value.reason, caught.value.retriable) == ("TABLE_FEATURE", False)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before


def test_settings_that_change_no_meaning_are_their_owners(lake: LakeClient, tmp_path: Path) -> None:
    """Operators may set how long files are kept and how large they are; an older protocol is plain."""
    lake.write(spec("orders", "first"), [batch([[1, 1]])])
    folder = tmp_path / "lake" / "acme" / "orders"
    DeltaTable(folder).alter.set_table_properties(
        {"delta.deletedFileRetentionDuration": "interval 3 days", "delta.appendOnly": "false"}
    )
    protocol(1, 1)(folder)
    lake.write(spec("orders", "second"), [batch([[2, 2]])])
    assert values(lake) == [(1, 1), (2, 2)]


def test_a_restore_takes_receipts_and_the_checkpoint_back_too(tmp_path: Path) -> None:
    """The retry of a write that was undone writes its rows again, and a run begins at the checkpoint of the restored
    version.
    """
    root = tmp_path / "lake"
    root.mkdir()
    folder, written = root / "acme" / "orders", []
    with running_lake(root) as lake:
        for number in (1, 2, 3):
            receipt = lake.write(
                spec("orders", f"w{number}"), [batch([[number, number]])], checkpoint=f"c-{number}"
            )
            written.append(lake.describe(ORDERS).last_write_at)
        DeltaTable(folder).restore(receipt.table_version - 1)
        assert values(lake) == [(1, 1), (2, 2)]
        assert lake.describe(ORDERS).last_write_at == written[1]
        assert lake.checkpoint(ORDERS).value == "c-2"
        again = lake.write(spec("orders", "w3"), [batch([[3, 3]])], checkpoint="c-3")
        assert (again.repeat, again.rows_inserted) == (False, 1)
        assert values(lake) == [(1, 1), (2, 2), (3, 3)]
        assert lake.write(spec("orders", "w3"), [batch([[3, 3]])], checkpoint="c-3").repeat
        assert lake.write(spec("orders", "w1"), [batch([[1, 1]])], checkpoint="c-1").repeat
        # Forth and back: what lies between two restores is no longer the table's past.
        DeltaTable(folder).restore(receipt.table_version)
        assert (values(lake), lake.checkpoint(ORDERS).value) == ([(1, 1), (2, 2), (3, 3)], "c-3")
        DeltaTable(folder).restore(receipt.table_version - 2)
        assert (values(lake), lake.checkpoint(ORDERS).value) == ([(1, 1)], "c-1")
        assert not lake.write(spec("orders", "w2"), [batch([[2, 2]])], checkpoint="c-2").repeat


@pytest.mark.parametrize("how", ["overwrite", "create"])
def test_a_table_that_was_written_anew_is_refused_by_name(lake: LakeClient, tmp_path: Path, how: str) -> None:
    """Its receipts and checkpoint belong to rows that are gone, so a repeat or a new run would lose rows."""
    lake.write(spec("orders", "w1"), [batch([[1, 1]])], checkpoint="c-1")
    folder = tmp_path / "lake" / "acme" / "orders"
    version = DeltaTable(folder).version()
    if how == "create":
        DeltaTable.create(str(folder), SCHEMA, mode="overwrite")
    else:
        write_deltalake(folder, pa.table([[7], [7]], schema=SCHEMA), mode="overwrite")
    for call in (
        lambda: lake.checkpoint(ORDERS),
        lambda: lake.write(spec("orders", "w1"), [batch([[1, 1]])]),
    ):
        with pytest.raises(RejectedError, match="wrote the whole table anew") as caught:
            call()
        assert caught.value.reason == "TABLE_FEATURE"
    DeltaTable(folder).restore(version)
    assert (values(lake), lake.checkpoint(ORDERS).value) == ([(1, 1)], "c-1")


def test_a_file_by_a_name_that_is_none_of_ours_is_refused_and_never_vacuumed(
    lake: LakeClient, upkeep: MaintenanceClient, tmp_path: Path
) -> None:
    """Delta's log encodes such names, while a listing of the folder does not, so they would not match."""
    lake.write(spec("orders", "w1"), [batch([[1, 1]])])
    folder = tmp_path / "lake" / "acme" / "orders"
    (file,) = folder.glob("*.parquet")
    moved = file.rename(folder / "my file=\u00fc.parquet")
    for log in (folder / "_delta_log").glob("*.json"):
        log.write_text(log.read_text().replace(file.name, quote(moved.name)))
    assert DeltaTable(folder).to_pyarrow_table().num_rows == 1
    for call in (lambda: lake.read(ORDERS), lambda: upkeep.vacuum(ORDERS)):
        with pytest.raises(RejectedError, match="a data file is called my%20file"):
            call()
    assert moved.exists()


def test_a_restore_to_a_time_is_refused_by_name(lake: LakeClient, tmp_path: Path) -> None:
    """It does not say which writes it undid; after another RESTORE to a version the table works again."""
    lake.write(spec("orders", "w1"), [batch([[1, 1]])], checkpoint="c-1")
    folder = tmp_path / "lake" / "acme" / "orders"
    version = DeltaTable(folder).version()
    lake.write(spec("orders", "w2"), [batch([[2, 2]])], checkpoint="c-2")
    DeltaTable(folder).restore(version)
    log = folder / "_delta_log" / f"{version + 2:020d}.json"
    log.write_text(log.read_text().replace(f'"version":"{version}"', '"datetime":"1796092375395"'))
    with pytest.raises(RejectedError, match="restored the table to a time") as caught:
        lake.checkpoint(ORDERS)
    assert caught.value.reason == "TABLE_FEATURE"
    DeltaTable(folder).restore(version)
    assert lake.checkpoint(ORDERS).value == "c-1"


def test_data_files_without_a_log_are_no_new_table(tmp_path: Path) -> None:
    """It is neither reported as having no checkpoint, nor created anew over the old files."""
    root = tmp_path / "lake"
    root.mkdir()
    with running_lake(root) as lake:
        lake.write(spec("orders", "first"), [batch([[1, 1]])], checkpoint="c-1")
        for path in (root / "acme" / "orders" / "_delta_log").iterdir():
            path.unlink()
        (root / "acme" / "orders" / "_delta_log").rmdir()
        for call in (lambda: lake.checkpoint(ORDERS), lambda: lake.write(spec("orders", "second"), [])):
            with pytest.raises(CorruptedError, match="data files, but the log is gone") as caught:
                call()
            assert (caught.value.reason, caught.value.retriable) == ("DAMAGED_TABLE", False)
        assert lake.checkpoint(TableRef("acme", "another")).value is None


@pytest.mark.parametrize("cut", [0, 1, 2], ids=["empty", "half", "footer"])
def test_a_data_file_that_was_cut_is_named(tmp_path: Path, cut: int) -> None:
    """The error is not retriable, for a read, an upsert that reads the file, a window, and compaction."""
    root = tmp_path / "lake"
    root.mkdir()
    with running_lake(root, target_file_rows=2) as lake:
        lake.write(spec("orders", "first"), [batch([[number, 0] for number in range(8)])])
    with (
        running_lake(root) as lake,
        MaintenanceClient(lake.target) as upkeep,
    ):
        path = min((root / "acme" / "orders").glob("*.parquet"))
        torn = path.name
        whole = path.read_bytes()
        path.write_bytes(whole[: (0, len(whole) // 2, len(whole) - 4)[cut]])
        window = WriteSpec(
            ORDERS,
            "window",
            WriteMode.REPLACE_WINDOW,
            SCHEMA,
            ("id",),
            cluster_by="id",
            window=ReplaceWindow((ColumnRange("id", "0", "7"),)),
        )
        calls: tuple[Callable[[], Any], ...] = (
            lambda: lake.read(ORDERS).read_all(),
            lambda: lake.write(spec("orders", "second"), [batch([[number, 1] for number in range(8)])]),
            lambda: lake.write(window, []),
            lambda: upkeep.compact(ORDERS),
        )
        for call in calls:
            with pytest.raises(CorruptedError, match=f"the data file {torn}.* cut or damaged") as caught:
                call()
            assert caught.value.reason == "DAMAGED_TABLE"


def test_a_torn_log_checkpoint_is_named_and_can_be_removed(tmp_path: Path) -> None:
    """The message says what to do, and doing it loses nothing."""
    with running_lake(tmp_path / "lake", log_checkpoint_interval=3) as lake:
        for number in range(4):
            lake.write(spec("orders", f"w{number}"), [batch([[number, number]])], checkpoint=f"c-{number}")
        log = tmp_path / "lake" / "acme" / "orders" / "_delta_log"
        (torn,) = log.glob("*.checkpoint.parquet")
        torn.write_bytes(torn.read_bytes()[:100])
        with pytest.raises(
            CorruptedError, match=rf"_delta_log/{torn.name} cannot be read; to restore the table remove it"
        ) as caught:
            lake.checkpoint(ORDERS)
        assert caught.value.reason == "DAMAGED_TABLE"
        torn.unlink()
        with pytest.raises(CorruptedError, match="remove it and _delta_log/_last_checkpoint"):
            lake.checkpoint(ORDERS)
        (log / "_last_checkpoint").unlink()
        assert lake.checkpoint(ORDERS).value == "c-3"
        assert values(lake) == [(number, number) for number in range(4)]


def test_a_member_without_its_key_is_refused(lake: LakeClient) -> None:
    """It names no row. The error blames the write and not the storage."""
    schema = pa.schema(
        [pa.field("parent", pa.string()), pa.field("id", pa.string()), pa.field("n", pa.int64())]
    )
    window = WriteSpec(
        ORDERS,
        "w1",
        WriteMode.REPLACE_WINDOW,
        schema,
        ("parent", "id"),
        cluster_by="parent",
        window=ReplaceWindow((), ("parent",)),
    )
    with lake.begin(window) as upload:
        upload.rows(pa.record_batch({"parent": ["p"], "id": ["a"], "n": [1]}, schema=schema))
        upload.members(pa.record_batch({"parent": pa.array(["p", None], pa.string())}))
        with pytest.raises(RejectedError, match="1 rows have NULL in key 'parent'") as caught:
            upload.commit()
    assert caught.value.reason == "NULL_KEY"


def test_a_log_that_contradicts_itself_is_damage(lake: LakeClient, tmp_path: Path) -> None:
    """The ValueError that deltalake raises for it must not blame the caller, and a retry does not help."""

    def partition(action: dict[str, Any]) -> None:
        if "metaData" in action:
            action["metaData"]["partitionColumns"] = ["id"]

    lake.write(spec("orders", "first"), [batch([[1, 1]])])
    with_log(partition)(tmp_path / "lake" / "acme" / "orders")
    with pytest.raises(CorruptedError, match="the table's log is damaged") as caught:
        lake.checkpoint(ORDERS)
    assert caught.value.reason == "DAMAGED_TABLE"


def test_our_own_tables_are_plain_for_other_writers_too(lake: LakeClient, tmp_path: Path) -> None:
    """A row that deltalake has appended is read like any other."""
    lake.write(spec("orders", "first"), [batch([[1, 1]])])
    write_deltalake(tmp_path / "lake" / "acme" / "orders", pa.table([[2], [2]], schema=SCHEMA), mode="append")
    assert values(lake) == [(1, 1), (2, 2)]


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.int64()), pa.struct([pa.field("n", pa.int64())])], ids=["list", "struct"]
)
def test_a_version_without_an_order_is_refused_by_name(lake: LakeClient, kind: pa.DataType) -> None:
    """At the header, before any row, and not as ROWS_NOT_WORKABLE."""
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("version", kind)])
    with pytest.raises(RejectedError, match=r"'version' is .* which has no order") as caught:
        lake.write(WriteSpec(ORDERS, "w", WriteMode.UPSERT, schema, ("id",), None, "version"), [])
    assert caught.value.reason == "BAD_KEYS"
