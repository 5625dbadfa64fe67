"""The use cases of upkeep: compaction and vacuum. Neither changes a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import grpc

from weathervane.lake._model import CompactionResult, TableRef, VacuumResult
from weathervane.lake.server.admission import invalid
from weathervane.lake.server.compaction import packed, small_runs
from weathervane.lake.server.delta import STORAGE_ERRORS, Table, Tables
from weathervane.lake.server.failures import no_table, storage_failures, until_first
from weathervane.lake.server.files import (
    CommitUnknownError,
    DamagedTableError,
    DataFile,
    ForeignTableError,
    NewFile,
)
from weathervane.lake.server.settings import LakeSettings
from weathervane.lake.server.turns import Turns
from weathervane.rpc import StatusError

__all__ = ["LakeMaintenance"]

_AGAIN = "call it again"
_MOST_HOURS = 10 * 366 * 24


@dataclass(frozen=True)
class _Joined:
    """Files of the table, and the new file that holds their rows."""

    parts: Sequence[DataFile]
    whole: NewFile


class LakeMaintenance:
    """The upkeep of one lake. Thread-safe.

    Args:
        settings: The lake's settings.
        turns: The turns of this process's LakeWriter, so that upkeep and writes of one table do not overlap here.
    """

    def __init__(
        self, settings: LakeSettings, turns: Turns | Mapping[TableRef, AbstractContextManager[object]]
    ) -> None:
        self._settings = settings
        self._tables = Tables(settings)
        self._turns = turns

    def tenants(self) -> list[str]:
        """The tenants that have a folder, in the order of their names.

        Raises:
            StatusError: The storage's failure.
        """
        with storage_failures("the lake's tenants", again=_AGAIN):
            return self._tables.tenants()

    def compact(self, ref: TableRef) -> tuple[CompactionResult, bool]:
        """Joins small neighbouring files and rewrites files whose text bounds are doubtful, in at most one commit.

        The new files are written without blocking writes. The commit then replaces the old files by those new ones
        whose parts are all still in the table; since a data file never changes, the rows are the current ones.

        Returns:
            What was done, and whether nothing is left to do.

        Raises:
            StatusError: NOT_FOUND, ABORTED, or the storage's failure; nothing was committed.
        """
        with storage_failures(ref, again=_AGAIN):
            table = self._existing(ref)
            joined: list[_Joined] = []
            with self._discarding(ref, joined):
                complete = self._join(table, joined)
                committed = bool(joined) and self._commit(ref, joined)
            newest = self._existing(ref) if committed else table
        result = CompactionResult(
            table=ref,
            commits=int(committed),
            table_version=newest.version,
            files_before=table.file_count,
            files_after=newest.file_count,
            bytes_before=table.size_bytes,
            bytes_after=newest.size_bytes,
            rows_rewritten=sum(one.whole.rows for one in joined),
        )
        # If writes replaced every part meanwhile, the caller must stop too, or busy writers would keep it for ever.
        return result, complete or not committed

    def vacuum(self, ref: TableRef, retention_hours: int | None, *, dry_run: bool) -> VacuumResult:
        """Deletes data files that are older than the retention and that no version within the retention needs.

        deltalake's vacuum (1.6.6) is not used: it compares the clock of the writer that removed a file with the clock
        of this machine, and commits two versions. Here all ages are by the storage's clock, so a wrong clock of a
        writer deletes nothing too early.

        Raises:
            StatusError: INVALID_ARGUMENT if the retention is too short, NOT_FOUND, UNAVAILABLE (NOT_DELETED) if files
                could not be deleted, or the storage's failure.
        """
        hours = self._hours(retention_hours)
        with storage_failures(ref, again=_AGAIN):
            table = self._existing(ref)
            until = table.store.clock() - timedelta(hours=hours)
            found = [file for file in table.store.files() if file.path.endswith(".parquet")]
            oldest, needed = self._needed(table, until)
            old = {
                file.path: file.size for file in found if file.path not in needed and file.modified <= until
            }
            if old and not dry_run:
                table.store.delete(old)
                left = old.keys() & {file.path for file in table.store.files()}
                if left:
                    raise StatusError(
                        grpc.StatusCode.UNAVAILABLE,
                        "NOT_DELETED",
                        f"{ref}: {len(left):,} of {len(old):,} old data files could not be deleted; see that the"
                        " server may delete in the table's folder, and call it again",
                    )
        return VacuumResult(
            table=ref,
            dry_run=dry_run,
            retention_hours=hours,
            oldest_version=oldest,
            table_version=table.version,
            files_deleted=len(old),
            bytes_deleted=sum(old.values()),
            files_kept=len(found) - len(old),
            bytes_kept=sum(file.size for file in found) - sum(old.values()),
            deleted_until=until,
        )

    def _existing(self, ref: TableRef) -> Table:
        table = self._tables.open(ref)
        if table is None:
            raise no_table(ref)
        return table

    def _join(self, table: Table, joined: list[_Joined]) -> bool:
        """Rewrites files with doubtful bounds, or else joins small ones, up to `compaction_rows`.

        Returns whether nothing is left to do.
        """
        order = table.layout.order
        rewritten = 0
        # Doubtful files are done first, in a call of their own: they can be ordered only when their bounds are known.
        for part in (
            DataFile(*row) for row in table.doubtful_files().select("path", "size", "rows").iter_rows()
        ):
            if rewritten >= self._settings.compaction_rows:
                break
            joined.append(_Joined([part], table.write_file(table.read_rows(part.path))))
            rewritten += part.rows
        if joined:
            return False
        for run in small_runs(table.files(), self._settings):
            for parts, rows in packed(run, table.read_rows, self._settings):
                if rewritten >= self._settings.compaction_rows:
                    return False
                ordered = rows.sort_by([(name, "ascending") for name in order]) if order else rows
                joined.append(_Joined(parts, table.write_file(ordered.combine_chunks())))
                rewritten += rows.num_rows
        return True

    def _commit(self, ref: TableRef, joined: list[_Joined]) -> bool:
        """Commits the new files whose parts are still in the table; returns whether there were any."""

        def attempt() -> bool:
            # With the table's turn, so that no write of this process has to be planned again because of this commit.
            with self._turns[ref]:
                table = self._existing(ref)
                _drop_overtaken(table, joined)
                if joined:
                    table.replace(
                        [one.whole for one in joined],
                        [part for one in joined for part in one.parts],
                        {"maintenance": "compaction"},
                    )
                return bool(joined)

        return until_first(ref, self._settings.commit_attempts, attempt, again=_AGAIN)

    @contextmanager
    def _discarding(self, ref: TableRef, joined: list[_Joined]) -> Iterator[None]:
        """Deletes the new files that are not in the table if the block fails."""
        try:
            yield
        except CommitUnknownError:
            # The files stay: the table may name them.
            raise
        except BaseException:
            # The failure may have happened after the commit.
            with suppress(*STORAGE_ERRORS, DamagedTableError, ForeignTableError):
                table = self._tables.open(ref)
                if table is not None:
                    live = set(table.files()["path"])
                    table.store.delete(one.whole.path for one in joined if one.whole.path not in live)
            raise

    def _hours(self, wanted: int | None) -> int:
        least = self._settings.min_retention_hours
        hours = least if wanted is None else wanted
        if not least <= hours <= _MOST_HOURS:
            raise invalid(
                "BAD_RETENTION",
                f"retention_hours {hours} is not {least:,} to {_MOST_HOURS:,}; less would take files from readers of an"
                " older version, and from writes that are on their way to their commit",
            )
        return hours

    def _needed(self, table: Table, until: datetime) -> tuple[int, set[str]]:
        """The version that was current at the time `until`, and the files of that version and of all later ones."""
        versions = table.log.versions()
        recent = [version for version, made in versions.items() if made > until]
        first = min(versions, default=table.version)
        oldest = max(first, min(recent) - 1) if recent else table.version
        then = self._tables.open(table.ref, oldest) or table
        needed = {*table.files()["path"], *then.files()["path"]}
        return oldest, needed.union(*(table.log.added(version) for version in versions if version > oldest))


def _drop_overtaken(table: Table, joined: list[_Joined]) -> None:
    """Removes, from `joined` and from the storage, the new files of which a write has replaced a part meanwhile."""
    live = set(table.files()["path"])
    current = [one for one in joined if live.issuperset(part.path for part in one.parts)]
    kept = {one.whole.path for one in current}
    table.store.delete(one.whole.path for one in joined if one.whole.path not in kept)
    joined[:] = current
