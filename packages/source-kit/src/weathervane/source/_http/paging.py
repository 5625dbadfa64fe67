"""Pages, to the last one: an empty page does not end a read, a loop cannot start, a link cannot lead away."""

import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import httpx

from weathervane.source._errors import ContractError

__all__ = ["Page", "origin_of", "paginate", "plain_host", "same_origin"]

T = TypeVar("T")
C = TypeVar("C", bound=Hashable)

_HOST = re.compile(r"[a-z0-9.:-]{1,253}")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Page(Generic[T, C]):
    """One page: its items, and the cursor of the next page; None says that this is the last."""

    items: Sequence[T]
    next: C | None


def paginate(
    fetch: Callable[[C | None], Page[T, C]], *, what: str, max_pages: int = 100_000
) -> Iterator[Page[T, C]]:
    """Yield every page, starting with ``fetch(None)`` and going on while the vendor names a next one.

    Only ``next`` ends the read: a short or empty page that has one does not (Meta and Klaviyo send such).
    ``what`` names the read in errors, e.g. ``"orders"``. Lazy: a page is fetched when asked for.

    Raises ContractError when a cursor comes twice (the read would go on for ever), and for more pages than
    ``max_pages``. Memory: one hash per page.
    """
    seen: set[int] = set()
    cursor: C | None = None
    for number in range(1, max_pages + 1):
        page = fetch(cursor)
        yield page
        cursor = page.next
        if cursor is None:
            return
        # Hashes, not cursors: those may be kilobytes. Two of 100,000 collide once in 3.7 billion reads.
        key = hash(cursor)
        if key in seen:
            raise ContractError(
                f"the pages of {what} run in a loop: page {number} names a next page that was read before",
                reason="PAGING_LOOP",
            )
        seen.add(key)
    raise ContractError(f"{what} has more than {max_pages:,} pages", reason="TOO_MANY_PAGES")


def same_origin(url: str, base_url: str) -> str:
    """Return the vendor's next link, made absolute, if it stays on the scheme, host and port of ``base_url``.

    Raises ContractError, naming the other host and port only, if it leads elsewhere or is no URL: tokens go with it.
    """
    base = httpx.URL(base_url)
    try:
        link = base.join(url)
    except (httpx.InvalidURL, ValueError):
        link = httpx.URL("")
    if origin_of(link) != origin_of(base) or link.userinfo:
        raise ContractError(
            f"a paging link leads to {plain_host(link)} instead of {plain_host(base)}; not followed",
            reason="FOREIGN_ORIGIN",
        )
    return str(link)


def origin_of(url: httpx.URL) -> tuple[str, str, int | None]:
    """Scheme, host and port, the default port filled in: what must be equal to be the same place."""
    return url.scheme, url.host, url.port or _PORTS.get(url.scheme)


def plain_host(url: httpx.URL) -> str:
    """Give a host for a message, with its port unless that is the scheme's own: `127.0.0.1:8080`.

    Only if it is one: a malformed link may hold anything in its place.
    """
    if not _HOST.fullmatch(url.host):
        return "an unreadable host"
    host = f"[{url.host}]" if ":" in url.host else url.host
    return host if url.port is None else f"{host}:{url.port}"
