"""The health of a token: found before a sync fails of it, since a dead one needs a person."""

from __future__ import annotations

from datetime import datetime

import httpx
import msgspec

from weathervane.meta_ads._credentials import MetaAdsCredentials
from weathervane.meta_ads._settings import MetaAdsSettings
from weathervane.meta_ads._verdict import classifier
from weathervane.source import ContractError, CredentialsError, Finding, Severity, decode, vendor_client

__all__ = ["token_findings"]

_NOTICE_DAYS = 7


class _Token(msgspec.Struct):
    is_valid: bool = False
    expires_at: int | None = None
    """Unix seconds; 0 or none = never."""
    data_access_expires_at: int | None = None
    scopes: list[str] | None = None


class _Answer(msgspec.Struct):
    data: _Token


class _Part(msgspec.Struct):
    """One answer of a batch."""

    body: str


def _token(body: bytes) -> _Token:
    parts = decode(body, list[_Part], "the answer of a batch")
    if len(parts) != 1:
        raise ContractError("Meta answered a batch of one call otherwise", reason="UNEXPECTED_JSON")
    return decode(parts[0].body, _Answer, "what the token is").data


def token_findings(credentials: MetaAdsCredentials, now: datetime) -> list[Finding]:
    """What Meta says of the token; nothing when the app's id and secret, with which one asks, are not there.

    Raises:
        SourceError: Meta refuses the app, or cannot be asked.
    """
    if credentials.app_id is None or credentials.app_secret is None:
        return []
    settings = MetaAdsSettings()
    classify = classifier(settings.throttle_default, settings.abuse_pause)
    asked = str(httpx.QueryParams({"input_token": credentials.access_token.get_secret_value()}))
    call = {"method": "GET", "relative_url": f"debug_token?{asked}"}
    app = {"Authorization": f"Bearer {credentials.app_id}|{credentials.app_secret.get_secret_value()}"}
    url = f"{credentials.base_url}/{credentials.api_version}/"
    with vendor_client(url, classify=classify, headers=app) as client:
        # Meta takes the token as a parameter of a GET only; as a call of a batch that is in the body, not in a URL.
        try:
            response = client.post("", data={"batch": msgspec.json.encode([call]).decode()})
        except CredentialsError as error:
            raise CredentialsError(
                f"Meta refuses the app_id or the app_secret, so nothing is known of the token: {error.message}",
                reason="APP_REFUSED",
            ) from None
    token = _token(response.content)
    if not token.is_valid:
        return [
            Finding(Severity.ERROR, "TOKEN_REFUSED", "Meta says that the token is not valid: make a new one")
        ]
    findings = []
    if not {"ads_read", "ads_management"} & set(token.scopes or ()):
        told = "the token has neither ads_read nor ads_management: give it ads_read"
        findings.append(Finding(Severity.ERROR, "MISSING_SCOPE", told))
    for ends, what in (
        (token.expires_at, "the token"),
        (token.data_access_expires_at, "the token's access to data"),
    ):
        # In numbers: what is sent may lie beyond every calendar.
        days = ((ends or 0) - now.timestamp()) // 86_400
        if ends and days < _NOTICE_DAYS:
            told = (
                f"{what} ends in {max(0, days):.0f} days: have a person log in, or use a system user's token"
            )
            findings.append(Finding(Severity.WARNING, "TOKEN_ENDS", told))
    return findings
