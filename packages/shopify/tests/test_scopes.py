"""What a token may not see is left out and said, or refused; it is never taken for not being there."""

from __future__ import annotations

import json
import logging
from datetime import UTC, date, datetime, timedelta

import pytest

from weathervane.shopify.sandbox import DEFAULT_SCOPES
from weathervane.source import ConfigurationError, CredentialsError

from .bench import BULK, LINES, ORDERS, PRODUCTS, QUICK, VARIANTS, moment, number

RECENT = datetime(2026, 10, 15, tzinfo=UTC)


@pytest.mark.parametrize("settings", [QUICK, BULK], ids=["pages", "bulk"])
def test_columns_that_need_a_missing_scope_are_null_and_orders_still_arrive(begin, caplog, settings):
    """They are not even asked for: a denied field deep inside would fail the whole query (fact 26)."""
    bench = begin(scopes=("read_orders", "read_all_orders"))
    caplog.set_level(logging.WARNING)
    bench.run(settings=settings)
    assert {row["customer_id"] for row in bench.rows(ORDERS)} == {None}
    assert {(row["product_id"], row["variant_id"]) for row in bench.rows(LINES)} == {(None, None)}
    assert {row["order_id"] for row in bench.rows(ORDERS)} == {number(one) for one in bench.order_ids()}
    assert len(bench.rows(LINES)) == len(bench.shop.truth(LINES))
    warned = [
        record.getMessage() for record in caplog.records if record.name.startswith("weathervane.shopify")
    ]
    assert [
        ("customer_id (read_customers)" in one, "product_id (read_products)" in one) for one in warned
    ] == [
        (True, False),
        (False, True),
    ]
    assert not [one for one in bench.requests() if one.note["errors"]]


def test_a_scope_that_was_granted_later_fills_its_columns(begin):
    """By a read of all days: the rows are told apart by what they hold, not by their version alone."""
    bench = begin()
    bench.shop.faults.add("scope_loss", times=None, scopes=["read_customers", "read_products"])
    bench.run()
    bench.shop.faults.clear()
    bench.run(start=date(2025, 1, 1))
    bench.holds_the_shop()


@pytest.mark.parametrize("kind", ["orders", "products"])
@pytest.mark.parametrize(
    ("scopes", "granted"),
    [((), "none at all"), (("read_customers", "write_themes"), "read_customers, read_themes")],
)
def test_a_token_that_may_read_nothing_is_refused_by_the_name_of_what_it_lacks(begin, kind, scopes, granted):
    """An app version released without scopes gives a valid token that sees nothing (fact 26)."""
    bench = begin(scopes=scopes)
    with pytest.raises(
        CredentialsError,
        match=rf"lacks the scope read_{kind} on acme.*granted: {granted}.*reason=MISSING_SCOPE",
    ):
        bench.run(kind)
    assert len(bench.requests()) == 1


def test_a_scope_to_write_includes_the_one_to_read(begin):
    """Apps that edit products are not asked for read_products too."""
    bench = begin(scopes=("write_products",))
    bench.run("products")
    bench.holds_the_shop(PRODUCTS, VARIANTS)


def test_products_need_no_more_than_their_scope(begin):
    """No inventory, no orders."""
    bench = begin(scopes=("read_products",))
    bench.run("products")
    bench.holds_the_shop(PRODUCTS, VARIANTS)


def test_sixty_days_are_all_that_is_read_without_read_all_orders_and_the_run_says_so(begin, caplog):
    """Older orders are absent without an error; a warning tells, and what the lake has of them stays (fact 19)."""
    bench = begin(orders=60)
    bench.run()
    assert len(bench.rows(ORDERS)) == 60
    bench.shop.faults.add("scope_loss", times=None, scopes=["read_all_orders"])
    bench.shop.advance(3600)
    for one in bench.order_ids():
        bench.shop.change("touch", id=one)
    caplog.clear()
    summary = bench.run()
    assert 0 < summary.metadata["updated_rows"] < 60
    assert len(bench.rows(ORDERS)) == 60
    assert len(bench.rows(LINES)) == len(bench.shop.truth(LINES))
    assert "without read_all_orders only the last 60 days of orders are visible" in caplog.text


def test_a_start_that_the_token_cannot_see_is_refused(begin):
    """It would look like a shop that had sold nothing (pain 1)."""
    bench = begin(scopes=tuple(one for one in DEFAULT_SCOPES if one != "read_all_orders"), orders=60)
    with pytest.raises(
        ConfigurationError, match=r"read_orders without\s+read_all_orders.*reason=MISSING_SCOPE"
    ):
        bench.run(start=date(2026, 1, 1))
    bench.run(start=RECENT.date())
    visible = bench.shop.clock.now() - timedelta(days=60)
    expected = {
        number(one["id"])
        for one in bench.shop.world.orders.values()
        if moment(one["createdAt"]) >= visible and moment(one["updatedAt"]) >= RECENT - timedelta(hours=1)
    }
    assert {row["order_id"] for row in bench.rows(ORDERS)} == expected != set()


def test_an_app_that_is_not_approved_for_customer_data_is_told_so(begin):
    """ACCESS_DENIED on orders in spite of the scope: not an empty shop, and not tried again."""
    bench = begin(protected_data="none")
    with pytest.raises(
        CredentialsError, match=r"not approved to access the Order object.*reason=ACCESS_DENIED"
    ):
        bench.run()
    assert bench.rows(ORDERS) == []


def test_protected_fields_are_not_needed(begin):
    """City, province and country are not among them: approval for the fields changes no row."""
    bench = begin(protected_data="basic")
    bench.run()
    bench.holds_the_shop()
    asked = " ".join(json.loads(one.body)["query"] for one in bench.requests("OrdersPage"))
    assert not {"email", "phone", "firstName", "lastName", "address1", "zip"} & set(asked.split())
