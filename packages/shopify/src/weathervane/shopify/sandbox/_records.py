"""Loading a shop from files of API-shaped records, so that anyone's own export runs through the whole system.

A line is one JSON object with a global `id`, in either of two shapes:

- a whole node as a page answers it: an order with `lineItems` as `{"nodes": […]}`, `{"edges": [{"node": …}]}`
  or a list, a product with `variants` likewise;
- a line of a bulk operation's file: a parent, or a child with `__parentId`, in any order.

The type is that of `__typename`, or else of the global id. Members that the schema does not know are kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from weathervane.shopify.sandbox._world import CHILDREN, Record, World, type_of
from weathervane.source.sandbox import read_json

__all__ = ["RecordsError", "load"]

ROOTS = ("Order", "Product", "Customer", "Location")
MEMBER = {
    ("Order", "LineItem"): "lineItems",
    ("Order", "Refund"): "refunds",
    ("Order", "OrderTransaction"): "transactions",
    ("Order", "ShippingLine"): "shippingLines",
    ("Order", "Fulfillment"): "fulfillments",
    ("Refund", "RefundLineItem"): "refundLineItems",
    ("Product", "ProductVariant"): "variants",
    ("Product", "ProductOption"): "options",
    ("InventoryItem", "InventoryLevel"): "inventoryLevels",
}
"""(type of the parent, type of the child) -> the parent's member that holds the child."""


class RecordsError(ValueError):
    """A file of records cannot be loaded; the message is one line that names file and line."""


def load(world: World, paths: Iterable[Path]) -> int:
    """Load files into a world and return how many records they held, children of bulk lines included.

    Raises:
        RecordsError: a file cannot be read, a line is not such a record, or a child's parent is in no file.
    """
    roots: dict[str, Record] = {}
    held: dict[str, Record] = {}
    children: list[tuple[str, Record, str]] = []
    count = 0
    for path in paths:
        try:
            with path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    if not line.strip():
                        continue
                    where = f"{path}:{number}"
                    record = _record(line, where)
                    count += 1
                    parent = record.pop("__parentId", None)
                    if parent is not None:
                        children.append((parent, record, where))
                    else:
                        if _kind(record) not in ROOTS:
                            raise RecordsError(
                                f"{where}: a {_kind(record)} needs a __parentId to stand on a line of its own"
                            )
                        roots[record["id"]] = record
                    if record["id"] in held and parent is None:
                        held.pop(record["id"])  # a later line is a newer state of the record
                    held.setdefault(record["id"], record)
        except OSError as error:
            raise RecordsError(f"{path}: {error.strerror or error}") from None
    for parent_id, child, where in children:
        _attach(held.get(parent_id), parent_id, child, where)
    for record in roots.values():
        world.add(record)
    return count


def _record(line: bytes, where: str) -> Record:
    try:
        value = read_json(line)
    except ValueError as error:
        raise RecordsError(f"{where}: not JSON: {error}") from None
    if not isinstance(value, dict):
        raise RecordsError(f"{where}: a record must be a JSON object")
    if not isinstance(value.get("id"), str) or not type_of(value["id"]):
        raise RecordsError(
            f"{where}: a record needs an id such as gid://shopify/Order/1, got {value.get('id')!r}"
        )
    _flatten(value, where)
    return value


def _flatten(record: Record, where: str) -> None:
    """Turn connections into plain lists, all the way down."""
    for name, value in record.items():
        if isinstance(value, dict) and ("nodes" in value or "edges" in value):
            record[name] = value = _nodes(value, f"{where}: {name}")
        if isinstance(value, dict):
            _flatten(value, where)
        elif isinstance(value, list):
            for one in value:
                if isinstance(one, dict):
                    _flatten(one, where)
    for name in CHILDREN.get(_kind(record), ()):
        if name in record and not isinstance(record[name], list | None):
            raise RecordsError(f"{where}: {name} must be a list, nodes or edges")


def _nodes(connection: dict[str, Any], where: str) -> list[Any]:
    # An export that was cut within an order would be served as a whole order: refuse it instead.
    if (connection.get("pageInfo") or {}).get("hasNextPage"):
        raise RecordsError(f"{where} has a next page: load the whole list")
    if "nodes" in connection:
        nodes = connection["nodes"]
    else:
        nodes = [edge.get("node") if isinstance(edge, dict) else None for edge in connection["edges"] or ()]
    if not isinstance(nodes, list) or not all(isinstance(node, dict) for node in nodes):
        raise RecordsError(f"{where} must hold a list of objects")
    return nodes


def _attach(parent: Record | None, parent_id: str, child: Record, where: str) -> None:
    if parent is None:
        raise RecordsError(f"{where}: no record has the id of its __parentId {parent_id}")
    member = MEMBER.get((_kind(parent), _kind(child)))
    if member is None:
        raise RecordsError(f"{where}: a {_kind(child)} cannot be the child of a {_kind(parent)}")
    siblings = parent.setdefault(member, [])
    siblings[:] = [one for one in siblings if one.get("id") != child["id"]]
    siblings.append(child)
    if member == "variants":
        child.setdefault("product", {"id": parent["id"]})


def _kind(record: Record) -> str:
    name = record.get("__typename")
    return name if isinstance(name, str) else type_of(record.get("id") or "")
