"""GraphQL from declarations: what a dataset reads is what its query asks for, so that the two cannot drift apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from weathervane.source import Dataset, format_time

__all__ = [
    "BULK_CANCEL",
    "BULK_POLL",
    "BULK_RUN",
    "COUNT_ORDERS",
    "COUNT_PRODUCTS",
    "DELETED_PRODUCTS",
    "ORDER_TIMES",
    "SHOP",
    "changed_since",
    "order_lines_query",
    "orders_bulk_query",
    "orders_page_query",
    "product_variants_query",
    "products_page_query",
    "search_literal",
    "selection",
]

_Tree = dict[str, "_Tree"]


def changed_since(lower: datetime | None, upper: datetime | None = None) -> str:
    """A search by time of change, both bounds inclusive; quoted and in UTC, or Shopify ignores the zone."""
    terms = []
    if lower is not None:
        terms.append(f"updated_at:>='{format_time(lower)}'")
    if upper is not None:
        terms.append(f"updated_at:<='{format_time(upper)}'")
    return " AND ".join(terms)


def search_literal(search: str) -> str:
    """A search as it stands inside a bulk operation's query text."""
    return json.dumps(search)[1:-1]


def selection(dataset: Dataset, parts: Mapping[str, str], *, climb: int = 0) -> str:
    """The fields that a dataset's columns are read from.

    Args:
        dataset: Its columns' paths are the fields.
        parts: For a field that is kept as JSON, what of it is asked for: `{"refunds": "id createdAt"}`.
        climb: 0 for the fields of a row; 1 for those of the object that holds the rows.
    """
    tree: _Tree = {}
    for column in dataset.selected:
        if column.climb == climb:
            at = tree
            for member in column.members:
                at = at.setdefault(member, {})
    return _render(tree, parts)


def _render(tree: _Tree, parts: Mapping[str, str]) -> str:
    fields = []
    for name, inner in tree.items():
        if inner:
            fields.append(f"{name} {{ {_render(inner, parts)} }}")
        else:
            fields.append(f"{name} {{ {parts[name]} }}" if name in parts else name)
    return " ".join(fields)


_PAGE_INFO = "pageInfo { hasNextPage endCursor }"
# Held against the variants that are listed, whatever columns there are.
_VARIANTS_COUNT = "variantsCount { count }"


def orders_page_query(orders: Dataset, lines: Dataset, parts: Mapping[str, str]) -> str:
    """A page of orders by time of change, each with its first lines."""
    return (
        "query OrdersPage($first: Int!, $after: String, $query: String!, $nested: Int!) {"
        " orders(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {"
        f" {_PAGE_INFO} nodes {{ {selection(orders, parts)}"
        f" lineItems(first: $nested) {{ {_PAGE_INFO} nodes {{ {selection(lines, parts)} }} }} }} }} }}"
    )


def order_lines_query(lines: Dataset, parts: Mapping[str, str]) -> str:
    """More lines of one order."""
    return (
        "query OrderLines($id: ID!, $first: Int!, $after: String) { order(id: $id) {"
        f" {selection(lines, parts, climb=1)}"
        f" lineItems(first: $first, after: $after) {{ {_PAGE_INFO} nodes {{ {selection(lines, parts)} }} }} }} }}"
    )


def products_page_query(products: Dataset, variants: Dataset, parts: Mapping[str, str]) -> str:
    """A page of products by time of change, each with its first variants."""
    return (
        "query ProductsPage($first: Int!, $after: String, $query: String!, $nested: Int!) {"
        " products(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {"
        f" {_PAGE_INFO} nodes {{ {selection(products, parts)} {_VARIANTS_COUNT}"
        f" variants(first: $nested) {{ {_PAGE_INFO} nodes {{ {selection(variants, parts)} }} }} }} }} }}"
    )


def product_variants_query(variants: Dataset, parts: Mapping[str, str]) -> str:
    """More variants of one product."""
    return (
        "query ProductVariants($id: ID!, $first: Int!, $after: String) { product(id: $id) {"
        f" {selection(variants, parts, climb=1)} {_VARIANTS_COUNT}"
        f" variants(first: $first, after: $after) {{ {_PAGE_INFO} nodes {{ {selection(variants, parts)} }} }} }} }}"
    )


def orders_bulk_query(orders: Dataset, lines: Dataset, parts: Mapping[str, str], search: str) -> str:
    """All orders of a search with their lines, as a bulk operation wants it: edges, and `id` on every parent."""
    return (
        f'{{ orders(query: "{search}", sortKey: UPDATED_AT) {{ edges {{ node {{ __typename {selection(orders, parts)}'
        f" lineItems {{ edges {{ node {{ __typename {selection(lines, parts)} }} }} }} }} }} }} }}"
    )


SHOP = """query Shop { shop { myshopifyDomain currencyCode ianaTimezone }
  currentAppInstallation { accessScopes { handle } } }"""

COUNT_ORDERS = (
    "query Count($query: String) { count: ordersCount(query: $query, limit: null) { count precision } }"
)
COUNT_PRODUCTS = (
    "query Count($query: String) { count: productsCount(query: $query, limit: null) { count precision } }"
)

ORDER_TIMES = """query Times {
  oldest: orders(first: 1, sortKey: UPDATED_AT) { nodes { updatedAt } }
  newest: orders(first: 1, sortKey: UPDATED_AT, reverse: true) { nodes { updatedAt } } }"""

DELETED_PRODUCTS = """query Deleted($first: Int!, $after: String, $query: String!) {
  events(first: $first, after: $after, query: $query, sortKey: CREATED_AT) {
    pageInfo { hasNextPage endCursor } nodes { id createdAt ... on BasicEvent { subjectId subjectType } } } }"""

BULK_RUN = """mutation Run($query: String!) { bulkOperationRunQuery(query: $query, groupObjects: false) {
  bulkOperation { id status } userErrors { code field message } } }"""
BULK_POLL = """query Poll($id: ID!) { bulkOperation(id: $id) {
  id status errorCode objectCount rootObjectCount fileSize url partialDataUrl } }"""
BULK_CANCEL = "mutation Cancel($id: ID!) { bulkOperationCancel(id: $id) { bulkOperation { id status } } }"
