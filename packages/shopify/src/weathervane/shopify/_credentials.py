"""A shop's credentials, and how they become access tokens."""

from __future__ import annotations

import re
import time
from typing import ClassVar, Self

import httpx
import msgspec
from pydantic import SecretStr, field_validator, model_validator

from weathervane.shopify._refusals import hide
from weathervane.shopify._verdict import by_status
from weathervane.source import (
    ONCE,
    ContractError,
    CredentialsError,
    Fail,
    RefreshingAuth,
    Retry,
    SourceCredentials,
    SourceError,
    UnavailableError,
    Verdict,
    decode,
    shared,
    vendor_client,
)

__all__ = ["ShopifyCredentials", "shopify_auth"]

_SHOP = re.compile(
    r"(?:https?://)?([a-z0-9][a-z0-9-]{0,99})(?:\.myshopify\.com)?/?", re.ASCII | re.IGNORECASE
)
# A token is renewed before it ends, so that a page does not meet the very second.
_EARLY_SECONDS = 60.0
_NULL = msgspec.Raw(b"null")
_WORD = re.compile(r"[a-z_]{1,60}")
# RFC 6749: words of a server that cannot answer now.
_PASSING = ("server_error", "slow_down", "temporarily_unavailable")


class ShopifyCredentials(SourceCredentials):
    """One shop, and one of three ways to read it.

    - `access_token`: a permanent `shpat_...` token of an app made in the admin before 2026.
    - `client_id` + `client_secret`: a Dev Dashboard app of the shop's own organisation (client credentials).
    - these two + `refresh_token`: a public app with expiring offline tokens. The refresh token changes with every
      use, so these must be in a Prefect block, where the new one is kept.
    """

    source: ClassVar[str] = "shopify"
    hint: ClassVar[str] = "give access_token, or client_id and client_secret"

    shop: str
    """`acme`, `acme.myshopify.com` or `https://acme.myshopify.com/`: all the same shop."""
    access_token: SecretStr | None = None
    client_id: str | None = None
    client_secret: SecretStr | None = None
    refresh_token: SecretStr | None = None
    api_url: str | None = None
    """Another address than the shop's own: a sandbox."""

    @field_validator("shop")
    @classmethod
    def _normalise(cls, value: str) -> str:
        match = _SHOP.fullmatch(value.strip())
        if not match:
            raise ValueError("not a shop's name or myshopify.com address")
        return match[1].lower()

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.access_token is None and (self.client_id is None or self.client_secret is None):
            raise ValueError("neither access_token nor client_id and client_secret")
        hide(self.access_token, self.client_secret, self.refresh_token)
        return self

    @property
    def domain(self) -> str:
        """`acme.myshopify.com`."""
        return f"{self.shop}.myshopify.com"

    @property
    def base_url(self) -> str:
        """Where the shop answers."""
        return self.api_url or f"https://{self.domain}"


def shopify_auth(credentials: ShopifyCredentials, tenant: str) -> RefreshingAuth:
    """The auth that puts this shop's access token on every request.

    Clients of one tenant in one process share it when tokens are granted: they then refresh once, and with a refresh
    token that rotates only one of them may.
    """
    if credentials.access_token is not None:
        return _Permanent(credentials.access_token)
    key = ("shopify-auth", tenant, credentials.base_url, credentials.client_id, credentials.client_secret)
    return shared(key, lambda: _Granted(credentials, tenant))


class _ShopifyAuth(RefreshingAuth):
    def apply(self, request: httpx.Request, token: str) -> None:
        request.headers["X-Shopify-Access-Token"] = token


class _Permanent(_ShopifyAuth):
    def __init__(self, token: SecretStr) -> None:
        super().__init__()
        self._token = token

    def token(self) -> str | None:
        return self._token.get_secret_value()

    def refresh(self) -> str:
        raise CredentialsError("Shopify refuses the permanent access token", reason="TOKEN_REFUSED")


class _Grant(msgspec.Struct):
    access_token: str
    expires_in: float | None = None
    refresh_token: str | None = None


class _Granted(_ShopifyAuth):
    """Tokens by the client credentials grant, or by a refresh token that rotates."""

    def __init__(self, credentials: ShopifyCredentials, tenant: str) -> None:
        super().__init__()
        self._credentials = credentials
        self._tenant = tenant
        self._token: SecretStr | None = None
        self._ends = 0.0

    def token(self) -> str | None:
        if self._token is None or time.monotonic() > self._ends:
            return None
        return self._token.get_secret_value()

    def refresh(self) -> str:
        try:
            grant = self._grant(self._credentials)
        except CredentialsError:
            # Another process may have used the refresh token, and kept the next one.
            newer = (
                ShopifyCredentials.load(self._tenant)
                if self._credentials.refresh_token
                else self._credentials
            )
            if newer.refresh_token == self._credentials.refresh_token:
                raise
            self._credentials = newer
            grant = self._grant(newer)
        hide(grant.access_token, grant.refresh_token)
        if grant.refresh_token is not None:
            # The old refresh token is dead from now on: keep the new one before anything else can fail.
            rotated = {"refresh_token": SecretStr(grant.refresh_token)}
            self._credentials = self._credentials.model_copy(update=rotated)
            self._credentials.save(self._tenant)
        self._token = SecretStr(grant.access_token)
        lasts = grant.expires_in if grant.expires_in is not None else float("inf")
        self._ends = time.monotonic() + max(0.0, lasts - _EARLY_SECONDS)
        return grant.access_token

    def _grant(self, credentials: ShopifyCredentials) -> _Grant:
        assert credentials.client_id is not None
        assert credentials.client_secret is not None
        form = {
            "client_id": credentials.client_id,
            "client_secret": credentials.client_secret.get_secret_value(),
            "grant_type": "client_credentials",
        }
        once = {}
        if credentials.refresh_token is not None:
            form["grant_type"] = "refresh_token"
            form["refresh_token"] = credentials.refresh_token.get_secret_value()
            # It is good for one use: a repeat after a lost answer would burn it.
            once = ONCE
        with vendor_client(credentials.base_url, classify=_classify_grant) as client:
            response = client.post("/admin/oauth/access_token", data=form, extensions=once)
        grant = decode(response.content, _Grant, "Shopify's token answer")
        # It becomes a header: what cannot be one is no token.
        if not re.fullmatch(r"[!-~]+", grant.access_token):
            raise ContractError("Shopify's token answer holds no access token", reason="TOKEN_ANSWER")
        return grant


class _Refused(msgspec.Struct):
    """Where a token answer says that it is none (RFC 6749, 5.2; Shopify's own `errors`)."""

    error: msgspec.Raw = _NULL
    errors: msgspec.Raw = _NULL


def _classify_grant(response: httpx.Response) -> Verdict:
    verdict = by_status(response)
    if isinstance(verdict, Retry) or response.status_code not in (200, 400, 401, 403):
        return verdict
    try:
        found = decode(response.content, _Refused, "Shopify's token answer")
        word = "" if found.error == _NULL else decode(found.error, str, "its error")
        refused = response.status_code != 200 or found != _Refused()
    except SourceError:
        word, refused = "", True
    if word in _PASSING:
        return Retry(
            UnavailableError(f"Shopify grants no access token for now ({word})", reason="GRANT_PUT_OFF")
        )
    if refused:
        told = f" ({word})" if _WORD.fullmatch(word) else ""
        return Fail(
            CredentialsError(
                f"Shopify grants no access token for these client credentials{told}: the app, its secret or its"
                " installation is not what it was",
                reason="GRANT_REFUSED",
            )
        )
    return verdict
