"""What each field of the schema returns and requires, worked out once per field."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLUnionType,
    get_named_type,
    get_nullable_type,
)

from weathervane.shopify.sandbox._admin_schema import Access, admin_schema

__all__ = ["FieldPlan", "field_plan", "node_type"]


@dataclass(frozen=True)
class FieldPlan:
    """One field of one type.

    Attributes:
        parent: the type that has the field.
        name: the field's name.
        type: the name of the type that it returns, lists and non-null taken off.
        of: what it holds: the type itself, or the node type of a connection.
        is_list, is_connection, is_object: which form it has.
        nullable: whether it may be null.
        rules: the access that it requires.
        protected: whether it holds protected customer data.
        values: the values of an enum, in the schema's order.
        kinds: the object types that it may return; several for an interface or a union.
    """

    parent: str
    name: str
    type: str
    of: str
    is_list: bool
    is_connection: bool
    is_object: bool
    nullable: bool
    rules: tuple[Access, ...]
    protected: bool
    values: tuple[str, ...]
    kinds: tuple[str, ...]


@functools.cache
def field_plan(version: str, parent: str, name: str) -> FieldPlan:
    """Return the plan of a field of a version's schema."""
    admin = admin_schema(version)
    returned = admin.schema.type_map[parent].fields[name].type  # type: ignore[attr-defined]
    named = get_named_type(returned)
    connection = named.name.endswith("Connection")
    of = node_type(named) if connection else named.name
    rules = (admin.field_access.get((parent, name)), admin.type_access.get(of))
    kinds: tuple[str, ...] = ()
    if isinstance(named, GraphQLObjectType):
        kinds = (named.name,)
    elif isinstance(named, GraphQLInterfaceType | GraphQLUnionType):
        kinds = tuple(kind.name for kind in admin.schema.get_possible_types(named))
    return FieldPlan(
        parent=parent,
        name=name,
        type=named.name,
        of=of,
        is_list=isinstance(get_nullable_type(returned), GraphQLList),
        is_connection=connection,
        is_object=bool(kinds),
        nullable=not isinstance(returned, GraphQLNonNull),
        rules=tuple(rule for rule in rules if rule is not None),
        protected=(parent, name) in admin.protected,
        values=tuple(named.values) if isinstance(named, GraphQLEnumType) else (),
        kinds=kinds,
    )


def node_type(connection: Any) -> str:
    """Return the name of the type that a connection lists."""
    if "nodes" in connection.fields:
        return str(get_named_type(connection.fields["nodes"].type).name)
    edge: Any = get_named_type(connection.fields["edges"].type)
    return str(get_named_type(edge.fields["node"].type).name)
