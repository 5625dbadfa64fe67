"""Orders out of a bulk file: parents first, then their children, joined by `__parentId` on columns."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from datetime import datetime

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from weathervane.lake import ControlTotal
from weathervane.shopify import queries
from weathervane.shopify.bulk import bulk_file
from weathervane.shopify.client import ShopifyClient
from weathervane.shopify.orders import BULK_LINES, PARENTS, PARTS
from weathervane.shopify.queries import changed_since, search_literal
from weathervane.source.dataset import Dataset
from weathervane.source.errors import IncompleteError
from weathervane.source.normalise import Normalised, normalise
from weathervane.source.slices import Piece

__all__ = ["read_bulk"]

# Column of a line <- column of its order.
_FROM_ORDER = {"order_updated_at": "updated_at", "order_created_at": "created_at", "currency": "currency"}


def read_bulk(
    client: ShopifyClient,
    orders: Dataset,
    lines: Dataset,
    constants: Mapping[str, object],
    lower: datetime | None,
    upper: datetime,
) -> Generator[Piece, None, tuple[ControlTotal, ...]]:
    """All orders that changed between two times, with their lines; gives Shopify's count of them beside ours.

    The file is read twice, in bounded chunks, because children stand anywhere in it; in memory are only the orders'
    ids and the few columns that lines take over.

    Raises:
        IncompleteError: The file holds not what Shopify counted.
    """
    search = changed_since(lower, upper)
    unavailable = [column.name for column in lines.columns if not column.available]
    children = BULK_LINES.without(*(name for name in unavailable if name not in _FROM_ORDER))
    before = client.count(queries.COUNT_ORDERS, search)
    with bulk_file(client, queries.orders_bulk_query(orders, lines, PARTS, search_literal(search))) as file:
        known = [PARENTS.schema.empty_table()]
        received = 0
        for chunk in file.chunks():
            records = _of_kind(chunk, children=False)
            parents = normalise(orders, records, constants=constants)
            received += parents.received
            # An order that is set aside for an amount still has its lines.
            known.append(pa.Table.from_batches([normalise(PARENTS, records).rows]))
            yield Piece(orders.name, parents)
        if received != file.root_objects:
            raise IncompleteError(
                f"the bulk file holds {received:,} orders and Shopify counted {file.root_objects:,}",
                reason="BULK_SHORT",
            )
        held = pa.concat_tables(known).combine_chunks()
        spoilt: set[str] = set()
        for chunk in file.chunks():
            found = normalise(children, _of_kind(chunk, children=True), constants=constants)
            spoilt.update(_orders_of(found.quarantined))
            yield Piece(lines.name, Normalised(_with_order(found.rows, held), found.quarantined))
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


def _orders_of(quarantined: pa.RecordBatch) -> Iterator[str]:
    """The orders of lines that were set aside, from the lines' keys."""
    for key in quarantined.column("row_key").to_pylist():
        order = msgspec.json.decode(key, type=list[str | None])[1]
        if order is not None:
            yield order


def _with_order(rows: pa.RecordBatch, orders: pa.Table) -> pa.RecordBatch:
    at = pc.index_in(rows.column("order_id"), orders.column("order_id").combine_chunks())
    if at.null_count:
        raise IncompleteError(
            f"the bulk file has {at.null_count:,} lines of orders that it does not hold",
            reason="BULK_ORPHANS",
        )
    for name, source in _FROM_ORDER.items():
        index = rows.schema.get_field_index(name)
        rows = rows.set_column(
            index, rows.schema.field(index), orders.column(source).take(at).combine_chunks()
        )
    return rows


class _Line(msgspec.Struct, rename={"parent": "__parentId"}):
    parent: str | None = None


_decoder = msgspec.json.Decoder(_Line)


def _of_kind(lines: list[bytes], *, children: bool) -> list[bytes]:
    try:
        return [line for line in lines if (_decoder.decode(line).parent is not None) is children]
    except (msgspec.DecodeError, RecursionError):
        raise IncompleteError(
            "the bulk file has a line that is not JSON: it was cut", reason="BULK_CUT"
        ) from None
