"""Access tokens that are refreshed once when the vendor refuses them, by one thread at a time."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Generator

import httpx

from weathervane.source._errors import CredentialsError

__all__ = ["REFRESHABLE", "REFRESH_WANTED", "RefreshingAuth"]

REFRESHABLE = "weathervane.refreshable"
"""Request extension: this request's auth can still refresh, so hand it a refusal instead of raising."""
REFRESH_WANTED = "weathervane.refresh_wanted"
"""Response extension: the transport judged that a new access token may help."""


class RefreshingAuth(httpx.Auth, ABC):
    """Puts an access token on every request; on a refusal refreshes it once and replays the request.

    A subclass says where tokens come from: `token` and `refresh`. Both run under one lock, so concurrent
    requests cause one refresh, and a request refused with a token that another has meanwhile replaced is
    replayed without a second one. A refusal of the fresh token raises CredentialsError (the transport does).

    `refresh` must use a client of its own, without this auth, or it would wait for itself.
    """

    requires_response_body = False  # the transport hands over whole answers anyway

    def __init__(self) -> None:
        self._lock = threading.Lock()

    @abstractmethod
    def token(self) -> str | None:
        """Give the access token held now; None when none is held or it is about to expire. No I/O."""

    @abstractmethod
    def refresh(self) -> str:
        """Obtain a new access token, keep it (persist a rotated refresh token first), and return it.

        Raises CredentialsError when the vendor refuses, UnavailableError when it cannot be asked.
        """

    def apply(self, request: httpx.Request, token: str) -> None:
        """Put the token on the request: ``Authorization: Bearer``, unless the vendor differs."""
        request.headers["Authorization"] = f"Bearer {token}"

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Authorize, and replay at most once. Driven by httpx."""
        used = self._current(refused=None)
        request.extensions[REFRESHABLE] = True
        self.apply(request, used)
        response = yield request
        if not response.extensions.get(REFRESH_WANTED):
            return
        request.extensions[REFRESHABLE] = False
        self.apply(request, self._current(refused=used))
        yield request

    def _current(self, *, refused: str | None) -> str:
        with self._lock:
            held = self.token()
            token = self.refresh() if held is None or held == refused else held
        if not (token and token.isascii() and token.isprintable() and " " not in token):
            # Checked here because h11 and the header codec would quote the token in their errors.
            raise CredentialsError(
                "the access token is empty or has characters that no HTTP header can carry",
                reason="TOKEN_MALFORMED",
            )
        return token
