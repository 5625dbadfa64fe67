"""What a table of the lake must hold, as a pretend vendor works it out of its own records."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

__all__ = ["Later", "TableTruth"]

Row = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Later:
    """A time that no record of the vendor tells: equal to every `datetime` after `than`."""

    than: datetime

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Later):
            return self.than == other.than
        return isinstance(other, datetime) and other > self.than

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True)
class TableTruth:
    """What a tenant's table must hold.

    A row has the columns that follow from the vendor's records, without the tenant, with values as
    `pyarrow.Table.to_pylist` gives them. It is worked out by the sandbox alone: a fault of the source's declarations
    is not in it.
    """

    keys: tuple[str, ...]
    """The columns that name a row."""
    rows: Sequence[Row]
    """One for each record that there is."""
    gone: Sequence[Row] = ()
    """What is known of records that were deleted. A row of the lake that is none of `rows` must agree with one of
    these; it need not be there, as it may never have been read.
    """
    fleeting: tuple[str, ...] = ()
    """Columns that the vendor changes without a word: a lake that reads changes may hold older values."""

    def difference(self, held: Sequence[Row]) -> str | None:
        """In one line how the table's rows differ from this: how many are missing, too many and other; or None."""
        truth = {self._key(row): row for row in self.rows}
        found = {self._key(row): row for row in held}
        missing = [key for key in truth if key not in found]
        extra = [
            key
            for key, row in found.items()
            if key not in truth and not any(_agree(row, gone) for gone in self.gone)
        ]
        changed = [key for key in truth if key in found and not _agree(found[key], truth[key], self.fleeting)]
        twice = len(held) - len(found)
        if not (missing or extra or changed or twice):
            return None
        return (
            f"{len(missing)} rows are missing, {len(extra) + twice} too many, {len(changed)} differ;"
            f" e.g. {sorted([*missing, *extra, *changed])[:3]}"
        )

    def _key(self, row: Row) -> tuple[Any, ...]:
        return tuple(row[name] for name in self.keys)

    def of(self, **columns: str) -> TableTruth:
        """The part of it in which these columns have these values."""

        def kept(rows: Sequence[Row]) -> list[Row]:
            return [row for row in rows if all(row.get(name) == value for name, value in columns.items())]

        return TableTruth(self.keys, kept(self.rows), kept(self.gone), self.fleeting)

    def to_json(self) -> str:
        """For the control route `table`: what JSON has no form for is an object of one member that names its kind."""
        return json.dumps(vars(self), default=_told)

    @classmethod
    def from_json(cls, text: str | bytes) -> TableTruth:
        """The reverse of `to_json`."""
        read = json.loads(text, object_hook=_read)
        return cls(tuple(read["keys"]), read["rows"], read["gone"], tuple(read["fleeting"]))


def _agree(held: Row, row: Row, without: Sequence[str] = ()) -> bool:
    return all(held[name] == value for name, value in row.items() if name not in without)


def _told(value: Any) -> dict[str, str]:
    if isinstance(value, Later):
        return {"$later": value.than.isoformat()}
    if isinstance(value, Decimal):
        return {"$decimal": str(value)}
    if isinstance(value, datetime):  # which is a date too
        return {"$time": value.isoformat()}
    if isinstance(value, date):
        return {"$date": value.isoformat()}
    raise TypeError(f"a {type(value).__name__} is no value of a table")


_READ: Mapping[str, Any] = {
    "$later": lambda text: Later(datetime.fromisoformat(text)),
    "$decimal": Decimal,
    "$time": datetime.fromisoformat,
    "$date": date.fromisoformat,
}


def _read(value: dict[str, Any]) -> Any:
    name = next(iter(value), "")
    return _READ[name](value[name]) if name in _READ else value
