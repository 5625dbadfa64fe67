"""What a write must send to be committed, and what its receipt says: every row is accounted for."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weathervane.lake import (
    QUARANTINE_SCHEMA,
    BusyError,
    ColumnRange,
    ControlTotal,
    CorruptedError,
    LakeClient,
    RejectedError,
    ReplaceWindow,
    StaleCheckpointError,
    TableRef,
    WriteMode,
    WriteSpec,
)
from weathervane.lake.server.delta import Table
from weathervane.lake.testing import running_lake
from weathervane.lake.v1 import lake_writer_pb2 as pb

ORDERS = TableRef("acme", "orders")
SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("note", pa.string())])


def batch(rows: list[dict[str, Any]], schema: pa.Schema = SCHEMA) -> pa.RecordBatch:
    """Rows as a batch."""
    return pa.RecordBatch.from_pylist(rows, schema=schema)


def upsert(
    lake: LakeClient, write_id: str, rows: list[dict[str, Any]], schema: pa.Schema = SCHEMA, **how: Any
) -> Any:
    """Upserts rows into `acme/orders`."""
    spec = WriteSpec(ORDERS, write_id, WriteMode.UPSERT, schema, **{"unique_keys": ("id",), **how})
    return lake.write(spec, [batch(rows, schema)])


def content(lake: LakeClient, table: TableRef = ORDERS) -> list[dict[str, Any]]:
    """The table's rows by id."""
    rows: list[dict[str, Any]] = lake.read(table).read_all().to_pylist()
    return sorted(rows, key=lambda row: str(row.get("id")))


# Five frames of two rows each, and what may happen to them on the way.
FRAMES = [batch([{"id": 2 * n, "note": "a"}, {"id": 2 * n + 1, "note": "b"}]) for n in range(5)]


def renumbered(frames: list[pb.WriteRequest]) -> list[pb.WriteRequest]:
    """The same frames, with sequence numbers as a careless relay would assign them."""
    for number, request in enumerate(frames):
        request.frame.sequence = number
    return frames


def swapped(frames: list[pb.WriteRequest], k: int) -> list[pb.WriteRequest]:
    """The frames with frame k and the next one exchanged."""
    k = min(k, len(frames) - 2)
    return [*frames[:k], frames[k + 1], frames[k], *frames[k + 2 :]]


DAMAGE: dict[str, Callable[[list[pb.WriteRequest], int], list[pb.WriteRequest]]] = {
    "dropped": lambda frames, k: frames[:k] + frames[k + 1 :],
    "dropped and renumbered": lambda frames, k: renumbered(frames[:k] + frames[k + 1 :]),
    "swapped": swapped,
    "swapped and renumbered": lambda frames, k: renumbered(swapped(frames, k)),
    "repeated": lambda frames, k: frames[: k + 1] + frames[k:],
    "repeated and renumbered": lambda frames, k: renumbered(
        [pb.WriteRequest.FromString(frame.SerializeToString()) for frame in frames[: k + 1] + frames[k:]]
    ),
    "cut": lambda frames, k: frames[:k],
    "emptied": lambda frames, k: [
        *frames[:k],
        pb.WriteRequest(frame=pb.Frame(sequence=k, kind=pb.FRAME_KIND_ROWS)),
        *frames[k + 1 :],
    ],
}


@pytest.mark.parametrize("k", range(5))
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_stream_that_lost_its_order_commits_nothing(
    damage: str, k: int, raw: Any, lake: LakeClient
) -> None:
    """The k-th frame is dropped, swapped, repeated or cut, with or without new sequence numbers: DATA_LOSS."""
    frames = [raw.frame(number, rows) for number, rows in enumerate(FRAMES)]
    commit = raw.commit(*frames, rows=10)
    refusal = raw.refusal(raw.header(SCHEMA), *DAMAGE[damage](frames, k), commit)
    assert refusal.code() is grpc.StatusCode.DATA_LOSS, refusal.details()
    assert list(lake.tables("acme")) == []


@pytest.mark.parametrize("damage", ["dropped", "swapped", "repeated"])
def test_a_frame_out_of_sequence_is_refused_when_it_comes(damage: str, raw: Any) -> None:
    """Not only at the commit, which may be gigabytes later; the error names the expected number."""
    frames = [raw.frame(number, rows) for number, rows in enumerate(FRAMES)]
    refusal = raw.refusal(raw.header(SCHEMA), *DAMAGE[damage](frames, 2))
    assert (refusal.code(), "was due and" in refusal.details()) == (grpc.StatusCode.DATA_LOSS, True)


@pytest.mark.parametrize(
    "lie",
    [
        {"sha256": bytes(32)}, {"sha256": b""}, {"frame_count": 4}, {"frame_count": -1}, {"rows": 9}, {"rows": 11},
        {"rows": 2**62}, {"quarantined_count": 1}, {"value_count": 1},
    ],
    ids=str,
)  # fmt: skip
def test_a_commit_that_counts_otherwise_commits_nothing(
    lie: dict[str, Any], raw: Any, lake: LakeClient
) -> None:
    """The commit message's counts differ from what was received; the error has both."""
    frames = [raw.frame(number, rows) for number, rows in enumerate(FRAMES)]
    commit = raw.commit(*frames, **{"rows": 10, **lie})
    refusal = raw.refusal(raw.header(SCHEMA), *frames, commit)
    assert refusal.code() is grpc.StatusCode.DATA_LOSS
    assert "came (5, 10, 0, 0)" in refusal.details()
    assert list(lake.tables("acme")) == []
    assert raw.send(raw.header(SCHEMA), *frames, raw.commit(*frames, rows=10))[-1].receipt.rows_inserted == 10


def test_a_stream_that_merely_ends_commits_nothing(raw: Any, lake: LakeClient) -> None:
    """As when the client is killed."""
    frames = [raw.frame(number, rows) for number, rows in enumerate(FRAMES)]
    for count in range(6):
        refusal = raw.refusal(raw.header(SCHEMA), *frames[:count])
        assert (refusal.code(), "without a commit" in refusal.details()) == (grpc.StatusCode.DATA_LOSS, True)
    assert list(lake.tables("acme")) == []


@pytest.mark.parametrize(
    ("make", "code", "words"),
    [
        (lambda raw, frame: [frame], "INVALID_ARGUMENT", "first message of a write is its header"),
        (
            lambda raw, frame: [raw.commit(rows=0)],
            "INVALID_ARGUMENT",
            "first message of a write is its header",
        ),
        (
            lambda raw, frame: [pb.WriteRequest()],
            "INVALID_ARGUMENT",
            "first message of a write is its header",
        ),
        (lambda raw, frame: [], "DATA_LOSS", "without a commit"),
        (lambda raw, frame: [raw.header(SCHEMA)] * 2, "INVALID_ARGUMENT", "a write has one header"),
        (
            lambda raw, frame: [raw.header(SCHEMA), frame, raw.header(SCHEMA)],
            "INVALID_ARGUMENT",
            "has one header",
        ),
        (
            lambda raw, frame: [raw.header(SCHEMA), pb.WriteRequest()],
            "INVALID_ARGUMENT",
            "no frames of kind 0",
        ),
        (
            lambda raw, frame: [raw.header(SCHEMA), raw.frame(0, FRAMES[0], pb.FRAME_KIND_MEMBERS)],
            "INVALID_ARGUMENT",
            "no frames of kind 3",
        ),
    ],
    ids=[
        "frame first",
        "commit first",
        "empty first",
        "nothing",
        "header twice",
        "header late",
        "empty",
        "odd kind",
    ],
)
def test_messages_out_of_place_are_refused(
    make: Callable[[Any, pb.WriteRequest], list[pb.WriteRequest]],
    code: str,
    words: str,
    raw: Any,
    lake: LakeClient,
) -> None:
    """Only a header, frames and a commit, in this order, are accepted."""
    refusal = raw.refusal(*make(raw, raw.frame(0, FRAMES[0])))
    assert (refusal.code().name, words in refusal.details()) == (code, True), refusal.details()
    assert list(lake.tables("acme")) == []


def test_every_message_is_acknowledged_in_order(raw: Any) -> None:
    """-1 for the header, then each frame's number, then the receipt."""
    frames = [raw.frame(number, rows) for number, rows in enumerate(FRAMES)]
    *acknowledged, last = raw.send(raw.header(SCHEMA), *frames, raw.commit(*frames, rows=10))
    assert [answer.acknowledgement.sequence for answer in acknowledged] == [-1, 0, 1, 2, 3, 4]
    assert last.receipt.total_rows == 10


def test_null_in_a_key_is_refused_with_the_key_named(lake: LakeClient) -> None:
    """With `=` in Delta's MERGE, such a row would be inserted again by every run."""
    schema = pa.schema([pa.field("id", pa.int64()), pa.field("day", pa.string()), pa.field("x", pa.int64())])
    rows: list[dict[str, Any]] = [
        {"id": 1, "day": "a", "x": 1},
        {"id": 1, "day": None, "x": 1},
        {"id": 2, "day": None, "x": 1},
    ]
    with pytest.raises(RejectedError, match="2 rows have NULL in key 'day'") as caught:
        upsert(lake, "w", rows, schema, unique_keys=("id", "day"))
    assert caught.value.reason == "NULL_KEY"
    assert list(lake.tables("acme")) == []


def test_duplicates_collapse_to_the_last_sent_and_are_counted(lake: LakeClient) -> None:
    """Also across batches."""
    spec = WriteSpec(ORDERS, "w", WriteMode.UPSERT, SCHEMA, unique_keys=("id",))
    pages = [[(1, "old"), (2, "x")], [(1, "newer"), (3, "y")], [(1, "newest"), (2, "z")]]
    result = lake.write(spec, [batch([{"id": i, "note": n} for i, n in page]) for page in pages])
    assert (result.rows_received, result.rows_inserted, result.rows_collapsed) == (6, 3, 3)
    assert [row["note"] for row in content(lake)] == ["newest", "z", "y"]


VERSIONED = pa.schema([*SCHEMA, pa.field("version", pa.int64())])


def test_the_greatest_version_wins_then_the_last_sent(lake: LakeClient) -> None:
    """A page that arrives late cannot replace a newer row, neither within a write nor in the table."""

    def send(write_id: str, *rows: tuple[int, str, int | None]) -> tuple[int, int, int, int]:
        sent = [{"id": i, "note": n, "version": v} for i, n, v in rows]
        r = upsert(lake, write_id, sent, VERSIONED, version_column="version")
        return r.rows_inserted, r.rows_updated, r.rows_unchanged, r.rows_collapsed

    assert send(
        "a", (1, "two", 2), (1, "one", 1), (2, "null", None), (2, "zero", 0), (3, "p", 5), (3, "q", 5)
    ) == (3, 0, 0, 3)
    assert [row["note"] for row in content(lake)] == ["two", "zero", "q"]
    assert send("b", (1, "late", 1), (2, "none", None), (3, "same version, other row", 5)) == (0, 1, 2, 0)
    assert [row["note"] for row in content(lake)] == ["two", "zero", "same version, other row"]


@pytest.mark.parametrize(
    "text", ["' OR 1=1 --", "id", "NULL", "", " ", "ключ", "é", "e\u0301", "😀", "\x00", "a\nb", "%", "\\"]
)
def test_a_key_is_only_data(text: str, lake: LakeClient) -> None:
    """For keys with SQL, empty keys and keys with similar letters, exactly that row changes."""
    schema = pa.schema([pa.field("id", pa.string(), nullable=False), pa.field("n", pa.int64())])
    others = ["1", "other", "è", "zzz"]
    upsert(lake, "a", [{"id": key, "n": 0} for key in [*others, text]], schema)
    assert upsert(lake, "b", [{"id": text, "n": 1}], schema).rows_updated == 1
    assert {row["id"]: row["n"] for row in content(lake)} == dict.fromkeys(others, 0) | {text: 1}


KEYS: dict[str, tuple[pa.DataType, Callable[[int], Any]]] = {
    "string": (pa.string(), lambda n: f"k{n}é"),
    "long string": (pa.string(), lambda n: "x" * 300 + str(n)),
    "int8": (pa.int8(), lambda n: n - 30),
    "date": (pa.date32(), lambda n: date(2026, 1, 1) + timedelta(days=n)),
    "timestamp": (
        pa.timestamp("us", "UTC"),
        lambda n: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=n),
    ),
    "decimal": (pa.decimal128(38, 10), lambda n: Decimal(n) * Decimal("12345678901234567890.5")),
    "bool": (pa.bool_(), lambda n: n % 2 == 0),
    "binary": (pa.binary(), lambda n: bytes([n, 255 - n])),
}


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_of_any_type_finds_its_row(kind: str, small_files: LakeClient) -> None:
    """In many small files ordered by that key; some types have no bounds in Delta's statistics."""
    key, value = KEYS[kind]
    schema = pa.schema(
        [
            pa.field("k", key, nullable=False),
            pa.field("half", pa.int64(), nullable=False),
            pa.field("v", pa.int64()),
        ]
    )
    table, chance = TableRef("acme", f"keys_{kind.replace(' ', '_')}"), random.Random(kind)
    model: dict[Any, int] = {}
    for number in range(6):
        rows = [
            {"k": value(chance.randrange(60)), "half": chance.randrange(2), "v": chance.randrange(3)}
            for _ in range(15)
        ]
        model |= {(row["k"], row["half"]): row["v"] for row in rows}
        spec = WriteSpec(
            table, f"w{number}", WriteMode.UPSERT, schema, unique_keys=("k", "half"), cluster_by="k"
        )
        assert small_files.write(spec, [batch(rows, schema)]).total_rows == len(model)
    found = small_files.read(table).read_all().to_pylist()
    assert {(row["k"], row["half"]): row["v"] for row in found} == model
    assert len(found) == len(model)


def test_values_compare_as_what_they_are(lake: LakeClient) -> None:
    """NaN equals NaN, 0.0 equals -0.0, and NULL equals only NULL; the same row again is no update."""
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("x", pa.float64())])
    values: list[tuple[float | None, str]] = [
        (float("nan"), "inserted"), (float("nan"), "unchanged"), (0.0, "updated"), (-0.0, "unchanged"),
        (None, "updated"), (None, "unchanged"), (5e-324, "updated"), (0.0, "updated"), (float("inf"), "updated"),
    ]  # fmt: skip
    for number, (value, expected) in enumerate(values):
        result = upsert(lake, f"w{number}", [{"id": 1, "x": value}], schema)
        counts = {name: getattr(result, f"rows_{name}") for name in ("inserted", "updated", "unchanged")}
        assert counts == {"inserted": 0, "updated": 0, "unchanged": 0} | {expected: 1}, (number, value)


def test_rows_set_aside_are_kept_and_counted(lake: LakeClient) -> None:
    """They are in the quarantine table, once, with the write's id."""
    spec = WriteSpec(ORDERS, "w", WriteMode.UPSERT, SCHEMA, unique_keys=("id",))
    aside = {
        "row_key": '["7"]',
        "column_name": "id",
        "value": "seven",
        "reason": "not a number",
        "record": '{"id":"seven"}',
    }
    for _ in range(2):
        result = lake.write(
            spec, [batch([{"id": 1, "note": "a"}])], quarantined=[batch([aside], QUARANTINE_SCHEMA)]
        )
        assert (result.rows_received, result.rows_inserted, result.rows_quarantined) == (2, 1, 1)
    # A run that another one has overtaken while it read leaves nothing, here neither.
    overtaken = replace(spec, write_id="overtaken", check_checkpoint=True, expected_checkpoint=None)
    with lake.begin(overtaken) as upload:
        upload.quarantine(batch([aside], QUARANTINE_SCHEMA))
        lake.write(replace(spec, write_id="overtaking"), [], checkpoint="further")
        with pytest.raises(StaleCheckpointError):
            upload.commit(checkpoint="behind")
    kept = lake.read(TableRef("acme", "orders_quarantine")).read_all().to_pylist()
    assert [{name: row[name] for name in aside} for row in kept] == [aside]
    assert kept[0]["write_id"] == "w"


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "LAYOUT_MISMATCH": ({"unique_keys": ("note",)}, {}),
    "SCHEMA_MISMATCH": ({"schema": pa.schema([SCHEMA.field(0), pa.field("note", pa.int64())])}, {}),
    "STALE_CHECKPOINT": ({"check_checkpoint": True, "expected_checkpoint": None}, {}),
    "CONFLICTING_ROWS": ({"refuse_conflicting_rows": True}, {}),
    "NULL_KEY": ({"schema": pa.schema([pa.field("id", pa.int64()), SCHEMA.field(1)])}, {}),
    "WRITE_ID_REUSED": ({"write_id": "overtaking"}, {}),
    "CONTROL_TOTAL": ({}, {"control_totals": [ControlTotal("orders", "2", "1")]}),
    "BAD_CHECKPOINT": ({}, {"checkpoint": "two\nlines"}),
    "BAD_WINDOW": (
        {"mode": WriteMode.REPLACE_WINDOW, "window": ReplaceWindow((ColumnRange("id", "9", "0"),))},
        {},
    ),
}


@pytest.mark.parametrize("reason", REFUSED)
@pytest.mark.parametrize("when", ["before its header", "while it is sent"])
def test_a_write_that_is_refused_leaves_nothing_in_the_quarantine(
    reason: str, when: str, lake: LakeClient
) -> None:
    """Whatever the reason, even if a concurrent write is the cause."""
    how, with_it = REFUSED[reason]
    spec = WriteSpec(ORDERS, "refused", WriteMode.UPSERT, SCHEMA, unique_keys=("id",))
    overtaking = replace(spec, write_id="overtaking")
    header = replace(spec, **how)
    rows = [{"id": 1, "note": "a"}, {"id": 1, "note": "b"}]
    if reason == "NULL_KEY":
        rows[0]["id"] = None
    elif reason == "SCHEMA_MISMATCH":
        rows = [{"id": 1, "note": 1}]

    def overtake() -> None:
        lake.write(overtaking, [batch([{"id": 5, "note": "n"}])], checkpoint="further")

    def send() -> None:
        with lake.begin(header) as upload:
            upload.rows(batch(rows, header.schema))
            upload.quarantine(batch([dict.fromkeys(QUARANTINE_SCHEMA.names, "x")], QUARANTINE_SCHEMA))
            if when == "while it is sent":
                overtake()
            upload.commit(**{"checkpoint": "behind", **with_it})

    if when == "before its header":
        overtake()
    with pytest.raises((RejectedError, CorruptedError)) as caught:
        send()
    # A key that may be NULL is another schema, where there is one.
    assert caught.value.reason in ({reason, "SCHEMA_MISMATCH"} if reason == "NULL_KEY" else {reason})
    assert "orders_quarantine" not in [table.dataset for table in lake.tables("acme")]


def test_single_values_set_aside_are_kept_and_are_no_rows(lake: LakeClient) -> None:
    """They are in the quarantine too; the receipt counts them separately, also when it is asked for later."""
    spec = WriteSpec(ORDERS, "w", WriteMode.UPSERT, SCHEMA, unique_keys=("id",))
    aside = {"row_key": '["1"]', "column_name": "note", "value": "5", "reason": "no text", "record": "{}"}
    other = {**aside, "row_key": '["7"]', "column_name": "id"}
    for repeat in (False, True):
        with lake.begin(spec) as upload:
            assert upload.already_committed == repeat
            upload.rows(batch([{"id": 1, "note": None}]))
            upload.values(batch([aside], QUARANTINE_SCHEMA))
            upload.quarantine(batch([other], QUARANTINE_SCHEMA))
            result = upload.commit()
        assert (result.rows_received, result.rows_inserted, result.rows_quarantined) == (2, 1, 1)
        assert (result.values_quarantined, result.repeat) == (1, repeat)
    assert replace(result, repeat=False) == lake.get_write(ORDERS, "w").result
    kept = lake.read(TableRef("acme", "orders_quarantine")).read_all()
    assert sorted(kept["column_name"].to_pylist()) == ["id", "note"]


def test_what_only_a_repeat_sets_aside_is_kept_too(lake: LakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that failed after its quarantine was committed is read again with other rows set aside; none of them is
    lost.
    """
    spec = WriteSpec(ORDERS, "w", WriteMode.UPSERT, SCHEMA, unique_keys=("id",))
    commit = Table.commit

    def full(table: Table, **what: Any) -> None:
        if table.ref == ORDERS:
            monkeypatch.undo()
            raise OSError("no space left on device")
        commit(table, **what)

    def reject(key: str) -> pa.RecordBatch:
        row = {"row_key": key, "column_name": "id", "value": key, "reason": "not a number", "record": "{}"}
        return batch([row], QUARANTINE_SCHEMA)

    monkeypatch.setattr(Table, "commit", full)
    with pytest.raises(BusyError):
        lake.write(spec, [], quarantined=[reject("first")])
    assert lake.write(spec, [], quarantined=[reject("first"), reject("second")]).rows_quarantined == 2
    kept = lake.read(TableRef("acme", "orders_quarantine")).read_all()
    assert set(kept["row_key"].to_pylist()) == {"first", "second"}
    assert set(kept["write_id"].to_pylist()) == {"w"}


@pytest.mark.parametrize(
    ("expected", "actual", "words"),
    [
        ("10", "9", "should be 10 by the vendor's own figure and is 9"),
        ("0.10", "0.1000001", "should be 0.10"),
        ("ten", "10", "'ten', not a decimal number"),
        ("NaN", "NaN", "not a decimal number"),
        ("Infinity", "Infinity", "not a decimal number"),
        ("", "", "not a decimal number"),
    ],
)
def test_a_control_total_that_differs_commits_nothing(
    expected: str, actual: str, words: str, lake: LakeClient
) -> None:
    """Nor does one that is not a number."""
    spec = WriteSpec(ORDERS, "w", WriteMode.UPSERT, SCHEMA, unique_keys=("id",))
    with pytest.raises((CorruptedError, RejectedError), match=words):
        lake.write(spec, FRAMES, control_totals=[ControlTotal("spend", expected, actual)])
    assert list(lake.tables("acme")) == []
    equal = ControlTotal("spend", "10.00", "1E+1")
    assert lake.write(spec, FRAMES, control_totals=[equal]).control_totals == (equal,)


@pytest.mark.parametrize(
    "checkpoint", ["", "x" * 65_537, "😀" * 16_385, "a\nb", "a\x00", "\x7f"], ids=lambda c: ascii(c)[:12]
)
def test_a_checkpoint_that_could_not_be_kept_is_refused(checkpoint: str, lake: LakeClient) -> None:
    """A checkpoint is 1 to 65,536 bytes of printable text; otherwise nothing is committed."""
    spec = WriteSpec(ORDERS, "w", WriteMode.UPSERT, SCHEMA, unique_keys=("id",))
    with pytest.raises(RejectedError, match="a checkpoint is 1 to 65,536 bytes of printable text"):
        lake.write(spec, FRAMES, checkpoint=checkpoint)
    assert list(lake.tables("acme")) == []
    longest = "😀" * 16_384
    assert lake.write(spec, FRAMES, checkpoint=longest).checkpoint == longest
    assert lake.checkpoint(ORDERS).value == longest


PROPERTY = pa.schema(
    [
        pa.field("account", pa.string(), nullable=False),
        pa.field("id", pa.int64(), nullable=False),
        pa.field("spend", pa.float64()),
        pa.field("version", pa.int64()),
    ]
)
row = st.fixed_dictionaries(
    {
        "account": st.sampled_from(["a", "b", "é"]),
        "id": st.integers(0, 6),
        "spend": st.one_of(st.none(), st.sampled_from([0.0, -0.0, 1.5, float("nan")])),
        "version": st.one_of(st.none(), st.integers(0, 3)),
    }
)
writes = st.lists(
    st.tuples(st.lists(st.lists(row, max_size=8), max_size=3), st.integers(0, 2)), min_size=1, max_size=4
)
_numbers = itertools.count()


@pytest.fixture(scope="module")
def small_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeClient]:
    """A lake with files of five rows, so that few rows reach every branch of a merge."""
    with running_lake(tmp_path_factory.mktemp("property"), target_file_rows=5) as client:
        yield client


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(writes=writes, versioned=st.booleans(), append=st.booleans())
def test_every_row_received_is_accounted_for(
    writes: list[tuple[list[list[dict[str, Any]]], int]],
    versioned: bool,
    append: bool,
    small_files: LakeClient,
) -> None:
    """Received = inserted + updated + unchanged + collapsed + quarantined, and total_rows is what a reader counts."""
    lake, table = small_files, TableRef("acme", f"t{next(_numbers)}")
    how: dict[str, Any] = {} if append else {"unique_keys": ("account", "id"), "cluster_by": "id"}
    if versioned and not append:
        how["version_column"] = "version"
    aside = {"row_key": "[]", "column_name": "c", "value": None, "reason": "r", "record": "{}"}
    for number, (pages, rejected) in enumerate(writes):
        spec = WriteSpec(
            table, f"w{number}", WriteMode.APPEND if append else WriteMode.UPSERT, PROPERTY, **how
        )
        result = lake.write(
            spec,
            [batch(page, PROPERTY) for page in pages],
            quarantined=[batch([aside] * rejected, QUARANTINE_SCHEMA)],
        )
        assert result.rows_received == sum(map(len, pages)) + rejected
        assert result.rows_received == (
            result.rows_inserted + result.rows_updated + result.rows_unchanged
            + result.rows_collapsed + result.rows_quarantined
        )  # fmt: skip
        rows = lake.read(table).read_all()
        assert result.total_rows == rows.num_rows == lake.describe(table).total_rows
        if not append:
            assert rows.group_by(["account", "id"]).aggregate([]).num_rows == rows.num_rows


def test_a_receipt_says_which_commit_holds_the_rows(lake: LakeClient, tmp_path: Path) -> None:
    """Version, bytes and URL agree with the table's log."""
    first = upsert(lake, "a", [{"id": 1, "note": "x"}])
    second = upsert(lake, "b", [{"id": 1, "note": "y"}])
    log = Path(second.table_uri) / "_delta_log" / f"{second.table_version:020d}.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    added = [action["add"]["size"] for action in actions if "add" in action]
    removed = [action["remove"]["size"] for action in actions if "remove" in action]
    assert (sum(added), sum(removed)) == (second.bytes_written, second.bytes_removed)
    assert second.bytes_removed == first.bytes_written
