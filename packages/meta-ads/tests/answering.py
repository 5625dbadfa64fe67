"""A Meta that answers what it is told to: any bytes, for each kind of call that the client makes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from weathervane.meta_ads import Account, MetaAdsClient, MetaAdsCredentials
from weathervane.meta_ads._pace import AppPace
from weathervane.meta_ads._queries import Extent
from weathervane.meta_ads._report_run import InsightsRead
from weathervane.meta_ads._tokens import token_findings
from weathervane.source.sandbox import bind, serving, url_of

from .bench import ONE_CALL, REPORTS, Clock

TOKEN, SECRET = "EAAcanary4e1d7", "secret-canary-77a1"
DAY = date(2026, 10, 20)
ROW = {
    "account_id": "101",
    "ad_id": "13",
    "date_start": "2026-10-20",
    "date_stop": "2026-10-20",
    "spend": "10",
}
NODE = {
    "id": "act_101",
    "account_id": "101",
    "currency": "EUR",
    "timezone_name": "Europe/Paris",
    "name": "Mine",
}
TOLD = {"data": {"is_valid": True, "expires_at": 0, "data_access_expires_at": 0, "scopes": ["ads_read"]}}
GOOD: Mapping[str, Any] = {
    "accounts": {"data": [NODE]},
    "node": NODE,
    "insights": {"data": [ROW]},
    "report": {"report_run_id": "601"},
    "poll": {"async_status": "Job Completed", "async_percent_completion": 100},
    "results": {"data": [ROW]},
    "objects": {"data": [{"id": "11"}, {"id": "12"}]},
    "token": [{"code": 200, "headers": [], "body": json.dumps(TOLD)}],
}
"""Kind of call -> a good answer to it."""
FAILED = {
    "async_status": "Job Failed",
    "async_percent_completion": 100,
    "error_code": -3,
    "error_subcode": 1504045,
}


class Answering:
    """Serves the good answers, but for the kinds that are told otherwise. Remembers every URL."""

    def __init__(self) -> None:
        self.url = ""
        self.told: dict[str, bytes] = {}
        self.headers: dict[str, str] = {}
        self.status = 200
        self.urls: list[str] = []

    async def __call__(self, scope: Any, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        """One call, as ASGI has it."""
        while (await receive()).get("more_body"):
            pass
        path, query = scope["path"], scope["query_string"].decode()
        self.urls.append(f"{path}?{query}")
        kind = kind_of(scope["method"], path.removeprefix("/v26.0").strip("/"))
        body = self.told.get(kind, json.dumps(GOOD[kind]).encode())
        head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        head += [(name.encode(), value.encode("latin-1")) for name, value in self.headers.items()]
        status = self.status if kind in self.told else 200
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": body})

    def credentials(self, **more: Any) -> MetaAdsCredentials:
        """With the app's secret, so that each call carries a proof."""
        secret = SecretStr(SECRET)
        access = {"access_token": SecretStr(TOKEN), "app_id": "1234567890", "app_secret": secret}
        return MetaAdsCredentials(**{**access, "api_url": self.url, **more})

    def make(self, kind: str) -> Any:
        """Makes the calls that end with one of this kind, and gives what comes of them."""
        if kind == "token":
            return token_findings(self.credentials(), datetime(2026, 11, 1, tzinfo=UTC))
        named = {"accounts": "101"} if kind == "node" else {}
        settings, clock = replace(ONE_CALL if kind == "insights" else REPORTS, min_page_size=500), Clock()
        settings = replace(settings, poll_seconds=(600.0,))
        if kind == "objects":
            self.told["poll"] = json.dumps(FAILED).encode()
        pace = AppPace(settings, clock=clock, sleep=clock.sleep)
        with MetaAdsClient("acme", self.credentials(**named), settings, pace=pace) as client:
            if kind in ("accounts", "node"):
                found = client.accounts()
                if kind == "node" and found.refused:
                    raise found.refused["101"]  # which keeps no other account from being read
                return {"readable": found.readable, "refused": found.refused}
            account = Account("101", "Mine", "EUR", ZoneInfo("Europe/Paris"), 1)
            fields = ["account_id", "ad_id", "spend"]
            read = InsightsRead(client, account, "ad", fields, clock=clock, sleep=clock.sleep)
            return [row for page in read.pages(Extent(DAY, DAY)) for row in page]


def kind_of(method: str, path: str) -> str:
    """What a call is, by the key of `GOOD`."""
    if method == "POST":
        return "report" if path else "token"
    if path == "me/adaccounts":
        return "accounts"
    node, _, edge = path.partition("/")
    if edge == "insights":
        return "insights" if node.startswith("act_") else "results"
    return "objects" if edge else "node" if node.startswith("act_") else "poll"


@contextlib.contextmanager
def answering() -> Iterator[Answering]:
    """Serves one on a free port until the block ends."""
    one = Answering()
    with contextlib.closing(bind()) as sock:
        one.url = url_of(sock)
        with serving([(one, sock)]):
            yield one
