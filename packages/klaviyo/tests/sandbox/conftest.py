"""Real servers and plain HTTP: the sandbox is seen as any vendor's client would see it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from weathervane.klaviyo.sandbox import LEGACY, OMNI, RunningKlaviyo, running_klaviyo

KEY = "pk_sandbox"
EMAIL = "equals(messages.channel,'email')"
"""A legacy list must be of one channel."""


class Client:
    """A plain HTTP client of one running account."""

    def __init__(self, running: RunningKlaviyo) -> None:
        self.running = running
        self.account = running.account
        self.http = httpx.Client(base_url=running.url, timeout=30, follow_redirects=False)

    def get(self, path: str, /, revision: str = OMNI, key: str = KEY, **parameters: str) -> httpx.Response:
        """Sends a GET; brackets in names are written `page__size`."""
        names = {name: f"{name.replace('__', '[')}]" if "__" in name else name for name in parameters}
        given = {names[name]: value for name, value in parameters.items()}
        return self.http.get(f"/api/{path}", params=given, headers=self.headers(revision, key))

    def data(self, path: str, /, **parameters: Any) -> Any:
        """A GET that must succeed; the answer's data."""
        answer = self.get(path, **parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def ids(self, path: str, /, **parameters: Any) -> list[str]:
        """The ids of a GET that must succeed."""
        return [one["id"] for one in self.data(path, **parameters)]

    def refusal(self, path: str, /, **parameters: Any) -> tuple[int, str, dict[str, str]]:
        """The status, detail and source of a GET that must be refused, in Klaviyo's form."""
        return refusal_of(self.get(path, **parameters))

    def report(self, url: str = "/api/campaign-values-reports", **attributes: Any) -> httpx.Response:
        """Asks for a report of the third quarter, with what is given instead."""
        asked = {
            "statistics": ["recipients", "delivered", "conversion_value"],
            "timeframe": {"start": "2026-07-01T00:00:00", "end": "2026-09-30T23:00:00"},
            "conversion_metric_id": "RESQ6t",
        } | attributes
        body = {"data": {"type": "campaign-values-report", "attributes": asked}}
        headers = {**self.headers(OMNI, KEY), "Content-Type": "application/vnd.api+json"}
        return self.http.post(url, json=body, headers=headers)

    def headers(self, revision: str, key: str) -> dict[str, str]:
        """What every request carries."""
        given = {"Authorization": f"Klaviyo-API-Key {key}", "Accept": "application/vnd.api+json"}
        return given | ({"revision": revision} if revision else {})


def refusal_of(answer: httpx.Response) -> tuple[int, str, dict[str, str]]:
    """The parts of a refusal."""
    assert answer.headers["content-type"] == "application/vnd.api+json"
    (error,) = answer.json()["errors"]
    assert set(error) == {"id", "status", "code", "title", "detail", "source", "links", "meta"}
    assert error["status"] == answer.status_code
    return answer.status_code, error["detail"], error["source"]


def legacy_pages(client: Client) -> list[dict[str, Any]]:
    """All that the legacy lists of an account hold, as an export of it would."""
    asked = (
        f"equals(messages.channel,'{channel}'),equals(archived,{archived})"
        for channel in ("email", "sms", "mobile_push")
        for archived in ("true", "false")
    )
    answers = [
        client.get("campaigns", revision=LEGACY, filter=one, include="campaign-messages") for one in asked
    ]
    return [answer.json() for answer in answers]


@pytest.fixture
def start() -> Iterator[Callable[..., Client]]:
    """Starts accounts of the test's own; small and without quotas, unless the test says otherwise."""
    with contextlib.ExitStack() as stack:

        def begin(**options: Any) -> Client:
            small = {"campaigns": 20, "life": False, "quota_factor": 10_000}
            client = Client(stack.enter_context(running_klaviyo(**{**small, **options})))
            stack.callback(client.http.close)
            return client

        yield begin


@pytest.fixture(scope="session")
def _seeded() -> Iterator[Client]:
    with running_klaviyo(quota_factor=10_000, life=False) as running:
        client = Client(running)
        yield client
        client.http.close()


@pytest.fixture
def acme(_seeded: Client) -> Iterator[Client]:
    """The seeded account of 60 campaigns; only for tests that leave it as it is. Faults are cleared after each."""
    yield _seeded
    _seeded.account.faults.clear()


__all__ = ["EMAIL", "KEY", "LEGACY", "OMNI", "Client", "legacy_pages", "refusal_of"]
