"""Running a pretend Meta: in a thread for a test, or as a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from typing import Any

from weathervane.meta_ads.sandbox._app import graph_app
from weathervane.meta_ads.sandbox._meta import PretendMeta
from weathervane.meta_ads.sandbox._options import MetaOptions
from weathervane.source.sandbox import Apps, Running, bind, running, url_of

__all__ = ["RunningMeta", "prepared", "running_meta"]


@dataclass(frozen=True)
class RunningMeta(Running):
    """A pretend Meta that is being served; `url` is in place of `https://graph.facebook.com`."""

    meta: PretendMeta
    """Its state: clock, faults, requests seen, truth, changes."""

    def ready(self) -> dict[str, Any]:
        """The ad accounts."""
        return {"accounts": list(self.meta.world.accounts)}


def running_meta(**options: Any) -> AbstractContextManager[RunningMeta]:
    """Serve a pretend Meta on a free port, in a thread of this process, until the block ends.

    Args:
        **options: the members of `MetaOptions`.

    Raises:
        ValueError: an option is no good, or a file of records cannot be loaded.
        SandboxError: the server did not come up.
    """
    return running(prepared, MetaOptions(**options))


@contextmanager
def prepared(options: MetaOptions, host: str, port: int) -> Iterator[tuple[RunningMeta, Apps]]:
    """A pretend Meta, and what serves it."""
    meta = PretendMeta(options)
    with closing(bind(host, port)) as sock:
        yield RunningMeta(url_of(sock), meta), [(graph_app(meta), sock)]
