"""Real servers and plain HTTP: the sandbox is seen as any vendor's client would see it."""

from __future__ import annotations

import contextlib
import functools
import importlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from google.protobuf import json_format

from weathervane.google_ads.sandbox import RunningGoogleAds, running_google_ads


@functools.cache
def message(version: str, module: str, name: str) -> Any:
    """A message class of the official protos."""
    found = importlib.import_module(f"google.ads.googleads.{version}.{module}")
    return getattr(found, name)


def strictly(version: str, module: str, name: str, body: Any) -> Any:
    """The JSON as the official message; fails on any member, type or enum that the proto does not have."""
    kind = message(version, module, name)
    return json_format.ParseDict(body, kind.pb(kind()))


class Client:
    """A plain HTTP client of one running vendor, which holds every answer to the official protos."""

    def __init__(self, running: RunningGoogleAds) -> None:
        self.running = running
        self.vendor = running.vendor
        self.http = httpx.Client(base_url=running.url, timeout=30, follow_redirects=False)
        self.version = "v26"
        self.http.headers["Authorization"] = f"Bearer {self.token()}"
        world = running.vendor.world
        self.root = world.accessible[0]
        below = [one for one, _ in world.below(self.root)]
        self.customer = next(one for one in below if not world.accounts[one].manager)
        self.login: str | None = self.root if self.customer != self.root else None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def grant(self, path: str = "/token", **form: str) -> httpx.Response:
        """Ask the token endpoint."""
        options = self.vendor.options
        mine = {
            "grant_type": "refresh_token",
            "client_id": options.client_id,
            "client_secret": options.client_secret,
            "refresh_token": options.refresh_token,
        }
        return self.http.post(path, data=mine | form)

    def token(self) -> str:
        """A new access token."""
        answer = self.grant()
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def post(
        self, method: str, body: Any, customer: str | None = None, login: str | None = ""
    ) -> httpx.Response:
        """Call a method of GoogleAdsService; `login` None sends no login-customer-id."""
        way = self.login if login == "" else login
        path = f"/{self.version}/customers/{customer or self.customer}/googleAds:{method}"
        answer = self.http.post(path, json=body, headers={"login-customer-id": way} if way else {})
        self.hold_to_protos(method, answer)
        return answer

    def stream(self, query: str, /, **more: Any) -> list[dict[str, Any]]:
        """The rows of searchStream, which must succeed."""
        answer = self.post("searchStream", {"query": query}, **more)
        assert answer.status_code == 200, answer.text
        return [row for chunk in answer.json() for row in chunk.get("results", ())]

    def refused(self, query: str, /, **more: Any) -> tuple[int, str]:
        """HTTP status and error code of a query that must not succeed."""
        answer = self.post("searchStream", {"query": query}, **more)
        return answer.status_code, code_of(answer)

    def hold_to_protos(self, method: str, answer: httpx.Response) -> None:
        """Parse an answer strictly; an error's details as well."""
        body = answer.json()
        service = "services.types.google_ads_service"
        parts = body if method == "searchStream" else [body]
        kind = "SearchGoogleAdsStreamResponse" if method == "searchStream" else "SearchGoogleAdsResponse"
        for part in parts:
            if "error" not in part:
                strictly(self.version, service, kind, part)
                continue
            for detail in part["error"].get("details", ()):
                assert detail.pop("@type").endswith("errors.GoogleAdsFailure")
                strictly("v26", "errors.types.errors", "GoogleAdsFailure", detail)


def code_of(answer: httpx.Response) -> str:
    """`queryError.UNRECOGNIZED_FIELD` of a refusal, from an object or an array."""
    body = answer.json()
    part = body[-1] if isinstance(body, list) else body
    ((category, code),) = part["error"]["details"][0]["errors"][0]["errorCode"].items()
    return f"{category}.{code}"


@pytest.fixture(scope="session")
def _seeded() -> Iterator[Client]:
    with running_google_ads(chunk_rows=40) as running, Client(running) as client:
        yield client


@pytest.fixture
def acme(_seeded: Client) -> Iterator[Client]:
    """The seeded accounts; only for tests that leave them as they are. Faults are cleared after each."""
    yield _seeded
    _seeded.version = "v26"
    _seeded.vendor.faults.clear()


@pytest.fixture
def start() -> Iterator[Callable[..., Client]]:
    """Start vendors of the test's own; small, unless the test says otherwise."""
    with contextlib.ExitStack() as stack:

        def begin(**options: Any) -> Client:
            running = stack.enter_context(running_google_ads(**{"clients": 1, "days": 12, **options}))
            return stack.enter_context(Client(running))

        yield begin
