"""A tenant's Google Ads credentials: an OAuth user or a service account, and which accounts to read."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Self

from pydantic import SecretStr, field_validator, model_validator

from weathervane.google_ads._settings import API_URL, API_VERSION, TOKEN_URL, ApiVersion
from weathervane.source import SourceCredentials, SourceError, decode

__all__ = ["GoogleAdsCredentials"]

_NUMBER = re.compile(r"\d{10}", re.ASCII)


class GoogleAdsCredentials(SourceCredentials):
    """Who asks, and for which accounts.

    - `client_id`, `client_secret`, `refresh_token`: an OAuth client and the consent of a user of the accounts.
    - `service_account`: the JSON key of a service account that was added as a user in Google Ads.

    No developer token is needed since 2026-09-09: access belongs to the Cloud project of the OAuth client.
    """

    source: ClassVar[str] = "google_ads"
    hint: ClassVar[str] = "give client_id, client_secret and refresh_token, or service_account"

    client_id: str | None = None
    client_secret: SecretStr | None = None
    refresh_token: SecretStr | None = None
    service_account: SecretStr | None = None
    """The key file's whole text, or that text in one line."""
    login_customer_id: str | None = None
    """The manager through which accounts are reached; `123-456-7890` or ten digits. Not given: each account is reached
    through the manager under which it is found."""
    customer_ids: str = ""
    """Which accounts, by commas; a manager stands for all its clients. Not given: all that the user reaches."""
    developer_token: SecretStr | None = None
    """Sent when given; Google ignores it."""
    api_version: ApiVersion = API_VERSION
    api_url: str = API_URL
    """Another address than Google's own: a sandbox."""
    token_url: str = TOKEN_URL

    @field_validator("login_customer_id")
    @classmethod
    def _one_number(cls, value: str | None) -> str | None:
        return _digits(value) if value and value.strip() else None

    @field_validator("customer_ids")
    @classmethod
    def _numbers(cls, value: str) -> str:
        return ",".join(_digits(part) for part in value.split(",") if part.strip())

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        user = self.client_id and self.client_secret and self.refresh_token
        if not user and self.service_account is None:
            raise ValueError("neither an OAuth user nor a service account")
        if self.service_account is not None:
            found = self.key
            if not all(isinstance(found.get(name), str) for name in ("client_email", "private_key")):
                raise ValueError("service_account is not a service account's JSON key")
        return self

    @property
    def key(self) -> dict[str, Any]:
        """The service account's key; empty when there is none or it is no JSON object."""
        if self.service_account is None:
            return {}
        try:
            return decode(self.service_account.get_secret_value().encode(), dict[str, Any], "the key")
        except (SourceError, UnicodeEncodeError):
            return {}

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no message may hold."""
        given = (self.client_secret, self.refresh_token, self.service_account, self.developer_token)
        texts = [one.get_secret_value() for one in given if one is not None]
        return (
            *filter(None, texts),
            *(str(self.key[name]) for name in ("private_key",) if self.key.get(name)),
        )

    @property
    def customers(self) -> tuple[str, ...]:
        """The numbers of `customer_ids`."""
        return tuple(filter(None, self.customer_ids.split(",")))

    @property
    def project(self) -> str:
        """The Cloud project, which Google's quotas are for.

        An OAuth client's id begins with its project's number, so that all clients of a project share one gate.
        """
        if self.client_id:
            return self.client_id.partition("-")[0]
        return str(self.key.get("project_id") or self.key.get("client_email"))


def _digits(text: str) -> str:
    number = text.strip().replace("-", "")
    if not _NUMBER.fullmatch(number):
        raise ValueError("not a customer id such as 123-456-7890")
    return number
