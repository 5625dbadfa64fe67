"""One Delta table at one version, and the commits that make the next version."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import polars as pl
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Schema, Transaction
from deltalake.exceptions import DeltaError, DeltaProtocolError, SchemaMismatchError
from deltalake.transaction import AddAction, RemoveAction

from weathervane.lake._arrow import plain_schema
from weathervane.lake._model import TableRef
from weathervane.lake.server.delta.log_checkpoint import checkpoint_aside, opened
from weathervane.lake.server.delta.refusals import refusal
from weathervane.lake.server.files import (
    CommitConflictError,
    CommitUnknownError,
    DamagedTableError,
    DataFile,
    Layout,
    NewFile,
)
from weathervane.lake.server.log import (
    COMMIT_NOTE,
    CommitLog,
    Untouched,
    checkpoint_app,
    commit_path,
    write_app,
)
from weathervane.lake.server.settings import LakeSettings
from weathervane.lake.server.snapshot import Snapshot
from weathervane.lake.server.store import LocalStore, Store

__all__ = ["PROTOCOL_ERRORS", "SCHEMA_ERRORS", "STORAGE_ERRORS", "Table", "configuration"]

log = logging.getLogger(__name__)

_LAST_WRITE = "weathervane.lastWrite"
_PARTITIONS = "weathervane.partitions"
"""The application whose Delta transaction names the version that was the first of a new partition. Its note lists them
all, for nobody can ask Delta which applications there are."""
_KEYS, _CLUSTER, _VERSION = "weathervane.uniqueKeys", "weathervane.clusterBy", "weathervane.versionColumn"
STORAGE_ERRORS = (OSError, DeltaError, pa.ArrowException)
"""What the libraries raise when a disk or store fails."""
PROTOCOL_ERRORS = (DeltaProtocolError,)
"""What deltalake raises for a table feature that it does not support."""
SCHEMA_ERRORS = (SchemaMismatchError,)
"""What deltalake raises for rows that do not have the table's schema."""


def configuration(layout: Layout) -> dict[str, str | None]:
    """The table properties in which a layout is stored, and from which `Table` reads it."""
    return {
        _KEYS: json.dumps(layout.unique_keys),
        _CLUSTER: layout.cluster_by or "",
        _VERSION: layout.version_column or "",
    }


class Table(Snapshot):
    """One table at one version. Everything is read from this snapshot, and commits are based on it."""

    def __init__(
        self, ref: TableRef, store: Store, delta: DeltaTable, settings: LakeSettings, untouched: Untouched
    ) -> None:
        kept = delta.metadata().configuration
        layout = Layout(
            tuple(json.loads(kept.get(_KEYS) or "[]")),
            kept.get(_CLUSTER) or None,
            kept.get(_VERSION) or None,
        )
        actions = pl.from_arrow(pa.table(delta.get_add_actions(flatten=True)))
        assert isinstance(actions, pl.DataFrame)
        schema = plain_schema(pa.schema(delta.schema().to_arrow()))
        super().__init__(ref, store, delta.version(), schema, layout, actions)
        self.log = CommitLog(ref, store, untouched)
        self._untouched = untouched
        self._delta = delta
        self._settings = settings

    @property
    def total_rows(self) -> int:
        """The number of rows in the table, by the files' statistics."""
        rows = self._actions["num_records"]
        return self._delta.count() if rows.null_count() else int(rows.sum())

    def add_columns(self, columns: Sequence[pa.Field]) -> None:
        """Adds nullable columns, in a commit of its own.

        Raises:
            CommitConflictError: Another writer has made that version.
        """
        added = Schema.from_arrow(pa.schema(columns))
        try:
            self._delta.alter.add_columns(list(added.fields))
        except STORAGE_ERRORS:
            if opened(self.store.uri, self._settings).version() > self.version:
                raise CommitConflictError from None
            raise

    def written(self, write_id: str) -> dict[str, Any] | None:
        """The `note` of the commit of this write id, with `table_version`; None if the write is not in the table.

        Raises:
            DamagedTableError: The table has the id, but the commit file is missing.
            CommitUnknownError: The write is in the table, but its commit file could not be synced.
        """
        version = self._delta.transaction_version(write_app(write_id))
        if version is None or self.log.taken_back(version, self.version) is not None:
            return None
        note = self.log.note(version)
        # Its writer may have died after the commit was visible and before it was durable.
        self._make_durable(version)
        return {**note, "table_version": version}

    def checkpoint(self, partition: str = "") -> str | None:
        """The checkpoint of the table, or of a partition; None if no write has set one.

        Raises:
            DamagedTableError: There is one, and it cannot be read.
            ForeignTableError: A RESTORE names a time instead of a version, or another tool replaced the table.
        """
        version = self._delta.transaction_version(checkpoint_app(partition))
        if version is None:
            return None
        if (before := self._restored(version)) is not None:
            # The checkpoint is restored with the rows, so that the next run reads what the RESTORE removed.
            return before.checkpoint(partition)
        checkpoint = self.log.note(version).get("checkpoint")
        if not isinstance(checkpoint, str) or not checkpoint:
            raise DamagedTableError(f"{self.ref}: version {version} should hold the checkpoint and does not")
        return checkpoint

    def partitions(self) -> list[str]:
        """The partitions that have a checkpoint, sorted.

        Raises:
            DamagedTableError: There are some, and their list cannot be read.
            ForeignTableError: As `checkpoint`.
        """
        version = self._delta.transaction_version(_PARTITIONS)
        if version is None:
            return []
        if (before := self._restored(version)) is not None:
            return before.partitions()
        listed = self.log.note(version).get("partitions")
        if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
            raise DamagedTableError(f"{self.ref}: version {version} should list the partitions and does not")
        return listed

    def last_write_at(self) -> datetime | None:
        """When the last write was committed, by its writer's clock; None if there was none.

        Raises:
            DamagedTableError: The commit file of the last write cannot be read.
        """
        version = self._delta.transaction_version(_LAST_WRITE)
        if version is None:
            return None
        if (before := self._restored(version)) is not None:
            return before.last_write_at()
        return datetime.fromisoformat(self.log.note(version)["committed_at"])

    def _restored(self, version: int) -> Table | None:
        """The version to which a RESTORE undid the given one; None if none did."""
        back = self.log.taken_back(version, self.version)
        if back is None:
            return None
        before = opened(self.store.uri, self._settings, back)
        return Table(self.ref, self.store, before, self._settings, self._untouched)

    def commit(
        self,
        *,
        write_id: str,
        added: Sequence[NewFile],
        removed: Sequence[DataFile],
        checkpoint: str | None,
        partition: str,
        note: dict[str, Any],
    ) -> None:
        """Makes version `self.version + 1`: files, write id, checkpoint (of the partition, if one is named) and note in
        one atomic commit.

        Files become durable in this order, so that a power cut never leaves a table that cannot be read: the data files
        (when they are written), their names and the commit before (whose writer may have died before it could sync it),
        this commit.

        Raises:
            CommitConflictError: Another writer has made that version; nothing of this commit is in the table.
            CommitUnknownError: The storage failed, and the commit may be in the table, or is but may not be durable.
            OSError, DeltaError: The storage failed; the commit is not in the table.
        """
        version = self.version + 1
        # Delta removes only transactions with last_updated, after the table's retention; the others stay for ever.
        transactions = [
            Transaction(write_app(write_id), version, int(time.time() * 1000)),
            Transaction(_LAST_WRITE, version),
        ]
        if checkpoint is not None:
            transactions.append(Transaction(checkpoint_app(partition), version))
            note = {**note, "checkpoint": checkpoint}
            if partition and partition not in (known := self.partitions()):
                transactions.append(Transaction(_PARTITIONS, version))
                note["partitions"] = sorted([*known, partition])
        self._commit(added, removed, {"write_id": write_id, **note}, transactions, changes=True)

    def replace(self, added: Sequence[NewFile], removed: Sequence[DataFile], note: dict[str, Any]) -> None:
        """Makes version `self.version + 1`, which has the same rows in other files; it is not a write.

        Raises:
            CommitConflictError, CommitUnknownError, OSError, DeltaError: As `commit`.
        """
        self._commit(added, removed, note, [], changes=False)

    def _commit(
        self,
        added: Sequence[NewFile],
        removed: Sequence[DataFile],
        note: dict[str, Any],
        transactions: list[Transaction],
        *,
        changes: bool,
    ) -> None:
        version, now, attempt = self.version + 1, int(time.time() * 1000), uuid.uuid4().hex
        actions: list[AddAction | RemoveAction] = [
            AddAction(file.path, file.size, {}, now, changes, file.stats) for file in added
        ]
        actions += [RemoveAction(file.path, changes, now, file.size, {}) for file in removed]
        # The number of actions includes the one of this note.
        note = {"attempt": attempt, "actions": 1 + len(actions) + len(transactions), **note}
        self.store.sync([commit_path(self.version)])
        try:
            self._delta.create_write_transaction(
                actions,
                "append",
                pa.schema(self._delta.schema().to_arrow()),
                commit_properties=CommitProperties(
                    custom_metadata={COMMIT_NOTE: json.dumps(note)},
                    max_commit_retries=0,
                    app_transactions=transactions,
                ),
                post_commithook_properties=PostCommitHookProperties(
                    create_checkpoint=False, cleanup_expired_logs=False
                ),
            )
        except STORAGE_ERRORS as error:
            self._look_what_happened(version, attempt, error)
        self._make_durable(version)
        if version % self._settings.log_checkpoint_interval == 0:
            self._write_log_checkpoint()

    def _look_what_happened(self, version: int, attempt: str, error: Exception) -> None:
        """Looks in the log after an error of a commit: returns if this attempt did commit, else raises as `commit`."""
        try:
            note = self.log.find_note(version)
        except (OSError, ValueError) as unreadable:
            raise CommitUnknownError(
                f"{self.ref}: the storage failed during the commit and then did not say whether version {version} is"
                f" there ({type(unreadable).__name__})"
            ) from error
        if note is None:
            # A request that the store has refused cannot take effect later.
            if self.store.folder is None and refusal(error) is None:
                raise CommitUnknownError(
                    f"{self.ref}: the store failed during the commit, which may still arrive there"
                ) from error
            raise error
        # Two servers may commit the same write id, so only the attempt's id shows whose commit this is.
        if note.get("attempt") != attempt:
            raise CommitConflictError from None

    def _make_durable(self, version: int) -> None:
        try:
            self.store.sync([commit_path(version)])
        except OSError as error:
            raise CommitUnknownError(
                f"{self.ref}: version {version} is in the table, but the disk does not say that it will stay there"
                f" (errno {error.errno})"
            ) from error

    def _write_log_checkpoint(self) -> None:
        # It only makes opening the table faster. The commit is done, so a failure here must not fail the write.
        try:
            if isinstance(self.store, LocalStore):
                checkpoint_aside(self.store, self._settings)
            else:
                opened(self.store.uri, self._settings).create_checkpoint()
        except STORAGE_ERRORS as error:
            log.warning("%s: no log checkpoint after version %d: %s", self.ref, self.version + 1, error)
