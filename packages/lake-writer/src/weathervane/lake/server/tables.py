"""Delta tables, one per tenant and dataset: the one module that imports deltalake.

What deltalake 1.6.6 does not do by itself, and this module therefore does (each measured):

- The same application transaction commits again on a fresh snapshot, so the write id is looked up on the snapshot
  that is then committed with.
- With commit retries two writers may insert the same key, and a stale upsert may double a compacted table, so
  commits are tried once (`max_commit_retries=0`) and the caller plans again on a new snapshot.
- Log clean-up would drop the commits that hold receipts and checkpoints, so it is off for these tables.
- Nothing is synced to a disk: see `Table.commit` for the order in which things become durable.
- A log checkpoint torn by a power cut makes the table unreadable, so it is made aside and put in place whole.
- An empty commit file reads as a commit of nothing, so it is looked for; a damaged log and a failing disk are one
  exception, so its words tell them apart.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.fs as pafs
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Schema, Transaction
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.fs import DeltaStorageHandler
from deltalake.transaction import AddAction, RemoveAction

from weathervane.lake.arrow import plain_schema
from weathervane.lake.model import InvalidNameError, TableRef, check_name, is_name
from weathervane.lake.server.files import (
    CommitConflictError,
    CommitUnknownError,
    DamagedTableError,
    DataFile,
    Layout,
    NewFile,
    OutsideLakeError,
)
from weathervane.lake.server.log import COMMIT_NOTE, LOG_FOLDER, CommitLog, commit_path
from weathervane.lake.server.settings import LakeSettings
from weathervane.lake.server.snapshot import Snapshot
from weathervane.lake.server.store import LocalStore, RemoteStore, Store

log = logging.getLogger(__name__)

_CHECKPOINT = "weathervane.checkpoint"
_LAST_WRITE = "weathervane.lastWrite"
_KEYS, _CLUSTER, _VERSION = "weathervane.uniqueKeys", "weathervane.clusterBy", "weathervane.versionColumn"
_LOG_FILE = re.compile(r"\d{20}\.(json|checkpoint(\.\w+)*\.parquet)")
_POINTER = "_last_checkpoint"
_REPAIR = (
    "restore _delta_log, the server's log says more. (When only its newest commit file is torn, by a power cut, then"
    " that write was never acknowledged: remove the file, and the table is as before)"
)
# A log that a new attempt will not mend; all else that deltalake raises may be the disk or the network.
_DAMAGED_LOG = re.compile(
    r"Kernel error: (Json error|Arrow error|Invalid Checkpoint|No table metadata|.*contiguous commit files)",
    re.DOTALL,
)
STORAGE_ERRORS = (OSError, DeltaError, pa.ArrowException)
"""What a failing disk or store raises through the libraries here."""


class Table(Snapshot):
    """One table at one version. Everything is read from this snapshot and committed against it."""

    def __init__(self, ref: TableRef, store: Store, delta: DeltaTable, settings: LakeSettings) -> None:
        configuration = delta.metadata().configuration
        layout = Layout(
            tuple(json.loads(configuration.get(_KEYS) or "[]")),
            configuration.get(_CLUSTER) or None,
            configuration.get(_VERSION) or None,
        )
        actions = pl.from_arrow(pa.table(delta.get_add_actions(flatten=True)))
        assert isinstance(actions, pl.DataFrame)
        schema = plain_schema(pa.schema(delta.schema().to_arrow()))
        super().__init__(ref, store, delta.version(), schema, layout, actions)
        self.log = CommitLog(ref, store)
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
            if _open(self.store.uri, self._settings).version() > self.version:
                raise CommitConflictError from None
            raise

    def written(self, write_id: str) -> dict[str, Any] | None:
        """What `commit` was given as `note` for this write id, with its version; None when it is not in the table.

        Raises:
            DamagedTableError: The table knows the id, but the commit's file is gone.
            CommitUnknownError: It is in the table, and the disk does not say that it will stay there.
        """
        version = self._delta.transaction_version(_write_app(write_id))
        if version is None:
            return None
        note = self.log.note(version)
        # The commit may have become visible and its writer died before it was durable.
        self._make_durable(version)
        return {**note, "table_version": version}

    def checkpoint(self) -> str | None:
        """The table's checkpoint; None when no write has set one.

        Raises:
            DamagedTableError: There is one, and it cannot be read.
        """
        version = self._delta.transaction_version(_CHECKPOINT)
        if version is None:
            return None
        checkpoint = self.log.note(version).get("checkpoint")
        if not isinstance(checkpoint, str) or not checkpoint:
            raise DamagedTableError(f"{self.ref}: version {version} should hold the checkpoint and does not")
        return checkpoint

    def last_write_at(self) -> datetime | None:
        """When the last write was committed, by its writer's clock; None when none has come.

        Raises:
            DamagedTableError: There was one, and its commit's file cannot be read.
        """
        version = self._delta.transaction_version(_LAST_WRITE)
        return None if version is None else datetime.fromisoformat(self.log.note(version)["committed_at"])

    def commit(
        self,
        *,
        write_id: str,
        added: Sequence[NewFile],
        removed: Sequence[DataFile],
        checkpoint: str | None,
        note: dict[str, Any],
    ) -> None:
        """Makes version `self.version + 1`: files, write id, checkpoint and note in one atomic commit.

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
            Transaction(_write_app(write_id), version, int(time.time() * 1000)),
            Transaction(_LAST_WRITE, version),
        ]
        if checkpoint is not None:
            transactions.append(Transaction(_CHECKPOINT, version))
            note = {**note, "checkpoint": checkpoint}
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
        self.store.sync([commit_path(self.version)])
        try:
            self._delta.create_write_transaction(
                actions,
                "append",
                pa.schema(self._delta.schema().to_arrow()),
                commit_properties=CommitProperties(
                    custom_metadata={COMMIT_NOTE: json.dumps({"attempt": attempt, **note})},
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
            if self.store.folder is None:
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
                _checkpoint_aside(self.store, self._settings)
            else:
                _open(self.store.uri, self._settings).create_checkpoint()
        except STORAGE_ERRORS as error:
            log.warning("%s: no log checkpoint after version %d: %s", self.ref, self.version + 1, error)


class Tables:
    """All tables of a lake."""

    def __init__(self, settings: LakeSettings) -> None:
        self._settings = settings
        self._local = None if "://" in settings.root else Path(settings.root).resolve()
        # Over the whole lake: a handler of its own for each table would ask a file:// URL for a folder that the first
        # write has yet to make.
        self._remote = (
            pafs.PyFileSystem(DeltaStorageHandler(settings.root, dict(settings.storage_options)))
            if self._local is None
            else None
        )

    def open(self, ref: TableRef, version: int | None = None) -> Table | None:
        """The table at its newest or a given version; None when there is no such table.

        Raises:
            DamagedTableError: There is one, and its log cannot be read.
            OSError, DeltaError: The storage failed.
        """
        store = self._store(ref)
        try:
            delta = _open(store.uri, self._settings, version)
        except TableNotFoundError:
            if store.has("part-*.parquet"):
                raise DamagedTableError(
                    f"{ref}: there are data files, but the log is gone; restore it"
                ) from None
            return None
        except DeltaError as error:
            if _DAMAGED_LOG.match(str(error)):
                log.error("%s: damaged log", ref, exc_info=error)
                raise DamagedTableError(f"{ref}: the table's log is damaged; {_REPAIR}") from error
            raise
        table = Table(ref, store, delta, self._settings)
        for newer in range(max(0, table.version - self._settings.log_checkpoint_interval), table.version + 1):
            if store.is_empty(commit_path(newer)):
                raise DamagedTableError(f"{ref}: the commit file {commit_path(newer)} is empty; {_REPAIR}")
        return table

    def for_write(self, ref: TableRef, schema: pa.Schema, layout: Layout) -> Table:
        """The table at its newest version; it is created when there is none."""
        table = self.open(ref) or self.create(ref, schema, layout)
        if table.version == 0:
            # Whoever created it. Data files without a log would look like a table that has lost its log.
            table.store.sync([commit_path(0)])
        return table

    def create(self, ref: TableRef, schema: pa.Schema, layout: Layout) -> Table:
        """Creates an empty table (version 0), or opens the one that another writer has just created."""
        store = self._store(ref)
        days = f"interval {self._settings.history_days} days"
        try:
            DeltaTable.create(
                store.uri,
                pa.schema(schema),
                mode="ignore",
                configuration={
                    _KEYS: json.dumps(layout.unique_keys),
                    _CLUSTER: layout.cluster_by or "",
                    _VERSION: layout.version_column or "",
                    "delta.setTransactionRetentionDuration": days,
                    "delta.logRetentionDuration": days,
                    "delta.enableExpiredLogCleanup": "false",
                    "delta.checkpointInterval": str(self._settings.log_checkpoint_interval),
                },
                storage_options=dict(self._settings.storage_options) or None,
                # With retries, the one that loses the race commits its CREATE on top, as version 1 or later, and with
                # it its own schema over the other's (seen).
                commit_properties=CommitProperties(max_commit_retries=0),
                raise_if_key_not_exists=False,
            )
        except DeltaError:
            # Two creators at once: one loses the race for version 0 and opens the other's table.
            if (table := self.open(ref)) is None:
                raise
            return table
        table = self.open(ref)
        if table is None:
            raise DamagedTableError(f"{ref}: the table vanished while it was created")
        return table

    def names(self, tenant: str) -> list[str]:
        """The tenant's datasets, sorted."""
        check_name("tenant", tenant)
        return [name for name in self._folders(tenant) if self._is_table(tenant, name)]

    def tenants(self) -> list[str]:
        """The tenants that have a folder, sorted."""
        return [name for name in self._folders("") if is_name(name)]

    def _folders(self, folder: str) -> list[str]:
        filesystem = self._remote or pafs.LocalFileSystem()
        base = str(self._local / folder) if self._local else folder
        found = filesystem.get_file_info(pafs.FileSelector(base, allow_not_found=True, recursive=False))
        return sorted(info.base_name for info in found if info.type == pafs.FileType.Directory)

    def _is_table(self, tenant: str, name: str) -> bool:
        try:
            store = self._store(TableRef(tenant, name))
        except (InvalidNameError, OutsideLakeError):
            return False
        return DeltaTable.is_deltatable(store.uri, dict(self._settings.storage_options) or None)

    def _store(self, ref: TableRef) -> Store:
        if self._local is None:
            assert self._remote is not None
            uri = f"{self._settings.root.rstrip('/')}/{ref.tenant}/{ref.dataset}"
            return RemoteStore(uri, pafs.SubTreeFileSystem(f"{ref.tenant}/{ref.dataset}", self._remote))
        folder = self._local / ref.tenant / ref.dataset
        # The names cannot climb out; a symbolic link that someone put there could.
        if folder.resolve() != folder:
            raise OutsideLakeError(f"{ref}: the table's folder leads out of the lake")
        return LocalStore(folder)


def _open(uri: str, settings: LakeSettings, version: int | None = None) -> DeltaTable:
    return DeltaTable(uri, version=version, storage_options=dict(settings.storage_options) or None)


def _checkpoint_aside(store: LocalStore, settings: LakeSettings) -> None:
    """Makes a log checkpoint from a copy of the log's end and puts it in place whole and durable, its pointer last."""
    folder = Path(store.uri) / LOG_FOLDER
    names = sorted(name for name in (path.name for path in folder.iterdir()) if _LOG_FILE.fullmatch(name))
    since = max((name.split(".")[0] for name in names if ".checkpoint" in name), default="")
    with tempfile.TemporaryDirectory(prefix="weathervane-", dir=settings.staging) as scratch:
        copy = Path(scratch) / LOG_FOLDER
        copy.mkdir()
        for name in [*(name for name in names if name >= since), _POINTER]:
            if (folder / name).exists():
                shutil.copyfile(folder / name, copy / name)
        _open(scratch, settings).create_checkpoint()
        made = {path.name for path in copy.iterdir()} - set(names) - {_POINTER}
        for name in [*sorted(made), _POINTER]:
            store.replace(f"{LOG_FOLDER}/{name}", (copy / name).read_bytes())


def _write_app(write_id: str) -> str:
    # One application per write, not one counter per source: with a counter, a late retry would read as a duplicate.
    return f"weathervane.write:{write_id}"
