"""Files behind a signed link on somebody else's host: fetched without credentials, whole or not at all."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import httpx

from weathervane.source._errors import ContractError, IncompleteError, SourceError
from weathervane.source._http import redact as _redact
from weathervane.source._http.paging import plain_host
from weathervane.source._http.transport import HttpLimits, redirect_error, retrying, verdict_of_transport
from weathervane.source._http.verdict import Fail, Retry, classify_by_status, verdict_of
from weathervane.source._http.wire import WireTransport, deadline, decoded

__all__ = ["download"]

_LIMITS = HttpLimits(exchange=3600.0)
"""A bulk result may be gigabytes: an hour for the file, still one minute for silence."""


def download(
    url: str,
    path: Path,
    *,
    max_bytes: int,
    limits: HttpLimits = _LIMITS,
    expected_origins: Callable[[str], bool] | None = None,
    transport: httpx.BaseTransport | None = None,
) -> int:
    """Stream a signed link to ``path`` and return the number of decoded bytes; the file is whole or absent.

    Sends no credentials, no cookies and no client headers. ``expected_origins`` is asked with the link's
    origin (``https://storage.googleapis.com``); without it any https origin is taken and plain http never.
    A cut is found by Content-Length, by the last chunk, or by gzip's trailer; an answer with none of these
    is taken for cut. Instead of ``limits.max_body``, ``max_bytes`` bounds the file and what is received.

    Raises IncompleteError for a cut, or a link that is refused or has expired (ask the vendor for a new one);
    ContractError for an unexpected origin, a redirect or a file over ``max_bytes``; UnavailableError and
    DeferredError as a vendor client does. None of them holds more of the link than its host.
    """
    link = _checked(url, expected_origins)
    _redact.install()
    with transport or WireTransport() as wire:
        what = f"the download from {plain_host(link)}"
        return retrying(lambda _: _fetch(wire, link, path, limits, max_bytes), limits, what=what)


def _checked(url: str, expected_origins: Callable[[str], bool] | None) -> httpx.URL:
    try:
        link = httpx.URL(url)
    except httpx.InvalidURL:
        link = httpx.URL("")
    origin = f"{link.scheme}://{link.netloc.decode('ascii')}"
    known = expected_origins(origin) if expected_origins is not None else link.scheme == "https"
    if not link.host or link.scheme not in ("http", "https") or link.userinfo or not known:
        raise ContractError(
            f"the vendor's download link leads to an unexpected place ({plain_host(link)})",
            reason="FOREIGN_ORIGIN",
        )
    return link


def _fetch(
    wire: httpx.BaseTransport, link: httpx.URL, path: Path, limits: HttpLimits, max_bytes: int
) -> int | Retry:
    timeout = httpx.Timeout(limits.read, connect=limits.connect).as_dict()
    headers = {"Accept-Encoding": "gzip", "User-Agent": "weathervane-source-kit", "Accept": "*/*"}
    request = httpx.Request("GET", link, headers=headers, extensions={"timeout": timeout})
    # As in the vendor transport: errors are made in the handlers and raised outside, without foreign context.
    failure: SourceError
    try:
        with deadline(limits.exchange):
            raw = wire.handle_request(request)
            try:
                return _save(raw, request, path, max_bytes)
            finally:
                raw.close()
    except httpx.TransportError as error:
        verdict = verdict_of_transport(error)
        if isinstance(verdict, Retry):
            return verdict
        assert isinstance(verdict, Fail)
        failure = verdict.error
    except SourceError as error:
        failure = error
    verdict = verdict_of(failure)
    if isinstance(verdict, Retry) and failure.reason != "LINK_REFUSED":
        return verdict
    raise failure


def _save(raw: httpx.Response, request: httpx.Request, path: Path, max_bytes: int) -> int | Retry:
    if 300 <= raw.status_code < 400:
        raise redirect_error(raw, request.url)
    if raw.status_code != 200:
        raw.request = request
        verdict = classify_by_status(raw) if raw.status_code >= 400 else None
        if isinstance(verdict, Retry):
            return verdict
        refused = f"the download link was refused (HTTP {raw.status_code}, {plain_host(request.url)})"
        raise IncompleteError(refused, reason="LINK_REFUSED")
    encoding = raw.headers.get("content-encoding", "")
    if not encoding and not {"content-length", "transfer-encoding"} & set(raw.headers):
        raise IncompleteError("the download's end cannot be told from a cut", reason="LENGTH_UNKNOWN")
    # Readable by its owner alone from the start: the file is a tenant's data.
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        written = 0
        with os.fdopen(handle, "wb") as file:
            for piece in decoded(raw.iter_raw(), encoding, max_bytes=max_bytes):
                written += file.write(piece)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    return written
