"""What Prefect does not do as asked, as a source's error: the one place that maps those of `weathervane.flow`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from weathervane import flow
from weathervane.source._errors import ConfigurationError, SourceError, UnavailableError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

__all__ = [
    "PrefectSetupError",
    "PrefectUnavailableError",
    "prefect_asked",
    "prefect_fault",
    "prefect_server",
    "source_error",
]


class PrefectUnavailableError(UnavailableError):
    """The Prefect server, or the way to it, is down or overloaded."""

    advice = flow.PrefectUnavailableError.advice


class PrefectSetupError(ConfigurationError):
    """What is configured is no Prefect server of ours, or refuses us."""

    advice = flow.PrefectSetupError.advice


def source_error(error: flow.FlowError) -> SourceError:
    """The same as an error of a source's run."""
    if isinstance(error, flow.PrefectUnavailableError):
        return PrefectUnavailableError(error.message, reason=error.reason)
    kind = PrefectSetupError if isinstance(error, flow.PrefectSetupError) else ConfigurationError
    return kind(error.message, reason=error.reason)


def prefect_fault(error: BaseException) -> SourceError:
    """What an error means that Prefect's client raised. Raise it ``from None``: the error may hold a password."""
    return error if isinstance(error, SourceError) else source_error(flow.prefect_fault(error))


@contextmanager
def prefect_asked() -> Iterator[None]:
    """Within, what is not right with Prefect becomes one clear error.

    Raises:
        PrefectUnavailableError, PrefectSetupError, ConfigurationError: See `weathervane.flow.prefect_asked`.
    """
    try:
        with flow.prefect_asked():
            yield
    except flow.FlowError as error:
        raise source_error(error) from None


@contextmanager
def prefect_server(url: str) -> Iterator[SyncPrefectClient]:
    """The server's API, seen to answer; see `weathervane.flow.prefect_server`.

    Raises:
        PrefectUnavailableError, PrefectSetupError: It does not do as asked.
    """
    try:
        with flow.prefect_server(url) as api:
            yield api
    except flow.FlowError as error:
        raise source_error(error) from None
