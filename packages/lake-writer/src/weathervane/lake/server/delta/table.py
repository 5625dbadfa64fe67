"""One Delta table at one version: what it holds, and the commit that makes the next one."""

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
"""What a failing disk or store raises through the libraries here."""
PROTOCOL_ERRORS = (DeltaProtocolError,)
"""What deltalake raises where another tool turned on what it does not know either."""
SCHEMA_ERRORS = (SchemaMismatchError,)
"""What deltalake raises for rows that are not of the table."""


def configuration(layout: Layout) -> dict[str, str | None]:
    """How a table's own configuration keeps its layout, which `Table` reads from there."""
    return {
        _KEYS: json.dumps(layout.unique_keys),
        _CLUSTER: layout.cluster_by or "",
        _VERSION: layout.version_column or "",
    }


class Table(Snapshot):
    """One table at one version. Everything is read from this snapshot and committed against it."""

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
        """Rows in the table; counted from the files' statistics."""
        rows = self._actions["num_records"]
        return self._delta.count() if rows.null_count() else int(rows.sum())

    def add_columns(self, columns: Sequence[pa.Field]) -> None:
        """Adds nullable columns, in a commit of its own.

        Raises:
            CommitConflictError: Another writer made that version.
        """
        added = Schema.from_arrow(pa.schema(columns))
        try:
            self._delta.alter.add_columns(list(added.fields))
        except STORAGE_ERRORS:
            if opened(self.store.uri, self._settings).version() > self.version:
                raise CommitConflictError from None
            raise

    def written(self, write_id: str) -> dict[str, Any] | None:
        """What `commit` was given as `note` for this write id, with its version; None when it is not in the table.

        Raises:
            DamagedTableError: The table knows the id, but the commit's file is gone.
            CommitUnknownError: It is in the table, and the disk does not say that it will stay there.
        """
        version = self._delta.transaction_version(write_app(write_id))
        if version is None or self.log.taken_back(version, self.version) is not None:
            return None
        note = self.log.note(version)
        # The commit may have become visible and its writer died before it was durable.
        self._make_durable(version)
        return {**note, "table_version": version}

    def checkpoint(self, partition: str = "") -> str | None:
        """The table's checkpoint, or a partition's; None when no write has set one.

        Raises:
            DamagedTableError: There is one, and it cannot be read.
            ForeignTableError: A RESTORE took the table back to nobody knows which version.
        """
        version = self._delta.transaction_version(checkpoint_app(partition))
        if version is None:
            return None
        if (before := self._restored(version)) is not None:
            # It goes back with the rows: what the next run reads from there on is what the RESTORE took.
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
        """When the last write was committed, by its writer's clock; None when none has come.

        Raises:
            DamagedTableError: There was one, and its commit's file cannot be read.
        """
        version = self._delta.transaction_version(_LAST_WRITE)
        if version is None:
            return None
        if (before := self._restored(version)) is not None:
            return before.last_write_at()
        return datetime.fromisoformat(self.log.note(version)["committed_at"])

    def _restored(self, version: int) -> Table | None:
        """The table as a RESTORE took it back to from this version; None when none did."""
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
        """Makes version `self.version + 1`: files, write id, checkpoint (of the partition, if one is named), note, in one
        atomic commit.

        Durable in this order, so that a power cut never leaves a table that cannot be read: the data files (as they
        are written), their names and the version before (whose writer may have died before it could), the commit.

        Raises:
            CommitConflictError: Another writer made that version; nothing of this commit is in the table.
            CommitUnknownError: The storage failed and the commit may be, or is, in the table.
            OSError, DeltaError: The storage failed; the commit is not in the table.
        """
        version = self.version + 1
        # Only a transaction with last_updated is ever forgotten (after history_days); the others never are.
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
        """Makes version `self.version + 1`: the same rows in other files. As `commit`, but no write's.

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
        # With the line of this note itself.
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
        """Returns when the commit is this attempt's; whatever the error says, the log has it."""
        try:
            note = self.log.find_note(version)
        except (OSError, ValueError) as unreadable:
            raise CommitUnknownError(
                f"{self.ref}: the storage failed during the commit and then did not say whether version {version} is"
                f" there ({type(unreadable).__name__})"
            ) from error
        if note is None:
            # What the store has refused does not arrive there later.
            if self.store.folder is None and refusal(error) is None:
                raise CommitUnknownError(
                    f"{self.ref}: the store failed during the commit, which may still arrive there"
                ) from error
            raise error
        # The same write from two servers has one id, so only the attempt tells whose commit this is.
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
        # Only makes later opens cheaper; the commit it follows is done, so its failure is not the write's.
        try:
            if isinstance(self.store, LocalStore):
                checkpoint_aside(self.store, self._settings)
            else:
                opened(self.store.uri, self._settings).create_checkpoint()
        except STORAGE_ERRORS as error:
            log.warning("%s: no log checkpoint after version %d: %s", self.ref, self.version + 1, error)
