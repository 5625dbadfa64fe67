"""One column of a dataset: its type, and where its value stands in the vendor's JSON."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import pyarrow as pa

__all__ = ["STRINGS", "Column", "Convert", "JsonKind", "is_name"]

JsonKind = Literal["string", "number", "bool", "strings", "scalar", "raw", "list"]
"""How a value stands in the JSON. `scalar`: a string or a number, taken as the very text that was sent.
`strings`: a list of strings. `raw`: any value, kept as canonical JSON text (members sorted, no white space,
numbers as sent). `list`: true where a list of objects stands, whatever is in it."""

Convert = Callable[[pa.Array], pa.Array]
"""Text as sent (`pa.string()`, nulls stay nulls) in, one value per value out, each depending on its own input
alone. Null for a text that does not fit: the row is then set aside, never delivered with a hole."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_PATH = re.compile(r"(?:(\^+)\.)?([^.^\[\]]+(?:\.[^.^\[\]]+)*)")

STRINGS = pa.list_(pa.string())
_TEXT_KINDS: tuple[JsonKind, ...] = ("string", "scalar", "number", "raw")


def is_name(text: str) -> bool:
    """Whether the text can name a table or a column here and in the lake."""
    return _NAME.fullmatch(text) is not None


def _json_kinds(kind: pa.DataType) -> tuple[JsonKind, ...]:
    """The JSON that a column of this type can be read from, the default first; empty for any other type."""
    if kind == pa.string():
        return ("string", "scalar", "number", "raw")
    if kind in (pa.int32(), pa.int64(), pa.float64()):
        return ("number", "string", "scalar")
    if pa.types.is_decimal128(kind) and 0 <= kind.scale <= kind.precision:
        # Vendors send money as strings (Shopify, Meta); a JSON number is read by its text, never through a
        # float.
        return ("string", "scalar", "number")
    if kind in (pa.date32(), pa.timestamp("us", "UTC")):
        return ("string",)
    if kind == pa.bool_():
        return ("bool", "list")
    return ("strings",) if kind == STRINGS else ()


@dataclass(frozen=True)
class Column:
    """One column of a table, and where its value stands in a record.

    Raises:
        ValueError: The name is not `^[a-z][a-z0-9_]{0,62}$`, the type is not one we carry, or the parts
        contradict
            each other; the message names the column.
    """

    name: str
    type: pa.DataType
    """bool, int32, int64, float64, decimal128, string, date32, timestamp[us, UTC] or list<string>."""
    path: str = ""
    """Members joined by dots: `totalPriceSet.shopMoney.amount`. In an exploded dataset it starts at the
    list's element; `^.` climbs to what holds the list, `^^.` one list further. Empty: a constant of the
    run."""
    nullable: bool = True
    """False: a record without this value is set aside. The columns of the unique key never hold null."""
    doc: str = ""
    json: JsonKind | None = None
    """None: as the type suggests. A string for text, decimal, date and time; a number for int and float."""
    convert: Convert | None = None
    """Runs on the text as sent, before it becomes the column's type: `gid://shopify/Order/1` -> `1`."""
    nulls: tuple[str, ...] = ()
    """Texts by which the vendor says "no value", e.g. `("",)` or `("--",)`."""
    available: bool = True
    """False: not asked for (a missing scope, an old version), delivered as null. See `Dataset.without`."""
    approximate: bool = False
    """The vendor computes this decimal or whole number with floats, and says more digits than it means
    (`0.30000000000000004`, `2.9999999999999996`): a decimal is rounded half-even to the column's scale; of a whole
    number only noise below 1e-6 is. Never for money that the vendor sends as text of its own scale."""
    on_misfit: Literal["row", "value"] = "row"
    """What a value that does not fit sets aside: its whole row, or itself. In a row that is kept the column is null,
    and the quarantine has an entry of the value with the whole record. `value` is for what describes; a measure or
    money that is null would be summed as nothing. Not for the columns of the key, the version, the cluster or the
    cursor."""
    absent: str | int | None = None
    """What stands for a value that was not sent, of text or a whole number: so a part of the key may be missing (a
    segment that a row does not have) without costing the row."""

    def __post_init__(self) -> None:
        if not is_name(self.name):
            raise self._wrong("the name is not one: 1-63 of a-z, 0-9, _, beginning with a letter")
        kinds = _json_kinds(self.type)
        if not kinds:
            raise self._wrong(
                f"{self.type} is not carried: use bool, int32, int64, float64, decimal128, string, date32,"
                " timestamp[us, UTC] or list<string>"
            )
        if self.convert is not None:
            kinds = _TEXT_KINDS
        if self.json is not None and self.json not in kinds:
            raise self._wrong(f"{self.type} is read from {' or '.join(kinds)}, not {self.json}")
        if self.path and not _PATH.fullmatch(self.path):
            raise self._wrong(f"{self.path!r} is not a path, write `member.member` or `^.member`")
        if self.nulls and self.json_kind not in ("string", "scalar"):
            raise self._wrong(f"nulls are texts, but it is read from {self.json_kind}")
        if self.approximate and not (pa.types.is_decimal(self.type) or pa.types.is_integer(self.type)):
            raise self._wrong(f"approximate is for decimals and whole numbers, not for {self.type}")
        if self.on_misfit == "value" and not self.nullable:
            raise self._wrong("it is not nullable, so a value that does not fit sets its row aside")
        fits = str if self.type == pa.string() else int if pa.types.is_integer(self.type) else ()
        if self.absent is not None and not isinstance(self.absent, fits):
            raise self._wrong(f"absent is a text or a whole number as the column is, not {self.absent!r}")
        special = self.approximate or self.on_misfit == "value" or self.absent is not None
        if not self.path and (self.json or self.convert or self.nulls or special):
            raise self._wrong("it is a constant, with no JSON to read or convert")

    def _wrong(self, why: str) -> ValueError:
        return ValueError(f"column {self.name!r}: {why}")

    @cached_property
    def json_kind(self) -> JsonKind:
        """The JSON this column is read from."""
        if self.json is not None:
            return self.json
        return "string" if self.convert is not None else _json_kinds(self.type)[0]

    @cached_property
    def literal(self) -> bool:
        """Whether the value's own text is needed, which Arrow's reader does not give."""
        kind = self.json_kind
        as_text = self.convert is not None or self.type == pa.string() or pa.types.is_decimal(self.type)
        # Arrow's reader would refuse a page for `3.0` where a whole number is expected.
        as_text = as_text or self.approximate
        return kind in ("scalar", "raw") or (kind == "number" and as_text)

    @cached_property
    def sent_type(self) -> pa.DataType:
        """The Arrow type in which the value is read, before any conversion."""
        if self.json_kind in ("bool", "strings", "list"):
            return self.type
        return self.type if self.json_kind == "number" and not self.literal else pa.string()

    @cached_property
    def climb(self) -> int:
        """How many lists the path climbs out of."""
        match = _PATH.fullmatch(self.path)
        return len(match[1] or "") if match else 0

    @cached_property
    def members(self) -> tuple[str, ...]:
        """The path's members, without the climb; empty for a constant."""
        match = _PATH.fullmatch(self.path)
        return tuple(match[2].split(".")) if match else ()
