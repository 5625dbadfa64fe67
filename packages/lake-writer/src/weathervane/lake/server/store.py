"""Reads and writes the files of one table, in a folder or on a store.

delta-rs never calls fsync (measured with strace). On a local disk, `sync` therefore makes data files durable before the
commit that names them, and the commit before its receipt is sent.
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
    """An existing file; `size` is in bytes."""

    path: str
    """Relative to the folder that was listed."""
    size: int
    modified: datetime
    """By the storage's clock."""


class Store(Protocol):
    """The files of one table. Paths are relative to the table and have `/` as separator. Failures raise OSError."""

    uri: str
    folder: Path | None
    """The table's folder; None on a remote store, where a request that seems to have failed may still take effect."""

    def put(self, path: str, data: memoryview) -> None:
        """Creates a file that does not exist yet, with all of its data or not at all."""

    def get(self, path: str) -> bytes:
        """Reads a whole file; raises FileNotFoundError if it does not exist."""

    def has(self, pattern: str) -> bool:
        """Whether the name of any file in the table's folder matches a pattern, e.g. `part-*.parquet`."""

    def files(self, folder: str = "") -> list[StoredFile]:
        """The files directly in a folder of the table."""

    def clock(self) -> datetime:
        """The time by the clock that dates the files; writes a file to find it, and removes the file."""

    def is_empty(self, path: str) -> bool:
        """Whether a file exists and has no bytes."""

    def delete(self, paths: Iterable[str]) -> None:
        """Removes files and ignores failures; vacuum deletes what is left."""

    def sync(self, paths: Iterable[str]) -> None:
        """Makes files and their names durable: when it returns, they survive a power cut."""


class LocalStore:
    """A table in a folder of this machine."""

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
            # A partial file would use up a full disk, more with each retry.
            self.delete([path])
            raise

    def replace(self, path: str, data: bytes) -> None:
        """Replaces a file atomically and durably."""
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
            # A file may vanish meanwhile: a draft that is renamed, or one that another vacuum deletes.
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


# Readers of a Delta table ignore names that begin with an underscore.
_CLOCKS = "_weathervane_clock"


class RemoteStore:
    """A table on a remote store, whose put is durable when it returns.

    It uses obstore, which has the same engine (object_store) as deltalake but releases the GIL during requests.
    deltalake's own file system (1.6.6) keeps the GIL, so one request that hangs would stop the whole process.

    Args:
        uri: The table's URL.
        store: The lake's store, from `store_options.open_store`.
        folder: The table's folder within the lake.
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
            # Arrow's buffers have signed bytes, which obstore would take for an iterable of pieces.
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
        """The names of the folders directly in this one."""
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
    """Converts obstore's exceptions to OSError, without the debugging part of their text, which has whole requests."""
    try:
        yield
    except (OSError, BaseError) as error:
        text = str(error).partition("\n\nDebug source:")[0]
        # A bucket that does not exist is not reported as a file that does not exist.
        gone = isinstance(error, FileNotFoundError) and "NoSuchBucket" not in text
        raise (FileNotFoundError if gone else OSError)(text) from None
