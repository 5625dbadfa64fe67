"""What a query costs: the vendor's documented parts, and for connections the formula that measured costs follow.

Documented (Shopify docs, rate limits): a scalar or an enum 0, an object 1, a mutation 10, a union or an interface its
dearest selection, a connection "sized by first and last". How, is not published. Costs that were measured at Shopify
(Microsoft's Business Central connector audited 128 queries against API version 2025-07 in December 2025, BCApps pull
request 5926; community.shopify.dev topic 23101) all follow one rule: a connection costs 2 and, `max(1, floor(2 ln n))`
times, 1 and the node's own selection, where n is `first`; and amounts of money (`MoneyBag`, `MoneyV2`) are free.
A plain list counts as one object; `pageInfo` is free. So `orders(first: 5) { nodes { lineItems(first: 20) { nodes {
id } } } }` costs 2 + 3 * (1 + 2 + 5 * 1) = 26, and 250 products with 250 media each cost 156.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    get_named_type,
)

__all__ = [
    "CONNECTION_COST",
    "FREE_TYPES",
    "MAX_COST",
    "MUTATION_COST",
    "field_costs",
    "requested_cost",
    "sized_fields",
    "times_charged",
]

MAX_COST = 1000
MUTATION_COST = 10
CONNECTION_COST = 2
FREE_TYPES = ("PageInfo", "MoneyBag", "MoneyV2")

Fragments = Mapping[str, FragmentDefinitionNode]


def requested_cost(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: Fragments,
    variables: Mapping[str, Any],
) -> int:
    """Return the points that an operation asks for.

    Args:
        schema: the schema that the operation was validated against.
        operation: the operation to run.
        fragments: the document's fragments by name.
        variables: the operation's variables, as coerced.
    """
    meter = _Meter(schema, fragments, variables)
    if operation.operation is OperationType.MUTATION:
        return MUTATION_COST * len(operation.selection_set.selections)
    root = schema.query_type
    assert root is not None  # every Admin schema has one
    return meter.selection(root, [operation.selection_set])


def field_costs(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: Fragments,
    variables: Mapping[str, Any],
) -> Iterator[tuple[list[str], int, int, int | None]]:
    """Yield what each field asks for: its path, its own points, its total, and its children's (None = a leaf).

    Children come before their parent, as the vendor was seen to list them. A connection's children are one node's.
    """
    root = schema.mutation_type if operation.operation is OperationType.MUTATION else schema.query_type
    assert root is not None
    meter = _Meter(schema, fragments, variables)
    for path, own, total, children in meter.breakdown(root, [operation.selection_set], []):
        if operation.operation is not OperationType.MUTATION:
            yield path, own, total, children
        elif len(path) == 1:  # a mutation's price is its own, whatever it returns
            yield path, MUTATION_COST, MUTATION_COST, 0


def sized_fields(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: Fragments,
    variables: Mapping[str, Any],
) -> Iterator[tuple[FieldNode, Any, Any]]:
    """Yield each connection of an operation with the values of its `first` and `last` (None = not given)."""
    root = schema.mutation_type if operation.operation is OperationType.MUTATION else schema.query_type
    assert root is not None
    yield from _Meter(schema, fragments, variables).connections(root, [operation.selection_set])


class _Meter:
    def __init__(self, schema: GraphQLSchema, fragments: Fragments, variables: Mapping[str, Any]) -> None:
        self._schema = schema
        self._fragments = fragments
        self._variables = variables

    def selection(self, parent: GraphQLNamedType, sets: Sequence[SelectionSetNode]) -> int:
        fields, branches = self._collect(parent, sets)
        common = sum(self._field(parent, nodes) for nodes in fields.values())
        dearest = max((self.selection(kind, inner) for kind, inner in branches.values()), default=0)
        return common + dearest

    def breakdown(
        self, parent: GraphQLNamedType, sets: Sequence[SelectionSetNode], path: list[str]
    ) -> Iterator[tuple[list[str], int, int, int | None]]:
        fields, branches = self._collect(parent, sets)
        for key, nodes in fields.items():
            kind, inner, here = self._type_of(parent, nodes[0]), _selections(nodes), [*path, key]
            if kind is None or not inner:
                yield here, 0, 0, None
                continue
            yield from self.breakdown(kind, inner, here)
            if _is_connection(kind):
                node_type, node_sets = self._nodes(kind, inner)
                children = 0 if node_type is None else 1 + self.selection(node_type, node_sets)
                yield here, CONNECTION_COST, self._field(parent, nodes), children
            else:
                own = 0 if kind.name in FREE_TYPES or kind.name.endswith("Edge") else 1
                children = self.selection(kind, inner)
                yield here, own, own + children, children
        for kind, inner in branches.values():
            yield from self.breakdown(kind, inner, path)

    def connections(
        self, parent: GraphQLNamedType, sets: Sequence[SelectionSetNode]
    ) -> Iterator[tuple[FieldNode, Any, Any]]:
        fields, branches = self._collect(parent, sets)
        for nodes in fields.values():
            kind = self._type_of(parent, nodes[0])
            if kind is None:
                continue
            if _is_connection(kind):
                yield nodes[0], self._argument(nodes[0], "first"), self._argument(nodes[0], "last")
            yield from self.connections(kind, _selections(nodes))
        for kind, inner in branches.values():
            yield from self.connections(kind, inner)

    def _field(self, parent: GraphQLNamedType, nodes: list[FieldNode]) -> int:
        kind = self._type_of(parent, nodes[0])
        inner = _selections(nodes)
        if kind is None or not inner or kind.name in FREE_TYPES:
            return 0
        if not _is_connection(kind):
            return 1 + self.selection(kind, inner)
        size = self._argument(nodes[0], "first")
        size = self._argument(nodes[0], "last") if size is None else size
        node_type, node_sets = self._nodes(kind, inner)
        each = 0 if node_type is None else 1 + self.selection(node_type, node_sets)
        return CONNECTION_COST + times_charged(size or 0) * each

    def _nodes(
        self, connection: GraphQLNamedType, sets: Sequence[SelectionSetNode]
    ) -> tuple[GraphQLNamedType | None, list[SelectionSetNode]]:
        # `nodes` and `edges { node }` are the same objects: their selections are merged and counted once.
        fields, _ = self._collect(connection, sets)
        kind: GraphQLNamedType | None = None
        found: list[SelectionSetNode] = []
        for field in (node for nodes in fields.values() for node in nodes):
            named = self._type_of(connection, field)
            if named is None or field.selection_set is None:
                continue
            if field.name.value == "nodes":
                kind = named
                found.append(field.selection_set)
            elif field.name.value == "edges":
                below, inner = self._nodes(named, [field.selection_set])
                kind = below or kind
                found += inner
            elif field.name.value == "node":
                kind = named
                found.append(field.selection_set)
        return kind, found

    def _collect(
        self, parent: GraphQLNamedType, sets: Sequence[SelectionSetNode]
    ) -> tuple[dict[str, list[FieldNode]], dict[str, tuple[GraphQLNamedType, list[SelectionSetNode]]]]:
        fields: dict[str, list[FieldNode]] = {}
        branches: dict[str, tuple[GraphQLNamedType, list[SelectionSetNode]]] = {}
        waiting = list(sets)
        while waiting:
            for selection in waiting.pop(0).selections:
                if isinstance(selection, FieldNode):
                    key = selection.alias.value if selection.alias else selection.name.value
                    fields.setdefault(key, []).append(selection)
                    continue
                part: Any = (
                    self._fragments[selection.name.value]
                    if isinstance(selection, FragmentSpreadNode)
                    else selection
                )
                condition = getattr(part, "type_condition", None)
                name = condition.name.value if condition else parent.name
                inner: SelectionSetNode = part.selection_set
                narrower = isinstance(parent, GraphQLInterfaceType | GraphQLUnionType) and name != parent.name
                if narrower and isinstance(self._schema.type_map.get(name), GraphQLObjectType):
                    branches.setdefault(name, (self._schema.type_map[name], []))[1].append(inner)
                else:
                    waiting.append(inner)
        return fields, branches

    def _type_of(self, parent: GraphQLNamedType, node: FieldNode) -> GraphQLNamedType | None:
        field: Any = getattr(parent, "fields", {}).get(node.name.value)
        if field is None:  # a field of another interface of the same object, or __typename
            return None
        named: GraphQLNamedType = get_named_type(field.type)
        return named

    def _argument(self, node: FieldNode, name: str) -> Any:
        for argument in node.arguments or ():
            if argument.name.value == name:
                if isinstance(argument.value, VariableNode):
                    return self._variables.get(argument.value.name.value)
                return int(argument.value.value) if isinstance(argument.value, IntValueNode) else None
        return None


def times_charged(size: int) -> int:
    """Return how many times a connection of a size is charged its nodes' selection."""
    return max(1, math.floor(2 * math.log(size))) if size else 0


def _is_connection(kind: GraphQLNamedType) -> bool:
    return kind.name.endswith("Connection")


def _selections(nodes: Sequence[FieldNode]) -> list[SelectionSetNode]:
    return [node.selection_set for node in nodes if node.selection_set is not None]
