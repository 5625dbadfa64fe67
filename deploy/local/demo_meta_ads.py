"""Meta's part of the demo: a pretend app with two tenants' ad accounts, and what the lake must then hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import product
from typing import Any

from control import difference, post
from control import truth as rows_of
from processes import Stack

from weathervane.lake import LakeClient, TableRef

Row = dict[str, Any]
_LISTS = {
    "actions": "actions",
    "action_value": "action_values",
    "conversions": "conversions",
    "conversion_value": "conversion_values",
}
"""Columns of the actions' table, and Meta's lists."""
_WINDOWS = ("value", "1d_click", "7d_click", "28d_click", "1d_view")


@dataclass(frozen=True)
class DemoAccount:
    """One tenant's ad account."""

    tenant: str
    id: str
    timezone: str
    currency: str

    @property
    def token(self) -> str:
        """The tenant's token."""
        return f"EAAdemo{self.tenant.replace('_', '')}"


ACCOUNTS = (
    DemoAccount("acme", "1010035716096012", "Europe/Paris", "EUR"),
    DemoAccount("umi_japan", "1010035716096013", "Asia/Tokyo", "JPY"),
)
FLOWS = ("ingest_meta_ads",)


class PretendMetaAds:
    """One app with both tenants' accounts, running. It begins at the same moment whenever it is started."""

    def __init__(self, stack: Stack, begins: datetime) -> None:
        accounts = [f"{one.id},{one.currency},{one.timezone},{one.tenant}" for one in ACCOUNTS]
        ready = stack.module(
            "meta-ads",
            "weathervane.meta_ads.sandbox",
            *(part for account in accounts for part in ("--account", account)),
            *(part for one in ACCOUNTS for part in ("--token", f"{one.token}={one.id}")),
            *("--access-token", "", "--app-id", "demo", "--app-secret", "demo-secret", "--require-proof"),
            *("--now", begins.isoformat(), "--port", "0", "--run-polls", "1", "--history-days", "60"),
        )
        self._control = ready["control_url"]
        # A few things go wrong in every demo: a throttle, a fault of the service, a report run that fails.
        for fault in ("service_fault", "async_failed"):
            post(f"{self._control}/faults", {"name": fault, "times": 1})
        post(f"{self._control}/faults", {"name": "account_limit", "times": 1, "reset": 1})
        self.environment: dict[str, str] = {}
        for one in ACCOUNTS:
            prefix = f"WEATHERVANE_META_ADS__{one.tenant.upper()}__"
            self.environment |= {
                f"{prefix}ACCESS_TOKEN": one.token,
                f"{prefix}APP_ID": "demo",
                f"{prefix}APP_SECRET": "demo-secret",
                f"{prefix}API_URL": ready["url"],
            }

    def advance(self, seconds: int) -> None:
        """Lets the clock run: days are restated, rows vanish, ads begin, end and are deleted."""
        post(f"{self._control}/clock", {"advance_seconds": seconds})

    def differences(self, lake: LakeClient) -> Iterator[str]:
        """One line for each table that is not what Meta says it should be."""
        rows = list(rows_of(f"{self._control}/truth/insights_adset"))
        for one in ACCOUNTS:
            mine = [row for row in rows if row["account_id"] == one.id]
            yield from _compared(lake, one.tenant, "meta_ads", {_key(row): _figures(row) for row in mine})
            actions = {key: figures for row in mine for key, figures in _actions(row).items()}
            yield from _compared(lake, one.tenant, "meta_ads_actions", actions)


def _compared(lake: LakeClient, tenant: str, dataset: str, truth: dict[Any, Any]) -> Iterator[str]:
    stored = lake.read(TableRef(tenant, dataset)).read_all().to_pylist()
    if dataset == "meta_ads":
        held: dict[Any, Any] = {(row["adset_id"], str(row["date"])): _stored(row) for row in stored}
    else:
        held = {
            _stored_key(row): {name: row[name] for name in _LISTS if row[name] is not None} for row in stored
        }
    missing, extra = truth.keys() - held.keys(), held.keys() - truth.keys()
    changed = [key for key in truth.keys() & held.keys() if truth[key] != held[key]]
    yield from difference(f"{tenant}/{dataset}", missing, extra, changed, len(stored) - len(held))


def _key(row: Row) -> tuple[str, str]:
    return row["adset_id"], row["date_start"]


def _figures(row: Row) -> tuple[Any, ...]:
    return (
        Decimal(row["spend"]),
        int(row["impressions"]),
        int(row["clicks"]) if "clicks" in row else None,
        _purchases(row, "actions", "7d_click"),
        _purchases(row, "action_values", "value"),
        row["account_currency"],
    )


def _stored(row: Row) -> tuple[Any, ...]:
    names = ("spend", "impressions", "clicks", "purchases_7d_click", "purchase_value", "account_currency")
    return tuple(row[name] for name in names)


def _stored_key(row: Row) -> tuple[str, ...]:
    return row["adset_id"], str(row["date"]), row["action_type"], row["attribution_window"]


def _purchases(row: Row, name: str, window: str) -> Decimal | None:
    found = [
        entry[window]
        for entry in row.get(name, ())
        if entry["action_type"] == "omni_purchase" and window in entry
    ]
    return Decimal(found[0]) if found else None


def _actions(row: Row) -> dict[tuple[str, ...], dict[str, Decimal]]:
    found: dict[tuple[str, ...], dict[str, Decimal]] = {}
    for column, name in _LISTS.items():
        for entry, window in product(row.get(name, ()), _WINDOWS):
            if window in entry:
                shown = "default" if window == "value" else window
                key = (*_key(row), entry["action_type"], shown)
                found.setdefault(key, {})[column] = Decimal(entry[window])
    return found
