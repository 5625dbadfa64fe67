"""With what a command of this house ends, so that a script or a scheduler knows what to do next.

docs/exit-codes.md is the page for people.
"""

from __future__ import annotations

from enum import IntEnum

from weathervane.lake import LakeError
from weathervane.rpc import StatusError
from weathervane.source._errors import (
    ConfigurationError,
    CredentialsError,
    DeferredError,
    SourceError,
    ThrottledError,
)

__all__ = ["ExitCode", "exit_code"]


class ExitCode(IntEnum):
    """The exit codes of all commands; 2 is also what the command line's parser ends with."""

    DONE = 0
    """What was asked for is done."""
    FAILED = 1
    """It was tried and it failed, or the answer is no; a person must act on what the line says."""
    USAGE = 2
    """What was given is wrong: arguments, settings or credentials. Nothing was read."""
    UNAVAILABLE = 3
    """The vendor, the lake or Prefect is down, or an answer was not whole: run the same command again."""
    LATER = 4
    """The vendor wants a pause; the line says how long. Run the same command after it."""
    STOPPED = 130
    """Stopped from the keyboard."""


def exit_code(error: SourceError | LakeError | StatusError) -> ExitCode:
    """The exit code that tells what the error tells."""
    if isinstance(error, StatusError | ConfigurationError | CredentialsError):
        return ExitCode.USAGE
    if isinstance(error, ThrottledError | DeferredError):
        return ExitCode.LATER
    return ExitCode.UNAVAILABLE if error.retriable else ExitCode.FAILED
