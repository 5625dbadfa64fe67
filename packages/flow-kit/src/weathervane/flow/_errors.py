"""What is not right with Prefect, or with what a run of it was told, named by what the caller must do.

::

    FlowError                       .message  .reason  .retriable  .advice
    ├── PrefectUnavailableError     the server, or the way to it, is down or overloaded: retriable
    ├── PrefectSetupError           what is configured is no Prefect server, or refuses
    └── SettingError                a setting is none, or a run cannot go on as it is

The packages above have errors of their own: of those, `Known` is all that is looked at.
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, runtime_checkable

__all__ = ["FlowError", "Known", "PrefectSetupError", "PrefectUnavailableError", "SettingError"]


@runtime_checkable
class Known(Protocol):
    """An error of this house: its text is made to be shown. Another's may hold anything, a password too."""

    @property
    def reason(self) -> str:
        """A stable word for programs: docs/reasons.md."""
        ...

    @property
    def retriable(self) -> bool:
        """Whether the same call, made again soon, may succeed."""
        ...


class FlowError(Exception):
    """Raise a subclass; catch this one. The message is one line, and never holds the server's password."""

    retriable: ClassVar[bool] = False
    """Whether the same call, made again soon, may succeed."""
    advice: ClassVar[str] = "report this as a bug of the flow kit"
    """What a person does next; the last part of `str()`."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.message} [reason={self.reason}]; next: {self.advice}"

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own would call the class with the message alone and lose `reason`.
        return _rebuild, (type(self), self.message, self.reason)


class PrefectUnavailableError(FlowError):
    """The Prefect server, or the way to it, is down or overloaded."""

    retriable = True
    advice = "look at the Prefect server (its process, its log, its database), then run again"


class PrefectSetupError(FlowError):
    """What is configured is no Prefect server of ours, or refuses us."""

    advice = "correct PREFECT_API_URL or PREFECT_API_AUTH_STRING, or update the server, then run again"


class SettingError(FlowError):
    """A setting is none, or a run cannot go on as it is."""

    advice = "correct the configuration, then run again"


def _rebuild(kind: type[FlowError], message: str, reason: str) -> FlowError:
    return kind(message, reason=reason)
