"""Shopify's part of the demo: two pretend shops, their credentials, their flows, and what the lake must then hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from control import difference, post
from control import truth as rows_of
from processes import Stack

from weathervane.lake import LakeClient, TableRef

Row = dict[str, Any]


@dataclass(frozen=True)
class DemoShop:
    """One tenant's pretend shop."""

    tenant: str
    timezone: str
    currency: str
    seed: int


SHOPS = (
    DemoShop("acme", "Europe/Paris", "EUR", 7),
    DemoShop("umi_japan", "Asia/Tokyo", "JPY", 11),
)
FLOWS = ("ingest_shopify_orders", "ingest_shopify_products")


class PretendShopify:
    """Both shops, running. They begin at the same moment whenever they are started, and live the same lives."""

    def __init__(self, stack: Stack, begins: datetime) -> None:
        self._control: dict[str, str] = {}
        self.environment: dict[str, str] = {}
        for shop in SHOPS:
            ready = stack.module(
                f"shopify-{shop.tenant}",
                "weathervane.shopify.sandbox",
                *(
                    "--shop",
                    shop.tenant.replace("_", "-"),
                    "--timezone",
                    shop.timezone,
                    "--currency",
                    shop.currency,
                ),
                *("--seed", str(shop.seed), "--now", begins.isoformat(), "--port", "0"),
                *("--orders", "700", "--products", "60", "--plan", "plus"),
                *("--client-id", "demo", "--client-secret", "demo-secret"),
            )
            self._control[shop.tenant] = ready["control_url"]
            prefix = f"WEATHERVANE_SHOPIFY__{shop.tenant.upper()}__"
            self.environment |= {
                f"{prefix}SHOP": ready["shop"],
                f"{prefix}API_URL": ready["url"],
                f"{prefix}CLIENT_ID": "demo",
                f"{prefix}CLIENT_SECRET": "demo-secret",
            }

    def advance(self, seconds: int) -> None:
        """Lets the shops' clocks run: orders come, are edited, cancelled and refunded; products are deleted."""
        for control in self._control.values():
            post(f"{control}/clock", {"advance_seconds": seconds})

    def differences(self, lake: LakeClient) -> Iterator[str]:
        """One line for each table that is not what the shop says it should be."""
        for tenant, control in self._control.items():
            for dataset, (truth_key, lake_key, values) in _CHECKS.items():
                truth = {truth_key(row): row for row in rows_of(f"{control}/truth/{dataset}")}
                rows = lake.read(TableRef(tenant, dataset)).read_all().to_pylist()
                held = {lake_key(row): row for row in rows}
                missing, extra = truth.keys() - held.keys(), held.keys() - truth.keys()
                # A product that was deleted before it was ever read has never been in the lake.
                missing = {key for key in missing if not truth[key].get("deletedAt")}
                changed = [key for key in truth.keys() & held.keys() if not values(truth[key], held[key])]
                yield from difference(f"{tenant}/{dataset}", missing, extra, changed, len(rows) - len(held))


def _same_order(truth: Row, held: Row) -> bool:
    said = (
        _time(truth["updatedAt"]),
        Decimal(truth["totalPriceSet"]["shopMoney"]["amount"]),
        Decimal(truth["currentTotalPriceSet"]["shopMoney"]["amount"]),
        Decimal(truth["totalRefundedSet"]["shopMoney"]["amount"]),
        *(truth[name] for name in ("currencyCode", "displayFinancialStatus", "test")),
        _time(truth["cancelledAt"]),
    )
    names = (
        "updated_at",
        "total_price",
        "current_total_price",
        "total_refunded",
        "currency",
        "financial_status",
    )
    return said == tuple(held[name] for name in (*names, "test", "cancelled_at"))


def _same_line(truth: Row, held: Row) -> bool:
    said = (
        truth["quantity"],
        truth["currentQuantity"],
        Decimal(truth["originalUnitPriceSet"]["shopMoney"]["amount"]),
    )
    return said == (held["quantity"], held["current_quantity"], held["original_unit_price"])


def _same_product(truth: Row, held: Row) -> bool:
    if truth.get("deletedAt"):
        # Nobody can read what a product became between the last read and its deletion.
        return bool(_time(truth["deletedAt"]) == held["deleted_at"])
    said = (truth["title"], _time(truth["updatedAt"]), None)
    return said == (held["title"], held["updated_at"], held["deleted_at"])


def _same_variant(truth: Row, held: Row) -> bool:
    said = (Decimal(truth["price"]), truth["inventoryQuantity"], truth["sku"])
    return said == (held["price"], held["inventory_quantity"], held["sku"])


_Check = tuple[Callable[[Row], Any], Callable[[Row], Any], Callable[[Row, Row], bool]]
_CHECKS: dict[str, _Check] = {
    "shopify_orders": (lambda row: _tail(row["id"]), lambda row: row["order_id"], _same_order),
    "shopify_order_lines": (lambda row: _tail(row["id"]), lambda row: row["line_id"], _same_line),
    "shopify_products": (lambda row: _tail(row["id"]), lambda row: row["product_id"], _same_product),
    "shopify_product_variants": (lambda row: _tail(row["id"]), lambda row: row["variant_id"], _same_variant),
}


def _tail(gid: str) -> str:
    return gid.rsplit("/", 1)[1]


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
