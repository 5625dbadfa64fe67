"""Makes Delta's log checkpoints, from which a table is opened without reading its whole log."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from deltalake import DeltaTable

from weathervane.lake.server.log import LOG_FOLDER
from weathervane.lake.server.settings import LakeSettings
from weathervane.lake.server.store import LocalStore

__all__ = ["checkpoint_aside", "opened"]

_LOG_FILE = re.compile(r"\d{20}\.(json|checkpoint(\.\w+)*\.parquet)")
_POINTER = "_last_checkpoint"


def opened(uri: str, settings: LakeSettings, version: int | None = None) -> DeltaTable:
    """The DeltaTable of deltalake for the table at its newest or a given version."""
    return DeltaTable(uri, version=version, storage_options=dict(settings.storage_options) or None)


def checkpoint_aside(store: LocalStore, settings: LakeSettings) -> None:
    """Makes a log checkpoint in a temporary folder, from a copy of the log's end, and then puts its files in place
    atomically and durably, `_last_checkpoint` last.
    """
    folder = Path(store.uri) / LOG_FOLDER
    names = sorted(name for name in (path.name for path in folder.iterdir()) if _LOG_FILE.fullmatch(name))
    since = max((name.split(".")[0] for name in names if ".checkpoint" in name), default="")
    with tempfile.TemporaryDirectory(prefix="weathervane-", dir=settings.staging) as scratch:
        copy = Path(scratch) / LOG_FOLDER
        copy.mkdir()
        for name in [*(name for name in names if name >= since), _POINTER]:
            if (folder / name).exists():
                shutil.copyfile(folder / name, copy / name)
        opened(scratch, settings).create_checkpoint()
        made = {path.name for path in copy.iterdir()} - set(names) - {_POINTER}
        for name in [*sorted(made), _POINTER]:
            store.replace(f"{LOG_FOLDER}/{name}", (copy / name).read_bytes())
