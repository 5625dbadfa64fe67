"""What can go wrong while a source reads, named by what the caller must do.

::

    SourceError                     .reason  .tenant  .dataset  .slice  .retriable
    ├── FatalError                  the same call will fail again: a person must act
    │   ├── ConfigurationError      our settings are wrong or missing
    │   ├── CredentialsError        the vendor refuses the tenant's credentials or their rights
    │   ├── ContractError           the vendor broke its documented contract, or we misread it
    │   └── CursorError             a checkpoint is unreadable, or lies in the future
    ├── RetriableError              the same call may succeed soon
    │   ├── ThrottledError          too many calls; .retry_after says when, if the vendor did
    │   ├── UnavailableError        the vendor or the way to it is down
    │   └── IncompleteError         the read was not whole: nothing of the slice may be committed
    ├── DeferredError               come back after .retry_after seconds, in another run
    └── InternalError               nobody foresaw it; its text stays in the log of the process

Messages hold no URL query, header, body or token: they are written here, never copied from a transport.
"""

from __future__ import annotations

import logging
import re
import traceback
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Required, Self, TypedDict, Unpack

from weathervane.lake import LakeError

__all__ = [
    "LONGEST_DELAY",
    "ConfigurationError",
    "ContractError",
    "CredentialsError",
    "CursorError",
    "DeferredError",
    "FatalError",
    "IncompleteError",
    "InternalError",
    "RetriableError",
    "SourceError",
    "ThrottledError",
    "UnavailableError",
    "bounded_delay",
    "contained",
]

_MAX_MESSAGE = 600
_NOT_ONE_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_REASON = re.compile(r"[A-Z][A-Z0-9_]{2,62}")


class _Context(TypedDict, total=False):
    reason: Required[str]
    tenant: str | None
    dataset: str | None
    slice: str | None


class SourceError(Exception):
    """A source could not do its work. Raise a subclass; catch this one.

    ``message`` says what happened, in words that are safe to log. ``reason`` is the same for machines:
    UPPER_SNAKE_CASE, 3 to 63 characters, stable across releases (AIP-193). ``tenant``, ``dataset`` and
    ``slice`` say to whom it happened; the layer that knows them adds them by `with_context`.
    Instances survive pickling, so that they can cross a process border.
    """

    retriable: ClassVar[bool] = False
    """Whether the same call, made again soon, may succeed."""
    advice: ClassVar[str] = "report this as a bug of the source"
    """What a person or a scheduler does next; the last part of ``str()``."""

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        tenant: str | None = None,
        dataset: str | None = None,
        slice: str | None = None,
    ) -> None:
        if not _REASON.fullmatch(reason):
            raise ValueError(f"reason must be UPPER_SNAKE_CASE, 3 to 63 characters: {reason!r}")
        self.message = _one_line(message)
        super().__init__(self.message)
        self.reason = reason
        self.tenant = tenant
        self.dataset = dataset
        self.slice = slice

    def with_context(
        self, *, tenant: str | None = None, dataset: str | None = None, slice: str | None = None
    ) -> Self:
        """Fill in what is not yet known, and return this very error: ``raise error.with_context(…)``.

        The innermost layer knows best, so a value that is there stays.
        """
        self.tenant = self.tenant if self.tenant is not None else tenant
        self.dataset = self.dataset if self.dataset is not None else dataset
        self.slice = self.slice if self.slice is not None else slice
        return self

    def __str__(self) -> str:
        """One line: what happened, to whom, why (for machines), and what to do next."""
        context = {"tenant": self.tenant, "dataset": self.dataset, "slice": self.slice}
        known = [f"{name}={_one_line(value)}" for name, value in context.items() if value is not None]
        return f"{self.message} [{' '.join([*known, f'reason={self.reason}'])}]; next: {self.advice}"

    def __repr__(self) -> str:
        """The class and the line of ``str()``: what logs show."""
        return f"<{type(self).__name__} {self}>"

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own reduce would call the class with the message alone and lose `reason`.
        return _rebuild, (type(self), dict(self.__dict__))


class FatalError(SourceError):
    """The same call will fail again: stop, and let a person act."""

    advice = "do not retry; a person must act first"


class ConfigurationError(FatalError):
    """Our own settings are wrong or missing."""

    advice = "correct the configuration, then run again"


class CredentialsError(FatalError):
    """The vendor refuses the tenant's credentials, or they lack a right. Other tenants may go on."""

    advice = "renew the tenant's credentials or their rights at the vendor, then run again"


class ContractError(FatalError):
    """The vendor's answer breaks its documented contract (also: another API version than the one asked)."""

    advice = "compare with the vendor's change log and update the source; nothing was committed"


class CursorError(FatalError):
    """A checkpoint cannot be read, or lies in the future. Never treat it as "start from scratch"."""

    advice = (
        "if a newer version wrote it or a clock was wrong, run that version or correct the clock; else move the"
        " table's folder aside, and the next run fills the table anew from its begin"
    )


class RetriableError(SourceError):
    """The same call may succeed soon."""

    retriable = True
    advice = "run again; retries in place were used up"


class ThrottledError(RetriableError):
    """The vendor wants fewer calls. ``retry_after``: its delay in seconds, at most a day; None when it gave none."""

    advice = "run again later; the vendor limits the rate"

    def __init__(
        self, message: str, *, retry_after: float | None = None, **context: Unpack[_Context]
    ) -> None:
        super().__init__(message, **context)
        self.retry_after = None if retry_after is None else bounded_delay(retry_after)


class UnavailableError(RetriableError):
    """The vendor, or the way to it, is down, slow or answers nonsense."""

    advice = "run again; if it lasts, look at the vendor's status page"


class IncompleteError(RetriableError):
    """The read was not whole: nothing of the slice may be committed and its cursor stays."""

    advice = "read the whole slice again; nothing of it was committed"


class DeferredError(SourceError):
    """The vendor's delay is longer than we sleep: reschedule the run after ``retry_after`` seconds, at most a day."""

    advice = "schedule the run again after the delay; do not sleep in place"

    def __init__(self, message: str, *, retry_after: float, **context: Unpack[_Context]) -> None:
        super().__init__(message, **context)
        self.retry_after = bounded_delay(retry_after)


class InternalError(SourceError):
    """An error that nobody foresaw. Trying the same again at once does not help; a run begun anew may."""


def _one_line(text: str) -> str:
    # A vendor's text may be quoted in a message: it must not forge log lines or fill the disk.
    line = _NOT_ONE_LINE.sub(" ", text).strip()
    return line if len(line) <= _MAX_MESSAGE else line[: _MAX_MESSAGE - 1] + "…"


def _rebuild(cls: type[SourceError], state: dict[str, Any]) -> SourceError:
    error = cls.__new__(cls, state["message"])
    error.__dict__.update(state)
    return error


LONGEST_DELAY = 86_400.0
"""Seconds. No vendor asks for more than a day: the longest delays that were seen are 62,513 s (Google's daily
operations) and 73,473 s (Klaviyo's daily reports); Meta counts minutes and Shopify seconds. What says more is a
mistake, or an attack, and would put a tenant off for as long as it likes."""


def bounded_delay(seconds: float) -> float:
    """A delay that a vendor asks for, in seconds, as far as it can be meant: 0 to a day; 0 for what is no number."""
    if seconds > LONGEST_DELAY:
        return LONGEST_DELAY
    return float(seconds) if seconds > 0 else 0.0


# Not below `weathervane`, which a deployment sends to Prefect.
log = logging.getLogger("incidents")


@contextmanager
def contained() -> Iterator[None]:
    """Lets errors pass that are made to be shown, and has an InternalError in place of any other.

    It says of which kind the error was and where it arose. The rest is logged here, under the number that it names.
    """
    try:
        yield
    except (SourceError, LakeError):
        raise
    except Exception as error:
        incident = uuid.uuid4().hex[:12]
        log.error("incident %s", incident, exc_info=error)
        at = traceback.extract_tb(error.__traceback__)[-1]
        raise InternalError(
            f"internal error: {type(error).__name__} at {Path(at.filename).name}:{at.lineno}, in {at.name}; the log of"
            f" the process that ran it has the rest, under incident {incident}",
            reason="INTERNAL",
        ) from None
