"""Google's token endpoint: refresh tokens and service accounts in, access tokens out, all by the vendor's clock."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from weathervane.google_ads.sandbox._options import GoogleAdsOptions

__all__ = ["SCOPE", "TOKEN_PATHS", "Tokens"]

SCOPE = "https://www.googleapis.com/auth/adwords"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"

TOKEN_PATHS = ("/token", "/oauth2/token", "/o/oauth2/token", "/oauth2/v3/token", "/oauth2/v4/token")
"""Where clients ask: Google's own URI, the SDK's default, and those that older clients know."""


class Tokens:
    """The credentials of one OAuth client. Thread-safe."""

    def __init__(self, options: GoogleAdsOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._count = 0
        self._access: dict[str, datetime] = {}
        self._refresh = {options.refresh_token} if options.refresh_token else set()
        # Access tokens of the user, who may take back the consent; a service account's are not among them.
        self._users: set[str] = set()
        self._revoked: set[str] = set()

    def state(self, token: str | None, now: datetime) -> str:
        """`valid`, `expired`, `revoked`, or `invalid`."""
        with self._lock:
            ends, revoked = self._access.get(token or ""), token in self._revoked
        if ends is None:
            return "invalid"
        return "revoked" if revoked else "valid" if now < ends else "expired"

    def expire(self, token: str | None) -> None:
        """End an access token at once."""
        with self._lock:
            if token in self._access:
                self._access[token] = datetime.min.replace(tzinfo=self._options.now.tzinfo)

    def revoke(self) -> None:
        """Take back the user's consent: neither refresh tokens nor access tokens from them are good any more."""
        with self._lock:
            self._refresh.clear()
            self._revoked |= self._users

    def grant(self, form: Mapping[str, str], now: datetime) -> tuple[int, dict[str, Any]]:
        """Answer a call of the token endpoint: a status and a body."""
        kind = form.get("grant_type")
        if kind == JWT_BEARER:
            problem = self._service_account(form.get("assertion", ""), now)
            return (400, _error("invalid_grant", problem)) if problem else (200, self._new(now))
        if kind != "refresh_token":
            return 400, _error("unsupported_grant_type", f"Invalid grant_type: {kind}")
        options = self._options
        if form.get("client_id") != options.client_id:
            return 401, _error("invalid_client", "The OAuth client was not found.")
        if form.get("client_secret") != options.client_secret:
            return 401, _error("invalid_client", "Unauthorized")
        with self._lock:
            known = form.get("refresh_token") in self._refresh
        if not known:
            return 400, _error("invalid_grant", "Token has been expired or revoked.")
        granted = self._new(now)
        with self._lock:
            self._users.add(granted["access_token"])
            if not self._refresh:
                # Revoked in this moment, between the look and the grant.
                self._revoked.add(granted["access_token"])
        return 200, granted

    def _service_account(self, assertion: str, now: datetime) -> str:
        """What is wrong with an assertion; empty when nothing is."""
        import jwt  # only for those who use service accounts

        options = self._options
        if not (options.service_account and options.service_account_key):
            return "Invalid grant: account not found"
        try:
            claims = jwt.decode(
                assertion,
                options.service_account_key,
                algorithms=["RS256"],
                # Times are judged below, by the vendor's clock.
                options={"verify_aud": False, "verify_exp": False, "verify_iat": False},
            )
        except jwt.PyJWTError:
            return "Invalid JWT Signature."
        if claims.get("iss") != options.service_account:
            return "Invalid grant: account not found"
        if not str(claims.get("aud", "")).endswith(TOKEN_PATHS):
            return "Invalid JWT: Failed audience check."
        if SCOPE not in str(claims.get("scope", "")).split():
            return "Invalid OAuth scope or ID token audience provided."
        lasts = float(claims.get("exp", 0)) - float(claims.get("iat", 0))
        if not 0 < lasts <= 3600:
            return "Invalid JWT: Token must be a short-lived token (60 minutes)."
        return ""

    def _new(self, now: datetime) -> dict[str, Any]:
        with self._lock:
            self._count += 1
            text = f"{self._options.name} {self._options.seed} access {self._count}"
            token = f"ya29.{hashlib.sha256(text.encode()).hexdigest()[:40]}"
            self._access[token] = now + timedelta(seconds=self._options.token_life)
        return {
            "access_token": token,
            "expires_in": self._options.token_life,
            "scope": SCOPE,
            "token_type": "Bearer",
        }


def _error(code: str, description: str) -> dict[str, Any]:
    return {"error": code, "error_description": description}
