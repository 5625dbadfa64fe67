"""Reads a table's commit files directly: one file for each version, with one JSON action in each line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from weathervane.lake._model import TableRef
from weathervane.lake.server.files import DamagedTableError, ForeignTableError
from weathervane.lake.server.store import Store

__all__ = [
    "COMMIT_NOTE",
    "LOG_FOLDER",
    "CommitLog",
    "Untouched",
    "checkpoint_app",
    "commit_path",
    "write_app",
]

COMMIT_NOTE = "weathervane.commit"
"""The key in a commit's `commitInfo` under which our note is: the write's id, receipt and checkpoint."""
LOG_FOLDER = "_delta_log"
_CHECKPOINT = "weathervane.checkpoint"


class Untouched:
    """The versions of one table that are known not to be a RESTORE or an overwrite.

    A commit file is never written twice, so each has to be read only once.
    """

    def __init__(self) -> None:
        self._span = (1, 0)

    def below(self, version: int) -> int:
        """The greatest version, at or below this one, that was not checked yet."""
        first, last = self._span
        return first - 1 if first <= version <= last else version

    def end(self, newest: int) -> None:
        """Forgets versions above the newest: a person may have removed a torn commit file, and another may follow."""
        if newest < self._span[1]:
            self._span = (self._span[0], newest)

    def add(self, first: int, last: int) -> None:
        """Notes that these versions were checked. Only one contiguous span is kept."""
        was = self._span  # read once and assigned once, as another thread may do the same
        meets = was[0] <= last + 1 and first <= was[1] + 1
        self._span = (min(first, was[0]), max(last, was[1])) if meets else (first, last)


class CommitLog:
    """The commit files of one table."""

    def __init__(self, ref: TableRef, store: Store, untouched: Untouched) -> None:
        self._ref = ref
        self._store = store
        self._untouched = untouched

    def note(self, version: int) -> dict[str, Any]:
        """Our note in a version's commit file.

        Raises:
            DamagedTableError: The file is missing, cannot be read, or has no note.
        """
        try:
            note = self.find_note(version)
        except ValueError as error:
            raise self._damaged(version, "cannot be read") from error
        if not note:
            raise self._damaged(version, "is gone" if note is None else "has no receipt")
        return note

    def find_note(self, version: int) -> dict[str, Any] | None:
        """A version's note; empty if another tool made the version, None if its commit file does not exist.

        Raises:
            ValueError: The commit file is damaged.
        """
        info = self._info(version)
        try:
            return None if info is None else dict(json.loads(info.get(COMMIT_NOTE, "{}")))
        except TypeError as error:
            raise ValueError(str(error)) from error

    def committed_at(self, version: int) -> datetime | None:
        """When a version was made, by its writer's clock; None if its commit file does not say."""
        try:
            info = self._info(version) or {}
            return datetime.fromtimestamp(info["timestamp"] / 1000, UTC)
        except (KeyError, TypeError, ValueError, OverflowError):
            return None

    def taken_back(self, version: int, newest: int) -> int | None:
        """The version to which a RESTORE undid `version`; None if `version` still belongs to the table's history.

        The rows of a version that was undone are no longer in the table, so its receipt and its checkpoint do not
        count either, although the log still has them.

        Raises:
            DamagedTableError: A commit file is missing or cannot be read.
            ForeignTableError: The RESTORE names a time instead of a version, or another tool replaced the table.
        """
        later = newest
        while (later := self._untouched.below(later)) > version:
            try:
                info = self._info(later)
            except ValueError as error:
                raise self._damaged(later, "cannot be read") from error
            if info is None:
                raise self._damaged(later, "is gone")
            if _replaces(info):
                raise ForeignTableError(
                    f"{self._ref}: version {later} of another tool wrote the whole table anew, so the rows of our"
                    " writes are gone while their receipts and the checkpoint stand; restore the version before it, or"
                    " move the table's folder aside and let it be filled anew"
                )
            if info.get("operation") != "RESTORE":
                later -= 1
                continue
            target = (info.get("operationParameters") or {}).get("version")
            if target is None or not str(target).isdecimal():
                raise ForeignTableError(
                    f"{self._ref}: version {later} restored the table to a time, so nobody can say which writes it took"
                    " back; restore it once more, to the version that is meant"
                )
            back = int(target)
            if back < version:
                return back
            # The versions between `back` and `later` no longer belong to the table's history.
            return self.taken_back(version, back)
        if newest > version:
            self._untouched.add(version + 1, newest)
        return None

    def versions(self) -> dict[int, datetime]:
        """The versions whose commit file exists, ascending, with the file's time by the storage's clock."""
        found = {
            int(file.path.removesuffix(".json")): file.modified
            for file in self._store.files(LOG_FOLDER)
            if file.path.endswith(".json") and file.path.removesuffix(".json").isdecimal()
        }
        return dict(sorted(found.items()))

    def torn(self, version: int) -> str | None:
        """How a power cut damaged a commit file; None if it is complete, missing, or written by another tool.

        A file that was cut at the end of a line is recognised too, by what its note says it must contain. Other readers
        take what is left of such a file for the whole commit.
        """
        try:
            actions = list(self._actions(version))
            info: dict[str, Any] = next(
                (action["commitInfo"] for action in actions if "commitInfo" in action), {}
            )
            note = json.loads(info.get(COMMIT_NOTE, "{}"))
            applications = {action["txn"]["appId"] for action in actions if "txn" in action}
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError, AttributeError):
            return "cannot be read"
        if not actions:
            return "is empty"
        # The transactions are a write's last lines. Older notes do not have the number of lines.
        expected = [write_app(note["write_id"])] if "write_id" in note else []
        expected += [checkpoint_app(note.get("partition", ""))] if "checkpoint" in note else []
        if missing := [name for name in expected if name not in applications]:
            return f"is torn: it lacks the transaction {missing[-1]}, and maybe more"
        if note.get("actions", len(actions)) != len(actions):
            return f"is torn: it has {len(actions):,} of its {note['actions']:,} actions"
        return None

    def added(self, version: int) -> set[str]:
        """The data files that a version added.

        Raises:
            DamagedTableError: The commit file is missing or cannot be read.
        """
        try:
            actions = list(self._actions(version))
        except (FileNotFoundError, ValueError) as error:
            raise self._damaged(version, "cannot be read") from error
        return {unquote(action["add"]["path"]) for action in actions if "add" in action}

    def _info(self, version: int) -> dict[str, Any] | None:
        try:
            infos = (action["commitInfo"] for action in self._actions(version) if "commitInfo" in action)
            return dict(next(infos, {}))
        except FileNotFoundError:
            return None
        except TypeError as error:
            raise ValueError(str(error)) from error

    def _actions(self, version: int) -> Iterator[dict[str, Any]]:
        for line in self._store.get(commit_path(version)).splitlines():
            action = json.loads(line)
            if not isinstance(action, dict):
                raise ValueError("a line of the commit file is no action")
            yield action

    def _damaged(self, version: int, how: str) -> DamagedTableError:
        return DamagedTableError(
            f"{self._ref}: the commit file {commit_path(version)} holds a receipt or the checkpoint and {how}; restore"
            " it, its loss is not taken for an empty table"
        )


def _replaces(info: dict[str, Any]) -> bool:
    """Whether this is another tool's commit that overwrote or replaced the whole table."""
    operation, how = info.get("operation"), info.get("operationParameters") or {}
    if COMMIT_NOTE in info:
        return False
    overwrites = operation == "WRITE" and how.get("mode") == "Overwrite" and not how.get("predicate")
    return overwrites or operation in ("CREATE TABLE", "CREATE OR REPLACE TABLE", "REPLACE TABLE")


def write_app(write_id: str) -> str:
    """The application id of a write's Delta transaction."""
    # One id for each write, not one counter for each source: with a counter, a late first attempt of an earlier write
    # would be taken for a repeat.
    return f"weathervane.write:{write_id}"


def checkpoint_app(partition: str) -> str:
    """The application whose Delta transaction names the version that set a partition's checkpoint, or the table's."""
    return f"{_CHECKPOINT}:{partition}" if partition else _CHECKPOINT


def commit_path(version: int) -> str:
    """The path of a version's commit file, relative to the table."""
    return f"{LOG_FOLDER}/{version:020d}.json"
