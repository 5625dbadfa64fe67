"""Pages of JSON become record batches of a dataset's schema; a row that does not fit is set aside, never
lost.

Every row received is in one of the two: `rows`, or `quarantined` with the key, column, value and reason. A row is
judged by the columns it declares: one value that does not fit sets the whole row aside, nothing is rounded, cut or
replaced by null, but for columns that are declared so (`Column.approximate`, `Column.on_misfit`): a value that is set
aside by itself is null in its row and kept in `values`. In an exploded dataset the rows are the list's elements; a
parent that is bad elsewhere harms none of them, and only a record (or list) that cannot be taken apart is set aside
as one row of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from weathervane.lake import row_keys
from weathervane.source._table.cast import cast_column, expectation
from weathervane.source._table.column import Column
from weathervane.source._table.dataset import Dataset
from weathervane.source._table.quarantine import (
    MAX_RECORD_BYTES,
    QUARANTINE_SCHEMA,
    VALUE_ASIDE,
    Misfit,
    quarantine_batch,
    record_text,
)
from weathervane.source._table.read import Parsed, read
from weathervane.source._table.records import split_lines
from weathervane.source._table.shape import Sent, shape_of

__all__ = ["Normalised", "normalise"]


@dataclass(frozen=True)
class Normalised:
    """One page, normalised. Who makes one of another takes `values` along."""

    rows: pa.RecordBatch
    """The rows that fit, in the order received; exactly the dataset's schema."""
    quarantined: pa.RecordBatch
    """The rows that do not fit, in `weathervane.lake.QUARANTINE_SCHEMA`."""
    values: pa.RecordBatch = field(default_factory=lambda: _empty(QUARANTINE_SCHEMA))
    """The values that do not fit of rows that do, in the same schema; see `Column.on_misfit`."""

    @property
    def received(self) -> int:
        """How many rows the page held."""
        return int(self.rows.num_rows + self.quarantined.num_rows)


def normalise(
    dataset: Dataset,
    records: Parsed | Sequence[bytes] | bytes,
    *,
    constants: Mapping[str, object] | None = None,
    unfit: Callable[[pa.RecordBatch], Mapping[int, Misfit]] | None = None,
) -> Normalised:
    """The records of one page as rows of the dataset.

    ``records`` are JSON objects as sent, one `bytes` each (see `split_records`), or newline-delimited JSON, or a page
    that was read for several datasets at once.
    ``constants`` gives a value for each column that has no path, and for no other. ``unfit`` judges rows by what a
    column's type cannot say, such as another account's: rows by their number in the batch, each with its misfit; a
    value that does not fit its type is null in that batch, and its own misfit goes first.

    Whatever the records hold ends in `rows` or `quarantined`, never in an exception: broken JSON or UTF-8, a
    record that is no object, the wrong JSON type, a number too large or too precise, a missing key, a member
    given twice, any depth. A row whose texts exceed 2 MiB is set aside too, since it would not fit a frame of
    the lake.

    Raises:
        ValueError: A constant is missing, unknown or does not fit its column; or a column's `convert` broke
            its promise of one value per value. Both are mistakes of the source, not of the vendor.
    """
    if isinstance(records, bytes):
        records = split_lines(records)
    scalars = _constants(dataset, constants or {})
    alone = () if isinstance(records, Parsed) else read(shape_of(dataset), records)
    found = records.of(dataset) if isinstance(records, Parsed) else (sent for (sent,) in alone)
    pieces = [_settle(dataset, sent, scalars, unfit) for sent in found]
    if len(pieces) == 1:
        return pieces[0]
    return Normalised(
        pa.concat_batches([_empty(dataset.schema), *(piece.rows for piece in pieces)]),
        pa.concat_batches([_empty(QUARANTINE_SCHEMA), *(piece.quarantined for piece in pieces)]),
        pa.concat_batches([_empty(QUARANTINE_SCHEMA), *(piece.values for piece in pieces)]),
    )


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)


def _constants(dataset: Dataset, constants: Mapping[str, object]) -> dict[str, pa.Scalar]:
    wanted = {column.name: column for column in dataset.constants}
    if unknown := sorted(set(constants) - set(wanted)):
        raise ValueError(
            f"dataset {dataset.name!r} has no constant {unknown[0]!r}; its constants are {sorted(wanted)}"
        )
    scalars = {}
    for name, column in wanted.items():
        if not column.available:
            continue
        if name not in constants:
            raise ValueError(f"dataset {dataset.name!r} needs the constant {name!r}")
        try:
            scalars[name] = pa.scalar(constants[name], column.type)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise ValueError(
                f"constant {name!r} of dataset {dataset.name!r} is no {column.type}: {error}"
            ) from None
        if constants[name] is None and not dataset.schema.field(name).nullable:
            raise ValueError(f"constant {name!r} of dataset {dataset.name!r} must not be None")
    return scalars


def _settle(
    dataset: Dataset,
    sent: Sent,
    constants: Mapping[str, pa.Scalar],
    unfit: Callable[[pa.RecordBatch], Mapping[int, Misfit]] | None = None,
) -> Normalised:
    """Gives every value its type and parts the rows that fit from those that do not."""
    arrays: dict[str, pa.Array] = {}
    # The first misfit of each row, since columns come in declared order.
    misfits = {row: found[""] for row, found in sent.misfits.items() if "" in found}
    values: list[tuple[int, Misfit]] = []
    for column in dataset.columns:
        if column.name in constants:
            arrays[column.name] = pa.repeat(constants[column.name], sent.rows)
        elif column.name not in sent.arrays:
            arrays[column.name] = pa.nulls(sent.rows, column.type)
        else:
            as_sent = sent.arrays[column.name]
            arrays[column.name], as_meant = cast_column(as_sent, column)
            found = {row: each[column.name] for row, each in sent.misfits.items() if column.name in each}
            if arrays[column.name].null_count:
                _judge(arrays[column.name], as_sent, as_meant, column, _required(dataset, column), found)
            if column.on_misfit == "value":
                values += found.items()
            elif found:
                misfits = found | misfits
    batch = pa.RecordBatch.from_arrays(
        [arrays[column.name] for column in dataset.columns], schema=dataset.schema
    )
    if unfit is not None:
        misfits = {**unfit(batch), **misfits}
    if batch.nbytes > MAX_RECORD_BYTES:
        _judge_size(batch, misfits)
    kept = [
        (row, replace(misfit, reason=VALUE_ASIDE + misfit.reason))
        for row, misfit in values
        if row not in misfits
    ]
    values_aside = _aside(dataset, sent, batch, sorted(kept, key=lambda one: one[0]))
    if not misfits:
        return Normalised(batch, _empty(QUARANTINE_SCHEMA), values_aside)
    good = sorted(set(range(sent.rows)) - misfits.keys())
    return Normalised(
        batch.take(pa.array(good, pa.int64())),
        _aside(dataset, sent, batch, sorted(misfits.items(), key=lambda one: one[0])),
        values_aside,
    )


def _aside(
    dataset: Dataset, sent: Sent, batch: pa.RecordBatch, entries: Sequence[tuple[int, Misfit]]
) -> pa.RecordBatch:
    """The misfits as entries of the quarantine, each with its row's key and the record it stood in."""
    if not entries:
        return _empty(QUARANTINE_SCHEMA)
    keys = row_keys(batch.take(pa.array([row for row, _ in entries], pa.int64())), dataset.unique_keys)
    records = []
    for row, _ in entries:
        record, positions = sent.origin(row)
        steps: list[str | int] = []
        for members, position in zip(dataset.lists, positions, strict=False):
            steps += [*members, position]
        records.append(record_text(sent.records[record], steps))
    return quarantine_batch(keys.to_pylist(), [misfit for _, misfit in entries], records)


def _required(dataset: Dataset, column: Column) -> str | None:
    if column.name in dataset.unique_keys:
        return "the value is missing or null, and it is part of the row's key"
    return None if column.nullable else "the value is missing or null, and the column must have one"


def _judge(
    typed: pa.Array,
    sent: pa.Array,
    meant: pa.Array,
    column: Column,
    required: str | None,
    misfits: dict[int, Misfit],
) -> None:
    """Adds the rows whose value of this column has no type's value, or is missing where it must not be."""
    unfit = pc.and_(pc.is_null(typed), pc.is_valid(meant))
    for row in pc.indices_nonzero(unfit).to_pylist():
        if row not in misfits:
            misfits[row] = Misfit(column.name, str(sent[row].as_py()), f"expected {expectation(column)}")
    if required is not None:
        for row in pc.indices_nonzero(pc.is_null(meant)).to_pylist():
            if row not in misfits:
                value = sent[row].as_py()
                misfits[row] = Misfit(column.name, None if value is None else str(value), required)


def _judge_size(batch: pa.RecordBatch, misfits: dict[int, Misfit]) -> None:
    texts = [field.name for field in batch.schema if pa.types.is_string(field.type)]
    lengths = {name: pc.fill_null(pc.binary_length(batch.column(name)), 0).cast(pa.int64()) for name in texts}
    totals = pa.repeat(pa.scalar(0, pa.int64()), batch.num_rows)
    for length in lengths.values():
        totals = pc.add(totals, length)
    for row in pc.indices_nonzero(pc.greater(totals, MAX_RECORD_BYTES)).to_pylist():
        longest = max(texts, key=lambda name: lengths[name][row].as_py())
        reason = f"the row's texts are {totals[row].as_py():,} bytes, more than the lake takes in one row"
        misfits.setdefault(row, Misfit(longest, batch.column(longest)[row].as_py(), reason))
