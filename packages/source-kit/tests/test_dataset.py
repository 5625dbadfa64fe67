"""A dataset's declaration is checked when it is made, and its schema says exactly what will arrive."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from weathervane.source._table.column import Column
from weathervane.source._table.dataset import Dataset

TIME = pa.timestamp("us", "UTC")
MONEY = pa.decimal128(18, 2)

ORDERS = Dataset(
    name="orders",
    columns=(
        Column("shop", pa.string()),
        Column("id", pa.string(), "id"),
        Column("updated_at", TIME, "updatedAt", nullable=False),
        Column("total", MONEY, "totalPriceSet.shopMoney.amount"),
        Column("customer_id", pa.string(), "customer.id"),
        Column("tags", pa.list_(pa.string()), "tags"),
    ),
    unique_keys=("shop", "id"),
    version_column="updated_at",
    cluster_by="updated_at",
)


def test_the_schema_has_the_declared_order_and_its_keys_are_not_nullable() -> None:
    """What is declared is what arrives, and a key column never holds null."""
    assert ORDERS.schema == pa.schema(
        [
            pa.field("shop", pa.string(), nullable=False),
            pa.field("id", pa.string(), nullable=False),
            pa.field("updated_at", TIME, nullable=False),
            pa.field("total", MONEY),
            pa.field("customer_id", pa.string()),
            pa.field("tags", pa.list_(pa.string())),
        ]
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"name": "Orders"}, "dataset 'Orders' is not a name"),
        ({"name": "../orders"}, "is not a name"),
        ({"unique_keys": ()}, "need at least one column"),
        ({"unique_keys": ("id", "id")}, "each once"),
        ({"unique_keys": ("nope",)}, "there is no column 'nope'"),
        ({"unique_keys": ("tags",)}, "cannot name a row"),
        ({"version_column": "nope"}, "there is no column 'nope'"),
        ({"cluster_by": "nope"}, "there is no column 'nope'"),
        ({"replace_members": ("total",)}, "must be columns of the unique key"),
        ({"explode": "a..b"}, "explode 'a..b' is not a path"),
        ({"columns": (*ORDERS.columns, Column("id", pa.string(), "x"))}, "column 'id' is declared twice"),
        ({"columns": (*ORDERS.columns, Column("up", pa.string(), "^.id"))}, "climbs 1 lists of 0"),
        ({"columns": (*ORDERS.columns, Column("deep", pa.string(), "id.x"))}, "goes through 'id'"),
        ({"columns": (*ORDERS.columns, Column("same", pa.int64(), "id"))}, "as int64 here, as string there"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(change: dict[str, Any], why: str) -> None:
    """A mistake in a declaration is found at import, not in the middle of a night's run."""
    with pytest.raises(ValueError, match=why):
        replace(ORDERS, **change)


@pytest.mark.parametrize(
    ("column", "why"),
    [
        (("1d_click", pa.int64(), "x"), "the name is not one"),
        (("x" * 64, pa.int64(), "x"), "the name is not one"),
        (("x\n", pa.int64(), "x"), "the name is not one"),
        (("x", pa.float32(), "x"), "float is not carried"),
        (("x", pa.timestamp("ns", "UTC"), "x"), "is not carried"),
        (("x", pa.timestamp("us"), "x"), "is not carried"),
        (("x", pa.int64(), "a..b"), "'a..b' is not a path"),
        (("x", pa.int64(), "^"), "is not a path"),
        (("x", pa.bool_(), "x", True, "", "string"), "bool is read from bool or list, not string"),
        (("x", pa.string(), "", True, "", "raw"), "it is a constant"),
        (("x", pa.int64(), "x", True, "", None, None, ("",)), "nulls are texts, but it is read from number"),
    ],
)
def test_a_column_that_cannot_be_read_is_refused(column: tuple[object, ...], why: str) -> None:
    """Names, types and paths that the lake or the readers could not take are refused by name."""
    with pytest.raises(ValueError, match=why):
        Column(*column)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("column", "why"),
    [
        (
            {"type": pa.float64(), "path": "x", "approximate": True},
            "for decimals and whole numbers, not for double",
        ),
        ({"type": pa.int64(), "approximate": True}, "it is a constant"),
        ({"type": pa.int64(), "on_misfit": "value"}, "it is a constant"),
        ({"type": pa.int64(), "path": "x", "on_misfit": "value", "nullable": False}, "it is not nullable"),
        ({"type": pa.string(), "absent": ""}, "it is a constant"),
        ({"type": pa.string(), "path": "x", "absent": 0}, "absent is a text or a whole number"),
        ({"type": pa.date32(), "path": "x", "absent": "2026-11-02"}, "absent is a text or a whole number"),
    ],
)
def test_a_treatment_of_misfits_that_cannot_be_is_refused(column: dict[str, Any], why: str) -> None:
    """Where it would mean nothing, or would make a row without a name."""
    with pytest.raises(ValueError, match=why):
        Column("x", **column)


@pytest.mark.parametrize("name", ["id", "updated_at"])
def test_no_value_of_what_names_or_orders_rows_is_set_aside_alone(name: str) -> None:
    """A row without its key is no row, and one without its version or cluster cannot be placed."""
    column = replace(ORDERS.column(name), nullable=True, on_misfit="value")
    with pytest.raises(ValueError, match=f"'{name}' names or orders rows"):
        ORDERS.with_columns(column)


def test_a_column_without_its_scope_keeps_the_schema() -> None:
    """A tenant that did not grant a scope gets the same table with nulls, not another table."""
    scoped = ORDERS.without("customer_id")
    assert scoped.schema == ORDERS.schema
    assert [column.name for column in scoped.selected] == ["id", "updated_at", "total", "tags"]
    with pytest.raises(ValueError, match="key column 'id' cannot be left out"):
        ORDERS.without("id")
    with pytest.raises(ValueError, match="'updated_at' is not nullable, so it cannot be left out"):
        ORDERS.without("updated_at")


def test_a_breakdown_adds_columns_to_the_schema_and_to_the_key() -> None:
    """Meta's breakdowns are members of the row and part of what makes it unique."""
    aged = ORDERS.with_columns(Column("age", pa.string(), "age"), unique_keys=("shop", "id", "age"))
    assert aged.schema.names == [*ORDERS.schema.names, "age"]
    assert not aged.schema.field("age").nullable


def test_one_table_can_be_read_from_two_shapes() -> None:
    """A bulk file's lines and a page's nested list fill the same table."""
    nested = Dataset(
        "lines",
        (Column("order_id", pa.string(), "^.id"), Column("id", pa.string(), "id")),
        ("order_id", "id"),
        explode="lineItems.nodes",
        replace_members=("order_id",),
    )
    flat = nested.read_from({"order_id": "__parentId"})
    assert flat.schema == nested.schema
    assert flat.lists == ()
    assert flat.column("order_id").path == "__parentId"
