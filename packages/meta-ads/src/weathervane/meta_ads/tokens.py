"""The health of a token: found before a sync fails of it, since a dead one needs a person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import msgspec

from weathervane.meta_ads.answers import classifier
from weathervane.meta_ads.credentials import MetaAdsCredentials
from weathervane.meta_ads.settings import MetaAdsSettings
from weathervane.source.definition import Finding, Severity
from weathervane.source.http import vendor_client

__all__ = ["token_findings"]

_NOTICE = timedelta(days=7)


class _Token(msgspec.Struct):
    is_valid: bool = False
    expires_at: int = 0
    """Unix seconds; 0 = never."""
    data_access_expires_at: int = 0
    scopes: list[str] = []


class _Answer(msgspec.Struct):
    data: _Token


def token_findings(credentials: MetaAdsCredentials, now: datetime) -> list[Finding]:
    """What Meta says of the token; nothing when the app's id and secret, with which one asks, are not there.

    Raises:
        SourceError: Meta refuses the app, or cannot be asked.
    """
    if credentials.app_id is None or credentials.app_secret is None:
        return []
    settings = MetaAdsSettings()
    classify = classifier(settings.throttle_default, settings.abuse_pause)
    form = {
        "input_token": credentials.access_token.get_secret_value(),
        "access_token": f"{credentials.app_id}|{credentials.app_secret.get_secret_value()}",
    }
    with vendor_client(f"{credentials.base_url}/{credentials.api_version}/", classify=classify) as client:
        response: httpx.Response = client.get("debug_token", params=form)
    token = msgspec.json.decode(response.content, type=_Answer).data
    if not token.is_valid:
        return [
            Finding(Severity.ERROR, "TOKEN_REFUSED", "Meta says that the token is not valid: make a new one")
        ]
    findings = []
    if not {"ads_read", "ads_management"} & set(token.scopes):
        told = "the token has neither ads_read nor ads_management: give it ads_read"
        findings.append(Finding(Severity.ERROR, "MISSING_SCOPE", told))
    for ends, what in (
        (token.expires_at, "the token"),
        (token.data_access_expires_at, "the token's access to data"),
    ):
        left = datetime.fromtimestamp(ends, UTC) - now
        if ends and left < _NOTICE:
            told = (
                f"{what} ends in {max(0, left.days)} days: have a person log in, or use a system user's token"
            )
            findings.append(Finding(Severity.WARNING, "TOKEN_ENDS", told))
    return findings
