"""What it means when Prefect does not answer as it should: one mapping, for whoever asks it.

===============================================  =========================================
what came                                        error
===============================================  =========================================
no answer in time, refused or cut; 408, 429, 5xx PrefectUnavailableError PREFECT_API
401, 403                                         PrefectSetupError PREFECT_REFUSED
a page, no JSON, another path (404 of no thing)  PrefectSetupError PREFECT_URL
a URL that is none                               PrefectSetupError PREFECT_URL
any other status                                 PrefectSetupError PREFECT_ANSWER
===============================================  =========================================

A transport's text may hold the server's URL, and that a password: it is never shown. Prefect is imported only inside,
since that takes seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from weathervane.flow._errors import PrefectSetupError, PrefectUnavailableError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

__all__ = [
    "check_prefect",
    "every",
    "no_such_api",
    "prefect_asked",
    "prefect_fault",
    "prefect_server",
]

_PAGE = 200

_T = TypeVar("_T")


def every(read: Callable[..., Sequence[_T]], **chosen: Any) -> Iterator[_T]:
    """All that a method of Prefect's client lists for these filters, e.g. `every(api.read_flow_runs, sort=...)`."""
    for offset in count(step=_PAGE):
        page = read(**chosen, limit=_PAGE, offset=offset)
        yield from page
        if len(page) < _PAGE:
            return


_MAX_DETAIL = 300
_REFUSED = {401, 403}
_PASSING = {408, 429}
_EXAMPLE = "write e.g. http://127.0.0.1:4200/api"
_NO_API = "is none, or its URL is not that of its API, which ends with /api"


def prefect_fault(
    error: BaseException, url: str | None = None
) -> PrefectUnavailableError | PrefectSetupError:
    """What an error means that Prefect's client raised. Raise it ``from None``: the error may hold a password.

    Args:
        error: Any.
        url: The server's, if not that of Prefect's settings.
    """
    if isinstance(error, PrefectUnavailableError | PrefectSetupError):
        return error
    try:
        shown = f"the Prefect server at {_without_password(url or _configured())}"
    except PrefectSetupError as none:
        return none
    # Prefect's own errors about things hold the answer.
    cause: Any = getattr(error, "http_exc", error)
    if isinstance(cause, httpx.HTTPStatusError):
        return _refusal(cause.response, shown)
    if isinstance(cause, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return PrefectSetupError(f"the Prefect server's URL is none; {_EXAMPLE}", reason="PREFECT_URL")
    # A page where JSON should be; pydantic's error of JSON of another shape is one as well.
    if isinstance(cause, ValueError | httpx.TooManyRedirects):
        return PrefectSetupError(f"{shown} {_NO_API}", reason="PREFECT_URL")
    return PrefectUnavailableError(f"{shown} does not answer ({type(cause).__name__})", reason="PREFECT_API")


@contextmanager
def prefect_asked() -> Iterator[None]:
    """Within, what Prefect's client raises when the server does not do as asked becomes one clear error.

    Raises:
        PrefectUnavailableError, PrefectSetupError: See above. Other errors pass.
    """
    from json import JSONDecodeError

    from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

    try:
        yield
    except (
        httpx.HTTPError,
        httpx.InvalidURL,
        JSONDecodeError,
        ObjectAlreadyExists,
        ObjectNotFound,
    ) as error:
        raise prefect_fault(error) from None


def no_such_api(error: BaseException) -> bool:
    """Whether a "not found" is about the path that was asked, and not about the thing: no Prefect API is there."""
    return prefect_fault(error).reason == "PREFECT_URL"


@contextmanager
def prefect_server(url: str) -> Iterator[SyncPrefectClient]:
    """The server's API, seen to answer. Within, all of Prefect talks to it; PREFECT_API_AUTH_STRING is honoured.

    Args:
        url: With `/api` at its end, e.g. `http://127.0.0.1:4200/api`.

    Raises:
        PrefectUnavailableError, PrefectSetupError: It does not answer, refuses, is no Prefect API, or does not do what
            is asked within.
    """
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
    from prefect.settings import PREFECT_API_URL, temporary_settings

    _without_password(url)  # an empty one would start a temporary server
    try:
        with temporary_settings({PREFECT_API_URL: url}), get_client(sync_client=True) as api:
            check_prefect(api)
            yield api
    except (httpx.HTTPError, httpx.InvalidURL, ObjectAlreadyExists, ObjectNotFound) as error:
        raise prefect_fault(error, url) from None


def check_prefect(api: SyncPrefectClient) -> None:
    """Sees that a Prefect API answers; PrefectSetupError if it is none, and what the client raises."""
    try:
        version = api.api_version()
    except ValueError as error:  # Prefect's UI answers with a page to whatever it does not know
        raise prefect_fault(error) from None
    if not isinstance(version, str):
        raise prefect_fault(ValueError("no version"))


def _refusal(answer: httpx.Response, shown: str) -> PrefectUnavailableError | PrefectSetupError:
    status = answer.status_code
    if status in _REFUSED:
        how = "set PREFECT_API_AUTH_STRING=user:password"
        return PrefectSetupError(f"{shown} refuses ({status}); {how}", reason="PREFECT_REFUSED")
    if status == httpx.codes.NOT_FOUND and not _of_a_thing(answer):
        return PrefectSetupError(f"{shown} {_NO_API}", reason="PREFECT_URL")
    asked = f"{answer.request.method} {answer.request.url.path}"
    told = f"{shown} answered {status} to {asked}: {' '.join(answer.text.split())[:_MAX_DETAIL]}"
    if status in _PASSING or status >= 500:
        return PrefectUnavailableError(told, reason="PREFECT_API")
    return PrefectSetupError(told, reason="PREFECT_ANSWER")


def _of_a_thing(answer: httpx.Response) -> bool:
    """Whether an API says that it knows no such thing, not that it knows no such path."""
    try:
        said = answer.json()
    except ValueError:
        return False
    return isinstance(said, dict) and said.get("detail", "Not Found") != "Not Found"


def _configured() -> str:
    from prefect.settings import get_current_settings

    # Without one, Prefect starts a temporary server.
    return str(get_current_settings().api.url or "http://127.0.0.1")


def _without_password(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        told = f"the Prefect server's URL cannot be read; {_EXAMPLE}"
        raise PrefectSetupError(told, reason="PREFECT_URL") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise PrefectSetupError(f"the Prefect server's URL is none; {_EXAMPLE}", reason="PREFECT_URL")
    return str(parsed.copy_with(userinfo=b"", query=None, fragment=None))
