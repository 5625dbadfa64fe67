"""Whether a lake can be used at all, found when a server starts and not by the first write."""

from __future__ import annotations

import re
import tempfile
import threading
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from weathervane.lake.server.settings import LakeSettings
from weathervane.lake.server.store import RemoteStore
from weathervane.lake.server.store_options import open_store

__all__ = ["UnusableRootError", "check_root", "local_root"]

# A name such as `a:b` is a folder's only when it is written `./a:b`.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_SECONDS = 20.0
# A store is asked for minutes by default.
_SHORT = {"max_retries": "1", "retry_timeout": "10s", "connect_timeout": "5s", "timeout": "10s"}
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_QUERIES = re.compile(r"\?\S+")


class UnusableRootError(Exception):
    """The lake's folder or URL cannot be written, or is none; one line says why and what to do."""


def local_root(root: str) -> Path | None:
    """The folder that a lake's root names, also as a `file://` URL; None for a URL of a store."""
    if "://" not in root:
        return Path(root)
    return Path(url2pathname(urlsplit(root).path)) if root.lower().startswith("file:///") else None


def check_root(settings: LakeSettings) -> None:
    """Writes a small file below the root, finds it, and removes it. A folder that is not there is made.

    Raises:
        UnusableRootError: Something of it failed, or took more than 20 s.
    """
    root = settings.root
    if not root.strip():
        raise UnusableRootError("the lake has no folder or URL: name one with --lake")
    folder = local_root(root)
    if folder is None:
        # In a thread, for a store that does not answer can only be left.
        failed: list[Exception] = []
        asking = threading.Thread(target=_ask, args=(settings, failed), daemon=True)
        asking.start()
        asking.join(_SECONDS)
        if asking.is_alive():
            raise UnusableRootError(
                f"the lake {root} does not answer within {_SECONDS:g} s; choose another with --lake"
            )
        if failed:
            raise UnusableRootError(
                f"the lake {root} cannot be written: {_one_line(failed[0])}; correct the name, the credentials and the"
                " endpoint in the environment, or choose another with --lake"
            )
    elif "://" not in root and _SCHEME.match(root):
        raise UnusableRootError(
            f"the lake {root!r} is no URL, which has '://', and no folder either: begin a folder's name with './'"
        )
    else:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise UnusableRootError(
                f"the lake folder {root} cannot be written: {why}; choose another with --lake"
            ) from None


def _ask(settings: LakeSettings, failed: list[Exception]) -> None:
    try:
        options = {**_SHORT, **settings.storage_options}
        # Two engines use the lake's store, and each finds credentials by itself.
        try:
            DeltaTable(settings.root, storage_options=options)
        except TableNotFoundError as error:
            if str(error).startswith("Unknown scheme"):
                raise
        RemoteStore(settings.root, open_store(settings.root, options)).clock()
    except (OSError, DeltaError, ValueError) as error:
        failed.append(error)


def _one_line(error: Exception) -> str:
    # Of the library's words neither the colours nor a URL's query, which may hold a token.
    text = _COLOURS.sub("", str(error)).replace("↳", ": ")
    text = " ".join(_QUERIES.sub("", text).split()).replace(" : ", ": ")
    return text if len(text) <= 300 else text[:299] + "…"
