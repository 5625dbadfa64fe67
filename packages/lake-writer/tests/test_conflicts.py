"""Different rows under one key are refused if the write asks for it, because all but one of them would be lost."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from weathervane.lake import (
    QUARANTINE_SCHEMA,
    ConflictingRowsError,
    LakeClient,
    NotFoundError,
    TableRef,
    WriteMode,
    WriteSpec,
)

ADS = TableRef("acme", "ads")
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("day", pa.int64(), nullable=False),
        pa.field("version", pa.int64()),
        pa.field("spend", pa.decimal128(18, 2)),
        pa.field("clicks", pa.int64()),
        pa.field("rate", pa.float64()),
        pa.field("tags", pa.list_(pa.string())),
        pa.field("more", pa.struct([("a", pa.string())])),
        pa.field("raw", pa.binary()),
    ]
)
ROW: dict[str, Any] = {
    "id": 'a "quoted" one', "day": 1, "version": 1, "spend": Decimal("1.10"), "clicks": 1, "rate": 0.5,
    "tags": ["x", None], "more": {"a": None}, "raw": b"\xff",
}  # fmt: skip


def spec(write_id: str, version: str | None = None, **how: Any) -> WriteSpec:
    """An upsert by id and day that refuses conflicting rows."""
    return WriteSpec(
        ADS,
        write_id,
        **{
            "mode": WriteMode.UPSERT,
            "schema": SCHEMA,
            "unique_keys": ("id", "day"),
            "version_column": version,
            "refuse_conflicting_rows": True,
            **how,
        },
    )


def batch(*rows: dict[str, Any]) -> pa.RecordBatch:
    """One row for each set of changes to `ROW`."""
    return pa.RecordBatch.from_pylist([{**ROW, **row} for row in rows], schema=SCHEMA)


DIFFERENCES: dict[str, Any] = {
    "version": 2, "spend": Decimal("1.11"), "clicks": None, "rate": float("nan"), "tags": ["x"], "more": None,
    "raw": b"",
}  # fmt: skip


@pytest.mark.parametrize("column", DIFFERENCES)
def test_different_rows_of_a_key_are_refused_by_name(column: str, lake: LakeClient) -> None:
    """For every type, across batches and with other rows between; the table is not created either."""
    others = batch(*({"day": day} for day in range(10, 20)))
    pages = [batch({}), others, batch({"id": "z"}, {column: DIFFERENCES[column]})]
    aside = pa.RecordBatch.from_pylist(
        [{"row_key": "[]", "column_name": "spend", "value": "?", "reason": "odd", "record": "{}"}],
        schema=QUARANTINE_SCHEMA,
    )
    with pytest.raises(ConflictingRowsError, match=f"acme/ads.*differ in {column};") as caught:
        lake.write(spec("w"), pages, quarantined=[aside], checkpoint="new")
    assert caught.value.reason == "CONFLICTING_ROWS"
    assert caught.value.metadata == {"row_key": '["a \\"quoted\\" one","1"]', "columns": column}
    assert not caught.value.retriable
    assert list(lake.tables("acme")) == []
    with pytest.raises(NotFoundError):
        lake.describe(TableRef("acme", "ads_quarantine"))


def test_equal_rows_collapse_and_are_counted(lake: LakeClient) -> None:
    """NULL equals NULL and NaN equals NaN; a read that delivers every row twice is accepted."""
    odd = {"day": 2, "spend": None, "rate": float("nan"), "tags": None}
    result = lake.write(spec("w"), [batch({}, odd), batch(odd, {}, {})])
    assert (result.rows_received, result.rows_inserted, result.rows_collapsed) == (5, 2, 3)


def test_only_rows_of_the_greatest_version_can_conflict(lake: LakeClient) -> None:
    """Older versions are superseded at the vendor too; NULL is older than every version."""
    old = [{"version": version, "clicks": clicks} for version in (None, 1) for clicks in (1, 2)]
    newest = {"version": 2, "clicks": 9}
    result = lake.write(spec("w", "version"), [batch(newest, *old, newest)])
    assert (result.rows_inserted, result.rows_collapsed) == (1, 5)
    conflicts: list[list[dict[str, Any]]] = [
        [old[2], newest, {**newest, "clicks": 8}],
        [{"version": None}, {"version": None, "clicks": 2}],
    ]
    for rows in conflicts:
        with pytest.raises(ConflictingRowsError, match="differ in clicks"):
            lake.write(
                spec("v", "version"), [batch(*old[2:3], *rows) if rows[0]["version"] else batch(*rows)]
            )


def test_a_change_contradicts_no_row_and_wins(lake: LakeClient) -> None:
    """A change, e.g. a deletion, of a row that the same slice delivers too, in any order."""
    lake.write(spec("before", "version"), [batch({}, {"day": 2})])
    with lake.begin(spec("w", "version")) as upload:
        upload.changes(batch({"clicks": None}, {"day": 2, "clicks": None}))
        upload.rows(batch({"clicks": 7}, {"day": 3}))
        result = upload.commit()
    assert (result.rows_received, result.rows_updated, result.rows_inserted, result.rows_collapsed) == (
        4, 2, 1, 1
    )  # fmt: skip
    table = lake.read(ADS).read_all()
    assert dict(zip(table["day"].to_pylist(), table["clicks"].to_pylist(), strict=True)) == {
        1: None,
        2: None,
        3: 1,
    }


def test_nobody_is_refused_who_did_not_ask(lake: LakeClient) -> None:
    """For a client that does not know the option, the last row wins, as before."""
    result = lake.write(spec("w", refuse_conflicting_rows=False), [batch({}, {"clicks": 2})])
    assert (result.rows_inserted, result.rows_collapsed) == (1, 1)


def test_the_key_of_a_refusal_is_cut(lake: LakeClient) -> None:
    """A key may be larger than a status, which may have 16 KiB."""
    with pytest.raises(ConflictingRowsError) as caught:
        lake.write(spec("w"), [batch({"id": "k" * 100_000}, {"id": "k" * 100_000, "clicks": 2})])
    assert caught.value.metadata["row_key"].startswith('["kkk')
    assert "differ in clicks; all but one" in str(caught.value)
