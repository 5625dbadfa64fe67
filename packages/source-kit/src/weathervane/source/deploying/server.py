"""The Prefect server at a URL, and in one line what it did not do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings

from weathervane.source.deploying.errors import ServerError

__all__ = ["prefect_server"]

_MAX_DETAIL = 300
_REFUSED = {401, 403}
_EXAMPLE = "write e.g. http://127.0.0.1:4200/api"


@contextmanager
def prefect_server(url: str) -> Iterator[SyncPrefectClient]:
    """The server's API, seen to answer. Within, all of Prefect talks to it; PREFECT_API_AUTH_STRING is honoured.

    Args:
        url: With `/api` at its end, e.g. `http://127.0.0.1:4200/api`.

    Raises:
        ServerError: It does not answer, refuses, is no Prefect API, or does not do what is asked within.
    """
    shown = f"the Prefect server at {_without_password(url)}"
    try:
        with temporary_settings({PREFECT_API_URL: url}), get_client(sync_client=True) as api:
            _check(api, shown)
            yield api
    except (httpx.HTTPStatusError, ObjectAlreadyExists, ObjectNotFound) as error:
        cause: Any = getattr(error, "http_exc", error)
        raise _refusal(cause.response, shown) from None
    except httpx.TransportError as error:
        # Its text may hold the URL, and that a password.
        how = "start it, or correct the URL, and run this again"
        raise ServerError(f"{shown} does not answer ({type(error).__name__}); {how}") from None


def _check(api: SyncPrefectClient, shown: str) -> None:
    try:
        version = api.api_version()
    except httpx.HTTPStatusError as error:
        if error.response.status_code != httpx.codes.NOT_FOUND:
            raise
        version = None
    except ValueError:  # Prefect's UI answers with a page to whatever it does not know
        version = None
    if not isinstance(version, str):
        raise ServerError(f"{shown} is none, or its URL is not that of its API, which ends with /api")


def _refusal(answer: httpx.Response, shown: str) -> ServerError:
    if answer.status_code in _REFUSED:
        how = "set PREFECT_API_AUTH_STRING=user:password"
        return ServerError(f"{shown} refuses ({answer.status_code}); {how}")
    asked = f"{answer.request.method} {answer.request.url.path}"
    told = " ".join(answer.text.split())[:_MAX_DETAIL]
    return ServerError(f"{shown} answered {answer.status_code} to {asked}: {told}")


def _without_password(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        raise ServerError(f"the server's URL cannot be read; {_EXAMPLE}") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ServerError(f"the server's URL is none; {_EXAMPLE}")
    return str(parsed.copy_with(userinfo=b"", query=None, fragment=None))
