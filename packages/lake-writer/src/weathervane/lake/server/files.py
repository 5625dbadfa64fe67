"""The words of a table's files, and what can go wrong with them."""

from __future__ import annotations

from dataclasses import dataclass


class CommitConflictError(Exception):
    """Another commit came first; open the table again and plan anew."""


class CommitUnknownError(Exception):
    """The commit may be in the table, or is and may not stay there; the message says which."""


class OutsideLakeError(Exception):
    """A symbolic link leads out of the lake; nothing was opened."""


class DamagedTableError(Exception):
    """The table's log does not hold what it must; the message says what to look at."""


class ForeignTableError(Exception):
    """Another tool turned something on in the table that this service does not know; the message names it."""


class LostFileError(DamagedTableError):
    """A data file that the version needs is gone."""


@dataclass(frozen=True)
class DataFile:
    """A Parquet file of the table."""

    path: str
    size: int
    rows: int


@dataclass(frozen=True)
class NewFile(DataFile):
    """A Parquet file that was written for a commit, with its Delta statistics."""

    stats: str


@dataclass(frozen=True)
class Layout:
    """What the first write fixed for a table."""

    unique_keys: tuple[str, ...] = ()
    cluster_by: str | None = None
    version_column: str | None = None

    @property
    def order(self) -> list[str]:
        """Columns that the rows of a file are sorted by; none in a table without keys."""
        if self.cluster_by is None:
            return []
        return [self.cluster_by, *(key for key in self.unique_keys if key != self.cluster_by)]
