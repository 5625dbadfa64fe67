"""Opens, creates and lists the tables of a lake."""

from __future__ import annotations

import logging
import re

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from weathervane.lake._model import InvalidNameError, TableRef, check_name, is_name
from weathervane.lake.server.delta.damage import REPAIR, damage
from weathervane.lake.server.delta.features import foreign_feature
from weathervane.lake.server.delta.log_checkpoint import opened
from weathervane.lake.server.delta.root import local_root
from weathervane.lake.server.delta.table import Table, configuration
from weathervane.lake.server.files import DamagedTableError, ForeignTableError, Layout, OutsideLakeError
from weathervane.lake.server.log import Untouched, commit_path
from weathervane.lake.server.settings import LakeSettings
from weathervane.lake.server.store import LocalStore, RemoteStore, Store
from weathervane.lake.server.store_options import open_store

__all__ = ["Tables"]

log = logging.getLogger(__name__)

_FOREIGN = (
    "this service makes plain Delta tables, and would read or write such a one wrongly; undo that with the tool that"
    " did it, or move the table's folder aside and let it be filled anew"
)
_UNSUPPORTED = re.compile(r"Kernel error: Unsupported: (.*)", re.DOTALL)
# Texts of a damaged log, which a retry does not mend; other errors of deltalake may be the disk or the network.
_DAMAGED_LOG = re.compile(
    r"Kernel error: (Json error|Invalid protocol action|Arrow error|Invalid Checkpoint|No table metadata|"
    r".*contiguous commit files)",
    re.DOTALL,
)


class Tables:
    """All tables of a lake."""

    def __init__(self, settings: LakeSettings) -> None:
        self._settings = settings
        self._whole: dict[TableRef, int] = {}
        """For each table, the version up to which no commit file is torn."""
        self._untouched: dict[str, Untouched] = {}
        """By the id in the table's metadata, so that a table which was made anew in the same folder is checked anew."""
        folder = local_root(settings.root)
        self._local = folder and folder.resolve()
        self._remote = None if folder else open_store(settings.root, settings.storage_options)

    def open(self, ref: TableRef, version: int | None = None) -> Table | None:
        """The table at its newest or a given version; None if the table does not exist.

        Raises:
            DamagedTableError: The table's log cannot be read.
            ForeignTableError: Another tool changed the table in a way that changes what its files mean.
            OSError, DeltaError: The storage failed.
        """
        store = self._store(ref)
        try:
            delta = opened(store.uri, self._settings, version)
        except TableNotFoundError:
            if store.has("part-*.parquet"):
                raise DamagedTableError(
                    f"{ref}: there are data files, but the log is gone; restore it"
                ) from None
            return None
        except (DeltaError, ValueError) as error:
            if unknown := _UNSUPPORTED.match(str(error)):
                raise ForeignTableError(f"{ref}: {unknown[1][:200]}; {_FOREIGN}") from error
            # deltalake raises ValueError for a log whose actions contradict each other.
            if isinstance(error, ValueError) or _DAMAGED_LOG.match(str(error)):
                log.error("%s: damaged log", ref, exc_info=error)
                raise DamagedTableError(f"{ref}: the table's log is damaged; {damage(store)}") from error
            raise
        if feature := foreign_feature(delta):
            raise ForeignTableError(f"{ref}: the table is not plain: {feature}; {_FOREIGN}")
        untouched = self._untouched.setdefault(str(delta.metadata().id), Untouched())
        table = Table(ref, store, delta, self._settings, untouched)
        if path := table.foreign_path():
            raise ForeignTableError(
                f"{ref}: the table is not plain: a data file is called {path[:200]}; {_FOREIGN}"
            )
        # A commit file is never written twice, so each has to be checked only once.
        whole = self._whole.get(ref, -1)
        for newer in range(max(0, table.version - self._settings.log_checkpoint_interval), table.version + 1):
            how = table.log.torn(newer) if newer > whole else None
            if newer <= whole and self._local is not None and store.is_empty(commit_path(newer)):
                how = "is empty"
            if how:
                raise DamagedTableError(f"{ref}: the commit file {commit_path(newer)} {how}; {REPAIR}")
        if version is None:
            untouched.end(table.version)
            self._whole[ref] = table.version
        return table

    def for_write(
        self, ref: TableRef, schema: pa.Schema, layout: Layout, opened: Table | None = None
    ) -> Table:
        """The table that was `opened`, or else the table at its newest version; creates it if it does not exist."""
        table = opened or self.open(ref) or self.create(ref, schema, layout)
        if table.version == 0:
            # Also if another writer created it: data files without a log look like a table that has lost its log.
            table.store.sync([commit_path(0)])
        return table

    def create(self, ref: TableRef, schema: pa.Schema, layout: Layout) -> Table:
        """Creates an empty table (version 0), or opens the table if another writer creates it at the same time."""
        store = self._store(ref)
        days = f"interval {self._settings.history_days} days"
        try:
            DeltaTable.create(
                store.uri,
                pa.schema(schema),
                mode="ignore",
                configuration={
                    **configuration(layout),
                    # An id is dated by the clock of the machine that writes it, and its age judged by the clock of the
                    # one that reads it. Keeping ids three times as long allows for clocks that are wrong by twice
                    # `history_days`.
                    "delta.setTransactionRetentionDuration": f"interval {3 * self._settings.history_days} days",
                    "delta.logRetentionDuration": days,
                    "delta.enableExpiredLogCleanup": "false",
                    "delta.checkpointInterval": str(self._settings.log_checkpoint_interval),
                },
                storage_options=dict(self._settings.storage_options) or None,
                # With retries, the writer that comes second commits its CREATE as version 1 or later, and so replaces
                # the schema of the first (seen).
                commit_properties=CommitProperties(max_commit_retries=0),
                raise_if_key_not_exists=False,
            )
        except DeltaError:
            # Another writer created version 0 first; its table is opened.
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
        if self._remote is not None:
            return sorted(RemoteStore(self._settings.root, self._remote, folder).folders())
        assert self._local is not None
        try:
            return sorted(path.name for path in (self._local / folder).iterdir() if path.is_dir())
        except FileNotFoundError:
            return []

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
            return RemoteStore(uri, self._remote, f"{ref.tenant}/{ref.dataset}")
        folder = self._local / ref.tenant / ref.dataset
        # Names cannot lead out of the lake, but a symbolic link in it could.
        if folder.resolve() != folder:
            raise OutsideLakeError(f"{ref}: the table's folder leads out of the lake")
        return LocalStore(folder)
