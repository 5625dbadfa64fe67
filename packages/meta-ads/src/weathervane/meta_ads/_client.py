"""Meta's Graph API for one tenant: its ad accounts, nodes, and lists read page by page.

Auth, pacing and retries happen below, in the kit's transport; an answer that comes back here is a good one.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
import msgspec

from weathervane.meta_ads._accounts import ACCOUNT_FIELDS, Accounts, account_from, id_from
from weathervane.meta_ads._credentials import MetaAdsCredentials, TokenAuth
from weathervane.meta_ads._pace import ACCOUNT, AppPace
from weathervane.meta_ads._refusals import TOKEN
from weathervane.meta_ads._settings import MetaAdsSettings
from weathervane.meta_ads._verdict import REPORT, TooMuchDataError, classifier, of_account
from weathervane.source import (
    ConfigurationError,
    ContractError,
    CredentialsError,
    HttpLimits,
    Pace,
    Page,
    SourceError,
    UnavailableError,
    decode,
    masked,
    paginate,
    shared,
    split_records,
    vendor_client,
)

__all__ = ["MetaAdsClient", "parameters"]

_T = TypeVar("_T")
_MOST_CURSOR = 8_000
"""Characters; seen are some hundred. A URL of 65,536 is refused by the HTTP library, most servers take 8,192."""

log = logging.getLogger(__name__)


class MetaAdsClient:
    """Reads what one tenant's token sees. Use it in a `with` block."""

    def __init__(
        self,
        tenant: str,
        credentials: MetaAdsCredentials,
        settings: MetaAdsSettings | None = None,
        *,
        pace: Pace | None = None,
    ) -> None:
        self.tenant = tenant
        self.settings = settings or MetaAdsSettings()
        self._credentials = credentials
        self._warned = False
        if pace is None:
            # A token whose app is not named is taken for one of the same app as all such tokens: too careful, not too
            # bold.
            key = ("meta_ads", credentials.base_url, credentials.app_id or "")
            pace = shared(key, lambda: AppPace(self.settings, key=key))
        self._http = vendor_client(
            f"{credentials.base_url}/{credentials.api_version}/",
            auth=TokenAuth(credentials),
            classify=classifier(self.settings.throttle_default, self.settings.abuse_pause),
            limits=HttpLimits(read=120.0, exchange=300.0, max_wait=self.settings.max_wait),
            pace=pace,
            headers={"Accept": "application/json"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def accounts(self) -> Accounts:
        """The tenant's ad accounts: those that were named, else all that the token sees.

        One that the token may not read, or whose time zone nobody knows, must not keep the others from being read.

        Raises:
            CredentialsError: The token sees none, or is itself of no use.
            ConfigurationError: They are more than one tenant can have.
        """
        named = self._credentials.account_ids
        self._few_enough(len(named))
        found: list[tuple[str, bytes]] = []
        refused: dict[str, SourceError] = {}
        if named:
            down = 0
            for one in named:
                try:
                    # Said to be of the account, so that a limit of its own pauses it and not the whole app.
                    found.append((one, self._send("GET", f"act_{one}", {"fields": ACCOUNT_FIELDS}, one)))
                except SourceError as error:
                    down = down + 1 if type(error) is UnavailableError else 0
                    if not of_account(error) or down > 1:
                        raise
                    refused[one] = error
        else:
            pages = self.pages("me/adaccounts", {"fields": ACCOUNT_FIELDS}, what="ad accounts")
            records = (record for page in pages for record in page)
            found = [(id_from(record, number), record) for number, record in enumerate(records, 1)]
        if not found and not refused:
            raise CredentialsError(
                "the token sees no ad account: assign the accounts to the system user, with the right to read",
                reason="NO_ACCOUNTS",
            )
        self._few_enough(len(found))
        readable = []
        for one, node in found:
            try:
                readable.append(account_from(one, node))
            except ContractError as error:
                refused[one] = error
        return Accounts(sorted(readable, key=lambda account: account.id), refused)

    def _few_enough(self, accounts: int) -> None:
        most = self.settings.max_accounts
        if accounts > most:
            raise ConfigurationError(
                f"{accounts:,} ad accounts are more than the {most:,} that one tenant can have: split them among"
                " tenants, by naming each tenant's in the `accounts` of its credentials",
                reason="TOO_MANY_ACCOUNTS",
            )

    def without_secrets(self, text: str) -> str:
        """A text of Meta's, which may quote what was sent."""
        return masked(text, [self._credentials.access_token, self._credentials.app_secret], TOKEN)

    def get(
        self, path: str, shape: type[_T], *, account: str | None = None, report: bool = False, **params: Any
    ) -> _T:
        """A node as a small struct; `report`: that of a report run, which Meta may not know yet.

        Raises:
            ContractError: It has another shape than documented.
            ReportLostError: Meta does not know the report run.
        """
        return decode(self._send("GET", path, params, account, report), shape, f"Meta's answer of {path}")

    def post(
        self, path: str, params: Mapping[str, Any], shape: type[_T], *, account: str | None = None
    ) -> _T:
        """Starts something, and reads what Meta calls it."""
        return decode(self._send("POST", path, params, account), shape, f"Meta's answer of {path}")

    def pages(
        self,
        path: str,
        params: Mapping[str, Any],
        *,
        what: str,
        account: str | None = None,
        report: bool = False,
    ) -> Iterator[list[bytes]]:
        """The records of a list, page by page.

        Only `paging.next` says that there is more: a page may be empty and have one, and the last page has a cursor
        too. The request is made anew for each page, so that a page size that was halved stays halved.

        Raises:
            TooMuchDataError: Even the smallest page is too much.
            ReportLostError: Meta does not know the report run whose list it is.
        """
        limit = self.settings.page_size

        def fetch(cursor: str | None) -> Page[bytes, str]:
            nonlocal limit
            while True:
                after = {} if cursor is None else {"after": cursor}
                try:
                    body = self._send("GET", path, {**params, "limit": limit, **after}, account, report)
                except TooMuchDataError:
                    if limit <= self.settings.min_page_size:
                        raise
                    limit = max(self.settings.min_page_size, limit // 2)
                    log.info("%s: pages of %d rows from now on", path, limit)
                    continue
                records, rest = split_records(body, "data", _List)
                return Page(records, rest.paging.following if rest.paging else None)

        for page in paginate(fetch, what=what):
            yield list(page.items)

    def _send(
        self, method: str, path: str, params: Mapping[str, Any], account: str | None, report: bool = False
    ) -> bytes:
        plain = parameters(params)
        extensions: dict[str, Any] = {} if account is None else {ACCOUNT: account}
        if report:
            extensions[REPORT] = True
        if method == "GET":
            response = self._http.get(path, params=plain, extensions=extensions)
        else:
            response = self._http.post(path, data=plain, extensions=extensions)
        self._listen(response)
        return response.content

    def _listen(self, response: httpx.Response) -> None:
        warning = response.headers.get("x-ad-api-version-warning")
        if warning and not self._warned:
            self._warned = True
            log.warning("%s: Meta warns about version %s", self.tenant, self._credentials.api_version)


def parameters(params: Mapping[str, Any]) -> dict[str, str]:
    """Parameters as Meta takes them: texts as they are, everything else as compact JSON."""
    return {
        name: value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), sort_keys=True)
        for name, value in params.items()
        if value is not None
    }


class _Cursors(msgspec.Struct):
    after: str | None = None


class _Paging(msgspec.Struct):
    cursors: _Cursors | None = None
    next: str | None = None

    @property
    def following(self) -> str | None:
        """The cursor of the next page; None on the last one."""
        if not self.next:
            return None
        after = self.cursors.after if self.cursors else None
        # The link itself is not followed: it carries the token, and the old page size.
        try:
            after = after or httpx.URL(self.next).params.get("after")
        except (httpx.InvalidURL, ValueError):
            after = None
        if not after:
            raise ContractError("Meta says that there is a next page and gives no cursor", reason="NO_CURSOR")
        if len(after) > _MOST_CURSOR:
            raise ContractError(
                f"Meta's cursor of the next page has {len(after):,} characters, which no URL takes",
                reason="BAD_CURSOR",
            )
        return after


class _List(msgspec.Struct):
    paging: _Paging | None = None
