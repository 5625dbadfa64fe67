"""Real servers and plain HTTP: the sandbox is seen as any vendor's client would see it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from weathervane.meta_ads.sandbox import RunningMeta, running_meta

TOKEN = "EAAsandbox"
ALL = {
    "ad": ["ACTIVE", "ADSET_PAUSED", "ARCHIVED", "CAMPAIGN_PAUSED", "DELETED", "PAUSED"],
    "adset": ["ACTIVE", "ARCHIVED", "CAMPAIGN_PAUSED", "DELETED", "PAUSED"],
    "campaign": ["ACTIVE", "ARCHIVED", "DELETED", "PAUSED"],
}
EUROPE, JAPAN, WEST = "1010035716096012", "1010035716096013", "1010035716096014"


class Client:
    """A plain HTTP client of one running pretend Meta."""

    def __init__(self, running: RunningMeta) -> None:
        self.running = running
        self.meta = running.meta
        self.http = httpx.Client(
            base_url=running.url,
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=30,
            follow_redirects=False,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def get(self, path: str, /, **params: Any) -> httpx.Response:
        """A call; what is no text goes as JSON."""
        plain = {name: one if isinstance(one, str) else json.dumps(one) for name, one in params.items()}
        return self.http.get(path, params=plain)

    def ok(self, path: str, /, **params: Any) -> dict[str, Any]:
        """A call that must succeed; its JSON."""
        answer = self.get(path, **params)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def error(self, path: str, /, **params: Any) -> tuple[int, int | None]:
        """A call that must fail; code and subcode."""
        found = self.get(path, **params).json()["error"]
        return found["code"], found.get("error_subcode")

    def rows(self, path: str = f"/v26.0/act_{EUROPE}/insights", /, **params: Any) -> list[dict[str, Any]]:
        """A list to its end."""
        return [row for page in self.pages(path, **params) for row in page]

    def pages(self, path: str, /, **params: Any) -> list[list[dict[str, Any]]]:
        """A list to its end, page by page."""
        found: list[list[dict[str, Any]]] = []
        for _ in range(1000):
            page = self.ok(path, **params)
            found.append(page["data"])
            if "next" not in page.get("paging", {}):
                return found
            params["after"] = page["paging"]["cursors"]["after"]
        raise AssertionError("the list does not end")


def days(since: str, until: str | None = None) -> dict[str, str]:
    """A time range."""
    return {"since": since, "until": until or since}


def every(level):
    """The condition that brings deleted objects too."""
    return [{"field": f"{level}.effective_status", "operator": "IN", "value": ALL[level]}]


@pytest.fixture(scope="session")
def _seeded() -> Iterator[Client]:
    with running_meta() as running, Client(running) as client:
        yield client


@pytest.fixture
def meta(_seeded: Client) -> Iterator[Client]:
    """The seeded world; only for tests that leave it as it is. Faults and requests are cleared after each."""
    yield _seeded
    _seeded.meta.faults.clear()
    _seeded.meta.recorder.clear()


@pytest.fixture
def start() -> Iterator[Callable[..., Client]]:
    """Starts worlds of the test's own."""
    with contextlib.ExitStack() as stack:

        def begin(**options: Any) -> Client:
            running = stack.enter_context(running_meta(**options))
            return stack.enter_context(Client(running))

        yield begin
