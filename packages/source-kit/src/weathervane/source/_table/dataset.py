"""What a source declares about one of its tables.

A `Dataset` is data, not code: it names the columns, where each value stands in the vendor's JSON, what makes
a row unique and how far back a run looks. `normalise` reads it, the flows read it, the lake is written by it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

import pyarrow as pa

from weathervane.source._table.column import STRINGS, Column, Convert, JsonKind, is_name

__all__ = ["Column", "Convert", "Dataset", "JsonKind", "parents_of"]

_MEMBERS = r"[^.^\[\]]+(?:\.[^.^\[\]]+)*"
_LISTS = re.compile(rf"{_MEMBERS}(?:\[\]\.{_MEMBERS})*")


@dataclass(frozen=True)
class Dataset:
    """One table of a source.

    Raises:
        ValueError: The declaration contradicts itself; the message says where.
    """

    name: str
    columns: tuple[Column, ...]
    unique_keys: tuple[str, ...]
    """The columns that name a row within a tenant's table; never null, never float or list."""
    version_column: str | None = None
    """Of two rows with one key the greater value here wins. None: the one read later."""
    cluster_by: str | None = None
    """The column by which the lake orders its files."""
    explode: str | None = None
    """The list that holds the rows: `lineItems.nodes` gives one row per element,
    `refunds[].refundLineItems.nodes` one per element of the inner lists. None: one row per record. A missing
    or null list holds no rows."""
    replace_members: tuple[str, ...] = ()
    """Part of the unique key, e.g. `("order_id",)`: a complete read replaces all rows of the parents that it
    holds, so that a removed child vanishes."""
    description: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not is_name(self.name):
            raise ValueError(
                f"dataset {self.name!r} is not a name: 1-63 of a-z, 0-9, _, beginning with a letter"
            )
        twice = [name for name, n in Counter(column.name for column in self.columns).items() if n > 1]
        if twice:
            raise self._wrong(f"column {twice[0]!r} is declared twice")
        if not self.unique_keys or len(set(self.unique_keys)) < len(self.unique_keys):
            raise self._wrong(f"unique_keys {self.unique_keys} need at least one column, and each once")
        for name in self.unique_keys:
            key = self.column(name)
            if not key.available:
                raise self._wrong(f"key column {name!r} cannot be left out")
            if key.type == pa.float64() or key.type == STRINGS:
                raise self._wrong(f"key column {name!r} is {key.type}, which cannot name a row")
        for column in self.columns:
            if not column.available and not column.nullable:
                raise self._wrong(f"column {column.name!r} is not nullable, so it cannot be left out")
        placing = {*self.unique_keys, self.version_column, self.cluster_by}
        for column in self.columns:
            if column.on_misfit == "value" and column.name in placing:
                raise self._wrong(
                    f"column {column.name!r} names or orders rows, so no value of it can be missing"
                )
        for optional in (self.version_column, self.cluster_by):
            if optional is not None:
                self.column(optional)
        if not set(self.replace_members) <= set(self.unique_keys):
            raise self._wrong(f"replace_members {self.replace_members} must be columns of the unique key")
        self._check_paths()

    def _wrong(self, why: str) -> ValueError:
        return ValueError(f"dataset {self.name!r}: {why}")

    def _check_paths(self) -> None:
        if self.explode is not None and not _LISTS.fullmatch(self.explode):
            raise self._wrong(
                f"explode {self.explode!r} is not a path, write `member.member` or `list[].list`"
            )
        depth = len(self.lists)
        # What each path is read as; whatever stands before it must be an object.
        leaves: dict[tuple[int, tuple[str, ...]], str] = {}
        for level, members in enumerate(self.lists):
            leaves[level, members] = "a list of rows"
        for column in self.selected:
            if column.climb > depth:
                raise self._wrong(f"column {column.name!r} climbs {column.climb} lists of {depth}")
            where = (depth - column.climb, column.members)
            what = "its text" if column.literal else str(column.sent_type)
            if (other := leaves.setdefault(where, what)) != what:
                raise self._wrong(f"path {column.path!r} is read as {what} here, as {other} there")
        for level, members in leaves:
            for n in range(1, len(members)):
                if (level, members[:n]) in leaves:
                    inner, outer = ".".join(members), ".".join(members[:n])
                    raise self._wrong(f"path {inner!r} goes through {outer!r}, which is read as a value")

    @cached_property
    def schema(self) -> pa.Schema:
        """The table's Arrow schema, in declared order; key columns and those declared so are not nullable."""
        return pa.schema(
            [
                pa.field(
                    column.name, column.type, nullable=column.nullable and column.name not in self.unique_keys
                )
                for column in self.columns
            ]
        )

    @cached_property
    def selected(self) -> tuple[Column, ...]:
        """The columns that are read from a record: available, and no constants."""
        return tuple(column for column in self.columns if column.available and column.path)

    @property
    def constants(self) -> tuple[Column, ...]:
        """The columns that a run supplies."""
        return tuple(column for column in self.columns if not column.path)

    @property
    def lists(self) -> tuple[tuple[str, ...], ...]:
        """The members of each list on the way to a row, outermost first."""
        return tuple(tuple(part.split(".")) for part in self.explode.split("[].")) if self.explode else ()

    def column(self, name: str) -> Column:
        """The column of this name; raises ValueError when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise self._wrong(f"there is no column {name!r}")

    def with_columns(self, *columns: Column, unique_keys: Iterable[str] | None = None) -> Dataset:
        """This dataset with more columns (a breakdown, a scope); one of the same name takes its place.

        `unique_keys` replaces the key, for a breakdown that is part of it.
        """
        new = {column.name: column for column in columns}
        kept = tuple(new.pop(column.name, column) for column in self.columns)
        keys = self.unique_keys if unique_keys is None else tuple(unique_keys)
        return replace(self, columns=(*kept, *new.values()), unique_keys=keys)

    def without(self, *names: str) -> Dataset:
        """This dataset when some columns cannot be asked for: same schema, their values null."""
        return self.with_columns(*(replace(self.column(name), available=False) for name in names))

    def read_from(self, paths: Mapping[str, str], *, explode: str | None = None) -> Dataset:
        """The same table read from records of another shape, e.g. a bulk file with children on own lines.

        `paths` gives the columns that stand elsewhere: `{"order_id": "__parentId"}`.
        """
        moved = {name: replace(self.column(name), path=path) for name, path in paths.items()}
        columns = tuple(moved.get(column.name, column) for column in self.columns)
        return replace(self, columns=columns, explode=explode)


@lru_cache(maxsize=256)
def parents_of(dataset: Dataset) -> Dataset:
    """The table of a dataset's parents, for `members_of`: of the same records, at the level at which their names stand.

    A parent without a list of children is set aside.
    """
    columns = [dataset.column(name) for name in dataset.replace_members]
    depth = len(dataset.lists)
    level = max((depth - column.climb for column in columns if column.path), default=0)
    lists = [".".join(members) for members in dataset.lists[:level]]
    lifted = [_lifted(column, column.climb - (depth - level)) for column in columns]
    if level < depth:
        path = ".".join(dataset.lists[level])
        lifted.append(Column("list_of_children", pa.bool_(), path, nullable=False, json="list"))
    return Dataset(
        dataset.name,
        tuple(lifted),
        dataset.replace_members,
        explode="[].".join(lists) or None,
    )


def _lifted(column: Column, climb: int) -> Column:
    if not column.path:
        return column
    path = ".".join(column.members)
    return replace(column, path="^" * climb + "." + path if climb else path)
