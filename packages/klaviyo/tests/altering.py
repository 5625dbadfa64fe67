"""The pretend Klaviyo with a hand in its answers: over real sockets, as a spoilt way to a vendor would be."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from weathervane.klaviyo._client import KlaviyoClient, address
from weathervane.klaviyo._tables.reports import Quarter, report_request
from weathervane.klaviyo.sandbox import AccountOptions, PretendAccount, RunningKlaviyo
from weathervane.klaviyo.sandbox._app import api_app
from weathervane.source.sandbox import bind, serving, url_of

from .bench import METRIC

Alter = Callable[[bytes], bytes]


class Altered(RunningKlaviyo):
    """A running account whose answers of one endpoint are altered.

    Attributes:
        hand: what is done with the bodies of its answers, by endpoint: `campaigns`, `campaign-messages/{id}`.
    """

    hand: dict[str, Alter]


@contextlib.contextmanager
def altered(**options: Any) -> Iterator[Altered]:
    """Serves an account; nothing is altered until a hand is given."""
    account = PretendAccount(AccountOptions(quota_factor=10_000, life=False, **options))
    app, hand = api_app(account), dict[str, Alter]()

    async def middle(scope: Any, receive: Any, send: Any) -> None:
        parts = scope.get("path", "").strip("/").split("/")[1:]
        alter = hand.get("/".join("{id}" if number == 1 else part for number, part in enumerate(parts)))
        begun: list[Any] = []
        body = b""

        async def keep(message: Any) -> None:
            nonlocal body
            if message["type"] == "http.response.start":
                begun.append(message)
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                assert alter is not None
                whole = alter(body)
                begun[0]["headers"] = [one for one in begun[0]["headers"] if one[0] != b"content-length"]
                begun[0]["headers"].append((b"content-length", str(len(whole)).encode()))
                await send(begun[0])
                await send({"type": "http.response.body", "body": whole})

        await app(scope, receive, send if alter is None or scope["type"] != "http" else keep)

    with contextlib.closing(bind()) as sock, serving([(middle, sock)]):
        running = Altered(url_of(sock), account)
        object.__setattr__(running, "hand", hand)
        yield running


def _id(client: KlaviyoClient, path: str) -> str:
    return next(client.pages(path, {})).data[0].id


def _report(client: KlaviyoClient) -> bytes:
    account, now = client.account(), NOW
    return client.post(
        "campaign-values-reports", report_request(Quarter.of(now.date()), METRIC, now, account.timezone)
    )


NOW = AccountOptions().now
CALLS: dict[str, tuple[Callable[[KlaviyoClient], Any], tuple[str, ...]]] = {
    "accounts": (lambda client: client.account(), ()),
    "campaigns": (
        lambda client: list(client.pages("campaigns", {"include": "campaign-messages"})),
        ("included", "relationships"),
    ),
    "campaigns/{id}": (
        lambda client: client.one(address("campaigns", _id(client, "campaigns")), "campaign-messages"),
        ("included", "relationships"),
    ),
    "campaign-messages": (
        lambda client: list(client.pages("campaign-messages", {"include": "campaign"})),
        ("included", "relationships"),
    ),
    "campaign-messages/{id}": (
        lambda client: client.one(address("campaign-messages", _id(client, "campaign-messages"))),
        ("relationships",),
    ),
    "campaign-messages/{id}/campaign-variations": (
        lambda client: client.list(
            address("campaign-messages", _id(client, "campaign-messages"), "campaign-variations")
        ),
        ("relationships",),
    ),
    "metrics/{id}": (lambda client: client.one(address("metrics", METRIC)), ()),
    "campaign-values-reports": (_report, ("results", "relationships")),
}
"""Every call of the client, by the endpoint that it asks, with the places that its answer has beside its data."""
