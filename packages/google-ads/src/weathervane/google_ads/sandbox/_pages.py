"""The page tokens of search: each belongs to one query of one account and lives for two hours."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime, timedelta
from random import Random

from weathervane.google_ads.sandbox._errors import GoogleAdsError

__all__ = ["Pages"]

_LIFE = timedelta(hours=2)


class Pages:
    """The tokens that were given. Not thread-safe: the world's lock is held around it."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, int, datetime]] = {}

    def start(self, customer: str, query: str, token: str, now: datetime) -> int:
        """The number of the row with which the token's page begins.

        Raises:
            GoogleAdsError: the token is unknown, of another query, or too old.
        """
        page = self._known.get(token)
        if page is None or page[0] != _digest(customer, query):
            raise GoogleAdsError(
                "requestError", "INVALID_PAGE_TOKEN", "Page token is invalid.", field="page_token"
            )
        if now >= page[2]:
            raise GoogleAdsError(
                "requestError", "EXPIRED_PAGE_TOKEN", "Page token has expired.", field="page_token"
            )
        return page[1]

    def token(self, customer: str, query: str, start: int, now: datetime, rng: Random) -> str:
        """A new token for the page that begins with a row."""
        token = base64.urlsafe_b64encode(rng.randbytes(24)).decode()
        self._known[token] = (_digest(customer, query), start, now + _LIFE)
        return token


def _digest(customer: str, query: str) -> str:
    return hashlib.sha256(f"{customer} {query}".encode()).hexdigest()
