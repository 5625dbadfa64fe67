"""Orders out of a bulk file: parents first, then their children, joined by `__parentId` on columns.

A list that may be too deep for a bulk operation is not believed: its order's lines are read by pages. Lines of an order
whose id, times or currency cannot be read are set aside with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from weathervane.lake import ControlTotal
from weathervane.shopify import _queries as queries
from weathervane.shopify._bulk import bulk_file
from weathervane.shopify._client import ShopifyClient
from weathervane.shopify._lists import NestedList
from weathervane.shopify._nested import GoneError, Lost, Part, Seen, drained
from weathervane.shopify._queries import changed_since, search_literal
from weathervane.shopify._refusals import refusals_within, safe
from weathervane.shopify._rows import normalise_required
from weathervane.shopify._set_aside import list_aside
from weathervane.shopify._tables.orders import BULK_LINES, PARENTS, PARTS
from weathervane.source import (
    ContractError,
    Dataset,
    IncompleteError,
    Misfit,
    Normalised,
    Piece,
    UnavailableError,
    decode,
    normalise,
    parse_time,
)

__all__ = ["read_bulk"]

# Column of a line <- column of its order.
_FROM_ORDER = {"order_updated_at": "updated_at", "order_created_at": "created_at", "currency": "currency"}


def read_bulk(
    client: ShopifyClient,
    orders: Dataset,
    lines: Dataset,
    within: NestedList,
    constants: Mapping[str, object],
    lower: datetime | None,
    upper: datetime,
) -> Generator[Piece, None, tuple[ControlTotal, ...]]:
    """All orders that changed between two times, with their lines; gives Shopify's count of them beside ours.

    The file is read twice, in bounded chunks, because children stand anywhere in it; in memory are only the orders'
    ids, how many lines each has, a mark of each object, and the few columns that lines take over.

    Raises:
        IncompleteError: The file holds not what Shopify counted, or the pages of an order less than the file.
    """
    search = changed_since(lower, upper)
    unavailable = [column.name for column in lines.columns if not column.available]
    children = BULK_LINES.without(*(name for name in unavailable if name not in _FROM_ORDER))
    before = client.count(queries.COUNT_ORDERS, search)
    with bulk_file(client, queries.orders_bulk_query(orders, lines, PARTS, search_literal(search))) as file:
        found = [PARENTS.schema.empty_table()]
        received = 0
        sizes: Counter[str] = Counter()
        different: set[int] = set()
        unread = _Unread()
        for chunk in file.chunks():
            records = _parents(chunk, sizes, different)
            parents = normalise_required(orders, records, constants=constants)
            received += parents.received
            # An order that is set aside for an amount still has its lines.
            known = normalise(PARENTS, records)
            found.append(pa.Table.from_batches([known.rows]))
            unread.add(known)
            yield Piece(orders.name, parents)
        if received != file.root_objects:
            raise IncompleteError(
                f"the bulk file holds {received:,} orders and Shopify counted {file.root_objects:,}",
                reason="BULK_SHORT",
            )
        if len(different) < file.objects:
            # Lines that repeat others would hide as many that are missing: equal rows are one in the lake.
            raise IncompleteError(
                f"the bulk file holds {len(different):,} different objects and Shopify counted {file.objects:,}",
                reason="BULK_SHORT",
            )
        held = pa.concat_tables(found).combine_chunks()
        unread.held = held.column("order_id").combine_chunks()
        deep = _deep(sizes, client.settings.bulk_deep_from, unread.held)
        spoilt: set[str] = set()
        for chunk in file.chunks():
            rows = normalise_required(
                children, _children(chunk, deep), constants=constants, unfit=unread.misfits
            )
            unread.check()
            spoilt.update(_orders_of(rows.quarantined))
            yield Piece(lines.name, replace(rows, rows=_with_order(rows.rows, held)))
    for order, size in deep.items():
        parts, lost = _lines_by_pages(client, within, order, size, held)
        if lost is not None:
            yield Piece(lines.name, list_aside(lines, lost.record, lost.why, constants))
        if lost is not None or not parts:
            # Or deleted meanwhile. The lines that we have may not be all, so what the lake has of the order stays.
            spoilt.add(_number(order))
        rows = normalise_required(lines, [part.record for part in parts], constants=constants)
        if rows.quarantined.num_rows:
            spoilt.add(_number(order))
        yield Piece(lines.name, rows)
    # Counted before and after: an order that changed meanwhile has left the window, and none can have entered it.
    counted = min(before, client.count(queries.COUNT_ORDERS, search))
    if counted > received:
        raise IncompleteError(
            f"Shopify counts {counted:,} changed orders and the bulk file holds {received:,}",
            reason="COUNT_DIFFERS",
        )
    # Orders whose lines are all here: what else the lake has of them is gone. Not those with a line set aside.
    known_ids = held.select(["order_id"])
    whole = known_ids.filter(pc.invert(pc.is_in(known_ids.column(0), pa.array(sorted(spoilt), pa.string()))))
    for members in whole.to_batches(max_chunksize=50_000):
        yield Piece(lines.name, members=members)
    return (ControlTotal("orders", str(counted), str(received)),) if counted == received else ()


@dataclass
class _Unread:
    """The orders of a file of which lines cannot take over what they need, and the lines that are set aside for it."""

    held: pa.Array = field(default_factory=lambda: pa.array([], pa.string()))
    """The orders that can be read."""
    _reasons: dict[str, str] = field(default_factory=dict)
    _without_id: int = 0
    _orphaned: Counter[str] = field(default_factory=Counter)

    def add(self, orders: Normalised) -> None:
        """Notes the orders that are set aside."""
        aside = orders.quarantined
        for key, column, reason in zip(
            *(aside.column(name).to_pylist() for name in ("row_key", "column_name", "reason")), strict=True
        ):
            (order,) = decode(key, list[str | None], "a row's key")
            if order is None:
                self._without_id += 1
            else:
                self._reasons[order] = f"its order is set aside: {column}: {reason}"

    def misfits(self, lines: pa.RecordBatch) -> dict[int, Misfit]:
        """The lines whose order cannot be read."""
        orders = lines.column("order_id")
        unheld = pc.and_(pc.is_valid(orders), pc.invert(pc.is_in(orders, self.held)))
        found = {}
        for row in pc.indices_nonzero(unheld).to_pylist():
            order = orders[row].as_py()
            if order not in self._reasons:
                self._orphaned[order] += 1
            why = self._reasons.get(
                order, "the file holds an order whose id cannot be read, and none of this id"
            )
            found[row] = Misfit("order_id", order, why)
        return found

    def check(self) -> None:
        """Raises IncompleteError for lines of more orders than there are orders without an id."""
        if len(self._orphaned) > self._without_id:
            raise IncompleteError(
                f"the bulk file has {self._orphaned.total():,} lines of orders that it does not hold",
                reason="BULK_ORPHANS",
            )


def _deep(sizes: Counter[str], least: int, held: pa.Array) -> dict[str, int]:
    """The orders with so many lines that their list may be cut, with how many the file has."""
    deep = {order: size for order, size in sizes.items() if size >= least}
    known = pc.is_in(pa.array(map(_number, deep), pa.string()), held).to_pylist()
    return {order: size for (order, size), holds in zip(deep.items(), known, strict=True) if holds}


def _lines_by_pages(
    client: ShopifyClient, within: NestedList, order: str, size: int, held: pa.Table
) -> tuple[list[Part], Lost | None]:
    """An order with all of its lines, of which the file holds `size`; nothing when it was deleted meanwhile.

    Raises:
        IncompleteError: The pages show fewer lines of the same version.
    """
    at = pc.index(held.column("order_id"), _number(order)).as_py()
    version = held.column("updated_at")[at].as_py()
    try:
        parts, lost = drained(client, within, Seen(order, version, more=None))
    except GoneError:
        return [], None
    shown = len(frozenset[str]().union(*(part.shown for part in parts)))
    if lost is None and shown < size and _changed(parts[-1].record) == version:
        raise IncompleteError(
            f"Shopify lists {shown:,} lines of {order} by pages and {size:,} in the bulk file",
            reason="LIST_SHORT",
        )
    return parts, lost


def _number(gid: str) -> str:
    return gid.rsplit("/", 1)[-1]


def _orders_of(quarantined: pa.RecordBatch) -> Iterator[str]:
    """The orders of lines that were set aside, from the lines' keys."""
    for key in quarantined.column("row_key").to_pylist():
        order = decode(key, list[str | None], "a row's key")[1]
        if order is not None:
            yield order


def _with_order(rows: pa.RecordBatch, orders: pa.Table) -> pa.RecordBatch:
    at = pc.index_in(rows.column("order_id"), orders.column("order_id").combine_chunks())
    for name, source in _FROM_ORDER.items():
        index = rows.schema.get_field_index(name)
        rows = rows.set_column(
            index, rows.schema.field(index), orders.column(source).take(at).combine_chunks()
        )
    return rows


class _OddLine(msgspec.Struct, rename={"parent": "__parentId"}):
    # By it a line is an order's: another text would take the line off its order without a word.
    parent: Annotated[str, msgspec.Meta(pattern=r"^gid://shopify/[A-Za-z]+/[0-9]+\Z")] | None = None


class _Line(_OddLine):
    id: str | None = None


class _Order(msgspec.Struct, rename={"changed": "updatedAt"}):
    changed: str


def _changed(record: bytes) -> datetime | None:
    """When an order changed; None when that cannot be read, and its lines are set aside."""
    try:
        return parse_time(decode(record, _Order, "Shopify's order").changed, "the time of change")
    except ContractError:
        return None


def _parents(lines: list[bytes], sizes: Counter[str], different: set[int]) -> list[bytes]:
    """The orders among some lines of the file; counts the others by their order, and notes which objects there are."""
    found = []
    for line in lines:
        one = _line(line)
        different.add(hash((one.parent, one.id) if one.id else line))
        if one.parent is None:
            found.append(line)
        else:
            sizes[one.parent] += 1
    return found


def _children(lines: list[bytes], but: Collection[str]) -> list[bytes]:
    """The lines of orders among some lines of the file, `but` those of some orders."""
    return [line for line in lines if (parent := _line(line).parent) is not None and parent not in but]


def _line(line: bytes) -> _Line:
    try:
        found = _read_line(line)
    except UnavailableError:
        raise IncompleteError(
            "the bulk file has a line that is not JSON: it was cut", reason="BULK_CUT"
        ) from None
    if refusals_within(line):
        raise IncompleteError(
            f"the bulk file tells of an error instead of an object: {safe(line.decode('utf-8', 'replace'))}",
            reason="BULK_ERROR_LINE",
        )
    return found


def _read_line(line: bytes) -> _Line:
    try:
        return decode(line, _Line, "a line of the bulk file")
    except ContractError:
        # An id that is none costs the line alone: its table sets it aside.
        odd = decode(line, _OddLine, "a line of the bulk file")
        return _Line(odd.parent)
