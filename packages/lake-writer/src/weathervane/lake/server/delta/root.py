"""Checks that a lake's root can be written when the server starts, instead of failing at the first write."""

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

# A folder named `a:b` must be written as `./a:b`.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_SECONDS = 20.0
# By default, requests to a store are retried for minutes.
_SHORT = {"max_retries": "1", "retry_timeout": "10s", "connect_timeout": "5s", "timeout": "10s"}
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_QUERIES = re.compile(r"\?\S+")


class UnusableRootError(Exception):
    """The lake's folder or URL is not valid or cannot be written; the message is one line that says what to do."""


def local_root(root: str) -> Path | None:
    """The folder of a lake's root, which may be a path or a `file://` URL; None for the URL of a store."""
    if "://" not in root:
        return Path(root)
    return Path(url2pathname(urlsplit(root).path)) if root.lower().startswith("file:///") else None


def check_root(settings: LakeSettings) -> None:
    """Writes and removes a small file in the root; a folder that does not exist is created.

    Raises:
        UnusableRootError: That failed, or a store did not answer within 20 s.
    """
    root = settings.root
    if not root.strip():
        raise UnusableRootError("the lake has no folder or URL: name one with --lake")
    folder = local_root(root)
    if folder is None and (parts := urlsplit(root)) and (parts.query or parts.fragment):
        # The tables' names would be added to these, and all tables share one log.
        plain = re.split("[?#]", root)[0]
        raise UnusableRootError(
            f"the lake {plain} is given with a query or a fragment (? or #): leave it out, and set options of the store"
            " in the environment"
        )
    if folder is None:
        # In a daemon thread, because a request to a store that does not answer cannot be cancelled.
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
        # Both deltalake and obstore use the lake's store, and each looks for credentials by itself.
        try:
            DeltaTable(settings.root, storage_options=options)
        except TableNotFoundError as error:
            if str(error).startswith("Unknown scheme"):
                raise
        RemoteStore(settings.root, open_store(settings.root, options)).clock()
    except (OSError, DeltaError, ValueError) as error:
        failed.append(error)


def _one_line(error: Exception) -> str:
    # Without the library's colours, and without the query of a URL, which may contain a token.
    text = _COLOURS.sub("", str(error)).replace("↳", ": ")
    text = " ".join(_QUERIES.sub("", text).split()).replace(" : ", ": ")
    return text if len(text) <= 300 else text[:299] + "…"
