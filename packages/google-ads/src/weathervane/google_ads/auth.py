"""Access tokens: from a user's refresh token, or from a service account's signed assertion."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx
import jwt
import msgspec
from pydantic import SecretStr

from weathervane.google_ads.credentials import GoogleAdsCredentials
from weathervane.source.errors import ConfigurationError, CredentialsError, UnavailableError
from weathervane.source.http import Fail, RefreshingAuth, Verdict, classify_by_status, vendor_client
from weathervane.source.quota import shared

__all__ = ["SCOPE", "google_ads_auth"]

SCOPE = "https://www.googleapis.com/auth/adwords"
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# A token is renewed before it ends, so that a call does not meet the very second.
_EARLY_SECONDS = 60.0
_ASSERTION_SECONDS = 3600


def google_ads_auth(credentials: GoogleAdsCredentials) -> RefreshingAuth:
    """The auth of these credentials; all clients in one process share it, so that one refresh serves them."""
    key = (
        "google_ads-auth",
        credentials.token_url,
        credentials.client_id,
        credentials.refresh_token,
        credentials.service_account,
    )
    return shared(key, lambda: _Granted(credentials))


class _Grant(msgspec.Struct):
    access_token: str
    expires_in: float = 0.0


class _Granted(RefreshingAuth):
    def __init__(self, credentials: GoogleAdsCredentials) -> None:
        super().__init__()
        self._credentials = credentials
        self._token: SecretStr | None = None
        self._ends = 0.0

    def token(self) -> str | None:
        if self._token is None or time.monotonic() > self._ends:
            return None
        return self._token.get_secret_value()

    def refresh(self) -> str:
        url = urlsplit(self._credentials.token_url)
        with vendor_client(f"{url.scheme}://{url.netloc}", classify=_classify_grant) as client:
            response: httpx.Response = client.post(url.path, data=self._form())
        try:
            grant = msgspec.json.decode(response.content, type=_Grant)
        except msgspec.DecodeError:
            raise UnavailableError(
                "Google's token answer has no access token", reason="TOKEN_ANSWER"
            ) from None
        self._token = SecretStr(grant.access_token)
        self._ends = time.monotonic() + max(0.0, grant.expires_in - _EARLY_SECONDS)
        return grant.access_token

    def _form(self) -> dict[str, str]:
        given = self._credentials
        if given.service_account is None:
            assert given.client_id is not None
            assert given.client_secret is not None
            assert given.refresh_token is not None
            return {
                "grant_type": "refresh_token",
                "client_id": given.client_id,
                "client_secret": given.client_secret.get_secret_value(),
                "refresh_token": given.refresh_token.get_secret_value(),
            }
        issued = int(datetime.now(UTC).timestamp())
        claims = {
            "iss": given.key["client_email"],
            "scope": SCOPE,
            "aud": given.token_url,
            "iat": issued,
            "exp": issued + _ASSERTION_SECONDS,
        }
        signed = ""
        # Raised below, outside of the handler: the library's error may quote the key.
        with contextlib.suppress(ValueError, TypeError, jwt.PyJWTError):
            signed = jwt.encode(claims, given.key["private_key"], algorithm="RS256")
        if not signed:
            raise ConfigurationError(
                "the service account's private key cannot sign", reason="SERVICE_ACCOUNT_KEY"
            )
        return {"grant_type": _JWT_BEARER, "assertion": signed}


class _Refused(msgspec.Struct):
    error: str = ""


def _classify_grant(response: httpx.Response) -> Verdict:
    if response.status_code in (400, 401, 403):
        code = ""
        with contextlib.suppress(msgspec.DecodeError):
            code = msgspec.json.decode(response.content, type=_Refused).error
        why = {
            "invalid_grant": "the refresh token is expired or revoked, or the service account unknown",
            "invalid_client": "the OAuth client or its secret is not what it was",
        }.get(code, "the credentials are not accepted")
        return Fail(CredentialsError(f"Google grants no access token: {why}", reason="GRANT_REFUSED"))
    return classify_by_status(response)
