"""The types of the lake: names of tables, what a write asks for and what it did.

They are plain values without gRPC; `_convert.py` converts them to messages and back.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime

import pyarrow as pa

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
QUARANTINE_SUFFIX = "_quarantine"
"""The ending of the dataset that holds the rows which were set aside; a write may not name such a dataset."""

_WRITE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)
_PARTITION = re.compile(r"[A-Za-z0-9._:@/-]{0,128}", re.ASCII)

QUARANTINE_SCHEMA = pa.schema(
    [
        pa.field("row_key", pa.string(), nullable=False),
        pa.field("column_name", pa.string(), nullable=False),
        pa.field("value", pa.string()),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("record", pa.string(), nullable=False),
    ]
)
"""A row that was set aside: its unique key as `row_keys` writes it (a JSON array, with null for a part that could not
be read), the first column that does not fit, its value (at most 1,000 characters), the reason in one sentence, and the
whole original record."""


class InvalidNameError(ValueError):
    """The name of a tenant or dataset, or a write id, is not valid; the message has it and the rule."""


@dataclass(frozen=True, order=True)
class TableRef:
    """One table: a tenant (brand) and a dataset. Both match `^[a-z][a-z0-9_]{0,62}$`.

    Raises:
        InvalidNameError: A part does not match. So a name can never be a path, a URL or another tenant's prefix.
    """

    tenant: str
    dataset: str

    def __post_init__(self) -> None:
        for what, name in (("tenant", self.tenant), ("dataset", self.dataset)):
            check_name(what, name)

    def __str__(self) -> str:
        return f"{self.tenant}/{self.dataset}"


def check_name(what: str, name: str) -> str:
    """Returns `name` if it is a valid name of a tenant or dataset; `what` says which of them, for the message.

    Raises:
        InvalidNameError: It is not valid.
    """
    if not is_name(name):
        raise InvalidNameError(
            f"{what} {name[:80]!r} is not a name: use 1-63 characters a-z, 0-9 and _, beginning with a letter"
        )
    return name


def is_name(name: str) -> bool:
    """Whether `name` is a valid name of a tenant or dataset."""
    return _NAME.fullmatch(name) is not None


class WriteMode(enum.Enum):
    """How a write changes the table."""

    APPEND = "append"
    """All rows are added; only for tables without keys."""
    UPSERT = "upsert"
    """Rows with new keys are inserted, rows that differ are updated, equal rows are left as they are."""
    REPLACE_WINDOW = "replace_window"
    """As UPSERT; in addition, rows of the window whose keys are not in the write are deleted."""


@dataclass(frozen=True)
class ColumnRange:
    """The condition `lower <= column <= upper`; the bounds are text, which is cast to the column's type."""

    column: str
    lower: str
    upper: str


@dataclass(frozen=True)
class ReplaceWindow:
    """The rows of a table that a complete read covers: those for which all ranges hold and, if there are member
    columns, whose values in them are among the members sent with the write (e.g. the `order_id` of the orders that were
    read).
    """

    ranges: tuple[ColumnRange, ...] = ()
    member_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class ControlTotal:
    """The vendor's figure for a slice (`expected`) and the sum of the rows read (`actual`), as decimal text."""

    name: str
    expected: str
    actual: str


@dataclass(frozen=True)
class WriteSpec:
    """What a write declares before its first row. `WriteHeader` in the proto documents each field.

    Raises:
        InvalidNameError: The write id is not 1-128 characters of `A-Z a-z 0-9 . _ : -`, or the partition is more than
            128 of these, `@` and `/`.
    """

    table: TableRef
    write_id: str
    mode: WriteMode
    schema: pa.Schema
    unique_keys: tuple[str, ...] = ()
    cluster_by: str | None = None
    version_column: str | None = None
    check_checkpoint: bool = False
    """Whether to refuse the write unless the table's checkpoint is `expected_checkpoint`."""
    expected_checkpoint: str | None = None
    """The checkpoint that the caller read before it began; None: there was none."""
    window: ReplaceWindow | None = None
    refuse_conflicting_rows: bool = False
    """Whether to refuse the write if it has different rows under one key (and greatest version): one would be lost."""
    partition: str = ""
    """Whose checkpoints these are: an account of the vendor's. Empty: the whole table's."""

    def __post_init__(self) -> None:
        check_write_id(self.write_id)
        if not _PARTITION.fullmatch(self.partition):
            raise InvalidNameError(
                f"partition {self.partition[:80]!r} is not one: use at most 128 characters of A-Z a-z 0-9 . _ : @ / -"
            )


def check_write_id(write_id: str) -> str:
    """Returns `write_id` if it is valid, else raises InvalidNameError."""
    if not _WRITE_ID.fullmatch(write_id):
        raise InvalidNameError(
            f"write id {write_id[:80]!r} is not one: use 1-128 characters of A-Z a-z 0-9 . _ : -"
        )
    return write_id


def _count(word: str) -> int:
    return field(default=0, metadata={"word": word})


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What happened to the rows of one or several writes.

    rows_received = rows_inserted + rows_updated + rows_unchanged + rows_collapsed + rows_quarantined.

    This is the only list of the counts. Messages, commit notes, sums, summaries and tables for people are derived from
    its fields.
    """

    rows_received: int = _count("received")
    rows_inserted: int = _count("new")
    rows_updated: int = _count("updated")
    rows_unchanged: int = _count("unchanged")
    rows_collapsed: int = _count("collapsed")
    rows_deleted: int = _count("removed")
    rows_quarantined: int = _count("set aside")
    values_quarantined: int = _count("single values set aside")
    """Single values set aside from rows that were kept; not included in the counts of rows."""
    bytes_written: int = _count("bytes written")
    bytes_removed: int = _count("bytes removed")

    @classmethod
    def words(cls) -> dict[str, str]:
        """The label of each count for people, by the field's name."""
        return {count.name: count.metadata["word"] for count in fields(Counts)}

    def counts(self) -> dict[str, int]:
        """The counts by name, without the other fields of a subclass."""
        return {name: getattr(self, name) for name in self.words()}

    @classmethod
    def sum(cls, several: Iterable[Counts]) -> Counts:
        """The sums of several counts."""
        each = list(several)
        return Counts(**{name: sum(getattr(one, name) for one in each) for name in cls.words()})


@dataclass(frozen=True, kw_only=True)
class WriteResult(Counts):
    """The receipt of a write."""

    table: TableRef
    write_id: str
    table_version: int
    total_rows: int
    checkpoint: str | None
    """Of the write's partition, or of the table, after the commit."""
    committed_at: datetime
    table_uri: str
    control_totals: tuple[ControlTotal, ...] = ()
    repeat: bool = False
    """Whether this is the answer to an earlier delivery of the write, and nothing was done now."""


class WriteState(enum.Enum):
    """The state of a write."""

    COMMITTED = "committed"
    IN_PROGRESS = "in_progress"
    UNKNOWN = "unknown"
    """Not in the table, and not in progress on the server that was asked."""


@dataclass(frozen=True)
class WriteStatus:
    """The answer of `LakeClient.get_write`; it has a result if the state is COMMITTED."""

    state: WriteState
    result: WriteResult | None = None


@dataclass(frozen=True)
class TableDescription:
    """A table at its newest version; sizes are in bytes."""

    table: TableRef
    version: int
    schema: pa.Schema
    unique_keys: tuple[str, ...]
    cluster_by: str | None
    version_column: str | None
    total_rows: int
    size_bytes: int
    file_count: int
    checkpoint: str | None
    table_uri: str
    committed_at: datetime | None = None
    """When the newest version was made, by its writer's clock; None if its commit file does not say."""
    last_write_at: datetime | None = None
    """When the last write was committed, even if it changed no row; None if there was none."""


@dataclass(frozen=True)
class CompactionResult:
    """What a compaction did to a table. It changes no row, checkpoint or receipt."""

    table: TableRef
    commits: int
    """The versions that it committed; 0 if there was nothing to do."""
    table_version: int
    """The table's version afterwards."""
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int
    rows_rewritten: int
    """Rows that were copied to new files."""


@dataclass(frozen=True)
class VacuumResult:
    """What a vacuum deleted, or would delete in a dry run."""

    table: TableRef
    dry_run: bool
    retention_hours: int
    oldest_version: int
    """The oldest version that is still readable."""
    table_version: int
    files_deleted: int
    bytes_deleted: int
    files_kept: int
    """Data files that stay, of the newest version and of earlier ones."""
    bytes_kept: int
    deleted_until: datetime
    """Only files last modified until this time, by the storage's clock, were old enough."""


@dataclass(frozen=True)
class Checkpoint:
    """A table's checkpoint, and the version of the table at which it was read; -1 if the table does not exist."""

    value: str | None
    table_version: int = -1


@dataclass(frozen=True)
class ReadSpec:
    """What to read of a table: columns (all if empty), rows for which all ranges hold, a version (None: the newest)."""

    table: TableRef
    columns: tuple[str, ...] = ()
    ranges: tuple[ColumnRange, ...] = ()
    version: int | None = None


@dataclass(frozen=True)
class CommitRequest:
    """The last message of a write: counts and checksum of everything that was sent, and the new checkpoint."""

    frame_count: int
    row_count: int
    quarantined_count: int
    sha256: bytes
    checkpoint: str | None = None
    control_totals: tuple[ControlTotal, ...] = field(default_factory=tuple)
    value_count: int = 0


def schema_difference(ours: pa.Schema, theirs: pa.Schema) -> Mapping[str, str]:
    """The columns whose type or nullability differ, or that one schema lacks, each with a text that says how."""
    difference: dict[str, str] = {}
    for name in dict.fromkeys([*ours.names, *theirs.names]):
        left, right = (s.field(name) if name in s.names else None for s in (ours, theirs))
        if left is None or right is None:
            difference[name] = "is not in the table" if left is None else "is missing"
        elif left.type != right.type:
            difference[name] = f"is {right.type}, the table has {left.type}"
        elif left.nullable != right.nullable:
            difference[name] = f"is {_null(right)}, the table has {_null(left)}"
    return difference


def _null(column: pa.Field) -> str:
    return "nullable" if column.nullable else "not nullable"
