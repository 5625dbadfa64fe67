"""What an answer means: pure functions from a whole httpx.Response to a verdict. No I/O."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime

import httpx
import msgspec

from weathervane.source._errors import (
    ContractError,
    CredentialsError,
    RetriableError,
    SourceError,
    ThrottledError,
    UnavailableError,
    bounded_delay,
)
from weathervane.source._table.decode import replaced

__all__ = [
    "Accept",
    "Classify",
    "Fail",
    "Retry",
    "Verdict",
    "classify_by_status",
    "decode_json",
    "retry_after",
    "verdict_of",
]

_MAX_DEPTH = 100
"""Containers within containers; the four vendors' documented answers stay below 20."""
_JSON = "weathervane.json"
_SECONDS = re.compile(r"\d{1,12}(\.\d{1,9})?", re.ASCII)
_PLAIN = re.compile(r"[A-Za-z0-9_.:/+-]{1,80}")


@dataclass(frozen=True)
class Accept:
    """The answer is what was asked for."""


@dataclass(frozen=True)
class Retry:
    """Try again: after ``after`` seconds when the vendor said so, else after a growing back-off.

    ``error`` is raised when no attempt is left.
    """

    error: RetriableError
    after: float | None = None


@dataclass(frozen=True)
class Fail:
    """Do not try again: raise ``error``. ``refresh``: a new access token may help, once, if there is one."""

    error: SourceError
    refresh: bool = False


Verdict = Accept | Retry | Fail
Classify = Callable[[httpx.Response], Verdict]
"""A vendor's judgement of a whole, bounded answer. May also raise a SourceError (e.g. from `decode_json`)."""


def decode_json(response: httpx.Response) -> object:
    """Decode a whole answer's JSON, once: later calls for the same response give the same object.

    Numbers with a point or exponent become Decimal (exact: money in JSON numbers survives), others int.
    Raises UnavailableError for what is not JSON (HTML, cut text, NaN, Infinity), ContractError for JSON
    deeper than 100 levels. Neither holds any of the text. Half of a surrogate pair, which no text can hold, is read as
    U+FFFD.
    """
    if _JSON in response.extensions:
        return response.extensions[_JSON]
    document, problem = _decoded(response.content)
    if problem == "syntax" and (whole := replaced(response.content)) is not None:
        document, problem = _decoded(whole)
    if problem == "syntax":
        raise UnavailableError(
            f"the answer is not JSON ({_describe(response)}, {len(response.content):,} bytes)",
            reason="NOT_JSON",
        )
    if problem == "depth" or _deeper_than(document, _MAX_DEPTH):
        raise ContractError(f"the answer's JSON is deeper than {_MAX_DEPTH} levels", reason="JSON_TOO_DEEP")
    response.extensions[_JSON] = document
    return document


def _decoded(body: bytes) -> tuple[object, str]:
    try:
        return _decoder.decode(body), ""
    except RecursionError:
        return None, "depth"
    except ValueError:  # msgspec.DecodeError and UnicodeDecodeError: the latter carries the body
        return None, "syntax"


def classify_by_status(response: httpx.Response) -> Verdict:
    """Judge by status, and ask a 2xx to be JSON: what a vendor's own `Classify` falls back to.

    | status | verdict |
    |---|---|
    | 2xx | Accept when it decodes as JSON, else Retry |
    | 401 | Fail CredentialsError, refresh |
    | 403 | Fail CredentialsError; Retry when it is an HTML page (an edge's, Klaviyo: seen from Cloudflare) |
    | 408, 425, 5xx | Retry UnavailableError |
    | 429, 430 (Shopify) | Retry ThrottledError |
    | others | Fail ContractError |

    Every Retry carries the vendor's Retry-After when there is one.
    """
    status = response.status_code
    after = retry_after(response)
    said = _describe(response)
    if 200 <= status < 300:
        decode_json(response)
        return Accept()
    if status in (429, 430):
        limited = f"the vendor limits the rate ({said})"
        return Retry(ThrottledError(limited, reason="THROTTLED", retry_after=after), after)
    if status in (408, 425) or status >= 500:
        return Retry(UnavailableError(f"the vendor is unavailable ({said})", reason=f"HTTP_{status}"), after)
    if status == 401:
        refused = CredentialsError(f"the vendor refuses the access token ({said})", reason="TOKEN_REFUSED")
        return Fail(refused, refresh=True)
    if status == 403 and response.headers.get("content-type", "").startswith("text/html"):
        return Retry(UnavailableError(f"an edge server refuses ({said})", reason="EDGE_REFUSED"), after)
    if status == 403:
        return Fail(CredentialsError(f"the vendor forbids the call ({said})", reason="FORBIDDEN"))
    return Fail(ContractError(f"the vendor refuses the call ({said})", reason=f"HTTP_{status}"))


def verdict_of(error: SourceError) -> Verdict:
    """Give the verdict that an error raised while judging stands for."""
    if isinstance(error, RetriableError):
        return Retry(error, getattr(error, "retry_after", None))
    return Fail(error)


def retry_after(response: httpx.Response) -> float | None:
    """Seconds that the vendor asks to wait by Retry-After, 0 … a day; None when it does not (readably) ask.

    Takes whole and decimal seconds (Shopify: ``2.0``) and HTTP-dates. A date is compared with the answer's
    own Date, so that a wrong clock on our side does no harm.
    """
    value = response.headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(value):
        return bounded_delay(float(value))
    until = _http_date(value)
    if until is None:
        return None
    now = _http_date(response.headers.get("date", "")) or datetime.now(UTC)
    return bounded_delay((until - now).total_seconds())


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _describe(response: httpx.Response) -> str:
    """Status, media type and the vendor's request id, as far as they are plain words."""
    headers = response.headers
    media = headers.get("content-type", "").partition(";")[0].strip()
    names = ("x-request-id", "request-id", "x-fb-trace-id")
    request_id = next((headers[name] for name in names if name in headers), "")
    parts = [f"HTTP {response.status_code}"]
    if _PLAIN.fullmatch(media):
        parts.append(media)
    if _PLAIN.fullmatch(request_id):
        parts.append(f"request id {request_id}")
    return ", ".join(parts)


def _deeper_than(document: object, levels: int) -> bool:
    level = [document] if isinstance(document, dict | list) else []
    for _ in range(levels):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return False
    return True


def _exact(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except ArithmeticError:
        raise ValueError("number out of range") from None
    # 1e999999999 is a legal Decimal, and a bomb for whoever makes an integer of it.
    if abs(number.adjusted()) > 400:
        raise ValueError("number out of range")
    return number


_decoder: msgspec.json.Decoder[object] = msgspec.json.Decoder(float_hook=_exact)
