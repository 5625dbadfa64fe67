"""The shop's data: every record in the API's own shape, its deletions, and the moment it last changed.

Lists of children (`lineItems`, `variants`, `refundLineItems` …) are kept as plain lists; the answers wrap
them into connections. A record keeps members that the sandbox does not know.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from weathervane.shopify.sandbox._options import ShopOptions

__all__ = ["CHILDREN", "Record", "World", "gid", "number_of", "stamp", "type_of"]

Record = dict[str, Any]

CHILDREN: Mapping[str, tuple[str, ...]] = {
    "Order": (
        "lineItems",
        "refunds",
        "transactions",
        "shippingLines",
        "fulfillments",
        "discountApplications",
    ),
    "Refund": ("refundLineItems",),
    "Product": ("variants", "options"),
    "ProductVariant": (),
    "InventoryItem": ("inventoryLevels",),
}
"""Type -> members that hold children, as lists."""


def gid(kind: str, number: int) -> str:
    """Return a global id: `gid://shopify/Order/5012345678901`."""
    return f"gid://shopify/{kind}/{number}"


def type_of(record_id: str) -> str:
    """Return the type that a global id names; "" for text that is no global id."""
    parts = record_id.split("/")
    return parts[3] if len(parts) >= 5 and parts[0] == "gid:" else ""


def number_of(record_id: str | None) -> int:
    """Return the number of a global id, for sorting and `legacyResourceId`; 0 when it has none."""
    tail = (record_id or "").rsplit("/", 1)[-1].split("?")[0]
    return int(tail) if tail.isdigit() else 0


def stamp(moment: datetime) -> str:
    """Return a time as Shopify writes it: UTC, whole seconds, `Z`."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class World:
    """All records of one shop.

    Attributes:
        lock: held by whoever reads or changes records; one answer is one consistent view.
        orders, products, customers, locations: live records by id.
        events: what happened, oldest first (`BasicEvent`).
        deleted: ids of records that are gone.
        deleted_products: the last state of deleted products, with `deletedAt`.
        indexed: record id -> its `updatedAt` values so far, for a search index that lags.
        revision: grows with every change.
        lists: sorted lists that pages are cut from, kept while the revision stands.
    """

    def __init__(self, options: ShopOptions) -> None:
        self.options = options
        self.lock = threading.RLock()
        self.random = random.Random(options.seed)
        self.orders: dict[str, Record] = {}
        self.products: dict[str, Record] = {}
        self.customers: dict[str, Record] = {}
        self.locations: dict[str, Record] = {}
        self.events: list[Record] = []
        self.deleted: set[str] = set()
        self.deleted_products: dict[str, Record] = {}
        self.indexed: dict[str, list[str]] = {}
        self.revision = 0
        self.lists: dict[Any, tuple[int, list[Any], list[dict[str, Any]]]] = {}
        self._index: dict[str, Record] = {}
        self._parents: dict[str, str] = {}
        self._numbers: dict[str, int] = {}

    def next_id(self, kind: str, start: int) -> str:
        """Return a new global id of a type; numbering begins at `start`."""
        number = self._numbers.get(kind, start - 1) + 1
        while gid(kind, number) in self._index:  # taken by a loaded record
            number += 1
        self._numbers[kind] = number
        return gid(kind, number)

    def add(self, record: Record) -> Record:
        """Hold a record and its children; one with the same id is replaced."""
        kind = type_of(record["id"])
        shelf = self._shelf(kind)
        if shelf is not None:
            shelf[record["id"]] = record
        self.deleted.discard(record["id"])
        self._enter(record, None)
        self.changed(record)
        return record

    def changed(self, record: Record) -> None:
        """Note that a record's content or `updatedAt` changed."""
        self.revision += 1
        updated = record.get("updatedAt")
        if updated is not None:
            self.indexed.setdefault(record["id"], []).append(updated)

    def touch(self, record: Record, at: datetime) -> None:
        """Stamp a record as updated at a time, and index children that it gained."""
        # A real update never makes a record look older than it was.
        record["updatedAt"] = max(stamp(at), record.get("updatedAt") or "")
        self._enter(record, self._parents.get(record["id"]))
        self.changed(record)

    def find(self, record_id: str | None) -> Record | None:
        """Return any live record by its global id."""
        return None if record_id is None else self._index.get(record_id)

    def parent(self, record: Mapping[str, Any]) -> Record | None:
        """Return the record that holds this child."""
        return self.find(self._parents.get(record.get("id", "")))

    def live(self, reference: Any) -> Any:
        """Resolve `{"id": …}`: the live record, None once deleted, the reference itself if foreign."""
        record_id = reference.get("id") if isinstance(reference, dict) else None
        if record_id is None:
            return reference
        if record_id in self.deleted:
            return None
        return self._index.get(record_id, reference)

    def rows(self, kind: str) -> list[Record]:
        """Return the live records of a listed type, in no promised order."""
        if kind == "ProductVariant":
            return [
                variant for product in self.products.values() for variant in product.get("variants") or ()
            ]
        if kind == "InventoryItem":
            items = (variant.get("inventoryItem") for variant in self.rows("ProductVariant"))
            return [item for item in items if item and item.get("id")]
        if kind == "Collection":  # those that a record of a product names; the seeded products are in none
            named = (one for product in self.products.values() for one in product.get("collections") or ())
            return list({one["id"]: one for one in named if one.get("id")}.values())
        if kind == "BasicEvent":
            return list(self.events)
        return list((self._shelf(kind) or {}).values())

    def drop(self, record_id: str, at: datetime) -> Record:
        """Delete an order, a product or a variant; products and variants leave a destroy event.

        Raises:
            ValueError: no live record of these types has the id.
        """
        record = self.find(record_id)
        kind = type_of(record_id)
        if record is None or kind not in ("Order", "Product", "ProductVariant"):
            raise ValueError(f"no live order, product or variant has the id {record_id}")
        if kind == "ProductVariant":
            product = self.parent(record) or {}
            product["variants"] = [one for one in product.get("variants") or () if one is not record]
            self._leave(record)
            self.touch(product, at)
        else:
            (self.orders if kind == "Order" else self.products).pop(record_id)
            self._leave(record)
        if kind == "Product":
            self.deleted_products[record_id] = {**record, "deletedAt": stamp(at)}
        if kind != "Order":
            self.event("destroy", record, at)
        self.revision += 1
        return record

    def event(self, action: str, subject: Mapping[str, Any], at: datetime) -> Record:
        """Note an event about a record (`BasicEvent`)."""
        kind = {"ProductVariant": "PRODUCT_VARIANT"}.get(
            type_of(subject["id"]), type_of(subject["id"]).upper()
        )
        title = subject.get("title") or subject.get("name") or subject["id"]
        record: Record = {
            "__typename": "BasicEvent",
            "id": self.next_id("BasicEvent", 91_000_000_001),
            "action": action,
            "createdAt": stamp(at),
            "message": f"{'Deleted' if action == 'destroy' else 'Created'} {title}.",
            "subjectId": subject["id"],
            "subjectType": kind,
            "appTitle": None,
            "attributeToApp": False,
            "attributeToUser": True,
            "criticalAlert": False,
            "hasAdditionalContent": False,
        }
        self.events.append(record)
        self._index[record["id"]] = record
        self.revision += 1
        return record

    def _shelf(self, kind: str) -> dict[str, Record] | None:
        shelves = {
            "Order": self.orders,
            "Product": self.products,
            "Customer": self.customers,
            "Location": self.locations,
        }
        return shelves.get(kind)

    def _enter(self, record: Record, parent: str | None) -> None:
        record_id = record.get("id")
        if not record_id:
            return
        self._index[record_id] = record
        if parent is not None:
            self._parents[record_id] = parent
        for child in _children(record):
            self._enter(child, record_id)

    def _leave(self, record: Record) -> None:
        for child in _children(record):
            self._leave(child)
        if record.get("id"):
            self._index.pop(record["id"], None)
            self.deleted.add(record["id"])

    def pick(self, rows: list[Record], wanted: Callable[[Record], bool] | None = None) -> Record | None:
        """Return one record at random from the world's own seeded randomness, or None."""
        fitting = [row for row in rows if wanted is None or wanted(row)]
        return self.random.choice(fitting) if fitting else None


def _children(record: Mapping[str, Any]) -> Iterator[Record]:
    for name in CHILDREN.get(type_of(record.get("id", "")), ()):
        value = record.get(name)
        if isinstance(value, list):
            yield from (child for child in value if isinstance(child, dict) and child.get("id"))
    item = record.get("inventoryItem")
    if isinstance(item, dict) and item.get("id"):
        yield item
