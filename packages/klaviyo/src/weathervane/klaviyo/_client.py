"""One account at Klaviyo's API: calls, pages, and the account itself.

Auth, pacing and retries happen below, in the kit's transport; an answer that comes back here is a good one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo

import httpx
import msgspec

from weathervane.klaviyo._credentials import KeyAuth, KlaviyoCredentials
from weathervane.klaviyo._resources import Resource, ResourcePage, one_of, page_of
from weathervane.klaviyo._settings import KlaviyoSettings
from weathervane.klaviyo._verdict import NotFoundError, classify, pause
from weathervane.source import (
    ContractError,
    HttpLimits,
    IncompleteError,
    Page,
    PauseGate,
    Verdict,
    decode,
    paginate,
    parse_zone,
    same_origin,
    shared,
    vendor_client,
)

__all__ = ["Account", "KlaviyoClient", "Resource", "ResourcePage", "address"]

JSON_API = "application/vnd.api+json"


class _AccountAttributes(msgspec.Struct):
    timezone: str
    preferred_currency: str | None = None


@dataclass(frozen=True)
class Account:
    """What a key sees of its account."""

    id: str
    currency: str | None
    """Klaviyo gives conversion values in it."""
    timezone: ZoneInfo
    """In which reports' windows are meant, whatever offset they name."""


class EndpointGates:
    """A gate per endpoint: Klaviyo counts each by itself, per account.

    What one endpoint's answers say of its quota pauses that endpoint for everybody who reads the account.
    """

    def __init__(self, max_wait: float) -> None:
        self._max_wait = max_wait
        self._gates: dict[str, PauseGate] = {}

    def before(self, request: httpx.Request) -> None:
        """Waits while the endpoint's minute is used up."""
        self._gate(request).before(request)

    def after(self, response: httpx.Response, verdict: Verdict) -> None:
        """Learns from an answer."""
        self._gate(response.request).after(response, verdict)

    def _gate(self, request: httpx.Request) -> PauseGate:
        name = _endpoint(request.url.path)
        gate = PauseGate(f"Klaviyo's {name}", pauses=pause, max_wait=self._max_wait)
        return self._gates.setdefault(name, gate)


class KlaviyoClient:
    """Reads one account. Use it in a `with` block."""

    def __init__(
        self, tenant: str, credentials: KlaviyoCredentials, settings: KlaviyoSettings | None = None
    ) -> None:
        self.tenant = tenant
        self.credentials = credentials
        self.settings = settings or KlaviyoSettings()
        self._base = f"{credentials.api_url.rstrip('/')}/api/"
        # One gate per key and endpoint, whoever reads it in this process.
        gates = shared(
            ("klaviyo", self._base, credentials.api_key), lambda: EndpointGates(self.settings.max_wait)
        )
        self._http = vendor_client(
            self._base,
            auth=KeyAuth(credentials.api_key),
            classify=partial(classify, key=credentials.api_key.get_secret_value()),
            pace=gates,
            limits=HttpLimits(max_wait=self.settings.max_wait),
            headers={"Accept": JSON_API, "revision": credentials.revision},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def account(self) -> Account:
        """The account of the key; needs the scope accounts:read."""
        page = page_of(self._http.get("accounts").content, "account", "Klaviyo's account")
        if not page.data:
            for odd in page.odd:
                raise odd.error()
            raise ContractError("Klaviyo shows no account for this key", reason="NO_ACCOUNT")
        said = decode(page.data[0].attributes, _AccountAttributes, "Klaviyo's account")
        zone = parse_zone(said.timezone, "the account's time zone")
        return Account(page.data[0].id, said.preferred_currency, zone)

    def pages(self, path: str, parameters: Mapping[str, str]) -> Iterator[ResourcePage]:
        """The pages of a list, to the last one.

        Raises:
            IncludeRefusedError: The list does not take this include.
            ContractError: A next link leads to another host, or the pages run in a loop.
            SourceError: As its kind says.
        """
        kind = path.rpartition("/")[2].removesuffix("s")

        def fetch(link: str | None) -> Page[ResourcePage, str]:
            try:
                response = self._http.get(link or path, params=None if link else dict(parameters))
            except NotFoundError as error:
                if link is None:
                    raise
                # A page that is gone is not the record: that would count as deleted.
                raise IncompleteError(
                    f"a page of {path[:80]} is gone: {error.message}", reason="PAGE_GONE"
                ) from None
            page = page_of(response.content, kind, f"Klaviyo's answer for {path[:80]}")
            following = page.links.next
            return Page([page], None if following is None else self.ours(following))

        for page in paginate(fetch, what=path):
            yield from page.items

    def list(self, path: str) -> list[Resource]:
        """The records of a short list that hangs below a record, but those that cannot be read.

        NotFoundError: there is no such record any more.
        """
        return [one for page in self.pages(path, {}) for one in page.data]

    def one(self, path: str, include: str = "") -> ResourcePage:
        """A single record, as a page of one.

        Raises:
            NotFoundError: There is none (any more).
            ContractError: It cannot be read, or is another record, by which this one would look as if it were gone.
        """
        page = self.one_or_odd(path, include)
        for odd in page.odd:
            raise odd.error()
        return page

    def one_or_odd(self, path: str, include: str = "") -> ResourcePage:
        """As `one`, but a record that cannot be read is the page's odd one. NotFoundError: there is none."""
        response = self._http.get(path, params={"include": include} if include else {})
        kind, _, record_id = path.partition("/")
        what = f"Klaviyo's answer for {path[:80]}"
        return one_of(response.content, kind.removesuffix("s"), unquote(record_id), what)

    def ours(self, link: str) -> str:
        """A next link that may be followed. ContractError: it leads elsewhere, and the key would go with it."""
        return same_origin(link, self._base)

    def post(self, path: str, body: Any) -> bytes:
        """Sends a document; the answer's body."""
        content = msgspec.json.encode(body)
        return self._http.post(path, content=content, headers={"Content-Type": JSON_API}).content


def address(kind: str, record_id: str, *below: str) -> str:
    """The path of a record, or of what hangs below it; an id may hold anything."""
    return "/".join((kind, quote(record_id, safe=""), *below))


def _endpoint(path: str) -> str:
    """`/api/campaign-messages/01J.../campaign-variations` -> `campaign-messages/{id}/campaign-variations`."""
    parts = path.strip("/").split("/")[1:]
    return "/".join("{id}" if number == 1 else part for number, part in enumerate(parts))
