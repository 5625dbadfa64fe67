"""Running a pretend account: in a thread for a test, or as a process of its own."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from weathervane.klaviyo.sandbox._account import PretendAccount
from weathervane.klaviyo.sandbox._app import api_app
from weathervane.klaviyo.sandbox._options import AccountOptions
from weathervane.source.sandbox import bind, run_until_signalled, serving, url_of

__all__ = ["RunningKlaviyo", "run_process", "running_klaviyo"]


@dataclass(frozen=True)
class RunningKlaviyo:
    """A pretend account that is being served.

    Attributes:
        url: the API host, in place of `https://a.klaviyo.com`.
        account: the account's state: clock, faults, requests seen, truth, changes.
    """

    url: str
    account: PretendAccount

    @property
    def control_url(self) -> str:
        """Base URL of the control routes."""
        return f"{self.url}/_sandbox"


@contextlib.contextmanager
def running_klaviyo(account: str = "ACME01", **options: Any) -> Iterator[RunningKlaviyo]:
    """Serve a pretend account on a free port, in a thread of this process, until the block ends.

    Args:
        account: the account's id.
        **options: the other members of `AccountOptions`.

    Raises:
        ValueError: an option is no good, or a file of records cannot be loaded.
        SandboxError: the server did not come up.
    """
    pretended = PretendAccount(AccountOptions(account=account, **options))
    with contextlib.closing(bind()) as sock, serving([(api_app(pretended), sock)]):
        yield RunningKlaviyo(url_of(sock), pretended)


def run_process(options: AccountOptions, host: str, port: int) -> None:
    """Serve a pretend account until SIGTERM or SIGINT; print one JSON line on stdout when the port listens."""
    pretended = PretendAccount(options)
    with contextlib.closing(bind(host, port)) as sock:
        running = RunningKlaviyo(url_of(sock), pretended)

        def ready() -> None:
            line = {
                "event": "ready",
                "url": running.url,
                "account": options.account,
                "control_url": running.control_url,
            }
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()

        run_until_signalled([(api_app(pretended), sock)], ready)
