"""Records become arrays of values as sent: at once with Arrow, or one by one to find which one is to blame.

Both readers give the same for records that fit. The quick one refuses a whole page for one bad record, so
`read` cuts such a page in parts until few records are left, and reads those slowly.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from weathervane.source._table.column import Column
from weathervane.source._table.dataset import Dataset, parents_of
from weathervane.source._table.diagnose import read_one_by_one
from weathervane.source._table.shape import Sent, Shape, View, shapes_of

__all__ = ["Parsed", "canonical_json", "read"]

# A page that is refused is read again in this many parts; two would read good records more often.
_PARTS = 8
# Below this many records, finding the bad one by parts costs more than reading each by itself.
_FEW = 128
# Arrow's reader counts a block's bytes in 31 bits; beyond a few MiB larger blocks are no faster.
_MAX_BLOCK_BYTES = 256 * 1024 * 1024


class _UnreadableError(Exception):
    """The quick reader refuses these records; the slow one knows why."""


class Parsed:
    """The records of one page, read once for several datasets: rows of parents, of children, and who is a member of
    what (see `members_of`) are views of the same Arrow table.

    Args:
        records: JSON objects as sent, one `bytes` each.
        datasets: All that will be asked for; those that replace the rows of parents bring these. Where two of them take
            the same member for different things, each is read by itself.
    """

    def __init__(self, records: Sequence[bytes], *datasets: Dataset) -> None:
        self.records = records
        self._only: frozenset[int] | None = None
        # Of each dataset: where each piece begins, and its rows.
        parents = [parents_of(dataset) for dataset in datasets if dataset.replace_members]
        self._found: dict[Dataset, list[tuple[int, Sent]]] = {one: [] for one in (*datasets, *parents)}
        for shape in shapes_of(*self._found):
            start = 0
            for piece in read(shape, records):
                for view, sent in zip(shape.views, piece, strict=True):
                    self._found[view.dataset].append((start, sent))
                start += len(piece[0].records)

    def only(self, records: Iterable[int]) -> Parsed:
        """Some of the records, by their index; nothing is read again."""
        found = copy(self)
        found._only = frozenset(records)
        return found if len(found._only) < len(self.records) else self

    def of(self, dataset: Dataset) -> Iterator[Sent]:
        """A dataset's rows.

        Raises:
            ValueError: It was not among the datasets that the records were read for.
        """
        if dataset not in self._found:
            raise ValueError(f"the records were not read for dataset {dataset.name!r}")
        for start, sent in self._found[dataset]:
            wanted = self._only
            yield sent if wanted is None else sent.only({one - start for one in wanted})


def read(shape: Shape, records: Sequence[bytes]) -> Iterator[tuple[Sent, ...]]:
    """The rows of the records, of each of the shape's datasets, in order, in as few pieces as the bad ones allow."""
    if not records:
        return
    small = sum(map(len, records)) + len(records) <= _MAX_BLOCK_BYTES
    if small:
        try:
            yield _read_at_once(shape, records)
            return
        except (_UnreadableError, pa.ArrowInvalid, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass
    if len(records) <= _FEW and (small or len(records) == 1):
        yield read_one_by_one(shape, records)
        return
    step = -(-len(records) // _PARTS)
    for start in range(0, len(records), step):
        yield from read(shape, records[start : start + step])


def _read_at_once(shape: Shape, records: Sequence[bytes]) -> tuple[Sent, ...]:
    # First, for safety: with pyarrow 26.0.1 a record `null` ends the process (SIGSEGV), and two records on
    # one line count as two rows. What the decoder lets through is exactly one JSON object.
    structs = list(map(shape.decoder.decode, records))
    body = b"\n".join(records)
    # Neither reader checks the encoding of what it skips.
    body.decode("utf-8")
    table = pyarrow.json.read_json(
        pa.BufferReader(body),
        read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(body) + 1),
        parse_options=pyarrow.json.ParseOptions(
            explicit_schema=shape.schema, unexpected_field_behavior="ignore", newlines_in_values=False
        ),
    )
    if table.num_rows != len(records):
        raise _UnreadableError
    whole = _as_struct(table, shape)
    return tuple(_rows_of(view, whole, structs, records) for view in shape.views)


def _rows_of(view: View, whole: pa.Array, structs: list[Any], records: Sequence[bytes]) -> Sent:
    levels: list[pa.Array] = [whole]
    parents: list[pa.Array] = []
    for way in view.lists:
        lists = pc.struct_field(levels[-1], way)
        levels.append(pc.list_flatten(lists))
        parents.append(pc.list_parent_indices(lists))
    # From a row to what holds it at each level: None where the row itself is meant.
    ancestors: list[pa.Array | None] = [None]
    for parent in reversed(parents):
        below = ancestors[0]
        ancestors.insert(0, parent if below is None else parent.take(below))
    arrays: dict[str, pa.Array] = {}
    raw_levels = _raw_levels(view, structs)
    for column in view.dataset.selected:
        level = view.level(column)
        if column.literal:
            if len(raw_levels[level]) != len(levels[level]):
                raise _UnreadableError
            values = _literals(raw_levels[level], view.raw_ways[column.name], column)
        else:
            values = pc.struct_field(levels[level], view.ways[column.name])
            if column.json_kind == "list":
                values = pc.if_else(pc.is_valid(values), True, pa.scalar(None, pa.bool_()))
            # With pyarrow 26.0.1 400 digits are an infinity, without an error.
            elif pa.types.is_floating(values.type) and pc.all(pc.is_finite(values)).as_py() is False:
                raise _UnreadableError
        index = ancestors[level]
        arrays[column.name] = values if index is None else values.take(index)

    def origin(row: int) -> tuple[int, tuple[int, ...]]:
        positions: list[int] = []
        for parent in reversed(parents):
            holders = _Holders(parent)
            holder = holders[row]
            positions.insert(0, row - bisect_left(holders, holder))
            row = holder
        return row, tuple(positions)

    return Sent(arrays, records, origin, rows=len(levels[-1]))


class _Holders(Sequence[int]):
    """An ascending Arrow array of indices as a sequence, so that bisect can search it without a copy."""

    def __init__(self, array: pa.Array) -> None:
        self._array = array

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, index: Any) -> Any:
        return self._array[index].as_py()


def _as_struct(table: pa.Table, shape: Shape) -> pa.StructArray:
    if not table.num_columns:
        return pa.array([{}] * table.num_rows, pa.struct([]))
    struct = table.select(shape.schema.names).to_struct_array()
    return struct.combine_chunks() if isinstance(struct, pa.ChunkedArray) else struct


def _raw_levels(view: View, structs: list[Any]) -> list[list[Any]]:
    levels = [structs]
    for way in view.raw_lists:
        lists = [_attribute(struct, way) for struct in levels[-1]]
        levels.append([element for elements in lists if elements is not None for element in elements])
    return levels


def _attribute(struct: Any, way: tuple[str, ...]) -> Any:
    for name in way:
        if struct is None:
            return None
        struct = getattr(struct, name)
    return struct


def _literals(structs: list[Any], way: tuple[str, ...], column: Column) -> pa.Array:
    if column.json_kind == "raw":
        return pa.array((_canonical(_attribute(struct, way)) for struct in structs), pa.string())
    strings = column.json_kind == "scalar"
    return pa.array((_literal(_attribute(struct, way), strings) for struct in structs), pa.string())


def _canonical(raw: Any) -> str | None:
    return None if raw is None or (text := bytes(raw)) == b"null" else canonical_json(text)


def _literal(raw: Any, strings: bool) -> str | None:
    if raw is None or (text := bytes(raw)) == b"null":
        return None
    if text[0] in b"-0123456789":
        return text.decode("ascii")
    if strings and text[0] == 0x22:
        return msgspec.json.decode(text, type=str)
    raise _UnreadableError


_raw_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
    float_hook=lambda text: msgspec.Raw(text.encode())
)


def canonical_json(text: bytes) -> str:
    """The document with members sorted and without white space, so that one value has one text.

    Numbers with a fraction or an exponent keep the very text they came with; of a member that is there twice,
    the last counts.
    """
    return msgspec.json.encode(_raw_decoder.decode(text), order="sorted").decode("utf-8")
