"""The recorder: every request a pretend vendor saw, with secrets reduced to fingerprints."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Recorder", "SeenRequest", "fingerprint"]

BODY_KEPT = 65_536
"""Characters of a request body that are kept; a longer one is cut."""


def fingerprint(secret: str) -> str:
    """Return a stable mark of a secret that does not reveal it: `sha256:` and 12 hex digits.

    A test that knows the secret can look for its mark among the requests of another host.
    """
    return "sha256:" + hashlib.sha256(secret.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class SeenRequest:
    """One request as the vendor saw it.

    Attributes:
        number: 1 for the first request of this vendor.
        host: which of the vendor's hosts was asked, for example "admin" or "storage".
        method: the HTTP method.
        path: the path without the query string.
        query: the query string, secrets masked.
        headers: lower-case names and values, secrets masked.
        body: the request body as text, secrets masked, cut at 65,536 characters.
        status: what the vendor answered.
        note: what the vendor made of it, for example the GraphQL operation name and the cost.
    """

    number: int
    host: str
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: str
    status: int
    note: dict[str, Any]


class Recorder:
    """A bounded, thread-safe list of the requests that a pretend vendor saw.

    Args:
        secret_headers: header names whose values become fingerprints (case does not matter).
        secret_fields: names of query parameters, form fields and JSON members to mask likewise.
        keep: how many requests are kept; the oldest go first.
    """

    def __init__(
        self, secret_headers: Iterable[str], secret_fields: Iterable[str], *, keep: int = 20_000
    ) -> None:
        self._secret_headers = {name.lower() for name in secret_headers}
        names = "|".join(re.escape(name) for name in secret_fields)
        self._json = re.compile(rf'("(?:{names})"\s*:\s*")((?:[^"\\]|\\.)*)(")')
        self._form = re.compile(rf"((?:^|[&?])(?:{names})=)([^&]*)")
        self._seen: deque[SeenRequest] = deque(maxlen=keep)
        self._count = 0
        self._lock = threading.Lock()

    def record(
        self,
        *,
        host: str,
        method: str,
        path: str,
        query: str = "",
        headers: Mapping[str, str],
        body: bytes = b"",
        status: int,
        note: Mapping[str, Any] | None = None,
    ) -> SeenRequest:
        """Keep one request; secrets are masked before they are stored."""
        shown = {
            name.lower(): fingerprint(value) if name.lower() in self._secret_headers else value
            for name, value in headers.items()
        }
        text = self._mask(body.decode("utf-8", "replace"))[:BODY_KEPT]
        with self._lock:
            self._count += 1
            seen = SeenRequest(
                self._count, host, method, path, self._mask(query), shown, text, status, dict(note or {})
            )
            self._seen.append(seen)
            return seen

    def seen(self, host: str | None = None) -> list[SeenRequest]:
        """Return the requests kept, oldest first, of every host or of one."""
        with self._lock:
            return [one for one in self._seen if host is None or one.host == host]

    def as_dicts(self) -> list[dict[str, Any]]:
        """Return the requests kept as JSON-shaped data, oldest first."""
        return [asdict(one) for one in self.seen()]

    def clear(self) -> None:
        """Forget the requests kept; numbering goes on."""
        with self._lock:
            self._seen.clear()

    def _mask(self, text: str) -> str:
        masked = self._json.sub(lambda m: m[1] + fingerprint(m[2]) + m[3], text)
        return self._form.sub(lambda m: m[1] + fingerprint(m[2]), masked)
