"""What a bulk operation may ask, and how its answer is laid out as lines (Shopify docs, bulk operations)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLList,
    GraphQLNamedType,
    GraphQLSchema,
    OperationType,
    SelectionSetNode,
    get_named_type,
    get_nullable_type,
)

from weathervane.shopify.sandbox._admin_schema import admin_schema
from weathervane.shopify.sandbox._documents import prepare
from weathervane.shopify.sandbox._roots import ROOTS, not_served

__all__ = ["BulkQuery", "BulkQueryError", "Layout", "lines_of", "read_bulk_query"]

MAX_CONNECTIONS = 5
MAX_NESTING = 2
"""Connections below one of the query root (Estuary's and Airbyte's connectors read three in a line at Shopify)."""
TOO_DEEP = f"Bulk queries cannot contain connections with a nesting depth greater than {MAX_NESTING}."
NO_ID = (
    "The parent 'node' field for a nested connection must select the 'id' field without an alias "
    "and must be of 'ID' return type."
)
IN_LIST = "Queries that contain a connection field within a list field are not currently supported."


class BulkQueryError(ValueError):
    """The query cannot run as a bulk operation; the message goes into `userErrors`."""


@dataclass
class Layout:
    """Where the connections are in a selection.

    Attributes:
        connections: response key of each connection -> the layout of its nodes.
        objects: response key of each single object that holds connections further down.
    """

    connections: dict[str, Layout] = field(default_factory=dict)
    objects: dict[str, Layout] = field(default_factory=dict)


@dataclass(frozen=True)
class BulkQuery:
    """A query that may run in bulk."""

    text: str
    document: DocumentNode
    layout: Layout


def read_bulk_query(version: str, text: str) -> BulkQuery:
    """Read a query and hold it against the restrictions of bulk operations.

    Raises:
        BulkQueryError: it does not validate, or breaks a restriction.
    """
    prepared = prepare(version, text)
    if prepared.errors or prepared.document is None:
        raise BulkQueryError(f"Invalid bulk query: {prepared.errors[0]['message']}")
    operation = prepared.operation(None)
    if operation is None:
        raise BulkQueryError("Invalid bulk query: it must hold exactly one operation")
    if operation.operation is not OperationType.QUERY:
        raise BulkQueryError(
            "Invalid bulk query: only queries can run in bulk, no mutations or subscriptions"
        )
    if operation.variable_definitions:
        raise BulkQueryError("Invalid bulk query: variables are not supported")
    schema = admin_schema(version).schema
    reader = _Reader(schema, prepared.document)
    assert schema.query_type is not None  # every Admin schema has one
    layout = reader.layout(schema.query_type, [operation.selection_set], depth=0, in_list=False)
    if not reader.count:
        raise BulkQueryError("Bulk queries must contain at least one connection.")
    if reader.count > MAX_CONNECTIONS:
        raise BulkQueryError(f"Bulk queries cannot contain more than {MAX_CONNECTIONS} connections.")
    return BulkQuery(text, prepared.document, layout)


def lines_of(
    data: Any, layout: Layout, parent: str | None = None, *, children: int | None = None
) -> Iterator[tuple[dict[str, Any], bool]]:
    """Yield an answer's nodes as (line, whether it is a root), each parent before its children.

    With `children`, of each list within a node only so many.
    """
    if not data:
        return
    for key, below in layout.connections.items():
        edges = (data.get(key) or {}).get("edges", ())
        for edge in edges if parent is None else edges[:children]:
            node = edge["node"]
            line = _without(node, below)
            if parent is not None:
                line["__parentId"] = parent
            yield line, parent is None
            yield from lines_of(node, below, node.get("id"), children=children)
    for key, below in layout.objects.items():
        inner = data.get(key)
        yield from lines_of(inner, below, (inner or {}).get("id", parent), children=children)


def _without(node: Mapping[str, Any], layout: Layout) -> dict[str, Any]:
    line = {key: value for key, value in node.items() if key not in layout.connections}
    for key, below in layout.objects.items():
        if line.get(key) is not None:
            line[key] = _without(line[key], below)
    return line


class _Reader:
    def __init__(self, schema: GraphQLSchema, document: DocumentNode) -> None:
        self._schema = schema
        self._fragments = {
            part.name.value: part for part in document.definitions if isinstance(part, FragmentDefinitionNode)
        }
        self.count = 0

    def layout(
        self, parent: GraphQLNamedType, sets: Sequence[SelectionSetNode], *, depth: int, in_list: bool
    ) -> Layout:
        layout = Layout()
        fields = list(self._fields(parent, sets))
        names = {node.name.value for _, node in fields if node.alias is None}
        for owner, node in fields:
            name = node.name.value
            key = node.alias.value if node.alias else name
            definition = getattr(owner, "fields", {}).get(name)
            if definition is None or node.selection_set is None:
                continue
            if owner is self._schema.query_type and name in ("node", "nodes"):
                raise BulkQueryError(f"Bulk queries cannot contain a top level `{name}` field.")
            if owner is self._schema.query_type and name not in ROOTS:
                raise BulkQueryError(not_served(owner.name, name))
            kind = get_named_type(definition.type)
            if kind.name.endswith("Connection"):
                if in_list:
                    raise BulkQueryError(IN_LIST)
                if depth and "id" not in names:
                    raise BulkQueryError(f"{NO_ID} Connection fields without 'id': {name}.")
                layout.connections[key] = self._connection(kind, name, node.selection_set, depth + 1)
                continue
            listed = isinstance(get_nullable_type(definition.type), GraphQLList)
            below = self.layout(kind, [node.selection_set], depth=depth, in_list=in_list or listed)
            if below.connections or below.objects:
                layout.objects[key] = below
        return layout

    def _connection(self, kind: GraphQLNamedType, name: str, inner: SelectionSetNode, depth: int) -> Layout:
        self.count += 1
        if depth - 1 > MAX_NESTING:
            raise BulkQueryError(TOO_DEEP)
        chosen = {node.name.value: node for _, node in self._fields(kind, [inner])}
        edges = chosen.get("edges")
        edge_type: Any = get_named_type(kind.fields["edges"].type)  # type: ignore[attr-defined]
        selected = self._fields(edge_type, [edges.selection_set]) if edges and edges.selection_set else ()
        node = next((one for _, one in selected if one.name.value == "node" and one.alias is None), None)
        if "nodes" in chosen or node is None or node.selection_set is None or (edges and edges.alias):
            raise BulkQueryError(
                f"Bulk queries must select the connection {name} as edges {{ node {{ … }} }}."
            )
        node_type: Any = get_named_type(edge_type.fields["node"].type)
        return self.layout(node_type, [node.selection_set], depth=depth, in_list=False)

    def _fields(
        self, parent: GraphQLNamedType, sets: Sequence[SelectionSetNode]
    ) -> Iterator[tuple[GraphQLNamedType, FieldNode]]:
        for selection in (one for chosen in sets for one in chosen.selections):
            if isinstance(selection, FieldNode):
                yield parent, selection
                continue
            part: Any = selection
            if isinstance(selection, FragmentSpreadNode):
                part = self._fragments[selection.name.value]
            condition = part.type_condition
            owner = self._schema.type_map[condition.name.value] if condition else parent
            yield from self._fields(owner, [part.selection_set])
