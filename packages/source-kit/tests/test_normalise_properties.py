"""Whatever a page holds: every row received is delivered or set aside, as a slow and obvious reader would."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation, localcontext
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from weathervane.source._table.column import Column
from weathervane.source._table.dataset import Dataset
from weathervane.source._table.diagnose import read_one_by_one
from weathervane.source._table.normalise import Normalised, _settle, normalise
from weathervane.source._table.read import read
from weathervane.source._table.shape import shape_of

TIME = pa.timestamp("us", "UTC")
ITEMS = Dataset(
    "items",
    (
        Column("id", pa.string(), "id", json="scalar"),
        Column("count", pa.int64(), "n.count"),
        Column("big", pa.int64(), "n.big", json="string"),
        Column("amount", pa.decimal128(12, 3), "n.amount"),
        Column("share", pa.float64(), "n.share"),
        Column("rough", pa.decimal128(9, 2), "n.rough", json="number", approximate=True),
        Column("about", pa.int32(), "n.about", approximate=True, on_misfit="value"),
        Column("on", pa.bool_(), "on", on_misfit="value"),
        Column("day", pa.date32(), "day", on_misfit="value"),
        Column("at", TIME, "at"),
        Column("tags", pa.list_(pa.string()), "tags", on_misfit="value"),
        Column("extra", pa.string(), "extra", json="raw"),
    ),
    ("id",),
)
CHILDREN = Dataset(
    "children",
    (
        Column("parent", pa.string(), "^.id", json="scalar"),
        Column("day", pa.date32(), "^.day"),
        Column("id", pa.string(), "id", json="scalar"),
        Column("count", pa.int64(), "count", on_misfit="value"),
        Column("extra", pa.string(), "extra", json="raw", on_misfit="value"),
    ),
    ("parent", "id"),
    explode="list.nodes",
)

text = st.text(max_size=8)
maybe = st.none
# Beside 2**31 a float is told in steps of 5e-7: more would be written as 1e-6, which is no noise any more.
noise = st.floats(-4e-7, 4e-7)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
)


@st.composite
def items(draw: st.DrawFn) -> tuple[dict[str, Any], bytes]:
    """A row, and one of the ways in which a vendor may write it."""
    zone = timezone(timedelta(minutes=draw(st.integers(-720, 840))))
    moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(zone))
    extra = draw(json_values)
    row: dict[str, Any] = {
        "id": draw(text),
        "count": draw(maybe() | st.integers(-(2**63), 2**63 - 1)),
        "big": draw(maybe() | st.integers(-(2**63), 2**63 - 1)),
        "amount": draw(maybe() | st.decimals(-999_999_999, 999_999_999, places=3)),
        "share": draw(maybe() | st.floats(allow_nan=False, allow_infinity=False)),
        "rough": draw(maybe() | st.decimals(-999_999, 999_999, places=2)),
        "about": draw(maybe() | st.integers(-(2**31), 2**31 - 1)),
        "on": draw(maybe() | st.booleans()),
        "day": draw(maybe() | st.dates()),
        "at": draw(maybe() | moments),
        "tags": draw(maybe() | st.lists(maybe() | text, max_size=3)),
        "extra": None
        if extra is None
        else json.dumps(extra, sort_keys=True, separators=(",", ":"), ensure_ascii=False),
    }
    record = {
        "unknown": draw(json_values),
        "id": row["id"],
        "n": {
            "count": row["count"],
            "big": None if row["big"] is None else str(row["big"]),
            "amount": None
            if row["amount"] is None
            else f"{row['amount']:f}" + draw(st.sampled_from(["", "0"])),
            "share": row["share"],
            "rough": None if row["rough"] is None else float(row["rough"]) + draw(noise) / 10,
            "about": None if row["about"] is None else row["about"] + draw(st.just(0) | noise),
        },
        "on": row["on"],
        "day": None if row["day"] is None else row["day"].isoformat(),
        "at": None if row["at"] is None else row["at"].isoformat(),
        "tags": row["tags"],
        "extra": extra,
        "list": {
            "nodes": draw(
                maybe()
                | st.lists(
                    st.fixed_dictionaries({"id": text, "count": st.integers(0, 9), "extra": json_values}),
                    max_size=3,
                )
            )
        },
    }
    members = draw(
        st.permutations([name for name, value in record.items() if value is not None or draw(st.booleans())])
    )
    indent = draw(st.sampled_from([None, 1]))
    dumped = json.dumps(
        {name: record[name] for name in members}, ensure_ascii=draw(st.booleans()), indent=indent
    )
    row["at"] = row["at"] and row["at"].astimezone(UTC)
    return row, dumped.encode()


@settings(deadline=None, max_examples=60)
@given(st.lists(items(), max_size=6))
def test_a_page_that_fits_arrives_as_it_was_meant(page: list[tuple[dict[str, Any], bytes]]) -> None:
    """Rows written as JSON and normalised are the rows, whatever order, escapes or spaces they have."""
    normalised = normalise(ITEMS, [record for _, record in page])
    assert normalised.rows.to_pylist() == [row for row, _ in page]
    assert normalised.quarantined.num_rows == 0


def children_of(record: bytes) -> list[dict[str, Any]]:
    """The slow and obvious way from a record to its children."""
    document = json.loads(record)
    day = document.get("day")
    return [
        {
            "parent": document["id"],
            "day": None if day is None else date.fromisoformat(day),
            "id": node["id"],
            "count": node["count"],
            "extra": None
            if node["extra"] is None
            else json.dumps(node["extra"], sort_keys=True, separators=(",", ":"), ensure_ascii=False),
        }
        for node in (document.get("list") or {}).get("nodes") or []
    ]


@settings(deadline=None, max_examples=60)
@given(st.lists(items(), max_size=6))
def test_an_exploded_page_arrives_child_by_child(page: list[tuple[dict[str, Any], bytes]]) -> None:
    """Every element of every list is one row, beside the members of what holds it."""
    records = [record for _, record in page]
    assert normalise(CHILDREN, records).rows.to_pylist() == [
        row for record in records for row in children_of(record)
    ]


JUNK = [
    b"",
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b",",
    b":",
    b"null",
    b"true",
    b"7",
    b"-0",
    b"1e999",
    b"NaN",
    b"0.1234",
]
JUNK += [
    b"\xff",
    b"\x00",
    b"\\ud800",
    b'"id":1,',
    b'"n":{},',
    b'"extra":2,',
    b'"list":{"nodes":[9,null,{}]},',
    b"\n",
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A record with a few bytes put in or taken out at places where it hurts."""
    _, record = draw(items())
    for _ in range(draw(st.integers(1, 3))):
        places = [match.start() for match in re.finditer(rb'[{}\[\]",:]', record)] or [0]
        at = draw(st.sampled_from(places)) + draw(st.integers(0, 1))
        record = record[:at] + draw(st.sampled_from(JUNK)) + record[at + draw(st.integers(0, 4)) :]
    return record


def same(a: Normalised, b: Normalised) -> bool:
    """Whether two pages hold the same rows and set the same aside."""
    return bool(a.rows.equals(b.rows) and a.quarantined.equals(b.quarantined) and a.values.equals(b.values))


@settings(deadline=None, max_examples=100)
@given(
    st.lists(items(), max_size=40),
    st.lists(mutated(), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
def test_nothing_is_lost_however_a_page_is_broken(
    page: list[tuple[dict[str, Any], bytes]], broken: list[bytes], random: Any
) -> None:
    """Received = rows + quarantined; whole records arrive; a record's fate is its own."""
    records = [record for _, record in page]
    for record in broken:
        records.insert(random.randint(0, len(records)), record)
    whole = normalise(ITEMS, records)
    assert whole.received == len(records)
    alone = [normalise(ITEMS, [record]) for record in records]
    assert whole.rows.to_pylist() == [row for one in alone for row in one.rows.to_pylist()]
    assert whole.quarantined.to_pylist() == [row for one in alone for row in one.quarantined.to_pylist()]
    assert whole.values.to_pylist() == [row for one in alone for row in one.values.to_pylist()]
    for one in alone:
        # Whatever has an entry is null in a row that was kept.
        for entry in one.values.to_pylist():
            assert one.rows.num_rows
            assert one.rows.to_pylist()[0][entry["column_name"]] is None
    for record, one in zip(records, alone, strict=True):
        assert one.rows.num_rows == 1 or one.quarantined["record"].to_pylist() == [
            record.decode("utf-8", "backslashreplace")
        ]
    whole = normalise(CHILDREN, records)
    alone = [normalise(CHILDREN, [record]) for record in records]
    assert whole.rows.to_pylist() == [row for one in alone for row in one.rows.to_pylist()]
    assert whole.quarantined.to_pylist() == [row for one in alone for row in one.quarantined.to_pylist()]
    assert whole.values.to_pylist() == [row for one in alone for row in one.values.to_pylist()]


@pytest.mark.parametrize("dataset", [ITEMS, CHILDREN], ids=["items", "children"])
@settings(deadline=None, max_examples=300)
@given(record=mutated() | items().map(lambda pair: pair[1]))
@example(record=b'{"id":1,"id":2}')
@example(record=b'{"id":"1","extra":{"a":-0,"b":1e5,"c":100000000000000000000000}}')
@example(record=b'{"id":"1","n":{"count":-0},"n":{}}')
@example(record=b'{"id":"1","n":null,"n":{}}')
@example(record=b'{"id":"1","n":{"share":' + b"9" * 400 + b"}}")
@example(record=b'{"id":"1","n":{"rough":0.1e400,"about":3.0}}')
def test_the_quick_and_the_slow_reader_agree(dataset: Dataset, record: bytes) -> None:
    """What the quick reader takes, the slow one takes too, and gives the same values."""
    shape = shape_of(dataset)
    quick = [_settle(dataset, sent, {}) for (sent,) in read(shape, [record])]
    slow = _settle(dataset, read_one_by_one(shape, [record])[0], {})
    assert len(quick) == 1
    assert same(quick[0], slow)


KINDS = [
    pa.decimal128(precision, scale)
    for precision, scale in [(5, 4), (10, 2), (18, 6), (38, 0), (38, 9), (38, 38)]
]


def exactly(number: str, kind: pa.DataType) -> Decimal | None:
    """The number if the type holds it without rounding: the definition, not the implementation."""
    with localcontext(prec=200):
        try:
            value = Decimal(number)
            scaled = value.scaleb(kind.scale)
            fits = scaled == scaled.to_integral_value() and abs(scaled) < Decimal(10) ** kind.precision
        except InvalidOperation:
            return None
        return value if fits else None


@settings(deadline=None, max_examples=400)
@given(
    st.from_regex(
        r"-?[0-9]{1,40}(\.[0-9]{0,40})?([eE][-+]?[0-9]{1,2})?", fullmatch=True, alphabet="-+.eE0159"
    ),
    st.sampled_from(KINDS),
)
@example("90900.", pa.decimal128(38, 38))
@example("1e-39", pa.decimal128(38, 0))
@example("9" * 39, pa.decimal128(38, 0))
def test_money_is_exact_or_set_aside(number: str, kind: pa.DataType) -> None:
    """No text of a number becomes another number, whatever its digits and the column's precision."""
    dataset = Dataset("money", (Column("id", pa.string(), "id"), Column("x", kind, "x")), ("id",))
    page = normalise(dataset, [json.dumps({"id": "1", "x": number}).encode()])
    expected = exactly(number, kind)
    assert page.rows.column("x").to_pylist() == ([] if expected is None else [expected])


@settings(deadline=None, max_examples=300)
@given(
    st.from_regex(
        r"-?[0-9]{1,25}(\.[0-9]{0,25})?([eE][-+]?[0-9]{1,2})?", fullmatch=True, alphabet="-+.eE0159"
    ),
    st.sampled_from([*KINDS, pa.int32(), pa.int64()]),
)
@example("0.125", pa.decimal128(10, 2))
@example("0.375", pa.decimal128(10, 2))
@example("9.99995", pa.decimal128(5, 4))
@example("2147483647.0000001", pa.int32())
@example("2147483647.9999999", pa.int32())
@example("-9223372036854775808.0", pa.int64())
@example("2.9999999999999996", pa.int64())
@example("0.30000000000000004", pa.decimal128(10, 2))
def test_an_approximate_number_is_the_nearest_that_the_type_holds(number: str, kind: pa.DataType) -> None:
    """Of two the even one; of a whole number only noise is taken off; what is too large is set aside."""
    column = Column("x", kind, "x", json="string", approximate=True)
    dataset = Dataset("counts", (Column("id", pa.string(), "id"), column), ("id",))
    page = normalise(dataset, [json.dumps({"id": "1", "x": number}).encode()])
    with localcontext(prec=200):
        whole = pa.types.is_integer(kind)
        scale = 0 if whole else kind.scale
        value = Decimal(number)
        near = value.scaleb(scale).to_integral_value(ROUND_HALF_EVEN).scaleb(-scale)
        fits = abs(near.scaleb(scale)) < Decimal(10) ** (38 if whole else kind.precision)
        if whole:
            limit = 2 ** (kind.bit_width - 1)
            fits = -limit <= near < limit and abs(near - value) < Decimal("1e-6")
    assert page.rows.column("x").to_pylist() == ([near] if fits else [])
    assert page.received == 1
