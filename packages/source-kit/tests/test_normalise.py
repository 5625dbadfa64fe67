"""Pages of JSON arrive as typed rows; what does not fit is set aside whole, named, and harms no neighbour."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from weathervane.lake import QUARANTINE_SCHEMA
from weathervane.source._table.column import Column
from weathervane.source._table.dataset import Dataset
from weathervane.source._table.normalise import normalise

TIME = pa.timestamp("us", "UTC")
MONEY = pa.decimal128(18, 2)


def gid_tail(gids: pa.Array) -> pa.Array:
    """`gid://shopify/Order/123` -> `123`, null for what is no gid."""
    return pc.struct_field(pc.extract_regex(gids, r"^gid://shopify/[A-Za-z]+/(?P<tail>[0-9]+)$"), "tail")


ORDERS = Dataset(
    "orders",
    (
        Column("shop", pa.string()),
        Column("id", pa.string(), "id", convert=gid_tail),
        Column("updated_at", TIME, "updatedAt"),
        Column("test", pa.bool_(), "test"),
        Column("total", MONEY, "totalPriceSet.shopMoney.amount"),
        Column("tags", pa.list_(pa.string()), "tags"),
        Column("refunds", pa.string(), "refunds", json="raw"),
    ),
    ("shop", "id"),
)
LINES = Dataset(
    "order_line_items",
    (
        Column("shop", pa.string()),
        Column("order_id", pa.string(), "^.id", convert=gid_tail),
        Column("id", pa.string(), "id", convert=gid_tail),
        Column("quantity", pa.int64(), "quantity"),
        Column("price", MONEY, "originalUnitPriceSet.shopMoney.amount"),
        Column("sku", pa.string(), "sku", json="scalar"),
    ),
    ("shop", "order_id", "id"),
    explode="lineItems.nodes",
    replace_members=("order_id",),
)
SHOP = {"shop": "acme"}


def order(number: int = 1001, **members: Any) -> bytes:
    """An order as Shopify sends it, with some members changed."""
    record = {
        "id": f"gid://shopify/Order/{number}",
        "updatedAt": "2026-11-04T16:20:31Z",
        "test": False,
        "totalPriceSet": {"shopMoney": {"amount": "118.4", "currencyCode": "EUR"}, "presentmentMoney": None},
        "tags": ["new", "vip"],
        "refunds": [],
        "lineItems": {
            "pageInfo": {"hasNextPage": False},
            "nodes": [
                {
                    "id": f"gid://shopify/LineItem/{number}{n}",
                    "quantity": n,
                    "sku": "SOAP",
                    "originalUnitPriceSet": {"shopMoney": {"amount": "40.00"}},
                }
                for n in (1, 2)
            ],
        },
    }
    return json.dumps({**record, **members}).encode()


def one(column: Column, value: str) -> dict[str, Any]:
    """The row or the quarantined row that one JSON value becomes."""
    dataset = Dataset("one", (Column("id", pa.string(), "id"), column), ("id",))
    page = normalise(dataset, [f'{{"id":"1","x":{value}}}'.encode()])
    assert page.received == 1
    page.rows.validate(full=True)
    page.quarantined.validate(full=True)
    return (page.rows if page.rows.num_rows else page.quarantined).to_pylist()[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("column", "held"),
    [
        (Column("x", pa.string(), "x", absent=""), ""),
        (Column("x", pa.string(), "x", nulls=("--",), absent="none"), "none"),
        (Column("x", pa.int32(), "x", absent=-1), -1),
        (Column("x", pa.int64(), "x", json="string", absent=-1), -1),
        (Column("x", pa.int64(), "x", json="scalar", absent=-1), -1),
        (Column("x", pa.string(), "x", convert=gid_tail, absent="gid://shopify/Shop/0"), "0"),
    ],
)
def test_what_is_absent_may_be_a_part_of_the_key(column: Column, held: Any) -> None:
    """A value stands for it, so that its row is one; what is there and does not fit is set aside as ever."""
    dataset = Dataset("one", (Column("id", pa.string(), "id"), column), ("id", "x"))
    page = normalise(
        dataset, [b'{"id":"1"}', b'{"id":"2","x":null}', b'{"id":"3","x":{}}', b'{"id":"4","x":[1]}']
    )
    assert [(row["id"], row["x"]) for row in page.rows.to_pylist()] == [("1", held), ("2", held)]
    assert page.quarantined.num_rows == 2


def test_an_order_becomes_a_row() -> None:
    """Money is decimal, times are UTC, ids are text, what was not declared is left out."""
    page = normalise(ORDERS, [order(refunds=[{"b": 1, "a": None}])], constants=SHOP)
    assert page.rows.schema == ORDERS.schema
    assert page.rows.to_pylist() == [
        {
            "shop": "acme",
            "id": "1001",
            "updated_at": datetime(2026, 11, 4, 16, 20, 31, tzinfo=UTC),
            "test": False,
            "total": Decimal("118.40"),
            "tags": ["new", "vip"],
            "refunds": '[{"a":null,"b":1}]',
        }
    ]
    assert page.quarantined.num_rows == 0
    assert page.quarantined.schema == QUARANTINE_SCHEMA


def test_each_line_item_becomes_a_row_that_knows_its_order() -> None:
    """One row per element of the list, in order; an order without lines gives none."""
    records = [order(1), order(2, lineItems={"nodes": []}), order(3, lineItems=None), order(4)]
    rows = normalise(LINES, records, constants=SHOP).rows.to_pylist()
    assert [(row["order_id"], row["id"], row["quantity"]) for row in rows] == [
        ("1", "11", 1),
        ("1", "12", 2),
        ("4", "41", 1),
        ("4", "42", 2),
    ]


def test_lists_in_lists_become_rows_that_know_both_holders() -> None:
    """`refunds[].refundLineItems.nodes`: `^.` is the refund and `^^.` the order."""
    dataset = Dataset(
        "refund_lines",
        (
            Column("order_id", pa.string(), "^^.id"),
            Column("refund_id", pa.string(), "^.id"),
            Column("note", pa.string(), "^.note", json="raw"),
            Column("id", pa.string(), "id", json="scalar"),
        ),
        ("order_id", "refund_id", "id"),
        explode="refunds[].refundLineItems.nodes",
    )
    good = b"""{"id":"o1","refunds":[null,{"id":"r2"},
        {"id":"r1","note":{"n":1.50},"refundLineItems":{"nodes":[{"id":1},{"id":"2"}]}}]}"""
    bad = b"""{"id":"o2","refunds":[{"id":"r3","refundLineItems":{"nodes":[{"id":3}]}},
        {"id":"r4","refundLineItems":{"nodes":9}},
        {"id":"r5","refundLineItems":{"nodes":[{"id":4},{"id":true}]}}]}"""
    expected = [
        {"order_id": "o1", "refund_id": "r1", "note": '{"n":1.50}', "id": "1"},
        {"order_id": "o1", "refund_id": "r1", "note": '{"n":1.50}', "id": "2"},
        {"order_id": "o2", "refund_id": "r3", "note": None, "id": "3"},
        {"order_id": "o2", "refund_id": "r5", "note": None, "id": "4"},
    ]
    assert normalise(dataset, [good]).rows.to_pylist() == expected[:2]
    page = normalise(dataset, [good, bad])
    assert page.rows.to_pylist() == expected
    assert [(row["row_key"], row["value"], row["record"]) for row in page.quarantined.to_pylist()] == [
        ('["o2","r4",null]', "9", '{"id":"o2","refunds":[{"id":"r4","refundLineItems":{"nodes":9}}]}'),
        (
            '["o2","r5",null]',
            "true",
            '{"id":"o2","refunds":[{"id":"r5","refundLineItems":{"nodes":[{"id":true}]}}]}',
        ),
    ]


def test_insights_with_numbers_as_text_and_absent_metrics() -> None:
    """Meta sends every metric as a string and leaves out what is zero; a list of actions is kept as JSON."""
    insights = Dataset(
        "ad_insights",
        (
            Column("ad_id", pa.string(), "ad_id", json="scalar"),
            Column("date_start", pa.date32(), "date_start"),
            Column("impressions", pa.int64(), "impressions", json="string"),
            Column("spend", pa.decimal128(18, 6), "spend"),
            Column("actions", pa.string(), "actions", json="raw"),
        ),
        ("ad_id", "date_start"),
    )
    body = b"""{"ad_id":"120210478963240123","date_start":"2026-11-20","impressions":"9708","spend":"133.9",
        "actions":[{"value":"180","action_type":"link_click"}],"unknown":{"x":1}}"""
    rows = normalise(
        insights, [body, b'{"ad_id":120210478963240124,"date_start":"2026-11-20"}']
    ).rows.to_pylist()
    assert rows == [
        {
            "ad_id": "120210478963240123",
            "date_start": date(2026, 11, 20),
            "impressions": 9708,
            "spend": Decimal("133.900000"),
            "actions": '[{"action_type":"link_click","value":"180"}]',
        },
        dict.fromkeys(insights.schema.names)
        | {"ad_id": "120210478963240124", "date_start": date(2026, 11, 20)},
    ]


def test_google_and_klaviyo_shapes() -> None:
    """Google sends int64 as text, double as number; Klaviyo's times carry offsets, its names hyphens."""
    campaigns = Dataset(
        "campaigns",
        (
            Column("id", pa.string(), "campaign.id"),
            Column("cost_micros", pa.int64(), "metrics.costMicros", json="string"),
            Column("conversions", pa.float64(), "metrics.conversions"),
            Column("send_time", TIME, "attributes.send_time"),
            Column("message", pa.string(), "relationships.campaign-messages.data", json="raw"),
        ),
        ("id",),
    )
    record = b"""{"campaign":{"id":"21048795312"},"metrics":{"costMicros":"12340000","conversions":2.333333},
        "attributes":{"send_time":"2026-11-03T10:00:05.25+01:00"},
        "relationships":{"campaign-messages":{"data":[{"type":"campaign-message","id":"01"}]}}}"""
    assert normalise(
        campaigns, [record, b'{"campaign":{"id":"2"},"metrics":{"conversions":2}}']
    ).rows.to_pylist() == [
        {
            "id": "21048795312",
            "cost_micros": 12_340_000,
            "conversions": 2.333333,
            "send_time": datetime(2026, 11, 3, 9, 0, 5, 250_000, tzinfo=UTC),
            "message": '[{"id":"01","type":"campaign-message"}]',
        },
        {"id": "2", "cost_micros": None, "conversions": 2.0, "send_time": None, "message": None},
    ]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (MONEY, '"40.0"', Decimal("40.00")),
        (MONEY, '"-0.10000"', Decimal("-0.10")),
        (MONEY, '"1.5e3"', Decimal("1500.00")),
        (MONEY, '"0.1' + "0" * 60 + '"', Decimal("0.10")),
        (pa.decimal128(38, 9), '"' + "9" * 29 + '.999999999"', Decimal("9" * 29 + ".999999999")),
        (pa.decimal128(38, 38), '"0.5"', Decimal("0.5")),
        (pa.int64(), "9223372036854775807", 2**63 - 1),
        (pa.int32(), "-2147483648", -(2**31)),
        (pa.float64(), "1e308", 1e308),
        (pa.date32(), '"0001-01-01"', date(1, 1, 1)),
        (TIME, '"2026-11-02T09:14:07-0700"', datetime(2026, 11, 2, 16, 14, 7, tzinfo=UTC)),
        (TIME, '"9999-12-31T23:59:59.999999Z"', datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        (pa.string(), '"a\\u0000\\ud83d\\ude00"', "a\x00\U0001f600"),
        (pa.list_(pa.string()), '["x",null]', ["x", None]),
    ],
)
def test_a_value_that_fits_arrives_exactly(kind: pa.DataType, value: str, expected: object) -> None:
    """Nothing is rounded, shifted or cut on the way."""
    assert one(Column("x", kind, "x"), value)["x"] == expected


MISFITS: list[tuple[Column, str, str | None, str]] = [
    (Column("x", MONEY, "x"), '"0.105"', "0.105", r"fits decimal128\(18, 2\) without rounding"),
    (Column("x", MONEY, "x"), '"99999999999999999.00"', "99999999999999999.00", "without rounding"),
    (Column("x", MONEY, "x"), '"NaN"', "NaN", "a decimal number"),
    (Column("x", MONEY, "x"), '"1,5"', "1,5", "a decimal number"),
    (Column("x", MONEY, "x"), '""', "", "a decimal number"),
    (Column("x", MONEY, "x"), '"' + "1" * 50 + '"', "1" * 50, "a decimal number"),
    (Column("x", MONEY, "x"), "1.5", "1.5", "expected a string, got a number"),
    (Column("x", MONEY, "x", json="number"), "1.505", "1.505", "without rounding"),
    (Column("x", MONEY, "x", json="number"), '"1.5"', "1.5", "expected a number, got a string"),
    # Arrow alone reads this as 0.3713…, without an error.
    (Column("x", pa.decimal128(38, 38), "x"), '"90900."', "90900.", "without rounding"),
    (Column("x", pa.decimal128(38, 0), "x"), '"1e-39"', "1e-39", "without rounding"),
    (
        Column("x", pa.int64(), "x"),
        "9223372036854775808",
        "9223372036854775808",
        "a whole number that fits int64",
    ),
    (Column("x", pa.int64(), "x"), "1.0", "1.0", "a whole number"),
    (Column("x", pa.int64(), "x"), '"1"', "1", "expected a number, got a string"),
    (Column("x", pa.int64(), "x", json="string"), '"0x1F"', "0x1F", "a whole number"),
    (Column("x", pa.int32(), "x"), "2147483648", "2147483648", "a whole number that fits int32"),
    (Column("x", pa.float64(), "x"), "1e999", "1e999", "a finite number"),
    (Column("x", pa.float64(), "x"), "9" * 400, "9" * 400, "a finite number"),
    (Column("x", pa.float64(), "x", json="string"), '"Infinity"', "Infinity", "a finite number"),
    (Column("x", pa.float64(), "x", json="string"), '"nan"', "nan", "a finite number"),
    (Column("x", pa.bool_(), "x"), "1", "1", "expected true or false, got a number"),
    (Column("x", pa.date32(), "x"), '"2026-02-30"', "2026-02-30", "expected a date"),
    (Column("x", pa.date32(), "x"), '"0000-00-00"', "0000-00-00", "expected a date"),
    (Column("x", pa.date32(), "x"), '"0000-01-01"', "0000-01-01", "expected a date"),
    (Column("x", TIME, "x"), '"2026-11-02T09:14:07"', "2026-11-02T09:14:07", "a time with a zone"),
    (
        Column("x", TIME, "x"),
        '"2026-11-02T09:14:07.1234567Z"',
        "2026-11-02T09:14:07.1234567Z",
        "six decimals",
    ),
    (Column("x", TIME, "x"), '"9999-12-31T23:59:59-01:00"', "9999-12-31T23:59:59-01:00", "a time"),
    (
        Column("x", pa.list_(pa.string()), "x"),
        '["a",1]',
        '["a",1]',
        "expected a list of strings, got a list",
    ),
    (Column("x", pa.list_(pa.string()), "x"), '"a"', "a", "expected a list of strings, got a string"),
    (Column("x", pa.string(), "x"), '{"a":1.10}', '{"a":1.10}', "expected a string, got an object"),
    (Column("x", pa.string(), "x"), '"\\ud800"', "\\ud800", "half of a surrogate pair"),
    (Column("x", pa.string(), "x"), "true", "true", "expected a string, got true or false"),
    (Column("x", pa.string(), "x", nullable=False), "null", None, "the column must have one"),
    (Column("x", pa.string(), "x.y"), '"a"', "a", "expected an object at x, got a string"),
    (
        Column("x", pa.string(), "x", convert=gid_tail),
        '"gid://x/1"',
        "gid://x/1",
        "a text that gid_tail can turn",
    ),
    (Column("x", pa.string(), "x"), '"a","x":"b"', None, "member x is there twice"),
]


@pytest.mark.parametrize(("column", "value", "shown", "reason"), MISFITS)
def test_a_value_that_does_not_fit_is_set_aside_by_name(
    column: Column, value: str, shown: str | None, reason: str
) -> None:
    """The quarantine names the row's key, column, value as sent and reason, and keeps the record."""
    row = one(column, value)
    assert (row["row_key"], row["column_name"], row["value"]) == ('["1"]', "x", shown)
    assert row["record"] == f'{{"id":"1","x":{value}}}'
    with pytest.raises(ValueError, match=reason):
        raise ValueError(row["reason"])


@pytest.mark.parametrize(
    ("column", "value", "shown", "reason"), [misfit for misfit in MISFITS if misfit[0].nullable]
)
def test_a_value_that_only_describes_is_set_aside_by_itself(
    column: Column, value: str, shown: str | None, reason: str
) -> None:
    """Its row stays, with nothing in its place, and the quarantine has the same entry as for a row."""
    money = Column("money", MONEY, "money")
    dataset = Dataset(
        "d", (Column("id", pa.string(), "id"), replace(column, on_misfit="value"), money), ("id",)
    )
    record = f'{{"id":"1","x":{value},"money":"1.50"}}'.encode()
    page = normalise(dataset, [b'{"id":"0"}', record, b'{"id":"2"}'])
    assert page.rows.to_pylist()[-2:] == [
        {"id": "1", "x": None, "money": Decimal("1.50")},
        {"id": "2", "x": None, "money": None},
    ]
    assert (page.received, page.quarantined.num_rows) == (3, 0)
    (entry,) = page.values.to_pylist()
    assert (
        entry["reason"].startswith("value set aside, row kept: expected ")
        or "is there twice" in reason
        or ("half of" in reason)
    )
    assert (entry["row_key"], entry["column_name"], entry["value"]) == ('["1"]', "x", shown)
    assert entry["record"] == record.decode()
    with pytest.raises(ValueError, match=reason):
        raise ValueError(entry["reason"])
    # Of a row that is set aside for another column there is one entry, the row's.
    worse = normalise(dataset, [record.replace(b'"1.50"', b'"much"')])
    assert (worse.rows.num_rows, worse.values.num_rows) == (0, 0)
    assert worse.quarantined.column("column_name").to_pylist() == ["money"]


def test_two_values_of_a_row_are_two_entries_of_one_row() -> None:
    """By row, then as the columns are declared; a child's entry holds that child alone."""
    dataset = Dataset(
        "d",
        (
            Column("order", pa.string(), "^.id"),
            Column("id", pa.string(), "id"),
            Column("day", pa.date32(), "day", on_misfit="value"),
            Column("at", TIME, "at", on_misfit="value"),
        ),
        ("order", "id"),
        explode="lines",
    )
    lines = [{"id": "a", "at": 5, "day": "soon"}, {"id": "b"}, {"id": "c", "at": "late"}]
    page = normalise(dataset, [json.dumps({"id": "1", "lines": lines}).encode()])
    assert page.rows.column("id").to_pylist() == ["a", "b", "c"]
    assert [(e["row_key"], e["column_name"], e["value"]) for e in page.values.to_pylist()] == [
        ('["1","a"]', "day", "soon"),
        ('["1","a"]', "at", "5"),
        ('["1","c"]', "at", "late"),
    ]
    assert json.loads(page.values.column("record")[2].as_py())["lines"] == [lines[2]]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"null", "expected the record to be an object, got null"),
        (b"[1]", "expected the record to be an object, got a list"),
        (b"7", "expected the record to be an object, got a number"),
        (b"", "the record is not JSON: Expecting value at character 0"),
        (b'{"id":', "the record is not JSON: Expecting value at character 6"),
        (b'{"id":"1"}{"id":"2"}', "the record is not JSON: Extra data at character 10"),
        (b'{"id":NaN}', "the record is not JSON: NaN is no JSON number"),
        (b'{"id":"\xff"}', "the record is not UTF-8: byte 7 has no meaning there"),
        (
            b'\xef\xbb\xbf{"id":"1"}',
            "the record is not JSON: Unexpected UTF-8 BOM (decode using utf-8-sig) at character 0",
        ),
        (b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "the record is nested too deeply to be read"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "the record is nested too deeply to be read"),
    ],
)
def test_a_record_that_cannot_be_read_harms_no_neighbour(record: bytes, reason: str) -> None:
    """Broken JSON, broken text and any depth set one record aside; those before and after it arrive."""
    records = [order(n) for n in range(100)]
    page = normalise(ORDERS, [*records[:50], record, *records[50:]], constants=SHOP)
    assert page.rows.column("id").to_pylist() == [str(n) for n in range(100)]
    assert page.quarantined.num_rows == 1
    row = page.quarantined.to_pylist()[0]
    assert (row["row_key"], row["column_name"], row["reason"]) == ('["acme",null]', "", reason)
    assert row["record"] == record.decode("utf-8", "backslashreplace")


def test_records_that_would_end_the_process_do_not() -> None:
    """A page of nothing but `null` kills Arrow's reader (SIGSEGV in pyarrow 26.0.1): it never sees one."""
    script = """
import pyarrow as pa
from weathervane.source._table.dataset import Column, Dataset
from weathervane.source._table.normalise import normalise
dataset = Dataset("d", (Column("id", pa.string(), "id"),), ("id",))
print(normalise(dataset, [b"null"] * 100).quarantined.num_rows)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "100"), done.stderr


def test_a_missing_key_sets_the_row_aside() -> None:
    """A row without its name cannot be merged, so it is kept apart instead of merged wrongly."""
    page = normalise(ORDERS, [order(1), order(2, id=None), order(3, id="Order/3")], constants=SHOP)
    assert page.rows.column("id").to_pylist() == ["1"]
    assert [(row["row_key"], row["column_name"], row["value"]) for row in page.quarantined.to_pylist()] == [
        ('["acme",null]', "id", None),
        ('["acme",null]', "id", "Order/3"),
    ]


def test_the_first_column_in_declared_order_is_named() -> None:
    """Whether values fail by their JSON kind or by their text, the earliest declared column is named."""
    both = order(1, test="no", totalPriceSet={"shopMoney": {"amount": "0.105"}}, updatedAt="yesterday")
    assert normalise(ORDERS, [both], constants=SHOP).quarantined.to_pylist()[0]["column_name"] == "updated_at"
    late = order(1, totalPriceSet={"shopMoney": {"amount": "0.105"}}, tags=7)
    assert normalise(ORDERS, [late], constants=SHOP).quarantined.to_pylist()[0]["column_name"] == "total"


def test_a_bad_parent_harms_none_of_its_children() -> None:
    """A child is judged by the columns it declares, not by what else is wrong in the order that holds it."""
    record = order(7, totalPriceSet=None, updatedAt="yesterday", test="no")
    assert normalise(ORDERS, [record], constants=SHOP).rows.num_rows == 0
    assert normalise(LINES, [record], constants=SHOP).rows.num_rows == 2


def test_children_of_a_parent_without_its_key_are_set_aside() -> None:
    """The parent's key is part of the child's, so without it the child has no name."""
    page = normalise(LINES, [order(7, id=None)], constants=SHOP)
    assert page.quarantined.column("row_key").to_pylist() == ['["acme",null,"71"]', '["acme",null,"72"]']


def test_a_quarantined_child_can_be_read_again_without_its_siblings() -> None:
    """Put right and read again, the kept record gives the one row that was missing."""
    nodes = json.loads(order(5))["lineItems"]["nodes"]
    nodes[1]["quantity"] = "2"
    page = normalise(LINES, [order(4), order(5, lineItems={"nodes": nodes})], constants=SHOP)
    assert page.rows.num_rows == 3
    kept = page.quarantined.to_pylist()[0]["record"]
    repaired = kept.replace('"quantity": "2"', '"quantity": 2').encode()
    assert normalise(LINES, [repaired], constants=SHOP).rows.column("id").to_pylist() == ["52"]


def test_a_child_with_a_bad_text_is_kept_without_its_siblings() -> None:
    """A value of the right JSON kind that does not fit is found without the slow reader, and kept as well."""
    nodes = json.loads(order(5))["lineItems"]["nodes"]
    nodes[1]["originalUnitPriceSet"]["shopMoney"]["amount"] = "0.105"
    page = normalise(LINES, [order(4), order(5, lineItems={"nodes": nodes}), order(6)], constants=SHOP)
    row = page.quarantined.to_pylist()[0]
    assert (page.rows.num_rows, page.quarantined.num_rows) == (5, 1)
    assert (row["row_key"], row["column_name"]) == ('["acme","5","52"]', "price")
    assert json.loads(row["record"])["lineItems"]["nodes"] == [nodes[1]]


def test_an_empty_page_is_an_empty_batch_of_the_right_schema() -> None:
    """No records are no reason for another schema."""
    for dataset in (ORDERS, LINES):
        nothings: tuple[list[bytes] | bytes, ...] = ([], b"", b"\n\n")
        for nothing in nothings:
            page = normalise(dataset, nothing, constants=SHOP)
            assert (page.received, page.rows.schema) == (0, dataset.schema)
    assert normalise(LINES, [order(1, lineItems=None)], constants=SHOP).rows.schema == LINES.schema


def test_lines_of_json_are_records() -> None:
    """A bulk file's lines are read as they are, children by the id of their parent."""
    flat = LINES.read_from({"order_id": "__parentId"})
    body = b'{"id":"gid://shopify/LineItem/9","quantity":3,"__parentId":"gid://shopify/Order/5"}\r\n{"id":"gid://sh\n'
    page = normalise(flat, body, constants=SHOP)
    assert [(row["order_id"], row["id"], row["quantity"]) for row in page.rows.to_pylist()] == [("5", "9", 3)]
    assert page.quarantined.column("record").to_pylist() == ['{"id":"gid://sh']


def test_a_column_without_its_scope_arrives_as_null() -> None:
    """What was not asked for is null even if the vendor sends it in another form."""
    page = normalise(ORDERS.without("total", "refunds"), [order(1, totalPriceSet="?")], constants=SHOP)
    assert page.rows.schema == ORDERS.schema
    row = page.rows.to_pylist()[0]
    assert (row["total"], row["refunds"], row["test"]) == (None, None, False)


def test_the_vendors_words_for_no_value_become_null() -> None:
    """`--` is not a number that does not fit: the vendor says that there is none."""
    column = Column("x", MONEY, "x", nulls=("", "--"))
    assert one(column, '"--"')["x"] is None
    assert one(column, '"-"')["column_name"] == "x"


@pytest.mark.parametrize(
    ("constants", "why"),
    [
        ({}, "needs the constant 'shop'"),
        ({"shop": "a", "shpo": "b"}, "has no constant 'shpo'"),
        ({"shop": 1}, "'shop' of dataset 'orders' is no string"),
        ({"shop": None}, "must not be None"),
    ],
)
def test_a_wrong_constant_is_the_sources_mistake(constants: dict[str, object], why: str) -> None:
    """A mistake of ours is an error, not a page of quarantined rows."""
    with pytest.raises(ValueError, match=why):
        normalise(ORDERS, [order()], constants=constants)


def test_a_conversion_that_loses_values_is_the_sources_mistake() -> None:
    """A conversion that gives fewer values than it got would shift every row after them."""
    dataset = Dataset("d", (Column("id", pa.string(), "id", convert=lambda ids: ids.drop_null()),), ("id",))
    with pytest.raises(ValueError, match="convert of column 'id' made 1 values of 2"):
        normalise(dataset, [b'{"id":"1"}', b"{}"])


def test_a_row_too_large_for_the_lake_is_set_aside() -> None:
    """One row of megabytes must not stop the slice; what is kept of it fits a frame."""
    page = normalise(ORDERS, [order(1), order(2, refunds=["x" * 3_000_000])], constants=SHOP)
    assert page.rows.column("id").to_pylist() == ["1"]
    row = page.quarantined.to_pylist()[0]
    assert (row["row_key"], row["column_name"], len(row["value"])) == ('["acme","2"]', "refunds", 1_000)
    assert row["record"].endswith("bytes in all")
    assert len(row["record"]) < 2_200_000


def test_a_page_of_nothing_but_bad_rows_is_set_aside_whole() -> None:
    """The worst page still ends as one quarantined row per row received."""
    page = normalise(ORDERS, [order(n, test=n) for n in range(500)], constants=SHOP)
    assert page.quarantined.column("row_key").to_pylist() == [f'["acme","{n}"]' for n in range(500)]


def test_a_number_of_more_digits_than_a_float_holds_is_no_infinity() -> None:
    """Arrow's reader makes it one."""
    dataset = Dataset("floats", (Column("id", pa.string(), "id"), Column("x", pa.float64(), "x")), ("id",))
    long = b"9" * 5_000
    page = normalise(dataset, [b'{"id":"a","x":' + long + b"}", b'{"id":"b","x":1.5}'])
    assert page.rows.to_pylist() == [{"id": "b", "x": 1.5}]
    assert [one["column_name"] for one in page.quarantined.to_pylist()] == ["x"]
