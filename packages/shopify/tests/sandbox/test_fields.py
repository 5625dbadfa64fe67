"""Every field of the schema can be asked for, in every version: what a record does not hold has a plain value."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from graphql import (
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    execute_sync,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    parse,
)

from weathervane.shopify.sandbox import ShopOptions
from weathervane.shopify.sandbox._admin_schema import SUPPORTED, admin_schema
from weathervane.shopify.sandbox._bulk import BulkOperations
from weathervane.shopify.sandbox._context import View
from weathervane.shopify.sandbox._resolve import resolve_field, resolve_type
from weathervane.shopify.sandbox._roots import ROOTS
from weathervane.shopify.sandbox._world import World
from weathervane.source.sandbox import Clock, Faults

from .conftest import bulk_link

SAID = {  # field -> what only this version's schema has of it
    ("FulfillmentService", "permitsSkuSharing"): ("2026-01",),
    ("QueryRoot", "deliverySettings"): ("2026-01",),
    ("DraftOrderDiscountNotAppliedWarning", "priceRule"): ("2026-01", "2026-04", "2026-07"),
    ("InventoryLevel", "isActive"): ("2026-04", "2026-07", "2026-10"),
    ("Order", "attribution"): ("2026-07", "2026-10"),
    ("Shop", "analyticsAnnotations"): ("2026-10",),
}


def reached(schema: GraphQLSchema) -> list[GraphQLObjectType]:
    """The object types that a query or a bulk operation can reach from the fields that are served."""
    found: dict[str, Any] = {}
    roots = [one for one in (schema.query_type, schema.mutation_type) if one is not None]
    waiting = [root.fields[name].type for root in roots for name in ROOTS if name in root.fields]
    while waiting:
        kind = get_named_type(waiting.pop())
        if kind.name in found:
            continue
        found[kind.name] = kind
        if isinstance(kind, GraphQLInterfaceType | GraphQLUnionType):
            waiting += schema.get_possible_types(kind)
        waiting += [field.type for field in getattr(kind, "fields", {}).values()]
    pages = ("Connection", "Edge", "PageInfo")
    kinds = (found[name] for name in sorted(found) if not name.endswith((*pages, "QueryRoot")))
    return [kind for kind in kinds if isinstance(kind, GraphQLObjectType)]


@pytest.mark.parametrize("version", SUPPORTED)
def test_every_field_of_every_type_has_a_value_in_a_record_that_holds_nothing(version, request):
    """A bulk operation over one that has none would fail as INTERNAL_SERVER_ERROR, without a word."""
    schema, options = admin_schema(version).schema, ShopOptions(orders=0, products=0)
    world, faults = World(options), Faults({})
    bulk = BulkOperations(world, faults, Clock(options.now))
    request.addfinalizer(bulk.close)
    every = frozenset(scope for one in admin_schema(version).type_access.values() for scope in one.scopes)
    every |= frozenset(scope for one in admin_schema(version).field_access.values() for scope in one.scopes)
    view = View(world, faults, bulk, version, (), every, options.now)
    # Any type may be the root of a query here: the schema's own one is put in place of each in turn.
    rooted = object.__new__(GraphQLSchema)
    rooted.__dict__.update(schema.__dict__)
    asked = 0
    for kind in reached(schema):
        fields = [
            name if is_leaf_type(get_named_type(field.type)) else f"{name} {{ __typename }}"
            for name, field in kind.fields.items()
            if not any(is_required_argument(one) for one in field.args.values())
        ]
        rooted.query_type = kind
        answer = execute_sync(
            rooted,
            parse("{ " + " ".join(["__typename", *fields]) + " }"),
            root_value={},
            context_value=view,
            field_resolver=resolve_field,
            type_resolver=resolve_type,
        )
        assert not answer.errors, (kind.name, answer.errors)
        asked += len(fields)
    assert asked > 4_000


@pytest.mark.parametrize(("field", "versions"), SAID.items(), ids=lambda one: "-".join(one))
def test_a_version_has_the_fields_that_it_had(field, versions):
    """Those that came later are missing in it, and those that are gone since are there."""
    kind, name = field
    schemas = {version: admin_schema(version).schema for version in SUPPORTED}
    assert tuple(v for v in SUPPORTED if name in schemas[v].type_map[kind].fields) == versions


def test_bulk_reads_fields_that_no_record_holds(start):
    """Objects and enums that the schema does not let be null."""
    acme = start(orders=3, products=2)
    asked = {
        "products": "id seo { title } options { optionValues { id name } } mediaCount { count } bodyHtml description",
        "productVariants": "id selectedOptions { value optionValue { name } }",
        "inventoryItems": "id measurement { id weight { value } }",
        "orders": "id statusPageUrl fullyPaid subtotalLineItemsQuantity customer { id state numberOfOrders }",
    }
    for root, fields in asked.items():
        lines = bulk_lines(acme, f"{{ {root} {{ edges {{ node {{ {fields} }} }} }} }}")
        assert lines
        if root == "products":
            one = next(iter(acme.shop.world.products.values()))
            line = next(line for line in lines if line["id"] == one["id"])
            assert line["bodyHtml"] == one["descriptionHtml"] == f"<p>{line['description']}</p>"
            assert (line["seo"], line["mediaCount"]) == ({"title": None}, {"count": 0})
            names = [value["name"] for option in line["options"] for value in option["optionValues"]]
            assert names == [value for option in one["options"] for value in option["values"]]


def test_bulk_names_a_list_that_is_not_served(acme):
    """The vendor has it, and says nothing else than an error code later."""
    query = "{ draftOrders { edges { node { id } } } }"
    run = f'mutation {{ bulkOperationRunQuery(query: "{query}") {{ userErrors {{ message }} }} }}'
    (error,) = acme.data(run)["bulkOperationRunQuery"]["userErrors"]
    assert error["message"] == "The sandbox does not serve the field draftOrders of QueryRoot."


def test_customers_are_listed_counted_searched_and_read_in_bulk(acme):
    """Those of the orders; each door shows the same ones."""
    orders = bulk_lines(acme, "{ orders { edges { node { customer { id } } } } }")
    bought = {one["customer"]["id"] for one in orders if one["customer"]}
    lines = bulk_lines(acme, "{ customers { edges { node { id email } } } }")
    assert bought
    assert {one["id"] for one in lines} == bought
    assert acme.data("{ customersCount { count } }")["customersCount"]["count"] == len(bought)
    page = "{ id email createdAt numberOfOrders }"
    listed = acme.data(f"{{ customers(first: 250, sortKey: NAME) {{ nodes {page} }} }}")["customers"]["nodes"]
    assert {one["id"] for one in listed} == bought
    one = listed[0]
    search = f'{{ customers(first: 5, query: "email:{one["email"]}") {{ nodes {page} }} }}'
    assert acme.data(search)["customers"]["nodes"] == [one]
    assert acme.data(f'{{ customer(id: "{one["id"]}") {page} }}')["customer"] == one


def test_a_shop_without_collections_lists_none(acme):
    """By every door, and the products' own lists agree."""
    listed = '{ collections(first: 5, query: "updated_at:>2020-01-01") { nodes { id title } } }'
    assert acme.data(listed)["collections"]["nodes"] == []
    assert acme.data("{ collectionsCount { count } }")["collectionsCount"]["count"] == 0
    products = acme.data("{ products(first: 20) { nodes { collections(first: 1) { nodes { id } } } } }")
    assert not any(one["collections"]["nodes"] for one in products["products"]["nodes"])


def bulk_lines(acme: Any, query: str) -> list[dict[str, Any]]:
    """Runs a bulk operation to its end and reads its file."""
    return [json.loads(line) for line in httpx.get(bulk_link(acme, query)).text.splitlines()]
