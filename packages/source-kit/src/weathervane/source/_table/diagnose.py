"""Records read one by one, slowly, to say of each value that does not fit which it is and why.

The judge of last resort: it takes any bytes and never raises.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from weathervane.source._table.column import Column
from weathervane.source._table.quarantine import Misfit
from weathervane.source._table.shape import Sent, Shape, View

__all__ = ["read_one_by_one"]


class _Number(str):
    """A JSON number, as the text that was sent."""

    __slots__ = ()


class _Object(dict[str, Any]):
    """A JSON object that knows which members it had twice."""

    twice: frozenset[str] = frozenset()


class _MisfitError(Exception):
    def __init__(self, value: object, reason: str) -> None:
        super().__init__(reason)
        self.value = value
        self.reason = reason


_Chain = tuple[Any, ...]
"""What holds a row, level by level, the row itself last; None for what is not there."""


def read_one_by_one(shape: Shape, records: Sequence[bytes]) -> tuple[Sent, ...]:
    """The rows of the records with every value that has the wrong form as a `Misfit`, by dataset; takes any bytes."""
    documents = [_parse(record) for record in records]
    return tuple(_rows_of(view, records, documents) for view in shape.views)


def _rows_of(view: View, records: Sequence[bytes], documents: Sequence[_Object | _MisfitError]) -> Sent:
    chains: list[_Chain] = []
    origins: list[tuple[int, tuple[int, ...]]] = []
    misfits: dict[int, dict[str, Misfit]] = {}
    lists = view.dataset.lists
    for index, document in enumerate(documents):
        if isinstance(document, _MisfitError):
            nothing: _Chain = (None,) * (len(lists) + 1)
            found: Iterator[Any] = iter([(nothing, (), document)])
        else:
            found = _descend(lists, (document,), ())
        for chain, positions, error in found:
            if error is not None:
                misfits[len(chains)] = {"": Misfit("", _shown(error.value), error.reason)}
            chains.append(chain)
            origins.append((index, positions))
    arrays = {}
    for column in view.dataset.selected:
        level = view.level(column)
        values: list[Any] = []
        for row, chain in enumerate(chains):
            value = None
            try:
                value = _form(_walk(chain[level], column.members, not column.literal), column)
            except _MisfitError as error:
                misfit = Misfit(column.name, _shown(error.value), error.reason)
                misfits.setdefault(row, {})[column.name] = misfit
            values.append(value)
        # Numbers stay text here, so that one that does not fit its type can be shown as it was sent.
        kind = column.type if column.json_kind in ("bool", "strings", "list") else pa.string()
        arrays[column.name] = pa.array(values, kind)
    return Sent(arrays, records, origins.__getitem__, rows=len(chains), misfits=misfits)


def _descend(
    lists: tuple[tuple[str, ...], ...], chain: _Chain, positions: tuple[int, ...]
) -> Iterator[tuple[_Chain, tuple[int, ...], _MisfitError | None]]:
    level = len(chain) - 1
    if level == len(lists):
        yield chain, positions, None
        return
    rest = len(lists) - level
    try:
        elements = _walk(chain[-1], lists[level], True)
        if not isinstance(elements, list | None):
            raise _MisfitError(
                elements, f"expected a list at {'.'.join(lists[level])}, got {_kind(elements)}"
            )
    except _MisfitError as error:
        # What holds the list still names the row, as far as the key stands there.
        yield (*chain, *(None,) * rest), positions, error
        return
    for position, element in enumerate(elements or ()):
        if element is None or isinstance(element, _Object):
            yield from _descend(lists, (*chain, element), (*positions, position))
        else:
            reason = f"expected an object in {'.'.join(lists[level])}, got {_kind(element)}"
            yield (*chain, *(None,) * rest), (*positions, position), _MisfitError(element, reason)


def _parse(record: bytes) -> _Object | _MisfitError:
    """The record, or what is wrong with it as a whole."""
    try:
        document = json.loads(
            record.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_refuse_constant,
        )
    except _MisfitError as error:
        return error
    except UnicodeDecodeError as error:
        return _MisfitError(None, f"the record is not UTF-8: byte {error.start} has no meaning there")
    except json.JSONDecodeError as error:
        return _MisfitError(None, f"the record is not JSON: {error.msg} at character {error.pos}")
    except RecursionError:
        return _MisfitError(None, "the record is nested too deeply to be read")
    if not isinstance(document, _Object):
        return _MisfitError(document, f"expected the record to be an object, got {_kind(document)}")
    return document


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    result = _Object(pairs)
    if len(result) < len(pairs):
        result.twice = frozenset(name for name, n in Counter(name for name, _ in pairs).items() if n > 1)
    return result


def _refuse_constant(text: str) -> Any:
    raise _MisfitError(None, f"the record is not JSON: {text} is no JSON number")


def _walk(node: Any, members: tuple[str, ...], once: bool) -> Any:
    for depth, member in enumerate(members):
        if node is None:
            return None
        if not isinstance(node, _Object):
            raise _MisfitError(node, f"expected an object at {'.'.join(members[:depth])}, got {_kind(node)}")
        if once and member in node.twice:
            raise _MisfitError(None, f"member {'.'.join(members[: depth + 1])} is there twice")
        node = node.get(member)
    return node


def _form(value: Any, column: Column) -> Any:
    """The value in the form that the column's JSON kind has, text for numbers."""
    kind = column.json_kind
    if value is None:
        return None
    if kind == "raw":
        try:
            return msgspec.json.encode(_plain(value), order="sorted").decode("utf-8")
        except (RecursionError, UnicodeEncodeError):
            raise _MisfitError(
                None, "the value cannot be kept as JSON text: too deep, or broken text"
            ) from None
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind == "list" and isinstance(value, list):
        return True
    if (
        kind == "strings"
        and isinstance(value, list)
        and all(item is None or _is_text(item) for item in value)
    ):
        return [None if item is None else _encodable(item) for item in value]
    if kind in ("number", "scalar") and isinstance(value, _Number):
        return str(value)
    if kind in ("string", "scalar") and _is_text(value):
        return _encodable(value)
    wanted = {
        "bool": "true or false",
        "strings": "a list of strings",
        "list": "a list",
        "scalar": "a string or a number",
    }
    raise _MisfitError(value, f"expected {wanted.get(kind, f'a {kind}')}, got {_kind(value)}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, _Number)


def _encodable(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise _MisfitError(
            text, "the text holds half of a surrogate pair, which no encoding can carry"
        ) from None
    return text


def _plain(value: Any) -> Any:
    """The value for msgspec's encoder, which knows no subclasses."""
    if isinstance(value, _Object):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, _Number):
        return msgspec.Raw(b"0" if value == "-0" else value.encode())
    return value


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, _Number):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "a list" if isinstance(value, list) else "an object"


def _shown(value: Any) -> str | None:
    """The value for a person to read: a string or number as its text, anything else as JSON."""
    if value is None:
        return None
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    try:
        return msgspec.json.encode(_plain(value)).decode("utf-8")
    except (RecursionError, UnicodeEncodeError):
        return None
