"""A complete read replaces exactly the children of the parents that it accounts for."""

from __future__ import annotations

import pyarrow as pa
import pytest

from weathervane.source._table.column import Column
from weathervane.source._table.dataset import Dataset
from weathervane.source._table.members import members_of
from weathervane.source._table.normalise import Normalised, normalise
from weathervane.source._table.read import Parsed

LINES = Dataset(
    "lines",
    (
        Column("shop", pa.string()),
        Column("run", pa.int64()),
        Column("order_id", pa.string(), "^.id"),
        Column("id", pa.string(), "id"),
        Column("quantity", pa.int64(), "quantity"),
    ),
    ("shop", "order_id", "id"),
    explode="lineItems.nodes",
    replace_members=("shop", "order_id"),
)
CONSTANTS = {"shop": "acme", "run": 7}


def members(dataset: Dataset, records: list[bytes] | bytes, **constants: object) -> list[tuple[object, ...]]:
    """The members of a page, as tuples."""
    page = normalise(dataset, records, constants=constants)
    batch = members_of(dataset, records, page, constants=constants)
    assert batch.schema == pa.schema([dataset.schema.field(name) for name in dataset.replace_members])
    return [tuple(row.values()) for row in batch.to_pylist()]


def test_a_parent_without_children_is_accounted_for() -> None:
    """An order whose last line was removed is the very case for which rows are replaced."""
    records = [
        b'{"id":"1","lineItems":{"nodes":[{"id":"a"},{"id":"b"}]}}',
        b'{"id":"2","lineItems":{"nodes":[]}}',
        b'{"id":"1","lineItems":{"nodes":[{"id":"a"}]}}',
    ]
    assert members(LINES, records, **CONSTANTS) == [("acme", "1"), ("acme", "2")]


@pytest.mark.parametrize(
    "spoilt",
    [
        b'{"id":"2","lineItems":{"nodes":[{"id":"a"},{"id":"b","quantity":"x"}]}}',
        b'{"id":"2","lineItems":{"nodes":[{"id":"a"},7]}}',
        b'{"id":"2","lineItems":7}',
        b'{"id":"2","lineItems":{"nodes":null}}',
        b'{"id":"2"}',
        b'{"id":null,"lineItems":{"nodes":[{"id":"a"}]}}',
        b'{"id":"2","lineItems":',
    ],
)
def test_a_parent_whose_children_are_not_all_known_is_left_alone(spoilt: bytes) -> None:
    """What the vendor still shows must not be removed because we could not read it."""
    records = [b'{"id":"1","lineItems":{"nodes":[{"id":"a"}]}}', spoilt]
    assert members(LINES, records, **CONSTANTS) == [("acme", "1")]


def test_a_key_too_long_to_be_kept_replaces_nothing() -> None:
    """When it is not known whose child was set aside, no parent of the page is replaced."""
    long = "x" * 20_000
    records = [b'{"id":"1","lineItems":{"nodes":[{"id":"a"}]}}']
    records.append(b'{"id":"2","lineItems":{"nodes":[{"id":"%s","quantity":"x"}]}}' % long.encode())
    assert members(LINES, records, **CONSTANTS) == []


def test_parents_are_found_at_the_level_where_they_stand() -> None:
    """Of lists in lists the outer holder, the inner one, or both can be the parent."""
    columns = (
        Column("order_id", pa.string(), "^^.id"),
        Column("refund_id", pa.string(), "^.id"),
        Column("id", pa.string(), "id"),
    )
    records = [b'{"id":"o","refunds":[{"id":"r","lines":[{"id":"a"},{"id":"b"}]},{"id":"s","lines":[]}]}']
    records += [b'{"id":"p","refunds":[]}', b'{"id":"q"}']
    for parents, expected in (
        (("order_id",), [("o",), ("p",)]),
        (("order_id", "refund_id"), [("o", "r"), ("o", "s")]),
    ):
        dataset = Dataset(
            "refund_lines",
            columns,
            ("order_id", "refund_id", "id"),
            explode="refunds[].lines",
            replace_members=parents,
        )
        assert members(dataset, records) == expected


def test_a_dataset_without_members_has_none_to_give() -> None:
    """Asking for the members of a table that is only ever merged is the source's mistake."""
    dataset = Dataset("d", (Column("id", pa.string(), "id"),), ("id",))
    with pytest.raises(ValueError, match="declares no replace_members"):
        members_of(dataset, [], normalise(dataset, []))


ORDERS = Dataset(
    "orders",
    (Column("shop", pa.string()), Column("id", pa.string(), "id"), Column("paid", pa.bool_(), "paid")),
    ("shop", "id"),
)
PAGE = [
    b'{"id":"1","paid":true,"lineItems":{"nodes":[{"id":"a"},{"id":"b","quantity":2}]}}',
    b'{"id":"2","paid":false,"lineItems":{"nodes":[]}}',
    b'{"id":"3","paid":true,"lineItems":{"nodes":[{"id":"c","quantity":7}]}}',
]


def same(found: Normalised, expected: Normalised) -> bool:
    """Whether two pages hold the same rows and set the same aside."""
    return (found.rows, found.quarantined, found.values) == (
        expected.rows,
        expected.quarantined,
        expected.values,
    )


@pytest.mark.parametrize(
    "odd",
    [
        None,
        b'{"id":"4","paid":"yes","lineItems":{"nodes":[{"id":"d"}]}}',
        b'{"id":"4","paid":true,"lineItems":{"nodes":[{"id":"d","quantity":"x"}]}}',
        b'{"id":"4","paid":true,"lineItems":{"nodes":[{"id":"d","id":"e"}]}}',
        b'{"id":"4","paid":true,"lineItems":7}',
        b'{"id":"\\ud83d","lineItems":{"nodes":[]}}',
        b"null",
        b'{"id":',
        b"\xff",
    ],
)
@pytest.mark.parametrize("many", [1, 300])
def test_what_is_read_once_is_what_each_reads_by_itself(odd: bytes | None, many: int) -> None:
    """Parents, children and members of one reading, whichever records are meant: an odd one costs each what it did."""
    records = PAGE * many + ([] if odd is None else [odd]) + PAGE
    page = Parsed(records, ORDERS, LINES)
    for kept in (range(len(records)), range(0, len(records), 2), [len(records) - 1], []):
        some = [records[number] for number in kept]
        assert same(
            normalise(ORDERS, page.only(kept), constants={"shop": "acme"}),
            normalise(ORDERS, some, constants={"shop": "acme"}),
        )
        lines = normalise(LINES, some, constants=CONSTANTS)
        assert same(normalise(LINES, page.only(kept), constants=CONSTANTS), lines)
        assert members_of(LINES, page.only(kept), lines, constants=CONSTANTS) == members_of(
            LINES, some, lines, constants=CONSTANTS
        )


def test_datasets_that_take_a_member_for_different_things_are_read_apart() -> None:
    """One has an object where another has a text: neither spoils the other."""
    texts = Dataset("texts", (Column("id", pa.string(), "id"), Column("a", pa.string(), "a")), ("id",))
    objects = Dataset("objects", (Column("id", pa.string(), "id"), Column("b", pa.string(), "a.b")), ("id",))
    page = Parsed([b'{"id":"1","a":"x"}', b'{"id":"2","a":{"b":"y"}}'], texts, objects)
    assert normalise(texts, page).rows.to_pylist() == [{"id": "1", "a": "x"}]
    assert normalise(objects, page).rows.to_pylist() == [{"id": "2", "b": "y"}]


def test_a_page_is_not_asked_for_what_it_was_not_read_for() -> None:
    """That is a mistake of the source's."""
    with pytest.raises(ValueError, match="were not read for dataset 'orders'"):
        normalise(ORDERS, Parsed(PAGE, LINES), constants={"shop": "acme"})
