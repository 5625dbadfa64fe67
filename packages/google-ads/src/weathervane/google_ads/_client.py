"""Google Ads' REST API for one tenant. Auth, quotas and retries happen below; what comes back is good and whole."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from functools import cache
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import httpx
import msgspec

from weathervane.google_ads._auth import google_ads_auth
from weathervane.google_ads._credentials import GoogleAdsCredentials
from weathervane.google_ads._pace import CUSTOMER, QuotaPace
from weathervane.google_ads._settings import NOTICE_DAYS, GoogleAdsSettings, days_left
from weathervane.google_ads._verdict import classifier
from weathervane.source import MAX_BODY, HttpLimits, decode, vendor_client

__all__ = ["GoogleAdsClient"]

log = logging.getLogger(__name__)

_T = TypeVar("_T")


@cache
def _chunks(row: Any) -> Any:
    """The type of an answer whose rows are of a type; each is made once, since decoders are kept by type."""
    results: Any = ("results", list[row], msgspec.field(default_factory=list))
    return list[msgspec.defstruct("Chunk", [results])]  # type: ignore[misc]


class _Accessible(msgspec.Struct, rename="camel"):
    resource_names: list[str] = []


class GoogleAdsClient:
    """Reads the accounts of one tenant. Use it in a `with` block."""

    def __init__(
        self, tenant: str, credentials: GoogleAdsCredentials, settings: GoogleAdsSettings | None = None
    ) -> None:
        self.tenant = tenant
        self.credentials = credentials
        self.settings = settings or GoogleAdsSettings()
        left = days_left(credentials.api_version, datetime.now(UTC).date())
        if left <= NOTICE_DAYS:
            log.warning("%s: Google ends %s in about %d days", tenant, credentials.api_version, left)
        headers = {"Accept": "application/json"}
        if credentials.developer_token is not None:
            headers["developer-token"] = credentials.developer_token.get_secret_value()
        self._http = vendor_client(
            f"{credentials.api_url.rstrip('/')}/{credentials.api_version}",
            auth=google_ads_auth(credentials),
            classify=classifier(self.settings.quota_delay, credentials.secrets),
            limits=HttpLimits(
                read=self.settings.read_seconds,
                exchange=self.settings.exchange_seconds,
                max_body=self.settings.max_body,
            ),
            pace=QuotaPace(credentials.project),
            headers=headers,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def accessible(self) -> list[str]:
        """The numbers of the accounts that the user reaches directly, without those below a manager."""
        answer = self._http.get("/customers:listAccessibleCustomers")
        names = decode(answer.content, _Accessible, "the list of accessible accounts").resource_names
        return [name.removeprefix("customers/") for name in names]

    def stream(
        self,
        customer: str,
        query: str,
        *,
        login: str | None = None,
        summary: bool = False,
        max_body: int | None = None,
    ) -> bytes:
        """The answer to a query by searchStream: a JSON array of chunks, closed and without an error in it.

        One operation, however many rows; there is no page token that could expire.

        Args:
            customer: The account, ten digits.
            query: GAQL.
            login: The manager through which it is reached; None for direct access.
            summary: Also ask for the sums of the metrics, as `summaryRow` in the last chunk.
            max_body: Bytes of the answer, when fewer than the settings allow.

        Raises:
            QueryTooHeavyError: Google did not finish in time.
            AccountNotEnabledError: The account is closed or suspended.
            OutOfRetentionError: It asks for days that are too old.
            SourceError: As its kind says.
        """
        setting = "SUMMARY_ROW_WITH_RESULTS" if summary else "NO_SUMMARY_ROW"
        response = self._http.post(
            f"/customers/{customer}/googleAds:searchStream",
            json={"query": query, "summaryRowSetting": setting},
            headers={"login-customer-id": login} if login else {},
            extensions={CUSTOMER: customer, MAX_BODY: max_body or self.settings.max_body},
        )
        # httpx's response and its stream hold each other, so that the answer would stay until garbage is collected.
        response.stream = httpx.ByteStream(b"")
        return response.content

    def rows(self, customer: str, query: str, row: type[_T], *, login: str | None = None) -> list[_T]:
        """A small answer's rows as structs; for lists of accounts and the like, not for reports."""
        body = self.stream(customer, query, login=login)
        chunks: Any = decode(body, _chunks(cast(Any, row)), f"the answer of {customer}")
        return [one for chunk in chunks for one in chunk.results]
