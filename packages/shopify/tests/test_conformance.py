"""Shopify keeps the promises that every source keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from weathervane.shopify._source import SHOPIFY
from weathervane.shopify.sandbox import RunningShopify, running_shopify
from weathervane.source import Dataset
from weathervane.source.sandbox import Fault as SandboxFault
from weathervane.source.testing import CHECKS, Check, Fault, declared_paths, staged

TOKEN = "shpat_canary_4e1d7"


class PretendShopify:
    """Shopify as the conformance suite sees it."""

    definition = SHOPIFY
    secrets = (TOKEN,)

    @contextmanager
    def running(self) -> Iterator[Shop]:
        """A shop of forty orders and eight products, in which nothing happens by itself."""
        # A generous bucket: it fills in real time, and these tests are not about pace.
        with running_shopify(
            orders=40,
            products=8,
            life=False,
            access_token=TOKEN,
            bucket_max=1e6,
            bucket_rate=1e5,
            storage_refuses_tokens=True,
        ) as running:
            yield Shop(running)


class Shop:
    """A shop that is being served."""

    def __init__(self, running: RunningShopify) -> None:
        self._running = running
        self._shop = running.shop

    def environment(self, tenant: str) -> Mapping[str, str]:
        """A permanent token, and the sandbox's address."""
        prefix = f"WEATHERVANE_SHOPIFY__{tenant.upper()}"
        return {
            f"{prefix}__SHOP": "acme",
            f"{prefix}__ACCESS_TOKEN": TOKEN,
            f"{prefix}__API_URL": self._running.url,
        }

    def truth(self, dataset: str, tenant: str) -> list[Mapping[str, Any]]:
        """What the shop holds, but for what it changes without a word; deleted products are there, with the time."""
        truth = self._shop.table(dataset)
        return [
            {"tenant_id": tenant, **{name: row[name] for name in row if name not in truth.fleeting}}
            for row in (*truth.rows, *truth.gone)
        ]

    def change(self) -> None:
        """An order changes, one is placed, one loses a line; a product changes, and one is deleted."""
        orders = list(self._shop.world.orders.values())
        products = list(self._shop.world.products.values())
        longest = max(orders, key=lambda order: len(order["lineItems"]))
        self._shop.advance(3600)
        self._shop.change("update", id=orders[0]["id"], set={"tags": ["conformance"], "name": "#changed"})
        for name, args in (
            ("new_order", {"lines": 3}),
            ("remove_line", {"id": longest["id"]}),
            ("update", {"id": products[0]["id"], "set": {"title": "Changed"}}),
            ("delete_product", {"id": products[1]["id"]}),
        ):
            self._shop.advance(60)
            self._shop.change(name, **args)

    def spoil(self) -> Mapping[str, int]:
        """Two orders' totals become what no column of money can hold."""
        money = {"amount": "12345678901234567890123456789012.5", "currencyCode": "EUR"}
        both = {"shopMoney": money, "presentmentMoney": money}
        for order in list(self._shop.world.orders.values())[:2]:
            self._shop.change("update", id=order["id"], set={"totalPriceSet": both})
        return {"shopify_orders": 2}

    def unfit(self, **args: Any) -> SandboxFault:
        """A value that nobody declared."""
        return self._shop.faults.add("unfit", None, **args)

    def on_the_wire(self, dataset: Dataset) -> Mapping[str, str]:
        """As declared."""
        return declared_paths(dataset)

    def break_down(self, fault: Fault) -> None:
        """In Shopify's own ways."""
        if fault is Fault.THROTTLED:
            self._shop.faults.add("throttled")
        elif fault is Fault.REFUSED:
            self._shop.faults.add("status", None, status=401)
        else:
            self._shop.faults.add("partial", None, match={"field": ["orders", "products"]})

    def mend(self) -> None:
        """All is well again."""
        self._shop.faults.clear()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_source_keeps_the_promise(check: Check, prefect: None, tmp_path: Path) -> None:
    """See `weathervane.source.testing._checks` for what each one says."""
    with staged(PretendShopify(), tmp_path / "lake") as stage:
        check(stage)
