"""The use cases of LakeWriterService: commits a write exactly once, and reads and describes tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256

import grpc
import pyarrow as pa

from weathervane.lake._model import (
    QUARANTINE_SCHEMA,
    QUARANTINE_SUFFIX,
    Checkpoint,
    CommitRequest,
    ReadSpec,
    TableDescription,
    TableRef,
    WriteMode,
    WriteResult,
    WriteSpec,
    WriteState,
    WriteStatus,
)
from weathervane.lake.server.admission import (
    check_against,
    check_checkpoint,
    check_commit,
    invalid,
    layout_of,
    range_bounds,
)
from weathervane.lake.server.conflicts import refuse_conflicts
from weathervane.lake.server.delta import STORAGE_ERRORS, Table, Tables
from weathervane.lake.server.failures import no_table, storage_failures, until_first
from weathervane.lake.server.files import (
    CommitConflictError,
    CommitUnknownError,
    DamagedTableError,
    ForeignTableError,
    Layout,
    LostFileError,
)
from weathervane.lake.server.receipts import first_answer, note_of, receipt_of
from weathervane.lake.server.settings import LakeSettings
from weathervane.lake.server.turns import Turns
from weathervane.lake.server.upsert import Change, Received, append, upsert
from weathervane.rpc import StatusError

_READ_AT_ONCE = 8
"""Commit files, each of which takes a store some tens of milliseconds."""
_QUARANTINE_TABLE = pa.schema(
    [
        pa.field("write_id", pa.string(), nullable=False),
        pa.field("quarantined_at", pa.timestamp("us", "UTC"), nullable=False),
        *QUARANTINE_SCHEMA,
    ]
)


class LakeWriter:
    """One lake. Thread-safe, and other processes may write the same lake: of two writes of one table, the one that
    commits second plans again on the new version. Taking a turn (`turns`) before `commit` avoids that work.
    """

    def __init__(self, settings: LakeSettings) -> None:
        self._settings = settings
        self._tables = Tables(settings)
        self.turns = Turns()
        """The turns to commit to each table, for all that commit in this process."""
        # By delivery, because the same write may be in progress twice, and the first to end must not hide the other.
        self._in_progress: dict[object, tuple[TableRef, str]] = {}

    def admit(self, spec: WriteSpec) -> bool:
        """Checks a write's header against the table before any row is received.

        Returns:
            Whether the write is in the table already.

        Raises:
            StatusError: The write would be refused at its commit.
        """
        layout = layout_of(spec)
        _quarantine_ref(spec.table)
        with storage_failures(spec.table):
            table = self._tables.open(spec.table)
            if table is None:
                check_checkpoint(spec, None)
                return False
            if table.written(spec.write_id) is not None:
                return True
            check_against(table, spec, layout)
            check_checkpoint(spec, table.checkpoint(spec.partition))
            return False

    def commit(self, spec: WriteSpec, received: Received, request: CommitRequest) -> WriteResult:
        """Applies a write, or returns the first answer if it was applied before.

        Raises:
            StatusError: The write is not in the table, unless the reason is OUTCOME_UNKNOWN. (Its rows set aside may be
                in the quarantine if another server moved the table's checkpoint at the same moment.)
        """
        layout = layout_of(spec)
        check_commit(spec, request)
        _check_keys(spec, received.rows)
        if received.members is not None:
            _check_keys(spec, received.members)
        if spec.refuse_conflicting_rows:
            refuse_conflicts(spec, received.rows.slice(0, received.rows.num_rows - received.changes))
        with self.in_progress(spec), storage_failures(spec.table):
            return self._retrying(spec.table, lambda: self._try_commit(spec, layout, received, request))

    @contextmanager
    def in_progress(self, spec: WriteSpec) -> Iterator[None]:
        """For the duration of the block, also while the write waits for its turn, `status` returns IN_PROGRESS."""
        delivery = object()
        self._in_progress[delivery] = (spec.table, spec.write_id)
        try:
            yield
        finally:
            del self._in_progress[delivery]

    def status(self, ref: TableRef, write_id: str) -> WriteStatus:
        """The state of a write, as far as the table and this server know."""
        # In this order, so that a write which ends between the two lookups is found in the table.
        working = (ref, write_id) in list(self._in_progress.values())
        with storage_failures(ref):
            table = self._tables.open(ref)
            note = table.written(write_id) if table else None
        if table is not None and note is not None:
            return WriteStatus(WriteState.COMMITTED, receipt_of(table, write_id, note))
        return WriteStatus(WriteState.IN_PROGRESS if working else WriteState.UNKNOWN)

    def describe(self, ref: TableRef) -> TableDescription:
        """Describes a table.

        Raises:
            StatusError: NOT_FOUND, or the storage's failure.
        """
        with storage_failures(ref):
            table, _ = self._existing(ref)
            return TableDescription(
                table=ref,
                version=table.version,
                schema=table.schema,
                unique_keys=table.layout.unique_keys,
                cluster_by=table.layout.cluster_by,
                version_column=table.layout.version_column,
                total_rows=table.total_rows,
                size_bytes=table.size_bytes,
                file_count=table.file_count,
                checkpoint=table.checkpoint(),
                table_uri=table.store.uri,
                committed_at=table.log.committed_at(table.version),
                last_write_at=table.last_write_at(),
            )

    def checkpoint(self, ref: TableRef) -> Checkpoint:
        """The table's checkpoint; None if there is none, or no table.

        Raises:
            StatusError: DATA_LOSS if it cannot be read, or the storage's failure.
        """
        with storage_failures(ref):
            table = self._tables.open(ref)
            return Checkpoint(None) if table is None else Checkpoint(table.checkpoint(), table.version)

    def positions(
        self, ref: TableRef, choose: Callable[[list[str]], tuple[Sequence[str], str]]
    ) -> tuple[dict[str, str], str, int]:
        """The checkpoints of those partitions that `choose` takes of all, with its token, and the table's version."""
        with storage_failures(ref):
            table = self._tables.open(ref)
            names, token = choose([] if table is None else table.partitions())
            if table is None:
                return {}, token, -1
            with ThreadPoolExecutor(_READ_AT_ONCE) as threads:
                found = zip(names, threads.map(table.checkpoint, names), strict=True)
                # A RESTORE may have taken one back to before its first.
                return {name: kept for name, kept in found if kept is not None}, token, table.version

    def tables(self, tenant: str) -> list[TableRef]:
        """A tenant's tables, in the order of their names."""
        with storage_failures(tenant):
            return [TableRef(tenant, name) for name in self._tables.names(tenant)]

    def read(self, spec: ReadSpec) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """The schema and the rows of a table, as a generator of batches of at most 16,384 rows.

        Raises:
            StatusError: INVALID_ARGUMENT, NOT_FOUND, or the storage's failure, which the generator may raise too.
        """
        with storage_failures(spec.table):
            newest, table = self._existing(spec.table, spec.version)
            for name in spec.columns:
                if name not in table.schema.names:
                    raise invalid(
                        "UNKNOWN_COLUMN", f"{spec.table}: {name[:80]!r} is not a column of the table"
                    )
            ranges = [(one.column, *range_bounds(one, table.schema)) for one in spec.ranges]
            schema, batches = table.batches(spec.columns, ranges, batch_rows=16_384)
            return schema, _guarded(table, batches, old=table.version < newest.version)

    def _existing(self, ref: TableRef, version: int | None = None) -> tuple[Table, Table]:
        """The table at its newest version, and at the given one."""
        newest = self._tables.open(ref)
        if newest is None:
            raise no_table(ref)
        if version is None or version == newest.version:
            return newest, newest
        if not 0 <= version < newest.version:
            raise StatusError(
                grpc.StatusCode.NOT_FOUND,
                "NO_VERSION",
                f"{ref}: there is no version {version}; the newest is {newest.version}",
            )
        table = self._tables.open(ref, version)
        return newest, table if table is not None else newest

    def _retrying(self, ref: TableRef, attempt: Callable[[], WriteResult]) -> WriteResult:
        attempts, again = self._settings.commit_attempts, "send the write again"
        return until_first(ref, attempts, attempt, again=again)

    def _try_commit(
        self, spec: WriteSpec, layout: Layout, received: Received, request: CommitRequest
    ) -> WriteResult:
        # A write that is refused must leave no table, no column and nothing in the quarantine.
        aside = pa.concat_tables([received.quarantined, received.values])
        table = self._tables.open(spec.table)
        if table is None:
            check_checkpoint(spec, None)
            if aside.num_rows and (quarantine := self._tables.open(_quarantine_ref(spec.table))):
                check_against(quarantine, self._aside(spec, request, received), Layout())
        table = self._tables.for_write(spec.table, spec.schema, layout, table)
        if (first := first_answer(table, spec, request, received)) is not None:
            return first
        added = check_against(table, spec, layout)
        current = table.checkpoint(spec.partition)
        check_checkpoint(spec, current)
        change, widened = Change(), table.widened(added)
        try:
            if spec.mode is WriteMode.APPEND:
                append(widened, received.rows, self._settings, change)
            else:
                upsert(widened, spec, layout, received, self._settings, change)
            note = note_of(table, spec, request, received, change, current)
            # Before the write's commit, or a kill between the two would lose the rows set aside.
            if aside.num_rows:
                self._quarantine(self._aside(spec, request, received), spec.write_id, aside)
            if added:
                table = self._add_columns(table, added)
            table.commit(
                write_id=spec.write_id,
                added=change.added,
                removed=change.removed,
                checkpoint=request.checkpoint,
                partition=spec.partition,
                note=note,
            )
        except CommitUnknownError:
            # The files stay: the table may name them.
            raise
        except CommitConflictError:
            table.store.delete(file.path for file in change.added)
            raise
        except BaseException:
            self._discard(spec, table, change)
            raise
        return receipt_of(table, spec.write_id, {**note, "table_version": table.version + 1})

    def _add_columns(self, table: Table, added: Sequence[pa.Field]) -> Table:
        """Commits the columns and returns that version; what was planned for the version before is valid for it."""
        table.add_columns(added)
        newer = self._tables.open(table.ref)
        if newer is None or newer.version != table.version + 1:
            raise CommitConflictError
        return newer

    def _discard(self, spec: WriteSpec, table: Table, change: Change) -> None:
        try:
            newest = self._tables.open(spec.table)
            committed = newest is not None and newest.written(spec.write_id) is not None
        except (*STORAGE_ERRORS, CommitUnknownError, DamagedTableError, ForeignTableError):
            return
        if not committed:
            table.store.delete(file.path for file in change.added)

    def _aside(self, spec: WriteSpec, request: CommitRequest, received: Received) -> WriteSpec:
        """The header of the append to the quarantine."""
        # Its id depends on what was sent: the write may fail after this, and its next attempt may send other rows.
        write_id = sha256(spec.write_id.encode() + request.sha256 + received.kinds.encode()).hexdigest()
        return WriteSpec(_quarantine_ref(spec.table), write_id, WriteMode.APPEND, _QUARANTINE_TABLE)

    def _quarantine(self, aside: WriteSpec, write_id: str, rows: pa.Table) -> None:
        n = rows.num_rows
        stamped = pa.Table.from_arrays(
            [
                pa.array([write_id]).take(pa.array([0] * n)),
                pa.array([datetime.now(UTC)], pa.timestamp("us", "UTC")).take(pa.array([0] * n)),
                *rows.columns,
            ],
            schema=_QUARANTINE_TABLE,
        )
        nothing = Received(stamped, QUARANTINE_SCHEMA.empty_table(), None)
        whole = CommitRequest(0, n, 0, b"")
        self._retrying(aside.table, lambda: self._try_commit(aside, Layout(), nothing, whole))


def _check_keys(spec: WriteSpec, rows: pa.Table) -> None:
    for name in spec.unique_keys:
        if name in rows.column_names and rows.column(name).null_count:
            raise invalid(
                "NULL_KEY",
                f"{spec.table}: {rows.column(name).null_count:,} rows have NULL in key {name!r}, so it cannot be said"
                " which row they are; set them aside in the quarantine",
            )


def _quarantine_ref(ref: TableRef) -> TableRef:
    return TableRef(ref.tenant, f"{ref.dataset}{QUARANTINE_SUFFIX}")


def _guarded(table: Table, batches: Iterator[pa.RecordBatch], *, old: bool) -> Iterator[pa.RecordBatch]:
    with storage_failures(table.ref):
        try:
            yield from batches
        except LostFileError as error:
            if not old:
                raise
            raise StatusError(
                grpc.StatusCode.NOT_FOUND,
                "VERSION_VACUUMED",
                f"{table.ref}: version {table.version} is no longer whole, files that only it needed were vacuumed;"
                " read a newer one",
            ) from error
