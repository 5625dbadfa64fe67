"""Answers that are not what was asked for: one clear line, nothing committed, and what can be mended is."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import replace

import pytest
import stamina

from weathervane.lake import TableRef
from weathervane.shopify import _bulk_reader as bulk_orders
from weathervane.shopify._client import ShopifyClient
from weathervane.shopify._credentials import ShopifyCredentials
from weathervane.shopify._pages import PageSize
from weathervane.shopify._reader import changes
from weathervane.shopify._reader import orders as orders_reader
from weathervane.source import (
    ConfigurationError,
    ContractError,
    CredentialsError,
    DeferredError,
    IncompleteError,
    ThrottledError,
    UnavailableError,
)

from .bench import BULK, LINES, ORDERS, PRODUCTS, QUICK, SMALL, Once, everything_said, number, secrets_of

PAGE = {"operation": "OrdersPage"}


@pytest.mark.parametrize(
    ("fault", "given", "kind", "words"),
    [
        ("access_denied", {}, CredentialsError, "`read_orders` access scope.*reason=ACCESS_DENIED"),
        ("access_denied", {"field": "transactions"}, CredentialsError, "transactions.*reason=ACCESS_DENIED"),
        ("shop_inactive", {}, CredentialsError, "reason=SHOP_INACTIVE"),
        ("partial", {}, UnavailableError, "reason=INTERNAL_SERVER_ERROR"),
        ("internal_error", {}, UnavailableError, "reason=INTERNAL_SERVER_ERROR"),
        ("max_cost", {}, ConfigurationError, "reason=MAX_COST_EXCEEDED"),
        ("throttled", {}, ThrottledError, "reason=THROTTLED"),
        ("token_expired", {}, CredentialsError, "HTTP 401.*reason=TOKEN_REFUSED"),
        ("fall_forward", {}, ContractError, "2026-07 instead of 2026-10.*reason=FELL_FORWARD"),
        ("cursor_loop", {}, ContractError, "pages of orders run in a loop.*reason=PAGING_LOOP"),
        ("hidden", {}, IncompleteError, "counts 12 changed orders and listed 11.*reason=COUNT_DIFFERS"),
        ("status", {"status": 402}, CredentialsError, "HTTP 402.*reason=SHOP_FROZEN"),
        ("status", {"status": 403}, CredentialsError, "HTTP 403.*reason=SHOP_FORBIDS"),
        ("status", {"status": 404}, ConfigurationError, "HTTP 404.*reason=NO_SHOP"),
        ("status", {"status": 423}, CredentialsError, "HTTP 423.*reason=SHOP_LOCKED"),
        ("status", {"status": 400}, ContractError, "HTTP 400.*reason=HTTP_400"),
        ("status", {"status": 429}, ThrottledError, "HTTP 429.*reason=THROTTLED"),
        ("status", {"status": 429, "retry_after": 900}, DeferredError, "asks to wait 900 s"),
        ("status", {"status": 430}, ThrottledError, "HTTP 430.*reason=THROTTLED"),
        ("status", {"status": 500}, UnavailableError, "HTTP 500.*reason=HTTP_500"),
        ("status", {"status": 503}, UnavailableError, "HTTP 503.*reason=HTTP_503"),
        ("status", {"status": 201, "body": '{"data":{"x":1}}'}, ContractError, "not as documented"),
        ("redirect", {}, ContractError, "redirects to 127.0.0.1.*reason=REDIRECTED"),
        ("html_200", {}, UnavailableError, "not JSON.*text/html.*reason=NOT_JSON"),
        ("wrong_content", {}, UnavailableError, "reason=NOT_GRAPHQL"),
        ("wrong_content", {"body": '{"data":null}'}, UnavailableError, "reason=NO_DATA"),
        ("wrong_content", {"body": '{"data":{"orders":null}}'}, ContractError, "not as documented"),
        ("wrong_content", {"body": '{"data":{"orders":{"nodes":[]}}}'}, ContractError, "not as documented"),
        ("wrong_content", {"body": '{"errors":"no"}'}, ContractError, "no.*reason=GRAPHQL_ERROR"),
        (
            "wrong_content",
            {"body": '{"errors":[{"message":"no x","extensions":{"code":"undefinedField"}}]}'},
            ContractError,
            "no x.*reason=UNDEFINED_FIELD",
        ),
        (
            "wrong_content",
            {"body": '{"data":{"orders":{"nodes":[],"pageInfo":{"hasNextPage":true,"endCursor":null}}}}'},
            ContractError,
            "reason=NO_CURSOR",
        ),
        ("nan_json", {}, UnavailableError, "reason=NOT_JSON"),
        ("deep_json", {}, ContractError, "reason=JSON_TOO_DEEP"),
        ("gzip_bomb", {"megabytes": 80}, ContractError, "reason="),
        ("cut", {}, IncompleteError, "reason=BODY_CUT"),
    ],
)
def test_a_bad_answer_commits_nothing_and_says_so_in_one_line(standing, caplog, fault, given, kind, words):
    """Whatever stands on the page: the tables and the checkpoint stay, and no secret is told (facts 2, 3, 5, 6)."""
    bench = standing
    caplog.set_level(logging.DEBUG)
    before = _versions(bench), bench.checkpoint()
    match = {} if fault in ("fall_forward", "hidden") else {"match": {"field": "orders", "page": 2}}
    if fault == "hidden":
        given = {"id": bench.order_ids()[-1]}
    bench.shop.faults.add(fault, times=None, **match, **given)
    try:
        with pytest.raises(kind, match=words) as caught:
            bench.run(settings=SMALL)
    finally:
        bench.shop.faults.clear()
    assert (_versions(bench), bench.checkpoint()) == before
    told = everything_said(caught.value, caplog)
    assert not [secret for secret in secrets_of(bench) if secret in told]
    assert "\n" not in str(caught.value)
    if fault != "fall_forward":  # met by the first question, before a run begins: the flow adds the tenant
        assert f"tenant={bench.tenant} dataset=shopify_orders slice=" in str(caught.value)


def test_all_is_well_once_the_troubles_are_over(standing):
    """The runs that failed left nothing that harms the next one."""
    again = standing.other("again")
    again.run(settings=SMALL)
    again.holds_the_shop()


@pytest.mark.parametrize(
    ("fault", "given"),
    [
        ("throttled", {}),
        ("internal_error", {}),
        ("partial", {}),
        ("max_cost", {}),
        ("token_expired", {}),
        ("empty_page", {}),
        ("status", {"status": 500}),
        ("status", {"status": 429, "retry_after": 1}),
        ("html_200", {}),
        ("cut", {}),
    ],
)
@pytest.mark.parametrize("page", [1, 3])
def test_a_passing_trouble_is_mended_in_place(standing, fault, given, page):
    """The same page is asked for again, and everything is there once (facts 4, 6, 7, 22)."""
    bench = standing.other(f"{fault}{page}_{given.get('status', '')}")
    bench.shop.faults.add(fault, match={"field": "orders", "page": page}, **given)
    bench.run(settings=SMALL)
    assert bench.shop.faults.armed() == []
    bench.holds_the_shop()
    assert bench.lake.describe(TableRef(bench.tenant, ORDERS)).total_rows == 12


def test_a_refusal_is_asked_for_once(bench):
    """ACCESS_DENIED is no trouble that passes (fact 5)."""
    bench.shop.faults.add("access_denied", times=None, match=PAGE)
    with pytest.raises(CredentialsError, match="read_orders"):
        bench.run()
    assert len(bench.requests("OrdersPage")) == 1


def test_a_throttled_call_waits_as_long_as_the_numbers_say(begin):
    """(requested - available) / restore rate, no less and not much more (fact 4)."""
    stamina.set_testing(False)
    bench = begin(orders=25, bucket_max=1000, bucket_rate=800)
    bucket, taken = bench.shop.bucket, []
    take = bucket.take

    def watched(points):
        available, done = bucket.status()["currentlyAvailable"], take(points)
        taken.append((time.monotonic(), points, available, done))
        return done

    bucket.take = watched
    # Just before the first page, of which nobody knows yet what it costs.
    emptied = Once(lambda: take(bucket.status()["currentlyAvailable"] - 60), ahead=True)
    bench.run(wrap=emptied.wrap)
    bench.holds_the_shop()
    refused = [index for index, (*_, done) in enumerate(taken) if not done]
    assert len(refused) == 1
    (at, points, available, _), (again, same, *_) = taken[refused[0]], taken[refused[0] + 1]
    assert same == points
    wait = (points - available) / 800
    assert wait <= again - at < 1.25 * wait + 1


def test_a_bucket_that_is_known_is_not_overdrawn(begin):
    """After the first answer every call waits before it is sent: no throttling at all (fact 4)."""
    stamina.set_testing(False)
    bench = begin(orders=60, bucket_max=1500, bucket_rate=1000)
    bench.run()
    bench.holds_the_shop()
    assert [one for one in bench.requests() if "THROTTLED" in one.note["errors"]] == []


@pytest.mark.parametrize("factor", [15.0, 40.0])
def test_a_page_that_is_too_dear_is_asked_for_in_smaller_parts(begin, factor):
    """MAX_COST_EXCEEDED halves the page until it fits (fact 7); a vendor's formula may change."""
    bench = begin(orders=14, cost_factor=factor)
    bench.run()
    bench.holds_the_shop()
    sizes = [json.loads(one.body)["variables"]["first"] for one in bench.requests("OrdersPage")]
    dear = [one.note["errors"] == ["MAX_COST_EXCEEDED"] for one in bench.requests("OrdersPage")]
    assert dear[0]
    assert all(later < size for size, later, failed in zip(sizes, sizes[1:], dear, strict=False) if failed)
    assert not any(dear[sum(dear) :])


def test_one_order_that_is_too_dear_is_a_matter_of_configuration(begin):
    """Nothing is left to halve: it does not go round for ever."""
    bench = begin(cost_factor=100.0)
    with pytest.raises(ConfigurationError, match="reason=MAX_COST_EXCEEDED"):
        bench.run()
    assert len(bench.requests("OrdersPage")) < 10


def test_pages_grow_to_what_a_query_may_cost(begin):
    """From ten on they double, and stay a tenth below the limit."""
    bench = begin(orders=60, cost_factor=8.0)
    bench.run()
    sizes = [json.loads(one.body)["variables"]["first"] for one in bench.requests("OrdersPage")]
    costs = [one.note["requested_cost"] for one in bench.requests("OrdersPage")]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[1] < 2 * sizes[0]
    assert 700 < max(costs) <= 900


def test_a_page_that_is_too_heavy_is_asked_for_in_halves(bench):
    """Five times 500 in a row: less is asked for, and comes."""
    bench.shop.faults.add("status", times=5, match=PAGE)
    bench.run()
    bench.holds_the_shop()
    pages = [one for one in bench.requests() if "query OrdersPage" in one.body]
    sizes = [json.loads(one.body)["variables"]["first"] for one in pages]
    assert sizes[:6] == [10] * 5 + [5]


def test_a_shop_that_cannot_be_reached_is_not_asked_for_smaller_pages():
    """No page is too big for a host that is not there."""
    credentials = ShopifyCredentials(shop="acme", access_token="t", api_url="http://127.0.0.1:9")
    sizes = PageSize(QUICK, 10, 5)
    with (
        ShopifyClient("acme", credentials) as client,
        pytest.raises(UnavailableError, match="reason=CONNECT_FAILED"),
    ):
        client.sized("{ shop { name } }", {}, sizes)
    assert sizes.variables == {"first": 10, "nested": 5}


@pytest.mark.parametrize("settings", [QUICK, BULK], ids=["pages", "bulk"])
def test_a_part_of_the_search_that_shopify_ignores_fails_the_run(bench, monkeypatch, settings):
    """Read as it stands, the whole shop would come, or nothing (fact 25)."""
    for module in (changes, bulk_orders, orders_reader):
        monkeypatch.setattr(module, "changed_since", lambda *_: "renewed_at:>='2026-01-01T00:00:00Z'")
    with pytest.raises(ContractError, match=r"renewed_at.*reason=SEARCH_IGNORED"):
        bench.run(settings=settings)
    assert bench.rows(ORDERS) == []


def test_a_version_that_shopify_no_longer_has_is_not_taken_for_another(bench):
    """Shopify falls forward without a word; the run says it (fact 2)."""
    with pytest.raises(ContractError, match="instead of 2025-01"):
        bench.run(settings=replace(QUICK, api_version="2025-01"))


def test_a_redirect_takes_no_token_along(bench, begin):
    """A renamed shop's redirect is not followed: the other host sees no request (fact 3)."""
    other = begin()
    path = f"{other.running.url}/admin/api/2026-10/graphql.json"
    bench.shop.faults.add("redirect", times=None, location=path)
    with pytest.raises(ContractError, match="reason=REDIRECTED"):
        bench.run()
    assert other.shop.requests == []


def test_the_rest_of_a_list_fails_like_a_page(bench):
    """Lines beyond the first few are asked for order by order; a refusal there is no shorter order."""
    bench.shop.faults.add("access_denied", times=None, match={"operation": "OrderLines"}, required="`read_x`")
    with pytest.raises(CredentialsError, match="read_x"):
        bench.run()
    assert bench.rows(ORDERS) == bench.rows(LINES) == []
    bench.shop.faults.clear()
    bench.shop.faults.add("partial", match={"operation": "OrderLines"})
    bench.run()
    bench.holds_the_shop()


def test_a_deletion_read_that_is_refused_fails_clearly(bench):
    """Without the events deleted products would stay for ever: the products are there, the run is not done."""
    bench.shop.faults.add(
        "access_denied", times=None, match={"operation": "Deleted"}, required="`read_products`"
    )
    with pytest.raises(
        CredentialsError, match=r"events.*read_products.*slice=deleted_at .*reason=ACCESS_DENIED"
    ):
        bench.run("products")
    assert {row["product_id"] for row in bench.rows(PRODUCTS)} == {
        number(one) for one in bench.shop.world.products
    }


def _versions(bench):
    return [bench.lake.describe(TableRef(bench.tenant, table)).version for table in (ORDERS, LINES)]
