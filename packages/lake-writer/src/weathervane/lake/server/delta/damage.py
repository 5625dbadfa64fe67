"""Finds the damaged file of a log that deltalake cannot read, and says how to restore the table."""

from __future__ import annotations

import io
import json
import re

import pyarrow as pa
import pyarrow.parquet as pq

from weathervane.lake.server.log import LOG_FOLDER, commit_path
from weathervane.lake.server.store import Store

__all__ = ["REPAIR", "damage"]

REPAIR = (
    "restore _delta_log, the server's log says more. (When only its newest commit file is torn, by a power cut, then"
    " that write was never acknowledged: remove the file, and the table is as before)"
)
_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint[.\w-]*\.parquet")
_POINTER = "_last_checkpoint"


def damage(store: Store) -> str:
    """Names the first damaged or missing file among those from which the newest version is read, and says what to do.

    Raises:
        OSError: The storage failed.
    """
    names = sorted(file.path for file in store.files(LOG_FOLDER))
    commits = [int(found[1]) for name in names if (found := _COMMIT.fullmatch(name))]
    checkpoints = {name: int(found[1]) for name in names if (found := _CHECKPOINT.fullmatch(name))}
    since = max(checkpoints.values(), default=-1)
    for name in [name for name, version in checkpoints.items() if version == since]:
        if not _is_parquet(store.get(f"{LOG_FOLDER}/{name}")):
            return _without_checkpoint(name, commits)
    if _pointed_at(store, names) > since:
        return _without_checkpoint(_POINTER, commits)
    for version in range(since + 1, max(commits, default=since) + 1):
        how = None
        if version not in commits:
            how = "is gone"
        elif not _is_log(store.get(commit_path(version))):
            how = "cannot be read"
        if how:
            return f"the commit file {commit_path(version)} {how}; {REPAIR}"
    return REPAIR


def _without_checkpoint(name: str, commits: list[int]) -> str:
    what = f"its log checkpoint {LOG_FOLDER}/{name} cannot be read"
    if commits != list(range(len(commits))):
        # Older commit files were cleaned up, so the table cannot be read without the checkpoint.
        return f"{what}; restore it"
    return (
        f"{what}; to restore the table remove it and {LOG_FOLDER}/{_POINTER}, the commit files beside it hold all that"
        " it held"
    )


def _pointed_at(store: Store, names: list[str]) -> int:
    """The version in `_last_checkpoint`; -1 if the file does not exist or has no version."""
    try:
        return int(json.loads(store.get(f"{LOG_FOLDER}/{_POINTER}"))["version"]) if _POINTER in names else -1
    except (ValueError, TypeError, KeyError):
        # Readers ignore a pointer without a version.
        return -1


def _is_parquet(data: bytes) -> bool:
    try:
        pq.read_table(io.BytesIO(data))
    except MemoryError:
        raise
    except (pa.ArrowException, OSError):
        return False
    return True


def _is_log(data: bytes) -> bool:
    try:
        return all(isinstance(json.loads(line), dict) for line in data.splitlines()) and bool(data)
    except ValueError:
        return False
