"""Calls to a vendor: bounded, paced, retried by error class, and silent about secrets.

What a source writes::

    with vendor_client("https://acme.myshopify.com/admin/api/2026-10/", auth=auth, pace=pace) as client:
        document = decode_json(client.post("graphql.json", json=query))

Every answer that comes back was judged (`Classify`) and accepted; everything else is a SourceError. There is
nothing left to check, so ``raise_for_status``, which quotes whole URLs, is never needed.

From the caller to the socket: httpx.Client, auth flow, `VendorTransport` (origin, pace, one bounded exchange,
verdict, back-off), `WireTransport`. Retries happen below the auth flow: they cost no token. A refusal that a
fresh token may cure goes up to the auth flow once; the second one raises.
"""

import ssl
from collections.abc import Mapping
from typing import Any

import httpx

from weathervane.source._errors import ConfigurationError, ContractError
from weathervane.source._http import redact as _redact
from weathervane.source._http.auth import RefreshingAuth
from weathervane.source._http.download import download
from weathervane.source._http.pace import Pace
from weathervane.source._http.transport import MAX_BODY, ONCE, HttpLimits, VendorTransport
from weathervane.source._http.verdict import (
    Accept,
    Classify,
    Fail,
    Retry,
    Verdict,
    classify_by_status,
    decode_json,
    retry_after,
)
from weathervane.source._http.wire import WireTransport

__all__ = [
    "MAX_BODY",
    "ONCE",
    "Accept",
    "Classify",
    "Fail",
    "HttpLimits",
    "RefreshingAuth",
    "Retry",
    "VendorTransport",
    "Verdict",
    "WireTransport",
    "classify_by_status",
    "decode_json",
    "download",
    "retry_after",
    "vendor_client",
]

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class _Client(httpx.Client):
    """httpx's, but for an address that cannot be sent: most often a vendor's cursor or link makes it so."""

    def build_request(self, *args: Any, **kwargs: Any) -> httpx.Request:
        """As in httpx; an address that is too long or malformed is a SourceError."""
        try:
            return super().build_request(*args, **kwargs)
        except httpx.InvalidURL:
            pass  # outside of the handler: its context would hold the address
        raise ContractError(
            "an address that a call needs cannot be sent: it is malformed or too long, as a cursor or link of the"
            " vendor's may be",
            reason="UNSENDABLE_URL",
        )


def vendor_client(
    base_url: str,
    *,
    auth: httpx.Auth | None = None,
    classify: Classify = classify_by_status,
    limits: HttpLimits | None = None,
    pace: Pace | None = None,
    headers: Mapping[str, str] | None = None,
    transport: httpx.BaseTransport | None = None,
    tls: ssl.SSLContext | None = None,
    allow_plain_http: bool = False,
) -> httpx.Client:
    """Make the client of one vendor for one tenant; safe to share between threads. Close it when done.

    ``base_url`` fixes the one origin that requests may go to. It must be https, except on loopback or
    with ``allow_plain_http`` (a sandbox in a private network). Nothing is taken from the environment but
    SSL_CERT_FILE: no proxy, no .netrc. ``transport`` replaces the wire: ``httpx.HTTPTransport(proxy=…)``.
    Raises ConfigurationError for a base URL that is none of this, or a header that cannot be sent.
    """
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
        raise ConfigurationError(
            "the vendor's base URL must be https://host/path, without user, query or fragment",
            reason="BASE_URL",
        )
    if url.scheme == "http" and not (allow_plain_http or url.host in _LOOPBACK):
        raise ConfigurationError(
            f"credentials would go to {url.host} in clear: use https, or allow plain http on purpose",
            reason="PLAIN_HTTP",
        )
    for name, value in (headers or {}).items():
        if not (value.isascii() and value.isprintable()):  # httpx's and h11's errors would quote the value
            raise ConfigurationError(
                f"the header {name} has characters that cannot be sent", reason="ILLEGAL_REQUEST"
            )
    limits = limits or HttpLimits()
    _redact.install()
    return _Client(
        base_url=url,
        auth=auth,
        headers={"Accept-Encoding": "gzip", "User-Agent": "weathervane-source-kit", **(headers or {})},
        timeout=httpx.Timeout(limits.read, connect=limits.connect),
        trust_env=False,
        transport=VendorTransport(
            url, classify=classify, limits=limits, pace=pace, inner=transport or WireTransport(tls=tls)
        ),
    )
