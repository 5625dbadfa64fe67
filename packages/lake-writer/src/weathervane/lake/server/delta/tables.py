"""All tables of a lake: opening, creating and listing them."""

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
# A log that a new attempt will not mend; all else that deltalake raises may be the disk or the network.
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
        """Up to which version no commit file of a table was torn."""
        self._untouched: dict[str, Untouched] = {}
        """By the id that a table is given when it is made: one made anew in its place begins anew."""
        folder = local_root(settings.root)
        self._local = folder and folder.resolve()
        self._remote = None if folder else open_store(settings.root, settings.storage_options)

    def open(self, ref: TableRef, version: int | None = None) -> Table | None:
        """The table at its newest or a given version; None when there is no such table.

        Raises:
            DamagedTableError: There is one, and its log cannot be read.
            ForeignTableError: Another tool turned something on in it that changes what its files mean.
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
            # deltalake has a ValueError for a log whose actions contradict each other.
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
        # What was whole stays so, for nobody writes a commit file twice.
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
        """The table at its newest version, if it was not opened already; it is created when there is none."""
        table = opened or self.open(ref) or self.create(ref, schema, layout)
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
                    **configuration(layout),
                    # Whoever writes an id dates it, and whoever asks for it judges its age, each by a clock of its own:
                    # those may be wrong by what is added here, twice the promise, and no id is forgotten too early.
                    "delta.setTransactionRetentionDuration": f"interval {3 * self._settings.history_days} days",
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
        # The names cannot climb out; a symbolic link that someone put there could.
        if folder.resolve() != folder:
            raise OutsideLakeError(f"{ref}: the table's folder leads out of the lake")
        return LocalStore(folder)
