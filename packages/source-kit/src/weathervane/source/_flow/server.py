"""The Prefect server at a URL, seen to answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings

from weathervane.source._flow.api import check_prefect, check_url, prefect_fault

__all__ = ["prefect_server"]


@contextmanager
def prefect_server(url: str) -> Iterator[SyncPrefectClient]:
    """The server's API, seen to answer. Within, all of Prefect talks to it; PREFECT_API_AUTH_STRING is honoured.

    Args:
        url: With `/api` at its end, e.g. `http://127.0.0.1:4200/api`.

    Raises:
        PrefectUnavailableError, PrefectSetupError: It does not answer, refuses, is no Prefect API, or does not do what
            is asked within. Both are ServerErrors.
    """
    check_url(url)  # an empty one would start a temporary server
    try:
        with temporary_settings({PREFECT_API_URL: url}), get_client(sync_client=True) as api:
            check_prefect(api)
            yield api
    except (httpx.HTTPError, httpx.InvalidURL, ObjectAlreadyExists, ObjectNotFound) as error:
        raise prefect_fault(error, url) from None
