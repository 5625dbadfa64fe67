"""The app's tokens: permanent, by client credentials, and expiring ones with a refresh token that rotates."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from weathervane.shopify.sandbox._options import ShopOptions

__all__ = ["Tokens"]

CLIENT_CREDENTIALS_LIFE = timedelta(seconds=86_399)
ACCESS_LIFE = timedelta(seconds=3_600)
REFRESH_LIFE = timedelta(days=90)
"""Life of tokens in shop time (Shopify docs, access tokens)."""


class Tokens:
    """The tokens of one app on one shop; they expire by the shop's clock. Thread-safe."""

    def __init__(self, options: ShopOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._count = 0
        # Token -> when it expires; None = never.
        self._access: dict[str, datetime | None] = {}
        self._refresh: dict[str, datetime] = {}
        if options.access_token:
            self._access[options.access_token] = None
        if options.refresh_token:
            self._refresh[options.refresh_token] = options.now + REFRESH_LIFE

    def valid(self, token: str | None, now: datetime) -> bool:
        """Say whether a request with this token is let in."""
        with self._lock:
            if not token or token not in self._access:
                return False
            expires = self._access[token]
            return expires is None or now < expires

    def revoke(self, token: str | None) -> None:
        """Make a token worthless at once."""
        with self._lock:
            self._access.pop(token or "", None)

    def grant(self, form: Mapping[str, Any], now: datetime, scopes: str) -> tuple[int, dict[str, Any]]:
        """Answer `POST /admin/oauth/access_token`: a status and a body."""
        options = self._options
        if form.get("client_id") != options.client_id or form.get("client_secret") != options.client_secret:
            return 401, _error("invalid_client", "The client credentials are invalid.")
        kind = form.get("grant_type")
        with self._lock:
            if kind == "client_credentials":
                return 200, self._new("shpat", now, CLIENT_CREDENTIALS_LIFE, scopes)
            if kind == "refresh_token":
                # Each refresh token works once: the answer brings the next one.
                expires = self._refresh.pop(str(form.get("refresh_token")), None)
                if expires is None or now >= expires:
                    return 400, _error(
                        "invalid_grant", "The refresh token is invalid, expired or was used before."
                    )
                body = self._new("shpat", now, ACCESS_LIFE, scopes)
                fresh = self._text("shprt")
                self._refresh[fresh] = now + REFRESH_LIFE
                life = int(REFRESH_LIFE.total_seconds())
                return 200, {**body, "refresh_token": fresh, "refresh_token_expires_in": life}
        return 400, _error(
            "unsupported_grant_type", "grant_type must be client_credentials or refresh_token."
        )

    def _new(self, prefix: str, now: datetime, life: timedelta, scopes: str) -> dict[str, Any]:
        token = self._text(prefix)
        self._access[token] = now + life
        return {"access_token": token, "scope": scopes, "expires_in": int(life.total_seconds())}

    def _text(self, prefix: str) -> str:
        self._count += 1
        text = f"{self._options.shop} {self._options.seed} {prefix} {self._count}"
        return f"{prefix}_{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def _error(code: str, description: str) -> dict[str, Any]:
    return {"error": code, "error_description": description}
