"""A pretend account, the real lake, and one judge of whether the lake holds what the account holds."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

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
_RANKS = ("sending", "scheduled", "draft", "sent", "cancelled")


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
            make, key = EXPECTED[dataset]
            truth = {one[key]: one for one in make(self)}
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
        truth = dict(expected_reports(self))
        held = {(row["message_id"], row["channel"]): row for row in self.rows(REPORTS)}
        assert len(held) == len(self.rows(REPORTS))
        assert set(held) == set(truth)
        for key, row in truth.items():
            assert {name: held[key][name] for name in row} == row, key


def moment(text: str) -> datetime:
    """A time of the API."""
    return datetime.fromisoformat(text)


def status_of(statuses: list[str]) -> str | None:
    """A campaign's status, worked out by hand: the first in the order of what is still to come."""
    return next((word for word in _RANKS if word in statuses), statuses[0] if statuses else None)


def expected_campaigns(bench: Bench) -> list[Row]:
    """What the campaigns' table must hold."""
    world, rows = bench.account.world, []
    for one in world.all("campaign"):
        definition = one["attributes"]["definition"]
        messages = world.children(one, "campaign-messages")
        audiences = [below["attributes"]["definition"] for below in world.children(one, "campaign-audiences")]
        times = [_send_time(message) for message in messages]
        rows.append(
            {
                "account_id": bench.account.options.account,
                "campaign_id": one["id"],
                "name": definition["name"],
                "archived": definition["archived"],
                "builder": definition["builder"],
                "status": status_of([message["attributes"]["definition"]["status"] for message in messages]),
                "channels": sorted({word for message in messages for word in _channels(bench, message)}),
                "send_time": min((time for time in times if time), default=None),
                "created_at": moment(one["attributes"]["created_at"]),
                "updated_at": moment(one["attributes"]["updated_at"]),
                "included_audiences": [word for audience in audiences for word in audience["included"]],
                "excluded_audiences": [word for audience in audiences for word in audience["excluded"]],
                "message_ids": sorted(message["id"] for message in messages),
            }
        )
    return rows


def expected_messages(bench: Bench) -> list[Row]:
    """What the messages' table must hold."""
    return [
        {
            "message_id": one["id"],
            "campaign_id": one["parent"],
            "name": one["attributes"]["definition"]["name"],
            "status": one["attributes"]["definition"]["status"],
            "channels": sorted(_channels(bench, one)),
            "send_time": _send_time(one),
            "send_time_is_local": (
                one["attributes"]["definition"]["send_options"]["send_strategy"].endswith("local_timezone")
            ),
            "updated_at": moment(one["attributes"]["updated"]),
        }
        for one in bench.account.world.all("campaign-message")
    ]


def expected_variations(bench: Bench) -> list[Row]:
    """What the variations' table must hold."""
    world, rows = bench.account.world, []
    for one in world.all("campaign-variation"):
        details = one["attributes"]["definition"]["details"]
        campaign = world.campaign_of(one)
        assert campaign is not None
        rows.append(
            {
                "variation_id": one["id"],
                "message_id": one["parent"],
                "campaign_id": campaign["id"],
                "name": one["attributes"]["definition"]["name"],
                "channel": details["channel"],
                "subject": details.get("subject"),
                "body": details.get("body"),
                "template_id": details.get("template_id"),
                "updated_at": moment(one["attributes"]["updated"]),
            }
        )
    return rows


def expected_reports(bench: Bench) -> list[tuple[tuple[str, str], Row]]:
    """What the reports' table must hold, by message and channel."""
    zone = ZoneInfo(bench.account.options.timezone)
    rows = []
    for one in bench.account.truth(REPORTS):
        groups, values = one["groupings"], one["statistics"]
        channel = {"push-notification": "push"}.get(groups["send_channel"], groups["send_channel"])
        day = moment(one["send_time"]).astimezone(zone).date()
        row = {
            "campaign_id": groups["campaign_id"],
            "period_start": date(day.year, 3 * ((day.month - 1) // 3) + 1, 1),
            "currency": bench.account.options.currency,
            "conversion_value": Decimal(str(values["conversion_value"])),
        }
        row |= {
            name: int(values[name]) for name in ("recipients", "delivered", "opens_unique", "conversions")
        }
        rows.append(((groups["campaign_message_id"], channel), row))
    return rows


EXPECTED: Mapping[str, tuple[Callable[[Bench], list[Row]], str]] = {
    CAMPAIGNS: (expected_campaigns, "campaign_id"),
    MESSAGES: (expected_messages, "message_id"),
    VARIATIONS: (expected_variations, "variation_id"),
}


def _channels(bench: Bench, message: Row) -> set[str]:
    below = bench.account.world.children(message, "campaign-variations")
    return {one["attributes"]["definition"]["details"]["channel"] for one in below}


def _send_time(message: Row) -> datetime | None:
    options = message["attributes"]["definition"]["send_options"]
    times = [options["send_time"], *(options.get("send_times") or {}).values()]
    return min((moment(one) for one in times if one), default=None)
