"""The words of the lake: what a table is called, what a write asks for and what it did.

Plain values without gRPC in them; `convert.py` maps them to and from the wire.
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
"""Ends the dataset that keeps the rows which did not fit; no write may name such a dataset itself."""

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
"""A row that did not fit: its unique key as a text of `row_keys` (a JSON array, null for what could not be read), the
first offending column, that column's value (at most 1,000 characters), one sentence why, and the whole original record,
so that nothing is lost."""


class InvalidNameError(ValueError):
    """A tenant, dataset or write id that is not one; the message shows it and the rule."""


@dataclass(frozen=True, order=True)
class TableRef:
    """One table: a tenant (brand) and a dataset. Both match `^[a-z][a-z0-9_]{0,62}$`.

    Raises:
        InvalidNameError: A part does not match; so a name can never be a path, a URL or another tenant's prefix.
    """

    tenant: str
    dataset: str

    def __post_init__(self) -> None:
        for what, name in (("tenant", self.tenant), ("dataset", self.dataset)):
            check_name(what, name)

    def __str__(self) -> str:
        return f"{self.tenant}/{self.dataset}"


def check_name(what: str, name: str) -> str:
    """Returns `name` when it is a legal tenant or dataset name, and raises InvalidNameError otherwise."""
    if not is_name(name):
        raise InvalidNameError(
            f"{what} {name[:80]!r} is not a name: use 1-63 characters a-z, 0-9 and _, beginning with a letter"
        )
    return name


def is_name(name: str) -> bool:
    """Whether `name` is a legal tenant or dataset name."""
    return _NAME.fullmatch(name) is not None


class WriteMode(enum.Enum):
    """How the rows of a write meet the rows of the table."""

    APPEND = "append"
    """Every row is added; for tables without keys."""
    UPSERT = "upsert"
    """New keys are inserted, differing rows updated, equal rows left as they are."""
    REPLACE_WINDOW = "replace_window"
    """As UPSERT; then rows of the window whose keys are not in the write are removed."""


@dataclass(frozen=True)
class ColumnRange:
    """`lower <= column <= upper`, inclusive, as text that is cast to the column's type."""

    column: str
    lower: str
    upper: str


@dataclass(frozen=True)
class ReplaceWindow:
    """The rows which a complete read accounts for: all ranges hold and, when named, the member columns' values
    are among the members sent with the write (`order_id` of the orders that were read).
    """

    ranges: tuple[ColumnRange, ...] = ()
    member_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class ControlTotal:
    """A vendor's figure for a slice beside ours, both decimal numbers as text."""

    name: str
    expected: str
    actual: str


@dataclass(frozen=True)
class WriteSpec:
    """What a write declares before its first row. See `WriteHeader` in the proto for each field's promise.

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
    """Refuse the write unless the table's checkpoint is `expected_checkpoint`."""
    expected_checkpoint: str | None = None
    """What the caller read before it began; None means that there was none."""
    window: ReplaceWindow | None = None
    refuse_conflicting_rows: bool = False
    """Refuse the write when it holds different rows of one key (and greatest version), of which one would be lost."""
    partition: str = ""
    """Whose position the checkpoints are: an account of the vendor's; empty: the whole table's."""

    def __post_init__(self) -> None:
        check_write_id(self.write_id)
        if not _PARTITION.fullmatch(self.partition):
            raise InvalidNameError(
                f"partition {self.partition[:80]!r} is not one: use at most 128 characters of A-Z a-z 0-9 . _ : @ / -"
            )


def check_write_id(write_id: str) -> str:
    """Returns `write_id` when it is legal, and raises InvalidNameError otherwise."""
    if not _WRITE_ID.fullmatch(write_id):
        raise InvalidNameError(
            f"write id {write_id[:80]!r} is not one: use 1-128 characters of A-Z a-z 0-9 . _ : -"
        )
    return write_id


def _count(word: str) -> int:
    return field(default=0, metadata={"word": word})


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What became of the rows of a write, or of several.
    rows_received = inserted + updated + unchanged + collapsed + quarantined.

    This is the only list of them: the wire, the commits' notes, sums, summaries and the words that a person reads are
    made of it.
    """

    rows_received: int = _count("received")
    rows_inserted: int = _count("new")
    rows_updated: int = _count("updated")
    rows_unchanged: int = _count("unchanged")
    rows_collapsed: int = _count("collapsed")
    rows_deleted: int = _count("removed")
    rows_quarantined: int = _count("set aside")
    values_quarantined: int = _count("single values set aside")
    """Of rows that were kept; no rows."""
    bytes_written: int = _count("bytes written")
    bytes_removed: int = _count("bytes removed")

    @classmethod
    def words(cls) -> dict[str, str]:
        """What a person reads for each count, by its name."""
        return {count.name: count.metadata["word"] for count in fields(Counts)}

    def counts(self) -> dict[str, int]:
        """The counts alone, by name."""
        return {name: getattr(self, name) for name in self.words()}

    @classmethod
    def sum(cls, several: Iterable[Counts]) -> Counts:
        """The counts of all of them together."""
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
    """The answer of an earlier delivery; nothing was done now."""


class WriteState(enum.Enum):
    """What became of a write."""

    COMMITTED = "committed"
    IN_PROGRESS = "in_progress"
    UNKNOWN = "unknown"
    """Not in the table and not in progress on the server that was asked."""


@dataclass(frozen=True)
class WriteStatus:
    """Answers `LakeClient.get_write`; the result is there when the state is COMMITTED."""

    state: WriteState
    result: WriteResult | None = None


@dataclass(frozen=True)
class TableDescription:
    """A table as it stands."""

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
    """When the newest version was made, by its writer's clock; None when its commit file does not say."""
    last_write_at: datetime | None = None
    """When the last write was committed, one that changed no row included; None when none has come."""


@dataclass(frozen=True)
class CompactionResult:
    """What a compaction did to a table. Rows, checkpoint and receipts are as before."""

    table: TableRef
    commits: int
    """Versions that it made; 0 when there was nothing to do."""
    table_version: int
    """The newest version that was seen."""
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int
    rows_rewritten: int
    """Rows that are in another file now."""


@dataclass(frozen=True)
class VacuumResult:
    """What a vacuum deleted of a table, or, in a dry run, what it would."""

    table: TableRef
    dry_run: bool
    retention_hours: int
    oldest_version: int
    """Versions from here on are whole."""
    table_version: int
    files_deleted: int
    bytes_deleted: int
    files_kept: int
    """Files that stay, of the newest version and of those before it."""
    bytes_kept: int
    deleted_until: datetime
    """Files last changed up to this time, by the storage's clock, were old enough."""


@dataclass(frozen=True)
class Checkpoint:
    """A table's checkpoint and the version it was read at; version -1 when there is no table."""

    value: str | None
    table_version: int = -1


@dataclass(frozen=True)
class ReadSpec:
    """What to read of a table: columns (all when empty), ranges (all hold), a version (newest when None)."""

    table: TableRef
    columns: tuple[str, ...] = ()
    ranges: tuple[ColumnRange, ...] = ()
    version: int | None = None


@dataclass(frozen=True)
class CommitRequest:
    """What the last message of a write says: counts and checksum of all that was sent, and the new checkpoint."""

    frame_count: int
    row_count: int
    quarantined_count: int
    sha256: bytes
    checkpoint: str | None = None
    control_totals: tuple[ControlTotal, ...] = field(default_factory=tuple)
    value_count: int = 0


def schema_difference(ours: pa.Schema, theirs: pa.Schema) -> Mapping[str, str]:
    """Columns whose type or nullability differ, or that one side lacks: name -> what differs."""
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
