"""Running a pretend Meta: in a thread for a test, or as a process of its own."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from weathervane.meta_ads.sandbox._app import graph_app
from weathervane.meta_ads.sandbox._meta import PretendMeta
from weathervane.meta_ads.sandbox._options import MetaOptions
from weathervane.source.sandbox import bind, run_until_signalled, serving, url_of

__all__ = ["RunningMeta", "run_process", "running_meta"]


@dataclass(frozen=True)
class RunningMeta:
    """A pretend Meta that is being served.

    Attributes:
        url: the Graph host, in place of `https://graph.facebook.com`.
        meta: its state: clock, faults, requests seen, truth, changes.
    """

    url: str
    meta: PretendMeta

    @property
    def control_url(self) -> str:
        """Base URL of the control routes."""
        return f"{self.url}/_sandbox"


@contextlib.contextmanager
def running_meta(**options: Any) -> Iterator[RunningMeta]:
    """Serve a pretend Meta on a free port, in a thread of this process, until the block ends.

    Args:
        **options: the members of `MetaOptions`.

    Raises:
        ValueError: an option is no good, or a file of records cannot be loaded.
        SandboxError: the server did not come up.
    """
    meta = PretendMeta(MetaOptions(**options))
    with contextlib.closing(bind()) as sock:
        running = RunningMeta(url_of(sock), meta)
        with serving([(graph_app(meta), sock)]):
            yield running


def run_process(options: MetaOptions, host: str, port: int) -> None:
    """Serve a pretend Meta until SIGTERM or SIGINT; print one JSON line on stdout when its port listens."""
    meta = PretendMeta(options)
    with contextlib.closing(bind(host, port)) as sock:
        running = RunningMeta(url_of(sock), meta)

        def ready() -> None:
            line = {
                "event": "ready",
                "url": running.url,
                "accounts": list(meta.world.accounts),
                "control_url": running.control_url,
            }
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()

        run_until_signalled([(graph_app(meta), sock)], ready)
