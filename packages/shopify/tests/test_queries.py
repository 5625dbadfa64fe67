"""What is asked of Shopify: valid against the real schema, nothing deprecated, and nothing that is not a column."""

from __future__ import annotations

import re

import pytest
from graphql import (
    GraphQLSchema,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    parse,
    validate,
    visit,
)

from weathervane.shopify import _queries as queries
from weathervane.shopify._settings import API_VERSION
from weathervane.shopify._tables.orders import LINES, ORDERS, PARTS, SCOPES
from weathervane.shopify._tables.products import PARTS as PRODUCT_PARTS
from weathervane.shopify._tables.products import PRODUCTS, VARIANTS
from weathervane.shopify.sandbox._admin_schema import admin_schema

SEARCH = queries.search_literal("updated_at:>='2026-11-01T00:00:00Z'")
TEXTS = {
    **{name: getattr(queries, name) for name in queries.__all__ if name.isupper()},
    "orders": queries.orders_page_query(ORDERS, LINES, PARTS),
    "orders without scopes": queries.orders_page_query(
        ORDERS.without("customer_id"), LINES.without("product_id", "variant_id"), PARTS
    ),
    "order lines": queries.order_lines_query(LINES, PARTS),
    "orders in bulk": queries.orders_bulk_query(ORDERS, LINES, PARTS, SEARCH),
    "products": queries.products_page_query(PRODUCTS, VARIANTS, PRODUCT_PARTS),
    "product variants": queries.product_variants_query(VARIANTS, PRODUCT_PARTS),
}


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    """Shopify's own schema of the version that we pin."""
    return admin_schema(API_VERSION).schema


@pytest.mark.parametrize("name", TEXTS)
def test_every_query_is_valid_and_uses_nothing_that_is_deprecated(schema, name):
    """Checked by graphql-core against the vendor's schema (fact 27)."""
    document = parse(TEXTS[name])
    assert [str(error) for error in validate(schema, document)] == []
    assert _deprecated(schema, document) == []


def test_the_check_finds_what_is_deprecated_and_what_is_unknown(schema):
    """A test that cannot fail shows nothing."""
    assert _deprecated(schema, parse("{ orders(first: 1) { nodes { totalPrice } } }")) == ["Order.totalPrice"]
    assert validate(
        schema, parse("{ orders(first: 1) { nodes { totalPriceSets { shopMoney { amount } } } } }")
    )


@pytest.mark.parametrize(
    ("dataset", "query"),
    [(ORDERS, "orders"), (LINES, "orders"), (PRODUCTS, "products"), (VARIANTS, "products")],
)
def test_every_column_that_is_read_is_asked_for(dataset, query):
    """The last member of each path stands in the query, which is made of the paths."""
    asked = set(re.findall(r"\w+", TEXTS[query]))
    assert [column.name for column in dataset.selected if not set(column.members) <= asked] == []


@pytest.mark.parametrize("column", SCOPES)
def test_a_column_that_is_left_out_is_not_asked_for(column):
    """A denied field deep inside would fail the whole page."""
    object_name = column.removesuffix("_id")
    assert re.search(rf"\b{object_name} \{{", TEXTS["orders"])
    assert not re.search(rf"\b{object_name} \{{", TEXTS["orders without scopes"])


def test_a_bulk_query_keeps_the_rules_of_bulk_queries():
    """Edges, not nodes; `id` on the parent; at most five connections, two deep; the search's quotes escaped."""
    text = TEXTS["orders in bulk"]
    assert "nodes" not in text
    assert "pageInfo" not in text
    assert text.count("edges") == 2
    assert r'''query: "updated_at:>='2026-11-01T00:00:00Z'"''' in text
    assert "groupObjects: false" in queries.BULK_RUN


def _deprecated(schema: GraphQLSchema, document) -> list[str]:
    found: list[str] = []
    info = TypeInfo(schema)

    class Look(Visitor):
        def enter_field(self, node, *_):
            parent, field = info.get_parent_type(), info.get_field_def()
            if parent and field and field.deprecation_reason is not None:
                found.append(f"{parent.name}.{node.name.value}")

        def enter_argument(self, node, *_):
            argument = info.get_argument()
            if argument and argument.deprecation_reason is not None:
                found.append(f"argument {node.name.value}")

    visit(document, TypeInfoVisitor(info, Look()))
    return found
