"""One shop at Shopify's GraphQL Admin API: calls, pages, counts, and what the token may see.

Auth, pacing and retries happen below, in the kit's transport; an answer that comes back here is a good one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import httpx
import msgspec

from weathervane.shopify import _queries as queries
from weathervane.shopify._credentials import ShopifyCredentials, shopify_auth
from weathervane.shopify._pages import SMALL_COST, Count, PageSize, decode, page_info
from weathervane.shopify._refusals import PageTooDearError, safe
from weathervane.shopify._settings import ShopifySettings
from weathervane.shopify._verdict import classifier, requested_cost, throttle_status
from weathervane.source import (
    COST,
    ONCE,
    ConfigurationError,
    ContractError,
    CostBucket,
    Page,
    UnavailableError,
    paginate,
    parse_zone,
    shared,
    vendor_client,
)

__all__ = ["Answer", "Shop", "ShopifyClient"]

_T = TypeVar("_T")


@dataclass(frozen=True)
class Answer:
    """A good answer's bytes."""

    body: bytes
    cost: float | None
    """Points that the query asked for."""


@dataclass(frozen=True)
class Shop:
    """What a token sees of its shop."""

    domain: str
    currency: str
    timezone: ZoneInfo
    scopes: frozenset[str]


class ShopifyClient:
    """Reads one shop. Use it in a `with` block."""

    def __init__(
        self, tenant: str, credentials: ShopifyCredentials, settings: ShopifySettings | None = None
    ) -> None:
        self.tenant = tenant
        self.settings = settings or ShopifySettings()
        self._credentials = credentials
        # One bucket per app and shop, whoever reads it in this process.
        bucket = shared(
            ("shopify", credentials.client_id, credentials.base_url),
            lambda: CostBucket(throttle_status, default_cost=SMALL_COST),
        )
        self._http = vendor_client(
            f"{credentials.base_url}/admin/api/{self.settings.api_version}/",
            auth=shopify_auth(credentials, tenant),
            classify=classifier(self.settings.api_version),
            pace=bucket,
            headers={"Accept": "application/json"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    @property
    def trusts_plain_http(self) -> bool:
        """Whether the shop is a sandbox on plain HTTP, whose files are on plain HTTP too."""
        return urlsplit(self._credentials.base_url).scheme == "http"

    def query(
        self,
        text: str,
        variables: Mapping[str, Any] | None = None,
        *,
        cost: float = SMALL_COST,
        once: bool = False,
    ) -> Answer:
        """Sends one query or mutation.

        Args:
            text: GraphQL.
            variables: Its variables.
            cost: The points that it will probably ask for; the shop's bucket is waited for until it has them.
            once: It starts something: a repeat after a lost answer would start it twice.

        Raises:
            PageTooDearError: It asks for more points than one may have.
            SourceError: As its kind says.
        """
        response: httpx.Response = self._http.post(
            "graphql.json",
            json={"query": text, "variables": dict(variables or {})},
            extensions={COST: cost, **(ONCE if once else {})},
        )
        return Answer(response.content, requested_cost(response))

    def ask(
        self, text: str, variables: Mapping[str, Any] | None, shape: type[_T], *, once: bool = False
    ) -> _T:
        """Sends a query and reads its `data` as a small struct; not for pages of rows."""
        return decode(self.query(text, variables, once=once).body, shape)

    def shop(self) -> Shop:
        """The shop and the token's scopes.

        Raises:
            ConfigurationError: The token belongs to another shop than the one configured.
        """
        data = self.ask(queries.SHOP, None, _ShopData)
        if not self._credentials.api_url and data.shop.myshopify_domain != self._credentials.domain:
            raise ConfigurationError(
                f"the token is for {safe(data.shop.myshopify_domain)}, the tenant is configured for"
                f" {self._credentials.domain}",
                reason="WRONG_SHOP",
            )
        scopes = {scope.handle for scope in data.current_app_installation.access_scopes}
        # A scope to write includes the one to read.
        scopes |= {"read_" + scope.removeprefix("write_") for scope in scopes if scope.startswith("write_")}
        return Shop(
            data.shop.myshopify_domain,
            data.shop.currency_code,
            parse_zone(data.shop.iana_timezone, "the shop's time zone"),
            frozenset(scopes),
        )

    def count(self, text: str, search: str | None) -> int:
        """How many objects a search finds, exactly; `text` is COUNT_ORDERS or COUNT_PRODUCTS."""
        count = self.ask(text, {"query": search}, _CountData).count
        if count.precision != "EXACT":
            raise ContractError(
                "Shopify gives only a lower bound of a count that was asked without one", reason="COUNT"
            )
        return count.count

    def sized(self, text: str, variables: Mapping[str, Any], sizes: PageSize) -> Answer:
        """Sends a query for a page, and asks for a smaller one as long as the page is too much for Shopify."""
        while True:
            try:
                answer = self.query(text, {**variables, **sizes.variables}, cost=sizes.expected_cost)
            except (PageTooDearError, UnavailableError) as error:
                # Too dear, or too heavy to be answered in time: both are mended by asking for less.
                if error.reason == "CONNECT_FAILED" or not sizes.shrink():
                    raise
                continue
            sizes.learn(answer.cost)
            return answer

    def pages(
        self, text: str, variables: Mapping[str, Any], connection: str, sizes: PageSize
    ) -> Iterator[bytes]:
        """The bodies of all pages of a root connection."""

        def fetch(cursor: str | None) -> Page[bytes, str]:
            body = self.sized(text, {**variables, "after": cursor}, sizes).body
            return Page([body], page_info(body, connection).next)

        for page in paginate(fetch, what=connection):
            yield from page.items


class _ShopNode(msgspec.Struct, rename="camel"):
    myshopify_domain: str
    currency_code: str
    iana_timezone: str


class _Scope(msgspec.Struct):
    handle: str


class _Installation(msgspec.Struct, rename="camel"):
    access_scopes: list[_Scope]


class _ShopData(msgspec.Struct, rename="camel"):
    shop: _ShopNode
    current_app_installation: _Installation


class _Count(msgspec.Struct):
    count: Count
    precision: str


class _CountData(msgspec.Struct):
    count: _Count
