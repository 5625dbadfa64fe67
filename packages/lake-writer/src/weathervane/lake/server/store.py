"""Bytes under one folder or URL: the only module that knows what a path is.

delta-rs never calls fsync (measured with strace), so on a local disk the data files and their names are synced here
before the commit that needs them, and the commit before its receipt.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Protocol

from obstore.exceptions import BaseError
from obstore.store import ObjectStore


@dataclass(frozen=True)
class StoredFile:
    """A file that is there."""

    path: str
    """Relative to the folder that was listed."""
    size: int
    modified: datetime
    """By the storage's own clock."""


class Store(Protocol):
    """Where one table's files are. Paths are relative to the table, with `/`. Failures are OSError."""

    uri: str
    folder: Path | None
    """The table's folder; None behind a URL, where a request that seems to have failed may still arrive."""

    def put(self, path: str, data: memoryview) -> None:
        """Creates a file that does not exist yet, whole or not at all."""

    def get(self, path: str) -> bytes:
        """Reads a whole file; FileNotFoundError when there is none."""

    def has(self, pattern: str) -> bool:
        """Whether any file of the table's folder has such a name, e.g. `part-*.parquet`."""

    def files(self, folder: str = "") -> list[StoredFile]:
        """The files of a folder of the table, not of those below it."""

    def clock(self) -> datetime:
        """What time it is for whoever dates the files. It writes a file for that, and removes it."""

    def is_empty(self, path: str) -> bool:
        """Whether a file is there and holds nothing."""

    def delete(self, paths: Iterable[str]) -> None:
        """Removes files as far as it can; what stays is an orphan for vacuum."""

    def sync(self, paths: Iterable[str]) -> None:
        """Returns when these files and their names would survive a power cut."""


class LocalStore:
    """A table's folder on this machine."""

    def __init__(self, folder: Path) -> None:
        """See `Store`."""
        self.uri = str(folder)
        self.folder: Path | None = folder
        self._folder = folder

    def put(self, path: str, data: memoryview) -> None:
        """See `Store`."""
        target = self._folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with target.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            # What was written of it would keep a full disk full, a little more with each retry.
            self.delete([path])
            raise

    def replace(self, path: str, data: bytes) -> None:
        """Puts a file in the place of another in one step that survives a power cut."""
        draft = f"{path}.{uuid.uuid4()}.tmp"
        self.put(draft, memoryview(data))
        try:
            (self._folder / draft).replace(self._folder / path)
        except OSError:
            self.delete([draft])
            raise
        _sync((self._folder / path).parent)

    def get(self, path: str) -> bytes:
        """See `Store`."""
        return (self._folder / path).read_bytes()

    def has(self, pattern: str) -> bool:
        """See `Store`."""
        return any(True for _ in self._folder.glob(pattern))

    def files(self, folder: str = "") -> list[StoredFile]:
        """See `Store`."""
        found = []
        for entry in os.scandir(self._folder / folder):
            # A file may go while we look: a draft is renamed, another vacuum is at work.
            with contextlib.suppress(FileNotFoundError):
                if entry.is_file(follow_symlinks=False):
                    stat = entry.stat(follow_symlinks=False)
                    found.append(StoredFile(entry.name, stat.st_size, _time(stat.st_mtime)))
        return found

    def clock(self) -> datetime:
        """See `Store`."""
        with tempfile.TemporaryFile(dir=self._folder) as probe:
            return _time(os.fstat(probe.fileno()).st_mtime)

    def is_empty(self, path: str) -> bool:
        """See `Store`."""
        try:
            return (self._folder / path).stat().st_size == 0
        except FileNotFoundError:
            return False

    def delete(self, paths: Iterable[str]) -> None:
        """See `Store`."""
        for path in paths:
            with contextlib.suppress(OSError):
                (self._folder / path).unlink()

    def sync(self, paths: Iterable[str]) -> None:
        """See `Store`."""
        folders = {self._folder, self._folder.parent, self._folder.parent.parent}
        for path in paths:
            target = self._folder / path
            _sync(target)
            folders.add(target.parent)
        for folder in folders:
            _sync(folder)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


# Readers of a Delta table pass over what begins with an underscore.
_CLOCKS = "_weathervane_clock"


class RemoteStore:
    """A table behind a URL; the store's own put is durable when it returns.

    By obstore: the engine that deltalake has for stores too, but no request holds Python's lock, as each does through
    deltalake's own handler (1.6.6), so that one which hangs would stop the whole process.

    Args:
        uri: The table's.
        store: The lake's, from `store_options.open_store`.
        folder: Of the table, within the lake.
    """

    def __init__(self, uri: str, store: ObjectStore, folder: str = "") -> None:
        """See `Store`."""
        self.uri = uri
        self.folder: Path | None = None
        self._store = store
        self._folder = folder

    def put(self, path: str, data: memoryview) -> None:
        """See `Store`."""
        with store_failures():
            # Of Arrow's memory, which is of signed bytes, obstore would take each for a piece.
            self._store.put(self._path(path), data.cast("B"))

    def get(self, path: str) -> bytes:
        """See `Store`."""
        with store_failures():
            return self._store.get(self._path(path)).bytes().to_bytes()

    def has(self, pattern: str) -> bool:
        """See `Store`."""
        return any(fnmatchcase(file.path, pattern) for file in self.files())

    def files(self, folder: str = "") -> list[StoredFile]:
        """See `Store`."""
        with store_failures():
            found = self._store.list_with_delimiter(self._path(folder))["objects"]
        return [
            StoredFile(one["path"].rpartition("/")[2], one["size"], one["last_modified"]) for one in found
        ]

    def folders(self) -> list[str]:
        """The names of the folders within this one."""
        with store_failures():
            found = self._store.list_with_delimiter(self._path(""))["common_prefixes"]
        return [path.rpartition("/")[2] for path in found]

    def clock(self) -> datetime:
        """See `Store`."""
        path = f"{_CLOCKS}/{uuid.uuid4().hex}"
        self.put(path, memoryview(b"now"))
        try:
            with store_failures():
                return self._store.head(self._path(path))["last_modified"]
        finally:
            self.delete([path])

    def is_empty(self, path: str) -> bool:
        """See `Store`."""
        try:
            with store_failures():
                return self._store.head(self._path(path))["size"] == 0
        except FileNotFoundError:
            return False

    def delete(self, paths: Iterable[str]) -> None:
        """See `Store`."""
        for path in paths:
            with contextlib.suppress(OSError), store_failures():
                self._store.delete(self._path(path))

    def sync(self, paths: Iterable[str]) -> None:
        """See `Store`."""
        pass

    def _path(self, path: str) -> str:
        return f"{self._folder}/{path}".strip("/")


@contextlib.contextmanager
def store_failures() -> Iterator[None]:
    """A store's failures as OSError, without the lines for whoever debugs the engine: requests are in there, whole."""
    try:
        yield
    except (OSError, BaseError) as error:
        text = str(error).partition("\n\nDebug source:")[0]
        # By whatever is asked for in it: a bucket that is not there is no file that is not there.
        gone = isinstance(error, FileNotFoundError) and "NoSuchBucket" not in text
        raise (FileNotFoundError if gone else OSError)(text) from None
