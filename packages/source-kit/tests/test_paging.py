"""Every page is read, none twice, and no link leads away."""

from collections.abc import Callable

import httpx
import pytest

from weathervane.source._errors import ContractError
from weathervane.source._http.paging import Page, origin_of, paginate, same_origin


def pages(*items: list[int]) -> Callable[[str | None], Page[int, str]]:
    """A vendor with these pages: cursor c1 leads to the second, and so on."""

    def fetch(cursor: str | None) -> Page[int, str]:
        at = 0 if cursor is None else int(cursor[1:])
        return Page(items[at], f"c{at + 1}" if at + 1 < len(items) else None)

    return fetch


@pytest.mark.parametrize("read", [[[1, 2], [3]], [[], [1], [], [2], []], [[]], [[1] * 250, [2]]], ids=str)
def test_only_the_missing_cursor_ends_a_read(read: list[list[int]]) -> None:
    """A short or empty page with a next one goes on."""
    assert [list(page.items) for page in paginate(pages(*read), what="orders")] == read


@pytest.mark.parametrize("length", [1, 2, 7])
def test_a_loop_is_named_after_one_round(length: int) -> None:
    """A vendor whose cursors run in a circle is left after it, however long it is."""
    calls: list[int | None] = []

    def fetch(cursor: int | None) -> Page[int, int]:
        calls.append(cursor)
        return Page([], len(calls) % length)

    with pytest.raises(ContractError, match="the pages of orders run in a loop"):
        list(paginate(fetch, what="orders"))
    assert len(calls) <= length + 1


def test_a_read_without_end_stops_at_the_bound() -> None:
    """Ever new cursors are no loop, but still no end."""
    calls: list[object] = []

    def fetch(cursor: int | None) -> Page[int, int]:
        calls.append(cursor)
        return Page([], len(calls))

    with pytest.raises(ContractError, match="orders has more than 50 pages"):
        list(paginate(fetch, what="orders", max_pages=50))
    assert len(calls) == 50


def test_as_many_pages_as_allowed_are_read() -> None:
    """The bound is a number of pages, not one less."""
    assert len(list(paginate(pages([1], [2], [3]), what="orders", max_pages=3))) == 3


def test_pages_are_fetched_when_asked_for() -> None:
    """A slow consumer holds one page in memory, not all."""
    fetched: list[str | None] = []
    source = pages([1], [2], [3])

    def fetch(cursor: str | None) -> Page[int, str]:
        fetched.append(cursor)
        return source(cursor)

    reading = paginate(fetch, what="orders")
    next(reading)
    assert fetched == [None]


BASE = "https://a.klaviyo.com/api/"


@pytest.mark.parametrize(
    ("link", "absolute"),
    [
        ("https://a.klaviyo.com/api/campaigns?page%5Bcursor%5D=x", "https://a.klaviyo.com/api/campaigns?page%5Bcursor%5D=x"),
        ("https://A.Klaviyo.com:443/api/x", "https://a.klaviyo.com/api/x"),
        ("campaigns?c=1", "https://a.klaviyo.com/api/campaigns?c=1"),
        ("/api/y", "https://a.klaviyo.com/api/y"),
    ],
    ids=["absolute", "default port", "relative", "rooted"],
)  # fmt: skip
def test_a_link_to_the_same_place_is_made_absolute(link: str, absolute: str) -> None:
    """The vendor may write its links as it likes, as long as they stay."""
    assert same_origin(link, BASE) == absolute


@pytest.mark.parametrize(
    "link",
    [
        "http://a.klaviyo.com/api/x?k=canary",
        "https://a.klaviyo.com:8443/x?k=canary",
        "https://b.klaviyo.com/x?k=canary",
        "https://a.klaviyo.com.evil.example/x?k=canary",
        "https://a.klaviyo.com@evil.example/x?k=canary",
        "https://canary@a.klaviyo.com/x",
        "https://a.klaviyo.com\\@evil.example/?k=canary",
        "//evil.example/x?k=canary",
        "ftp://a.klaviyo.com/canary",
        "file:///etc/canary",
        "javascript:canary",
        "https://[canary",
        "https://a.klaviyo.com\r\nX-Evil: canary",
        "https://a.klaviyo.com:canary/",
    ],
)
def test_a_link_elsewhere_is_refused_by_host_alone(link: str) -> None:
    """Scheme, host and port must be the vendor's; the message never shows what else the link holds."""
    with pytest.raises(
        ContractError, match=r"a paging link leads to .+ instead of a\.klaviyo\.com"
    ) as caught:
        same_origin(link, BASE)
    assert "canary" not in repr(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("link", "place"),
    [("http://127.0.0.1:5001/x", "127.0.0.1:5001"), ("http://[::1]:5000/x", "[::1]:5000")],
)
def test_a_place_that_differs_by_its_port_is_told_with_it(link: str, place: str) -> None:
    """Else the message says that 127.0.0.1 is not 127.0.0.1."""
    with pytest.raises(ContractError) as caught:
        same_origin(link, "http://127.0.0.1:5000/api/")
    assert f"a paging link leads to {place} instead of 127.0.0.1:5000;" in str(caught.value)


def test_the_default_port_is_the_same_place() -> None:
    """443 is what https means."""
    assert (
        origin_of(httpx.URL("https://x:443/a")) == origin_of(httpx.URL("https://x/b")) == ("https", "x", 443)
    )
