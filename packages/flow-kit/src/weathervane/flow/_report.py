"""What every run shows of itself in Prefect: a bar while it goes on, a summary and tables at its end.

They hold names, counts, times and checkpoints; never rows, never a secret. A UI that cannot be reached costs the run
nothing but a warning.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.runtime import deployment
from prefect.runtime import flow_run as runtime
from prefect.utilities.urls import url_for

from weathervane.flow._errors import Known

__all__ = ["ProgressBar", "artifact_key", "code", "guarded", "links", "said"]

log = logging.getLogger(__name__)

_PAUSE = 2.0
"""Seconds between two moves of a bar: a move is a request."""


class ProgressBar:
    """A bar in Prefect's UI, the artifact `<key>--progress`."""

    def __init__(self, key: str, title: str) -> None:
        self._title = title
        self._id: UUID | None = None
        self._moved = 0.0
        guarded(title, lambda: self._begin(key))

    def move(self, share: float, what: str, *, last: bool = False) -> None:
        """Moves it to a share of 0 to 1, with a line of text; but not twice within two seconds, unless it is `last`."""
        if self._id is None or (not last and time.monotonic() - self._moved < _PAUSE):
            return
        self._moved = time.monotonic()
        bar = self._id
        guarded(self._title, lambda: update_progress_artifact(bar, 100 * share, f"{self._title}: {what}"))

    def _begin(self, key: str) -> None:
        bar = create_progress_artifact(0.0, f"{key}--progress", f"{self._title}: begins")
        self._id = cast(UUID, bar)


def artifact_key(*parts: str) -> str:
    """A key of artifacts: lowercase letters, digits and dashes, as Prefect wants them.

    Two dashes between the parts, so that `meta_ads` of `ad_x` is another one than `meta_ads_ad` of `x`.
    """
    return "--".join(parts).replace("_", "-").replace(" ", "-")


def code(text: str | None) -> str:
    """A text as code in Markdown, which makes neither a link nor a column of it."""
    return f"`{text.replace('|', ' ').replace('`', chr(39))}`" if text else "none"


def said(error: BaseException | None) -> str:
    """An error in one line: its own text, if it is made to be shown."""
    return str(error) if isinstance(error, Known) else f"{type(error).__name__}: see the run's log"


def links() -> list[str]:
    """Lines of Markdown that lead to this run and to its deployment."""
    own = {"this run": ("flow-run", runtime.get_id()), "its deployment": ("deployment", deployment.get_id())}
    found = {name: url_for(kind, id) for name, (kind, id) in own.items() if id}
    return [f"- [{name}]({url})" for name, url in found.items() if url]


def guarded(title: str, show: Callable[[], object]) -> None:
    """Shows something; what cannot be written costs the run no more than a warning."""
    try:
        show()
    except Exception as error:
        # Its text may hold the API's address, and that a password.
        log.warning("%s: the run's report could not be written (%s)", title, type(error).__name__)
