"""A tenant's access to Meta: a token, the app that it belongs to, and which ad accounts are the tenant's."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Generator
from typing import ClassVar

import httpx
from pydantic import SecretStr, field_validator

from weathervane.meta_ads._settings import API_VERSION, API_VERSIONS
from weathervane.source import SourceCredentials

__all__ = ["MetaAdsCredentials", "TokenAuth", "appsecret_proof"]


class MetaAdsCredentials(SourceCredentials):
    """A system user's token (it does not expire) with the scope `ads_read`, or a user's long-lived one (60 days).

    There is no refresh: a token that has died needs a person.
    """

    source: ClassVar[str] = "meta_ads"
    hint: ClassVar[str] = "access_token is a system user's token with the scope ads_read"

    access_token: SecretStr
    app_id: str | None = None
    """Which app the token belongs to. Meta limits an app as a whole, so all its tenants pause together."""
    app_secret: SecretStr | None = None
    """With it every call carries a proof that the caller knows it; apps with "Require App Secret" refuse others."""
    accounts: str | None = None
    """Ad accounts by commas, `act_101` or `101`; all that the token sees when there are none."""
    api_version: str = API_VERSION
    """`v26.0`, or `v25.0`."""
    api_url: str | None = None
    """Another address than Meta's own: a sandbox."""

    @field_validator("access_token")
    @classmethod
    def _can_be_sent(cls, value: SecretStr) -> SecretStr:
        token = value.get_secret_value()
        if not (token and token.isascii() and token.isprintable() and " " not in token):
            raise ValueError("the token has characters that no HTTP header can carry")
        return value

    @field_validator("api_version")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in API_VERSIONS:
            raise ValueError(f"not one of {', '.join(API_VERSIONS)}")
        return value

    @field_validator("accounts")
    @classmethod
    def _numbers(cls, value: str | None) -> str | None:
        ids = [part.strip().removeprefix("act_") for part in (value or "").split(",") if part.strip()]
        if not all(one.isdigit() for one in ids):
            raise ValueError("not ad account ids by commas")
        return ",".join(ids) or None

    @property
    def base_url(self) -> str:
        """Where Meta answers."""
        return self.api_url or "https://graph.facebook.com"

    @property
    def account_ids(self) -> tuple[str, ...]:
        """The accounts that were named, as bare numbers; none means all that the token sees."""
        return tuple(self.accounts.split(",")) if self.accounts else ()


def appsecret_proof(app_secret: str, access_token: str) -> str:
    """Lower-case hex HMAC-SHA256 of the token, keyed by the app's secret."""
    return hmac.new(app_secret.encode(), access_token.encode(), hashlib.sha256).hexdigest()


class TokenAuth(httpx.Auth):
    """The token in the header, never in a URL, which would end in logs; the proof as a parameter of every call."""

    def __init__(self, credentials: MetaAdsCredentials) -> None:
        token = credentials.access_token.get_secret_value()
        self._header = f"Bearer {token}"
        secret = credentials.app_secret
        self._proof = appsecret_proof(secret.get_secret_value(), token) if secret is not None else None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Authorize. Driven by httpx."""
        request.headers["Authorization"] = self._header
        if self._proof is not None:
            request.url = request.url.copy_set_param("appsecret_proof", self._proof)
        yield request
