"""A complete read replaces exactly the children of the parents that it accounts for."""

from __future__ import annotations

import pyarrow as pa
import pytest

from weathervane.source._table.column import Column
from weathervane.source._table.dataset import Dataset
from weathervane.source._table.members import members_of
from weathervane.source._table.normalise import normalise

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
