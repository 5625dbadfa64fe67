"""An account's credentials: a private key, and what reports and revision the tenant wants."""

from __future__ import annotations

from collections.abc import Generator
from typing import ClassVar

import httpx
from pydantic import SecretStr, field_validator

from weathervane.klaviyo._settings import API_VERSION, LEGACY_VERSION
from weathervane.source import SourceCredentials

__all__ = ["KeyAuth", "KlaviyoCredentials"]


class KlaviyoCredentials(SourceCredentials):
    """One account's private key (Klaviyo: Settings, API keys), of scopes `accounts:read` and `campaigns:read`.

    With `conversion_metric_id` (usually that of "Placed Order"; scope `metrics:read`) campaign reports are read too.
    """

    source: ClassVar[str] = "klaviyo"
    hint: ClassVar[str] = (
        "api_key is the private key pk_...; reports: true needs conversion_metric_id;"
        f" revision is {API_VERSION} or {LEGACY_VERSION}"
    )

    api_key: SecretStr
    reports: bool | None = None
    """Whether campaign reports are read. Default: when there is a conversion metric."""
    conversion_metric_id: str | None = None
    """The metric that reports count as conversions; each account has its own."""
    revision: str = API_VERSION
    """2026-10-15, or 2026-07-15 for who needs the flat campaigns' own words."""
    api_url: str = "https://a.klaviyo.com"
    """Another address than Klaviyo's own: a sandbox."""

    @field_validator("api_key")
    @classmethod
    def _is_private(cls, value: SecretStr) -> SecretStr:
        # A public key (six letters) is the likely mistake; Klaviyo would answer it with a puzzling 401.
        if not value.get_secret_value().startswith("pk_"):
            raise ValueError("not a private key")
        return value

    @field_validator("revision")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in (API_VERSION, LEGACY_VERSION):
            raise ValueError("not a revision that this package reads")
        return value

    @property
    def wants_reports(self) -> bool:
        """Whether campaign reports are to be read."""
        return bool(self.conversion_metric_id) if self.reports is None else self.reports


class KeyAuth(httpx.Auth):
    """Puts the private key on every request."""

    def __init__(self, key: SecretStr) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sets the header."""
        request.headers["Authorization"] = f"Klaviyo-API-Key {self._key.get_secret_value()}"
        yield request
