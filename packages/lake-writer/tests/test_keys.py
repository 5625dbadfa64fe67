"""A row's key as text: it is read back exactly, and a text that is not a key may stand for any row."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weathervane.lake import row_keys
from weathervane.lake._keys import key_parts

part = st.none() | st.text() | st.sampled_from(["null", "", '"', "\\", '\\"', ",", '","', "a\nb\x1f", "é"])


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(part, part), max_size=10))
def test_row_keys_are_json_and_injective(rows: list[tuple[str | None, str | None]]) -> None:
    """NULL differs from the text "null", and no two keys have the same text."""
    columns = [pa.array([row[n] for row in rows], pa.string()) for n in (0, 1)]
    keys = row_keys(pa.RecordBatch.from_arrays(columns, ["a", "b"]), ["a", "b"]).to_pylist()
    assert [tuple(json.loads(key)) for key in keys] == rows
    assert [key_parts(key, 2) for key in keys] == rows


def test_row_keys_of_other_types_are_their_text() -> None:
    """Numbers, dates and times are converted to text, so that every key is an array of texts."""
    batch = pa.RecordBatch.from_pydict(
        {
            "n": pa.array([1, None], pa.int64()),
            "d": pa.array([date(2026, 11, 2)] * 2),
            "t": pa.array([datetime(2026, 11, 2, 9, tzinfo=UTC)] * 2, pa.timestamp("us", "UTC")),
            "m": pa.array([Decimal("1.50")] * 2, pa.decimal128(18, 2)),
            "b": pa.array([True, False]),
        }
    )
    assert row_keys(batch, ["n", "d", "t", "m", "b"]).to_pylist() == [
        '["1","2026-11-02","2026-11-02 09:00:00.000000Z","1.50","true"]',
        '[null,"2026-11-02","2026-11-02 09:00:00.000000Z","1.50","false"]',
    ]


@pytest.mark.parametrize(
    "text", ["", "acme", '["acme"', '["acme"]', '["a","b","c"]', '{"a":"b"}', "[1,2]", "[" * 9_999]
)
def test_what_is_no_key_may_be_any(text: str) -> None:
    """Nothing is known of a text by another writer, or of a key that was cut."""
    assert key_parts(text, 2) == (None, None)
