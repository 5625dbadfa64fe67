"""One tenant's pretend Meta, and what its lake holds."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from typing import Any, Self
from urllib.parse import parse_qsl

from pydantic import SecretStr

from weathervane.lake import LakeClient, NotFoundError, TableRef
from weathervane.meta_ads import (
    InsightsReader,
    MetaAdsClient,
    MetaAdsCredentials,
    MetaAdsSettings,
    datasets_for,
)
from weathervane.meta_ads._pace import AppPace
from weathervane.meta_ads.sandbox import RunningMeta
from weathervane.source import Ingestion, IngestionSummary
from weathervane.source.sandbox import SeenRequest

ONE_CALL = replace(MetaAdsSettings(), sync_days=dict.fromkeys(("account", "campaign", "adset", "ad"), 92))
"""Reads everything synchronously."""
REPORTS = replace(
    MetaAdsSettings(), sync_days=dict.fromkeys(("account", "campaign", "adset", "ad"), 0), poll_seconds=(0.0,)
)
"""Reads everything by report runs, and looks again at once."""
Row = dict[str, Any]


def row(ad: str = "120210478963240123", **more: Any) -> dict[str, Any]:
    """A row of an ad as Meta sends it."""
    return {
        "account_id": "101",
        "account_currency": "USD",
        "campaign_id": "120210478963240001",
        "adset_id": "120210478963240002",
        "ad_id": ad,
        "date_start": "2026-10-20",
        "date_stop": "2026-10-20",
        "impressions": "9708",
        "spend": "133.9",
        **more,
    }


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        """Seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Moves it."""
        self.slept.append(seconds)
        self.now += seconds


class Bench:
    """Reads one running pretend Meta into a tenant's tables, and compares."""

    def __init__(
        self, lake: LakeClient, running: RunningMeta, tenant: str, token: str = "EAAsandbox"
    ) -> None:
        self.lake, self.running, self.meta, self.tenant = lake, running, running.meta, tenant
        self.clock = Clock()
        self.token = token

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def credentials(self, **more: Any) -> MetaAdsCredentials:
        """Of this tenant."""
        fields = {"access_token": SecretStr(self.token), "api_url": self.running.url, **more}
        return MetaAdsCredentials(**fields)

    def client(self, settings: MetaAdsSettings | None = None, **more: Any) -> MetaAdsClient:
        """A client with a gate of its own, whose clock is ours."""
        settings = settings or MetaAdsSettings()
        pace = AppPace(settings, clock=self.clock, sleep=self.clock.sleep)
        return MetaAdsClient(self.tenant, self.credentials(**more), settings, pace=pace)

    def run(self, settings: MetaAdsSettings | None = None, **reader: Any) -> IngestionSummary:
        """One run, at the sandbox's own time unless told otherwise."""
        credentials = reader.pop("credentials", {})
        wrap: Callable[[Any], Any] = reader.pop("wrap", lambda one: one)
        with self.client(settings, **credentials) as client:
            one = wrap(InsightsReader(client, **{"now": self.meta.now(), **reader}))
            with Ingestion(self.lake.target, self.tenant, one, str(uuid.uuid4())) as ingestion:
                while (slice := ingestion.next_slice()) is not None:
                    ingestion.write(slice)
                return ingestion.summary()

    def rows(self, table: str = "meta_ads") -> list[Row]:
        """A table; nothing when there is none."""
        try:
            found: list[Row] = self.lake.read(TableRef(self.tenant, table)).read_all().to_pylist()
        except NotFoundError:
            return []
        return found

    def checkpoint(self, table: str = "meta_ads") -> dict[str, str] | None:
        """A table's checkpoint."""
        value = self.lake.checkpoint(TableRef(self.tenant, table)).value
        return None if value is None else json.loads(value)

    def truth(self, level: str = "adset") -> dict[tuple[str, ...], Row]:
        """What the sandbox holds, by the level's natural key."""
        return {key_of(level, row): dict(row) for row in self.meta.truth(f"insights_{level}")}

    def holds_the_truth(self, level: str = "adset", *, since: date | None = None) -> None:
        """Every row, every figure and every action of the lake is the sandbox's, and none is missing."""
        for dataset in datasets_for(level):
            truth = self.meta.table(dataset.name)
            rows = [row for row in truth.rows if since is None or row["date"] >= since]
            assert rows, "the sandbox has nothing, so this proves nothing"
            assert replace(truth, rows=rows).difference(self.rows(dataset.name)) is None, dataset.name

    def requests(self, *kinds: str) -> list[SeenRequest]:
        """What the sandbox was asked, of some kinds: insights, report, poll, results, edge, node."""
        return [one for one in self.meta.recorder.seen() if not kinds or one.note.get("kind") in kinds]


def key_of(level: str, row: Row) -> tuple[str, ...]:
    """A row's natural key, without the tenant."""
    day = str(row.get("date_start", row.get("date")))
    return (row["account_id"], day) if level == "account" else (row["account_id"], row[f"{level}_id"], day)


def asked(requests: Iterable[SeenRequest]) -> list[dict[str, str]]:
    """The parameters of requests, wherever they stood."""
    return [dict([*parse_qsl(one.query), *parse_qsl(one.body)]) for one in requests]
