"""Block documents of the configured Prefect API, by type and name. Without an API there are none.

Every function raises PrefectUnavailableError or PrefectSetupError when an API is configured and does not do as asked.
Prefect is imported only inside: importing it takes seconds.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from weathervane.flow import no_such_api
from weathervane.source._prefect import prefect_fault

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

__all__ = ["names", "read", "update"]

T = TypeVar("T")

_PAGE = 200  # what the API gives at most


def read(block_type: str, name: str) -> dict[str, Any] | None:
    """Give a document's data, secrets in clear; None if there is no such document."""
    found = _ask(lambda api: _find(api, block_type, name))
    return None if found is None else found[1]


def update(block_type: str, name: str, data: dict[str, Any]) -> bool:
    """Replace the fields of ``data`` in a document, and say whether there was one."""

    def question(api: "SyncPrefectClient") -> bool:
        from prefect.client.schemas.actions import BlockDocumentUpdate

        found = _find(api, block_type, name)
        if found is None:
            return False
        api.update_block_document(found[0], BlockDocumentUpdate(data=data))
        return True

    return _ask(question) or False


def names(block_type: str) -> list[str]:
    """List the names of a type's documents."""

    def question(api: "SyncPrefectClient") -> list[str]:
        from prefect.exceptions import PrefectHTTPStatusError

        found: list[str] = []
        try:
            while True:
                page = api.read_block_documents_by_type(
                    block_type, offset=len(found), limit=_PAGE, include_secrets=False
                )
                found += [document.name or "" for document in page]
                if len(page) < _PAGE:
                    return found
        except PrefectHTTPStatusError as error:
            # The block type was never registered; or whoever answers is no Prefect API.
            if error.response.status_code != httpx.codes.NOT_FOUND or no_such_api(error):
                raise
            return found

    return _ask(question) or []


def _find(api: "SyncPrefectClient", block_type: str, name: str) -> tuple[Any, dict[str, Any]] | None:
    from prefect.exceptions import ObjectNotFound

    try:
        document = api.read_block_document_by_name(name, block_type_slug=block_type, include_secrets=True)
    except ObjectNotFound as error:  # neither the type nor the document need exist
        if no_such_api(error):
            raise
        return None
    return document.id, document.data


def _ask(question: "Callable[[SyncPrefectClient], T]") -> T | None:
    from prefect.settings import get_current_settings

    if not get_current_settings().api.url:  # or Prefect would start a temporary server of its own
        return None
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectException

    try:
        with get_client(sync_client=True) as api:
            return question(api)
    except (httpx.HTTPError, httpx.InvalidURL, PrefectException, ValueError) as error:
        fault = prefect_fault(error)
    # Raised out here, without them as its context: they hold the client's request, its auth header too.
    raise fault
