"""What an object tells of the list within it: which elements it shows, whether more follow, how many there are.

Read in one pass where all is as the schema says, else element by element: an odd one costs itself alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from weathervane.shopify._pages import Count, PageInfo
from weathervane.source import ContractError, decode

__all__ = ["ListOf", "NestedList", "list_fields", "list_in", "list_of"]


@dataclass(frozen=True)
class NestedList:
    """How the list within one kind of object is read."""

    query: str
    """Asks for more of one object's list."""
    root: str
    """`product`."""
    name: str
    """`variants`."""
    counted: str | None = None
    """`variantsCount`; None for a list that Shopify does not count."""


class ListOf(msgspec.Struct):
    """A page of one object's list."""

    shown: frozenset[str]
    """The elements' ids; of one without an id that can be read, its text."""
    more: str | None
    """The cursor after which the list goes on; None when it ends here, by its own word."""
    counted: int | None
    """How many elements Shopify counts; None when it does not say."""


def list_in(record: bytes, within: NestedList) -> ListOf:
    """A page of the list within an object, however odd its elements are.

    Raises:
        ContractError: There is no list, or nobody can say whether it goes on.
    """
    try:
        return list_of(decode(record, _shape(within, _Nested), "an object with a list"))
    except ContractError:
        return list_of(decode(record, _shape(within, _OddlyNested), "an object with a list"))


def list_of(found: Any) -> ListOf:
    """The same of an object that was read with `list_fields`.

    Raises:
        ContractError: There is a next page without a cursor.
    """
    return ListOf(found.nested.ids, found.nested.page_info.next, _count(found))


def list_fields(within: NestedList, nested: type[Any] | None = None) -> tuple[list[Any], dict[str, str]]:
    """The members of an object that tell of its list, and what Shopify calls them."""
    fields: list[Any] = [("nested", nested or _Nested)]
    names = {"nested": within.name}
    if within.counted is not None:
        fields.append(("counted", msgspec.Raw, _NULL))
        names["counted"] = within.counted
    return fields, names


def _count(found: Any) -> int | None:
    kind: Any = _Count | None
    try:
        count = decode(getattr(found, "counted", _NULL), kind, "a count")
    except ContractError:
        # Its object's own row is set aside for it; the list is then held against nothing.
        return None
    return None if count is None else count.count


class _Element(msgspec.Struct):
    id: str


class _Nested(msgspec.Struct, rename="camel"):
    page_info: PageInfo
    nodes: list[_Element]

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(node.id for node in self.nodes)


class _OddlyNested(msgspec.Struct, rename="camel"):
    page_info: PageInfo
    nodes: list[msgspec.Raw]

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(map(_identity, self.nodes))


class _Count(msgspec.Struct):
    count: Count


_NULL = msgspec.Raw(b"null")


def _identity(element: msgspec.Raw) -> str:
    try:
        return decode(element, _Element, "an element").id
    except ContractError:
        return bytes(element).decode("utf-8", "replace")


@lru_cache
def _shape(within: NestedList, nested: type[Any]) -> Any:
    fields, names = list_fields(within, nested)
    return msgspec.defstruct("Object", fields, rename=names)
