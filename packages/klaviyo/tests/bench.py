"""A pretend account, the real lake, and one judge of whether the lake holds what the account holds."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from weathervane.klaviyo._client import KlaviyoClient
from weathervane.klaviyo._credentials import KlaviyoCredentials
from weathervane.klaviyo._reader.campaigns import CampaignsReader
from weathervane.klaviyo._settings import API_VERSION, KlaviyoSettings
from weathervane.klaviyo.sandbox import RunningKlaviyo
from weathervane.lake import LakeClient, NotFoundError, TableRef
from weathervane.source import Ingestion, IngestionSummary

CAMPAIGNS, MESSAGES = "klaviyo_campaigns", "klaviyo_campaign_messages"
VARIATIONS, REPORTS = "klaviyo_campaign_variations", "klaviyo_campaign_reports"
KEY = "pk_sandbox"
METRIC = "RESQ6t"
QUICK = KlaviyoSettings()
SMALL = KlaviyoSettings(page_size=7)
"""Pages of seven, so that few records make many pages."""

Row = dict[str, Any]
_runs = itertools.count(1)


class Bench:
    """One account read into one tenant's tables."""

    def __init__(self, lake: LakeClient, running: RunningKlaviyo, tenant: str) -> None:
        self.lake = lake
        self.running = running
        self.account = running.account
        self.tenant = tenant
        self.reader: CampaignsReader | None = None

    def credentials(self, **given: Any) -> KlaviyoCredentials:
        """What the tenant has; with reports when asked for."""
        return KlaviyoCredentials(
            **{"api_key": KEY, "api_url": self.running.url, "revision": API_VERSION} | given
        )

    def run(
        self,
        settings: KlaviyoSettings = QUICK,
        *,
        run_id: str | None = None,
        tenant: str | None = None,
        wrap: Callable[[Any], Any] = lambda reader: reader,
        reports: bool = False,
        credentials: Mapping[str, Any] = {},
        **given: Any,
    ) -> IngestionSummary:
        """One run to its end, without Prefect; `given` goes to the reader."""
        tenant = tenant or self.tenant
        given.setdefault("now", self.account.clock.now())
        held = {"conversion_metric_id": METRIC, **credentials} if reports else dict(credentials)
        with KlaviyoClient(tenant, self.credentials(**held), settings) as client:
            self.reader = CampaignsReader(client, self.lake, **given)
            run_id = run_id or f"run-{next(_runs)}"
            with Ingestion(self.lake.target, tenant, wrap(self.reader), run_id) as ingestion:
                while (slice := ingestion.next_slice()) is not None:
                    ingestion.write(slice)
                return ingestion.summary()

    def rows(self, dataset: str, tenant: str | None = None) -> list[Row]:
        """A table of the lake, without the tenant's name; empty when there is none."""
        try:
            table = self.lake.read(TableRef(tenant or self.tenant, dataset)).read_all()
        except NotFoundError:
            return []
        return [{k: v for k, v in row.items() if k != "tenant_id"} for row in table.to_pylist()]

    def by_id(self, dataset: str, key: str, tenant: str | None = None) -> dict[str, Row]:
        """A table by one of its columns."""
        rows = self.rows(dataset, tenant)
        found = {row[key]: row for row in rows}
        assert len(found) == len(rows), f"{dataset}: a {key} is there twice"
        return found

    def checkpoint(self, dataset: str = CAMPAIGNS) -> dict[str, str] | None:
        """A table's checkpoint."""
        value = self.lake.checkpoint(TableRef(self.tenant, dataset)).value
        return None if value is None else json.loads(value)

    def versions(self) -> dict[str, tuple[int, int]]:
        """Files and bytes of each table: what a run that changes nothing leaves as they are."""
        found = {}
        for dataset in (CAMPAIGNS, MESSAGES, VARIATIONS):
            table = self.lake.describe(TableRef(self.tenant, dataset))
            found[dataset] = (table.file_count, table.size_bytes)
        return found

    def requests(self, endpoint: str | None = None) -> list[Any]:
        """The requests that the account saw, of one endpoint or of all."""
        return [
            one for one in self.account.requests if endpoint is None or one.note.get("endpoint") == endpoint
        ]

    def ids(self, kind: str = "campaign") -> list[str]:
        """The ids of the account's records of a type, sorted."""
        return sorted(self.account.world.records[kind])

    def holds_the_account(self, *datasets: str) -> None:
        """Asserts that the tables hold exactly what the account holds, and the deleted ones with a time."""
        for dataset in datasets or (CAMPAIGNS, MESSAGES, VARIATIONS):
            table = self.account.table(dataset)
            (key,) = table.keys
            truth = {one[key]: one for one in table.rows}
            held = self.by_id(dataset, key)
            live = {one: row for one, row in held.items() if row.get("deleted_at") is None}
            if dataset == VARIATIONS:
                messages = self.account.world.records["campaign-message"]
                live = {one: row for one, row in held.items() if row["message_id"] in messages}
            assert set(live) == set(truth), f"{dataset}: {sorted(set(live) ^ set(truth))[:3]}"
            for one, row in truth.items():
                assert {name: live[one][name] for name in row} == row, f"{dataset} {one}"

    def holds_the_reports(self) -> None:
        """Asserts that the reports are what the messages brought, each once, in the quarter of its sending."""
        assert replace(self.account.table(REPORTS), gone=()).difference(self.rows(REPORTS)) is None


def moment(text: str) -> datetime:
    """A time of the API."""
    return datetime.fromisoformat(text)
