"""Klaviyo's part of the demo: two pretend accounts, their keys, their flow, and what the lake must then hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from control import difference, post
from control import truth as rows_of
from processes import Stack

from weathervane.lake import LakeClient, TableRef

Row = dict[str, Any]

_KEY = "pk_demo"
_METRIC = "RESQ6t"


@dataclass(frozen=True)
class DemoAccount:
    """One tenant's pretend account."""

    tenant: str
    account: str
    timezone: str
    currency: str
    seed: int


ACCOUNTS = (
    DemoAccount("acme", "ACME01", "Europe/Paris", "EUR", 7),
    DemoAccount("umi_japan", "UMIJP1", "Asia/Tokyo", "JPY", 11),
)
FLOWS = ("ingest_klaviyo_campaigns",)


class PretendKlaviyo:
    """Both accounts, running. They begin at the same moment whenever they are started, and live the same lives."""

    def __init__(self, stack: Stack, begins: datetime) -> None:
        self._control: dict[str, str] = {}
        self.environment: dict[str, str] = {}
        for one in ACCOUNTS:
            ready = stack.module(
                f"klaviyo-{one.tenant}",
                "weathervane.klaviyo.sandbox",
                *("--account", one.account, "--timezone", one.timezone, "--currency", one.currency),
                *("--seed", str(one.seed), "--now", begins.isoformat(), "--port", "0", "--campaigns", "150"),
                # Klaviyo's two reports a minute would make the first run last minutes.
                *("--api-key", _KEY, "--quota-factor", "1000"),
            )
            self._control[one.tenant] = ready["control_url"]
            prefix = f"WEATHERVANE_KLAVIYO__{one.tenant.upper()}__"
            self.environment |= {
                f"{prefix}API_URL": ready["url"],
                f"{prefix}API_KEY": _KEY,
                f"{prefix}CONVERSION_METRIC_ID": _METRIC,
            }

    def advance(self, seconds: int) -> None:
        """Lets the accounts' clocks run: campaigns come, are edited, sent, archived and deleted."""
        for control in self._control.values():
            post(f"{control}/clock", {"advance_seconds": seconds})

    def differences(self, lake: LakeClient) -> Iterator[str]:
        """One line for each table that is not what the account says it should be."""
        for tenant, control in self._control.items():
            zone = ZoneInfo(next(one.timezone for one in ACCOUNTS if one.tenant == tenant))
            for dataset, (truth_key, lake_key, values) in _CHECKS.items():
                truth = {truth_key(row): row for row in rows_of(f"{control}/truth/{dataset}")}
                rows = lake.read(TableRef(tenant, dataset)).read_all().to_pylist()
                held = {lake_key(row): row for row in rows}
                missing, extra = truth.keys() - held.keys(), held.keys() - truth.keys()
                # A campaign that was deleted before it was ever read has never been in the lake.
                missing = {key for key in missing if not truth[key].get("deletedAt")}
                # What a deleted campaign held stays in the lake, and says so.
                extra = {key for key in extra if not _outlived(held[key], lake, tenant)}
                changed = [
                    key for key in truth.keys() & held.keys() if not values(truth[key], held[key], zone)
                ]
                yield from difference(f"{tenant}/{dataset}", missing, extra, changed, len(rows) - len(held))


def _outlived(row: Row, lake: LakeClient, tenant: str) -> bool:
    if "deleted_at" in row:
        return row["deleted_at"] is not None
    campaigns = lake.read(
        TableRef(tenant, "klaviyo_campaigns"), columns=("campaign_id", "deleted_at")
    ).read_all()
    gone = {one["campaign_id"] for one in campaigns.to_pylist() if one["deleted_at"] is not None}
    return row["campaign_id"] in gone


def _same_campaign(truth: Row, held: Row, zone: ZoneInfo) -> bool:
    if truth["deletedAt"]:
        # Klaviyo tells nobody when: the lake has the time at which it was missed.
        return held["deleted_at"] is not None and held["deleted_at"] > datetime.fromisoformat(
            truth["deletedAt"]
        )
    definition = truth["attributes"]["definition"]
    said = (definition["name"], definition["archived"], _time(truth["attributes"]["updated_at"]), None)
    if said != tuple(held[name] for name in ("name", "archived", "updated_at", "deleted_at")):
        return False
    ranks = ("sending", "scheduled", "draft", "sent", "cancelled")
    return bool(held["status"] == next((word for word in ranks if word in truth["statuses"]), None))


def _same_message(truth: Row, held: Row, zone: ZoneInfo) -> bool:
    definition = truth["attributes"]["definition"]
    options = definition["send_options"]
    first = min((options.get("send_times") or {}).values(), default=None)
    said = (
        definition["name"],
        definition["status"],
        _time(options["send_time"] or first),
        truth["campaign_id"],
        None,
    )
    return said == tuple(held[name] for name in ("name", "status", "send_time", "campaign_id", "deleted_at"))


def _same_variation(truth: Row, held: Row, zone: ZoneInfo) -> bool:
    details = truth["attributes"]["definition"]["details"]
    said = (details["channel"], details.get("subject"), details.get("template_id"), truth["message_id"])
    return said == tuple(held[name] for name in ("channel", "subject", "template_id", "message_id"))


def _same_report(truth: Row, held: Row, zone: ZoneInfo) -> bool:
    day = datetime.fromisoformat(truth["send_time"]).astimezone(zone)
    values = truth["statistics"]
    said = (
        date(day.year, 3 * ((day.month - 1) // 3) + 1, 1),
        *(int(values[name]) for name in ("recipients", "opens_unique", "clicks_unique", "conversions")),
        Decimal(str(values["conversion_value"])),
    )
    names = ("recipients", "opens_unique", "clicks_unique", "conversions", "conversion_value")
    return said == (held["period_start"], *(held[name] for name in names))


_Check = tuple[Callable[[Row], Any], Callable[[Row], Any], Callable[[Row, Row, ZoneInfo], bool]]
_CHECKS: dict[str, _Check] = {
    "klaviyo_campaigns": (lambda row: row["id"], lambda row: row["campaign_id"], _same_campaign),
    "klaviyo_campaign_messages": (lambda row: row["id"], lambda row: row["message_id"], _same_message),
    "klaviyo_campaign_variations": (lambda row: row["id"], lambda row: row["variation_id"], _same_variation),
    "klaviyo_campaign_reports": (
        lambda row: (
            row["groupings"]["campaign_message_id"],
            row["groupings"]["send_channel"].removesuffix("-notification"),
        ),
        lambda row: (row["message_id"], row["channel"]),
        _same_report,
    ),
}


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
