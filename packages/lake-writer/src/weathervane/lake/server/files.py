"""The types of a table's files, and the exceptions of reading and committing them."""

from __future__ import annotations

from dataclasses import dataclass


class CommitConflictError(Exception):
    """Another writer committed this version first; open the table again and plan anew."""


class CommitUnknownError(Exception):
    """The commit may be in the table, or it is but may be lost in a power cut; the message says which."""


class OutsideLakeError(Exception):
    """The table's folder is a symbolic link out of the lake; it was not opened."""


class DamagedTableError(Exception):
    """The table's log or one of its files is missing or damaged; the message names it."""


class ForeignTableError(Exception):
    """Another tool changed the table in a way that this service does not support; the message names the change."""


class LostFileError(DamagedTableError):
    """A data file of the version is missing."""


@dataclass(frozen=True)
class DataFile:
    """A Parquet file of the table; `size` is in bytes."""

    path: str
    size: int
    rows: int


@dataclass(frozen=True)
class NewFile(DataFile):
    """A Parquet file that was written for a commit; `stats` are its Delta statistics as JSON."""

    stats: str


@dataclass(frozen=True)
class Layout:
    """A table's keys and order, which its first write determines and no later write changes."""

    unique_keys: tuple[str, ...] = ()
    cluster_by: str | None = None
    version_column: str | None = None

    @property
    def order(self) -> list[str]:
        """The columns by which the rows of a file are sorted; none in a table without keys."""
        if self.cluster_by is None:
            return []
        return [self.cluster_by, *(key for key in self.unique_keys if key != self.cluster_by)]
