"""Access tokens: from a user's refresh token, or from a service account's signed assertion."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import msgspec
from pydantic import SecretStr

from weathervane.google_ads._credentials import GoogleAdsCredentials
from weathervane.google_ads._refusals import readable
from weathervane.google_ads._verdict import classifier
from weathervane.source import (
    Accept,
    ConfigurationError,
    CredentialsError,
    Fail,
    RefreshingAuth,
    RetriableError,
    Retry,
    SourceError,
    UnavailableError,
    Verdict,
    classify_by_status,
    parse_amount,
    retry_after,
    shared,
    vendor_client,
)

__all__ = ["SCOPE", "google_ads_auth", "judge_grant"]

SCOPE = "https://www.googleapis.com/auth/adwords"
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# A token is renewed before it ends, so that a call does not meet the very second.
_EARLY_SECONDS = 60.0
_ASSERTION_SECONDS = 3600
_LONGEST_SECONDS = 86_400.0
_NOT_NOW = frozenset(
    {"internal_failure", "rate_limit_exceeded", "server_error", "slow_down", "temporarily_unavailable"}
)
"""Refusals that pass, whatever their HTTP status (RFC 6749, RFC 8628, and Google's own)."""


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
    access_token: Any = None
    expires_in: Any = None
    error: Any = msgspec.UNSET
    error_description: Any = None

    @property
    def good(self) -> bool:
        """Whether it grants a token; one that holds an error as well does not."""
        return self.error is msgspec.UNSET and isinstance(self.access_token, str) and self.access_token != ""

    @property
    def lasts(self) -> float:
        """Seconds; 0 when it does not say."""
        try:
            seconds = float(parse_amount(str(self.expires_in), "expires_in"))
        except (SourceError, ValueError):
            return 0.0
        return min(max(seconds, 0.0), _LONGEST_SECONDS)


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
        form = self._form()
        secrets = [form[name] for name in ("client_secret", "refresh_token", "assertion") if name in form]
        with vendor_client(
            f"{url.scheme}://{url.netloc}", classify=lambda response: judge_grant(response, secrets)
        ) as client:
            response: httpx.Response = client.post(url.path, data=form)
        grant = readable(response.content, _Grant)
        assert grant is not None  # judged so
        self._token = SecretStr(grant.access_token)
        self._ends = time.monotonic() + max(0.0, grant.lasts - _EARLY_SECONDS)
        return str(grant.access_token)

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


def judge_grant(response: httpx.Response, secrets: Collection[str] = ()) -> Verdict:
    """The judge of the token endpoint's answers, whose errors are OAuth's: a word, and a sentence about it.

    Args:
        response: What Google answered.
        secrets: Texts that no message may hold, should Google's sentence quote one.
    """
    grant = readable(response.content, _Grant) or _Grant()
    code = grant.error if isinstance(grant.error, str) else ""
    if code in _NOT_NOW:
        later = UnavailableError(f"Google grants no access token for now ({code})", reason="TOKEN_ANSWER")
        return Retry(later, retry_after(response))
    if code and response.status_code not in (408, 429) and response.status_code < 500:
        why = {
            "invalid_grant": "the refresh token is expired or revoked, or the service account unknown",
            "invalid_client": "the OAuth client or its secret is not what it was",
        }.get(code, "the credentials are not accepted")
        said = grant.error_description
        if isinstance(said, str) and not any(secret in said for secret in secrets):
            why += f" (Google: {said[:200]})"
        return Fail(CredentialsError(f"Google grants no access token: {why}", reason="GRANT_REFUSED"))
    # A grant; an error in the API's own shape, or by HTTP status alone; or nothing that the token endpoint would write.
    verdict = classify_by_status(response) if code else classifier(_LONGEST_SECONDS, secrets)(response)
    if isinstance(verdict, Accept) and not grant.good:
        return Retry(UnavailableError("Google's token answer has no access token", reason="TOKEN_ANSWER"))
    # What may pass is asked again here: there is no query that could be halved instead.
    if isinstance(verdict, Fail) and isinstance(verdict.error, RetriableError):
        return Retry(verdict.error)
    return verdict
