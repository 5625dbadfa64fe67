"""Running a pretend account: in a thread for a test, or as a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from typing import Any

from weathervane.klaviyo.sandbox._account import PretendAccount
from weathervane.klaviyo.sandbox._app import api_app
from weathervane.klaviyo.sandbox._options import AccountOptions
from weathervane.source.sandbox import Apps, Running, bind, running, url_of

__all__ = ["RunningKlaviyo", "prepared", "running_klaviyo"]


@dataclass(frozen=True)
class RunningKlaviyo(Running):
    """A pretend account that is being served; `url` is in place of `https://a.klaviyo.com`."""

    account: PretendAccount
    """Its state: clock, faults, requests seen, truth, changes."""

    def ready(self) -> dict[str, Any]:
        """The account's id."""
        return {"account": self.account.options.account}


def running_klaviyo(account: str = "ACME01", **options: Any) -> AbstractContextManager[RunningKlaviyo]:
    """Serve a pretend account on a free port, in a thread of this process, until the block ends.

    Args:
        account: the account's id.
        **options: the other members of `AccountOptions`.

    Raises:
        ValueError: an option is no good, or a file of records cannot be loaded.
        SandboxError: the server did not come up.
    """
    return running(prepared, AccountOptions(account=account, **options))


@contextmanager
def prepared(options: AccountOptions, host: str, port: int) -> Iterator[tuple[RunningKlaviyo, Apps]]:
    """A pretend account, and what serves it."""
    account = PretendAccount(options)
    with closing(bind(host, port)) as sock:
        yield RunningKlaviyo(url_of(sock), account), [(api_app(account), sock)]
