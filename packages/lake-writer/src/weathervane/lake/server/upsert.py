"""Writes the data files of an append, upsert or window replacement, ready to be committed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import polars as pl
import pyarrow as pa

from weathervane.lake._model import QUARANTINE_SCHEMA, Counts, WriteSpec
from weathervane.lake.server import merge
from weathervane.lake.server.admission import range_bounds
from weathervane.lake.server.files import DataFile, Layout, NewFile
from weathervane.lake.server.settings import LakeSettings
from weathervane.lake.server.snapshot import Snapshot


@dataclass(frozen=True)
class Received:
    """What a write sent, complete and checked: its rows, the rows that were set aside, the window's members, and the
    single values that were set aside.
    """

    rows: pa.Table
    quarantined: pa.Table
    members: pa.Table | None
    values: pa.Table = field(default_factory=QUARANTINE_SCHEMA.empty_table)
    changes: int = 0
    """How many of the rows, at the end of `rows`, were made from changes, which give some columns of a row."""
    kinds: str = ""
    """A digest of the kinds of the frames, in their order, as the same bytes mean different things in another kind."""


@dataclass
class Change:
    """What a write does to a table; the files in `added` are already written."""

    added: list[NewFile] = field(default_factory=list)
    removed: list[DataFile] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)


def append(table: Snapshot, rows: pa.Table, settings: LakeSettings, change: Change) -> None:
    """Writes all rows to new files."""
    ordered = rows.select(table.schema.names)
    size = _file_rows(rows, settings)
    for start in range(0, ordered.num_rows, size):
        change.added.append(table.write_file(ordered.slice(start, size).combine_chunks()))
    change.counts = Counts(rows_inserted=rows.num_rows)


def upsert(
    table: Snapshot,
    spec: WriteSpec,
    layout: Layout,
    received: Received,
    settings: LakeSettings,
    change: Change,
) -> None:
    """Inserts and updates rows and, with a window, deletes rows; writes only files in which a row changes."""
    assert layout.cluster_by is not None
    target = _file_rows(received.rows, settings)
    keys = merge.Keys(layout.unique_keys, layout.cluster_by, layout.version_column)
    incoming = merge.Incoming(_frame(received.rows.select(table.schema.names)), keys)
    window = _window(spec, table.schema, received)
    files = table.files()
    chosen = merge.touched(files, incoming.values)
    if window is not None:
        chosen = chosen | _window_touches(files, spec, table, window, layout)
    changes: dict[str, merge.FileChange] = {}
    matched, updated = [pl.Series(dtype=pl.get_index_type())] * 2
    deleted = 0
    # Two passes over the files that may change: the first finds what changes, the second rewrites. A file is read twice
    # (15 of its about 150 ms) so that only row numbers, and never files, are in memory between the two.
    for path, lower, upper in files.filter(chosen).select("path", "lower", "upper").iter_rows():
        verdict = merge.compare(path, table.read_file(path), incoming.between(lower, upper), keys, window)
        matched = pl.concat([matched, verdict.matched])
        updated = pl.concat([updated, verdict.replacing])
        deleted += verdict.deleted
        if verdict.rewrites:
            changes[path] = verdict
    known = matched.to_frame("row:")
    new = incoming.index.join(known, on="row:", how="anti", maintain_order="left")
    placement = merge.place(new, keys.cluster, files, set(changes), target)
    sizes = {path: (size, rows) for path, size, rows in files.select("path", "size", "rows").iter_rows()}
    nothing = pl.Series(dtype=pl.get_index_type())
    for path in dict.fromkeys([*changes, *placement.absorbed]):
        dropped, replacing = nothing, nothing
        if path in changes:
            dropped, replacing = changes[path].dropped, changes[path].replacing
        added = pl.concat([replacing, placement.absorbed.get(path, nothing)])
        pieces = merge.rewrite(table.read_file(path), dropped, added, incoming, target)
        change.removed.append(DataFile(path, *sizes[path]))
        _write(table, pieces, change)
    for numbers in _apart(placement.fresh, incoming, files):
        _write(table, merge.fresh(numbers, incoming, target), change)
    n_updated = updated.n_unique()
    change.counts = Counts(
        rows_inserted=new.height,
        rows_updated=n_updated,
        rows_unchanged=incoming.index.height - new.height - n_updated,
        rows_collapsed=incoming.collapsed,
        rows_deleted=deleted,
    )


def _file_rows(rows: pa.Table, settings: LakeSettings) -> int:
    """Rows of a data file; fewer if they are large, because a file is rewritten as a whole in memory."""
    row: int = max(1, rows.nbytes // max(1, rows.num_rows))
    return max(1, min(settings.target_file_rows, settings.target_file_bytes // row))


def _write(table: Snapshot, pieces: Iterable[pl.DataFrame], change: Change) -> None:
    for piece in pieces:
        change.added.append(table.write_file(piece.to_arrow().cast(table.schema)))


def _frame(rows: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(rows, rechunk=False)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _apart(numbers: pl.Series, incoming: merge.Incoming, files: pl.DataFrame) -> Iterator[pl.Series]:
    """Groups of rows for new files, cut where a file of the table lies between them: a new file whose range encloses
    that file would be read by every later write to it.
    """
    index = incoming.index.join(numbers.to_frame(), on=numbers.name, how="semi", maintain_order="left")
    gaps = files["lower"].drop_nulls().sort().search_sorted(index[incoming.keys.cluster], "right")
    for piece in (
        index.select(numbers.name).with_columns(gaps.alias("gap:")).partition_by("gap:", maintain_order=True)
    ):
        yield piece[numbers.name]


def _window(spec: WriteSpec, schema: pa.Schema, received: Received) -> merge.Window | None:
    if spec.window is None:
        return None
    ranges = []
    for column_range in spec.window.ranges:
        lower, upper = range_bounds(column_range, schema)
        ranges.append((column_range.column, lower.as_py(), upper.as_py()))
    types = dict(_frame(schema.empty_table()).schema)
    members = None
    if received.members is not None:
        members = _frame(received.members).unique()
    aside = merge.SetAside(received.quarantined["row_key"].to_pylist(), spec.unique_keys)
    return merge.Window(merge.condition(ranges, types), members, aside)


def _window_touches(
    files: pl.DataFrame, spec: WriteSpec, table: Snapshot, window: merge.Window, layout: Layout
) -> pl.Series:
    """For each file, whether it may hold rows of the window, by its bounds of the cluster column."""
    assert spec.window is not None
    assert layout.cluster_by is not None
    hits = pl.Series([True] * files.height, dtype=pl.Boolean)
    if window.members is not None and layout.cluster_by in window.members.columns:
        hits &= merge.touched(files, window.members[layout.cluster_by].unique().sort())
    for column_range in spec.window.ranges:
        if column_range.column == layout.cluster_by:
            lower, upper = (bound.as_py() for bound in range_bounds(column_range, table.schema))
            outside = files.select(out=(pl.col("upper") < lower) | (pl.col("lower") > upper))["out"]
            hits &= ~outside.fill_null(False)
    return hits
