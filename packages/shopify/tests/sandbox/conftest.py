"""Real servers and plain HTTP: the sandbox is seen as any vendor's client would see it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from weathervane.shopify.sandbox import RunningShopify, running_shopify

TOKEN = "shpat_sandbox"
RICH: dict[str, Any] = {"bucket_max": 1_000_000, "bucket_rate": 1_000_000}
"""A bucket that never empties, for tests that are about something else."""

Ask = Callable[..., dict[str, Any]]


class Client:
    """A plain HTTP client of one running shop."""

    def __init__(self, running: RunningShopify) -> None:
        self.running = running
        self.shop = running.shop
        self.http = httpx.Client(
            base_url=running.url,
            headers={"X-Shopify-Access-Token": TOKEN},
            timeout=30,
            follow_redirects=False,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def post(
        self,
        query: str,
        version: str = "2026-10",
        headers: dict[str, str] | None = None,
        /,
        **variables: Any,
    ) -> httpx.Response:
        """Send a query; return the answer as it came."""
        body = {"query": query, "variables": variables}
        return self.http.post(f"/admin/api/{version}/graphql.json", json=body, headers=headers)

    def ask(self, query: str, /, **variables: Any) -> dict[str, Any]:
        """Send a query; return the answer's JSON."""
        answer = self.post(query, **variables)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def data(self, query: str, /, **variables: Any) -> dict[str, Any]:
        """Send a query that must succeed; return its data."""
        answer = self.ask(query, **variables)
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    def codes(self, query: str, /, **variables: Any) -> list[str]:
        """Send a query; return the codes of its errors."""
        return [
            one.get("extensions", {}).get("code") for one in self.ask(query, **variables).get("errors", ())
        ]

    def pages(
        self, root: str, fields: str, /, first: int = 50, **arguments: Any
    ) -> list[list[dict[str, Any]]]:
        """Read a list to its end, page by page."""
        given = "".join(f", {name}: {value}" for name, value in arguments.items())
        query = f"query($after: String) {{ {root}(first: {first}, after: $after{given}) {{ \
            pageInfo {{ hasNextPage endCursor }} nodes {{ {fields} }} }} }}"
        found, after = [], None
        for _ in range(1000):
            page = self.data(query, after=after)[root]
            found.append(page["nodes"])
            if not page["pageInfo"]["hasNextPage"]:
                return found
            after = page["pageInfo"]["endCursor"]
        raise AssertionError("the list does not end")

    def all(self, root: str, fields: str, /, **arguments: Any) -> list[dict[str, Any]]:
        """Read a list to its end."""
        return [node for page in self.pages(root, fields, **arguments) for node in page]


def bulk_link(client: Client, query: str = "{ products { edges { node { id } } } }") -> str:
    """Run a bulk operation to its end; return the link to its file."""
    run = """mutation($query: String!) { bulkOperationRunQuery(query: $query, groupObjects: false) {
        bulkOperation { id } } }"""
    operation = client.data(run, query=query)["bulkOperationRunQuery"]["bulkOperation"]["id"]
    poll = "query($id: ID!) { bulkOperation(id: $id) { status errorCode url } }"
    for _ in range(5):
        seen = client.data(poll, id=operation)["bulkOperation"]
        if seen["status"] not in ("CREATED", "RUNNING"):
            break
    assert (seen["status"], seen["errorCode"]) == ("COMPLETED", None)
    link: str = seen["url"]
    return link


@pytest.fixture(scope="session")
def _seeded() -> Iterator[Client]:
    with running_shopify(**RICH) as running, Client(running) as client:
        yield client


@pytest.fixture
def acme(_seeded: Client) -> Iterator[Client]:
    """The seeded shop of 400 orders; only for tests that leave it as it is. Faults are cleared after each."""
    yield _seeded
    _seeded.shop.faults.clear()


@pytest.fixture
def start() -> Iterator[Callable[..., Client]]:
    """Start shops of the test's own; small, unless the test says otherwise."""
    with contextlib.ExitStack() as stack:

        def begin(**options: Any) -> Client:
            small: dict[str, Any] = {"orders": 20, "products": 5, **RICH}
            running = stack.enter_context(running_shopify(**{**small, **options}))
            return stack.enter_context(Client(running))

        yield begin


@pytest.fixture
def queries() -> dict[str, str]:
    """The query files beside the tests: name -> text."""
    return {path.stem: path.read_text() for path in (Path(__file__).parent / "queries").glob("*.graphql")}
