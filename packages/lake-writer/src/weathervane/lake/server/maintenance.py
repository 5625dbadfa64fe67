"""The use cases of the lake's upkeep: put small files together, delete what nobody needs. Rows stay as they are."""

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
    """Files of the table, and the one that holds their rows."""

    parts: Sequence[DataFile]
    whole: NewFile


class LakeMaintenance:
    """The upkeep of one lake. Thread-safe.

    Args:
        settings: The lake's.
        turns: Those of the writer of this process.
    """

    def __init__(
        self, settings: LakeSettings, turns: Turns | Mapping[TableRef, AbstractContextManager[object]]
    ) -> None:
        self._settings = settings
        self._tables = Tables(settings)
        self._turns = turns

    def tenants(self) -> list[str]:
        """The tenants that have a folder, by name."""
        with storage_failures("the lake's tenants", again=_AGAIN):
            return self._tables.tenants()

    def compact(self, ref: TableRef) -> tuple[CompactionResult, bool]:
        """Puts small neighbouring files together, and files with doubtful bounds of text anew; tells whether nothing is
        left to do.

        The new files are written without holding up anybody. They take the place of the old ones in one commit, those
        of them whose parts are all still in the table: a data file never changes, so its rows are then current too.

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
        # A call that came too late for everything ends the round, or two busy writers would keep it going for ever.
        return result, complete or not committed

    def vacuum(self, ref: TableRef, retention_hours: int | None, *, dry_run: bool) -> VacuumResult:
        """Deletes data files that are older than the retention and that no version within it needs.

        Not by deltalake's vacuum (1.6.6): that goes by the clocks of whoever removed a file and of this machine, and
        makes two versions. Here every age is the storage's own: a clock that is wrong deletes nothing too early.

        Raises:
            StatusError: INVALID_ARGUMENT when the retention is too short, NOT_FOUND, or the storage's failure.
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
        """Writes files with doubtful bounds anew, or joins small ones, as many as a call may; tells if that is all."""
        order = table.layout.order
        rewritten = 0
        # First, and in a call of its own: where a file lies among the others is known when its bounds are.
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
        """Commits what still can be, and forgets the rest; tells whether anything was left."""

        def attempt() -> bool:
            # With the turn, no write of this process is under way that would have to be planned again.
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
        """Deletes the new files if it fails and they did not come into the table."""
        try:
            yield
        except CommitUnknownError:
            # The files stay: the table may name them.
            raise
        except BaseException:
            # Whatever failed may have done so after the commit.
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
        """The version that was current at this time, and the files of it and of every later one."""
        versions = table.log.versions()
        recent = [version for version, made in versions.items() if made > until]
        first = min(versions, default=table.version)
        oldest = max(first, min(recent) - 1) if recent else table.version
        then = self._tables.open(table.ref, oldest) or table
        needed = {*table.files()["path"], *then.files()["path"]}
        return oldest, needed.union(*(table.log.added(version) for version in versions if version > oldest))


def _drop_overtaken(table: Table, joined: list[_Joined]) -> None:
    """Forgets what was joined from a file that a write has replaced meanwhile."""
    live = set(table.files()["path"])
    current = [one for one in joined if live.issuperset(part.path for part in one.parts)]
    kept = {one.whole.path for one in current}
    table.store.delete(one.whole.path for one in joined if one.whole.path not in kept)
    joined[:] = current
