r"""Half an emoji (`"\ud83d"`) in a vendor's answer costs its value or its row, never the answer."""

from __future__ import annotations

import json
from decimal import Decimal

import httpx
import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weathervane.source import decode
from weathervane.source._http.verdict import decode_json
from weathervane.source._table.column import Column
from weathervane.source._table.dataset import Dataset
from weathervane.source._table.decode import marked, replaced, restored
from weathervane.source._table.members import members_of
from weathervane.source._table.normalise import normalise
from weathervane.source._table.quarantine import record_text
from weathervane.source._table.records import split_records

HALVES = ["\ud83d", "a\ude00b", "\\\ud83d", "\ud83d\ud83d\ude00", "\ude00\ud83d", "\ud83dx\ude00"]


class _Page(msgspec.Struct):
    data: list[msgspec.Raw]


@pytest.mark.parametrize("half", HALVES)
def test_an_answer_with_half_an_emoji_is_read(half: str) -> None:
    """Whole pairs and escaped backslashes stay what they are."""
    body = json.dumps({"data": [half, "😀 \\ud83d", {half: 1}]}).encode()
    whole = "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in json.loads(json.dumps(half)))
    expected = {"data": [whole, "😀 \\ud83d", {whole: 1}]}
    assert decode(body, object, "it") == expected
    assert decode(body.decode(), object, "it") == expected
    assert len(decode(body, _Page, "it").data) == 3
    assert decode_json(httpx.Response(200, content=body)) == expected


@given(st.lists(st.sampled_from(["\\", "u", "ud83d", "\\ud83d", "\\uDE00", "\\uE03d", "é", '\\"', "a"])))
def test_what_is_marked_comes_back_as_it_was_sent(parts: list[str]) -> None:
    """Of every document that Python's decoder takes: same length, no half left, the same bytes in the end."""
    body = f'"{"".join(parts)}"'.encode()
    try:
        text = json.loads(body)
    except ValueError:
        return
    halves = any("\ud800" <= c <= "\udfff" for c in text)
    made, whole = marked(body), replaced(body)
    assert (made is not None, whole is not None) == (halves, halves)
    if made is not None and whole is not None:
        msgspec.json.decode(made[0])
        assert msgspec.json.decode(whole) == "".join(
            "\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text
        )
        assert not made[1] or (restored(made[0]) == body and len(made[0]) == len(body))
        assert made[1] or made[0] == whole


THINGS = Dataset(
    "things",
    (
        Column("id", pa.string(), "id"),
        Column("name", pa.string(), "name", on_misfit="value"),
        Column("must", pa.string(), "must"),
        Column("amount", pa.decimal128(10, 2), "amount"),
    ),
    ("id",),
)


@pytest.mark.parametrize("many", [3, 1000])
def test_a_record_with_half_an_emoji_is_the_only_one_that_suffers(many: int) -> None:
    """A value by itself, or a row, by its own name and with its own bytes; where no column reads it, nothing."""
    things = [{"id": str(n), "name": "n", "must": "m", "amount": "1.00"} for n in range(many)]
    things[0]["name"] = "x\ud83d"
    things[1]["must"] = "\ude00"
    things[2]["unread"] = "\ud83d"
    body = json.dumps({"data": things, "paging": {"next": "\ud83d"}}).encode()
    records, rest = split_records(body, "data", dict[str, object])
    assert [json.loads(record) for record in records] == things
    assert rest["paging"] == {"next": "\ufffd"}
    page = normalise(THINGS, records)
    assert page.rows.num_rows == many - 1
    assert page.rows.to_pylist()[0] == {"id": "0", "name": None, "must": "m", "amount": Decimal("1.00")}
    assert [(one["column_name"], one["value"]) for one in page.values.to_pylist()] == [("name", "x\\ud83d")]
    (row,) = page.quarantined.to_pylist()
    assert (row["row_key"], row["column_name"], json.loads(row["record"])) == ('["1"]', "must", things[1])


def test_a_page_with_letters_of_its_own_at_the_place_of_the_marks_is_read_all_the_same() -> None:
    """Then its halves are U+FFFD."""
    records, _ = split_records(rb'{"data":[{"id":"\ud83d"},{"id":"\ue03d"}]}', "data")
    assert records == [rb'{"id":"\ufffd"}', rb'{"id":"\ue03d"}']


LINES = Dataset(
    "lines",
    (
        Column("order_id", pa.string(), "^.id"),
        Column("id", pa.string(), "id"),
        Column("name", pa.string(), "name", on_misfit="value"),
        Column("must", pa.string(), "must"),
    ),
    ("order_id", "id"),
    explode="lines",
    replace_members=("order_id",),
)


def test_a_parent_is_replaced_when_half_an_emoji_costs_none_of_its_rows() -> None:
    """And left alone when it costs one, or the parent's own name."""
    orders = [
        {"id": "1", "lines": [{"id": "a"}]},
        {"id": "2", "lines": [{"id": "a", "unread": "\ud83d"}, {"id": "b", "name": "\ud83d"}]},
        {"id": "3", "lines": [{"id": "a"}, {"id": "b", "must": "\ud83d"}]},
        {"id": "4\ud83d", "lines": []},
    ]
    records = [json.dumps(order).encode() for order in orders]
    page = normalise(LINES, records)
    assert members_of(LINES, records, page).to_pylist() == [{"order_id": "1"}, {"order_id": "2"}]
    (row,) = page.quarantined.to_pylist()
    assert json.loads(row["record"]) == {"id": "3", "lines": [{"id": "b", "must": "\ud83d"}]}


def test_a_record_is_kept_as_it_was_sent_beside_letters_at_the_place_of_the_marks() -> None:
    """What reads it needs no marks, as long as it is kept whole."""
    record = rb'{"id":"\ud83d","name":"\ue012"}'
    assert record_text(record, ()) == record.decode()
