"""Copy-on-write upsert as pure functions over data frames: which files a write touches, what changes in each, and where
new rows go. Nothing here reads, writes or commits.

The files of a table are ordered by the cluster column, like the leaves of a B+ tree: a row belongs to the file with the
greatest lower bound that is at or below its value. So a write reads only files whose range holds one of its values, and
rewrites only those in which a row changes (measured: the time does not depend on the size of the table).

Rows are compared column by column and not by hashes, which might collide.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa

from weathervane.lake._keys import key_parts

# Column names hold only letters, digits and _, so names with a colon cannot meet one.
_ROW = "row:"
_FILE_ROW = "file:"
_NEW = ":new"


@dataclass(frozen=True)
class Keys:
    """The columns by which rows are identified (`unique`), ordered (`cluster`) and aged (`version`)."""

    unique: tuple[str, ...]
    cluster: str
    version: str | None

    @property
    def order(self) -> list[str]:
        """The columns by which the rows of a file are sorted."""
        return [self.cluster, *(key for key in self.unique if key != self.cluster)]


class Incoming:
    """The rows of a write: the newest of each key, in the order of the cluster column.

    `index` has the key, cluster value and row number of each. The rows stay in the staging file until `gather` or
    `between` copies them.
    """

    def __init__(self, rows: pl.DataFrame, keys: Keys) -> None:
        self._rows = rows
        self.keys = keys
        columns = list(dict.fromkeys([*keys.unique, keys.cluster, *([keys.version] if keys.version else [])]))
        index = rows.select(columns).with_row_index(_ROW)
        by = [keys.version, _ROW] if keys.version else [_ROW]
        index = index.sort(by, nulls_last=False).unique(keys.unique, keep="last")
        self.index = index.select(_ROW, *dict.fromkeys([*keys.unique, keys.cluster])).sort(keys.order)
        self.collapsed = rows.height - self.index.height

    @property
    def values(self) -> pl.Series:
        """The distinct values of the cluster column, ascending."""
        return self.index[self.keys.cluster].unique(maintain_order=True)

    def between(self, lower: Any, upper: Any) -> pl.DataFrame:
        """The rows, with their numbers, whose cluster value lies within a file's bounds (None: not known)."""
        index = self.index
        if lower is not None and upper is not None:
            values = index[self.keys.cluster]
            index = index[values.search_sorted(lower, "left") : values.search_sorted(upper, "right")]
        return self.gather(index[_ROW]).with_columns(index[_ROW])

    def gather(self, numbers: pl.Series) -> pl.DataFrame:
        """The rows with these numbers."""
        return self._rows[numbers]


class SetAside:
    """The keys of rows that were set aside. A replaced window does not delete what the table has of these rows.

    Args:
        row_keys: The keys, as `row_keys` writes them. A part that is null could not be read and may be any value.
        unique: The key columns.
    """

    def __init__(self, row_keys: Iterable[str], unique: Sequence[str]) -> None:
        known: defaultdict[tuple[str, ...], list[tuple[str, ...]]] = defaultdict(list)
        for parts in {key_parts(row_key, len(unique)) for row_key in row_keys}:
            columns = tuple(name for name, part in zip(unique, parts, strict=True) if part is not None)
            known[columns].append(tuple(part for part in parts if part is not None))
        self._known = [
            pl.DataFrame(values, dict.fromkeys(columns, pl.String), orient="row") if columns else None
            for columns, values in known.items()
        ]

    def may_be(self, keys: pl.DataFrame) -> pl.Series:
        """For each row (of key columns), whether it may be one that was set aside."""
        found = pl.Series([False]).new_from_index(0, keys.height)
        if not self._known or not keys.height:
            return found
        try:
            # Cast by Arrow, as `row_keys` does; Polars writes some values differently.
            texts = pl.DataFrame({name: keys[name].to_arrow().cast(pa.string()) for name in keys.columns})
        except pa.ArrowInvalid:
            # A binary key that is not UTF-8 cannot be compared with the keys as texts, so every row may be one.
            return ~found
        for known in self._known:
            if known is None:
                return pl.Series([True]).new_from_index(0, keys.height)
            marked = texts.join(
                known.with_columns(pl.lit(True).alias(_NEW)),
                on=known.columns,
                how="left",
                maintain_order="left",
            )
            found |= marked[_NEW].fill_null(False)
        return found


@dataclass(frozen=True)
class Window:
    """The rows of a table that a replaced window covers: within the ranges and, if there are any, of the members."""

    condition: pl.Expr
    members: pl.DataFrame | None
    aside: SetAside

    def rows(self, frame: pl.DataFrame) -> pl.Series:
        """For each row of the frame, whether it is in the window."""
        inside = frame.select(inside=self.condition.fill_null(False))["inside"]
        if self.members is None:
            return inside
        marked = frame.select(self.members.columns).join(
            self.members.with_columns(pl.lit(True).alias(_NEW)),
            on=self.members.columns,
            how="left",
            maintain_order="left",
            nulls_equal=True,
        )
        return inside & marked[_NEW].fill_null(False)


@dataclass(frozen=True)
class FileChange:
    """What a write does to one file.

    `dropped` are numbers of the file's rows; `replacing` (updated) and `matched` (same key) are numbers of the write's.
    """

    path: str
    dropped: pl.Series
    replacing: pl.Series
    matched: pl.Series
    deleted: int

    @property
    def rewrites(self) -> bool:
        """Whether the file must be rewritten."""
        return len(self.dropped) > 0


def touched(files: pl.DataFrame, values: pl.Series) -> pl.Series:
    """For each file (columns `lower`, `upper`), whether its range holds one of the values, which are ascending.

    It is true for files whose bounds are not known.
    """
    known = files["lower"].is_not_null() & files["upper"].is_not_null()
    if values.is_empty():
        return ~known
    first = values.search_sorted(files["lower"].fill_null(values[0]), "left")
    last = values.search_sorted(files["upper"].fill_null(values[-1]), "right")
    return ~known | (last > first)


def compare(
    path: str, file: pl.DataFrame, incoming: pl.DataFrame, keys: Keys, window: Window | None
) -> FileChange:
    """Compares a file with the rows of a write.

    Args:
        path: The file's path.
        file: All rows of the file.
        incoming: The rows of the write that may be in it, from `Incoming.between`.
        keys: The key columns.
        window: The window that the write replaces, if any.
    """
    numbered = file.with_row_index(_FILE_ROW)
    both = numbered.join(incoming, on=list(keys.unique), how="inner", suffix=_NEW, nulls_equal=True)
    others = [name for name in file.columns if name not in keys.unique]
    differs = (
        pl.any_horizontal([pl.col(n).ne_missing(pl.col(n + _NEW)) for n in others])
        if others
        else pl.lit(False)
    )
    if keys.version and keys.version in others:
        old, new = pl.col(keys.version), pl.col(keys.version + _NEW)
        # NULL is older than every version, as it is among the rows of one write.
        differs &= ~(new < old).fill_null(new.is_null() & old.is_not_null())
    changed = both.filter(differs)
    dropped, deleted = changed[_FILE_ROW], 0
    if window is not None:
        inside = numbered.filter(window.rows(file)).select(_FILE_ROW)
        absent = inside.join(both.select(_FILE_ROW), on=_FILE_ROW, how="anti")[_FILE_ROW]
        absent = absent.filter(~window.aside.may_be(file[absent].select(keys.unique)))
        dropped, deleted = pl.concat([dropped, absent]), len(absent)
    return FileChange(path, dropped, changed[_ROW], both[_ROW], deleted)


@dataclass(frozen=True)
class Placement:
    """Where new rows go: `absorbed` by existing files, by path, or into `fresh` ones. Row numbers, in cluster order."""

    absorbed: dict[str, pl.Series]
    fresh: pl.Series


def place(
    new: pl.DataFrame, cluster: str, files: pl.DataFrame, rewritten: set[str], target_rows: int
) -> Placement:
    """Places new rows (from `Incoming.index`) so that the ranges of files do not overlap.

    A row goes into the file with the greatest lower bound at or below its value (or the first file) if that file is
    rewritten anyway, has fewer than `target_rows`, or encloses the value; otherwise into a new file.
    """
    owners = files.filter(pl.col("lower").is_not_null()).sort("lower")
    if owners.is_empty() or new.is_empty():
        return Placement({}, new[_ROW])
    values = new[cluster]
    owner = owners["lower"].search_sorted(values, "right").cast(pl.Int64) - 1
    placed = new.select(_ROW, pl.col(cluster).alias("value")).with_columns(
        owner.clip(0).alias("owner"), (owner < 0).alias("before")
    )
    home = owners.select("path", "upper", "rows").with_columns(
        pl.col("path").is_in(list(rewritten)).alias("rewritten")
    )
    placed = placed.with_columns(home[placed["owner"]])
    takes = (
        pl.col("rewritten")
        | (pl.col("rows") < target_rows)
        | (~pl.col("before") & (pl.col("value") <= pl.col("upper")))
    )
    placed = placed.with_columns(takes.fill_null(True).alias("takes"))
    inside = placed.filter("takes")
    groups = inside.group_by("path", maintain_order=True).agg(_ROW)
    return Placement(
        dict(zip(groups["path"], groups[_ROW], strict=True)),
        placed.filter(~pl.col("takes"))[_ROW],
    )


def rewrite(
    file: pl.DataFrame, dropped: pl.Series, added: pl.Series, incoming: Incoming, target_rows: int
) -> Iterator[pl.DataFrame]:
    """The new content of a file: its rows without `dropped` and with `added` (row numbers of the write), sorted and cut
    into files of about `target_rows`. At most about three such files are in memory.
    """
    keys = incoming.keys
    kept = file
    if len(dropped):
        kept = (
            file.with_row_index(_FILE_ROW)
            .join(dropped.to_frame(_FILE_ROW), on=_FILE_ROW, how="anti", maintain_order="left")
            .drop(_FILE_ROW)
        )
    if kept.height + len(added) <= target_rows * 3 // 2:
        whole = pl.concat([kept, incoming.gather(added)]).sort(keys.order)
        if whole.height:
            yield whole
        return
    index = incoming.index.join(added.to_frame(_ROW), on=_ROW, how="semi", maintain_order="left")
    values = index[keys.cluster]
    for start in range(0, max(index.height, 1), target_rows):
        piece = index[_ROW][start : start + target_rows]
        here = pl.lit(True)
        if start:
            here &= pl.col(keys.cluster) >= values[start]
        if start + target_rows < index.height:
            here &= pl.col(keys.cluster) < values[start + target_rows]
        whole = pl.concat([kept.filter(here), incoming.gather(piece)]).sort(keys.order)
        yield from _halves(whole, target_rows)


def fresh(numbers: pl.Series, incoming: Incoming, target_rows: int) -> Iterator[pl.DataFrame]:
    """New files of at most `target_rows`, for rows that no existing file absorbs."""
    for start in range(0, len(numbers), target_rows):
        yield incoming.gather(numbers[start : start + target_rows]).sort(incoming.keys.order)


def _halves(frame: pl.DataFrame, target_rows: int) -> Iterator[pl.DataFrame]:
    pieces = max(1, round(frame.height / target_rows))
    step = -(-frame.height // pieces)
    for start in range(0, frame.height, max(step, 1)):
        yield frame[start : start + step]


def condition(ranges: Sequence[tuple[str, object, object]], schema: dict[str, pl.DataType]) -> pl.Expr:
    """The expression `lower <= column <= upper` for all ranges; the bounds have the columns' types."""
    every = pl.lit(True)
    for column, lower, upper in ranges:
        dtype = schema[column]
        every &= pl.col(column).is_between(pl.lit(lower, dtype), pl.lit(upper, dtype))
    return every
