"""Each way of failing, seen over a real socket; after it the shop answers as before."""

from __future__ import annotations

import gzip
import json
import time

import httpx
import pytest

from weathervane.shopify.sandbox import FAULTS

QUERY = "query Page($after: String) { orders(first: 50, after: $after, sortKey: UPDATED_AT) { \
    pageInfo { hasNextPage endCursor } nodes { id } } }"
SEEN: set[str] = set()
ELSEWHERE = {
    "touch_after_page": "test_rules",
    "bulk_slow": "test_bulk",
    "bulk_failed": "test_bulk",
    "bulk_canceled": "test_bulk",
    "bulk_url_expired": "test_bulk",
    "bulk_truncated": "test_bulk",
    "bulk_fewer_lines": "test_bulk",
    "bulk_line": "test_bulk",
    "bulk_repeated": "test_bulk",
    "bulk_short_children": "test_bulk",
    "slots_busy": "test_bulk",
    "unfit": "the source's test_conformance",
}
"""Faults that are shown in another module."""


@pytest.fixture
def arm(acme):
    """Arm a fault through the control routes, as a client of any language would."""

    def add(name: str, **more: object) -> None:
        SEEN.add(name)
        answer = acme.http.post("/_sandbox/faults", json={"name": name, **more})
        assert answer.status_code == 201, answer.text

    return add


def well(acme) -> bool:
    """Say whether the shop answers as it should."""
    return len(acme.data(QUERY)["orders"]["nodes"]) == 50


@pytest.mark.parametrize("status", [401, 402, 403, 404, 423, 429, 430, 500])
def test_a_status_with_the_vendors_json(acme, arm, status):
    """`errors` is a string in these bodies."""
    arm("status", status=status)
    answer = acme.post(QUERY)
    assert answer.status_code == status
    assert isinstance(answer.json()["errors"], str)
    assert well(acme)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_gateways_status_is_html(acme, arm, status):
    """Whoever parses it as JSON must survive it."""
    arm("status", status=status, times=2)
    answers = [acme.post(QUERY) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [status] * 2
    assert answers[0].headers["Content-Type"].startswith("text/html")
    assert well(acme)


def test_retry_after_is_sent_when_asked_for(acme, arm):
    """The header is text, as it stands."""
    arm("status", status=429, retry_after="2.0")
    assert acme.post(QUERY).headers["Retry-After"] == "2.0"


def test_a_fault_can_wait_for_a_page_an_operation_or_a_turn(acme, arm):
    """Only the occasion that fits is spoiled."""
    arm("status", status=500, match={"page": 2})
    first = acme.data(QUERY)["orders"]
    assert acme.post(QUERY, after=first["pageInfo"]["endCursor"]).status_code == 500
    assert acme.post(QUERY, after=first["pageInfo"]["endCursor"]).status_code == 200
    arm("status", status=500, match={"operation": "Other"})
    arm("internal_error", match={"field": "products"})
    assert well(acme)
    assert acme.codes("{ products(first: 1) { nodes { id } } }") == ["INTERNAL_SERVER_ERROR"]
    assert acme.post("query Other { shop { name } }").status_code == 500
    arm("throttled", skip=1)
    assert [acme.codes(QUERY) for _ in range(3)] == [[], ["THROTTLED"], []]
    arm("throttled", times=None)
    assert [acme.codes(QUERY) for _ in range(3)] == [["THROTTLED"]] * 3
    assert acme.http.get("/_sandbox/faults").json()[0]["fired"] == 3
    assert acme.http.delete("/_sandbox/faults?name=throttled").json() == {"cleared": 1}
    assert acme.http.delete("/_sandbox/faults").json() == {"cleared": 0}
    assert well(acme)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("throttled", "THROTTLED"),
        ("internal_error", "INTERNAL_SERVER_ERROR"),
        ("access_denied", "ACCESS_DENIED"),
        ("shop_inactive", "SHOP_INACTIVE"),
        ("max_cost", "MAX_COST_EXCEEDED"),
    ],
)
def test_an_error_that_comes_with_status_200(acme, arm, name, code):
    """There is no data beside it."""
    arm(name)
    answer = acme.ask(QUERY)
    assert [error["extensions"]["code"] for error in answer["errors"]] == [code]
    assert answer.get("data") is None
    assert well(acme)


def test_access_can_be_denied_for_one_field(acme, arm):
    """Events may be closed to an app that may read everything else."""
    arm("access_denied", times=None, field="events")
    answer = acme.ask("{ shop { name } events(first: 1) { nodes { id } } }")
    assert answer["data"] == {"shop": {"name": "Acme"}, "events": None}
    assert answer["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"


def test_partial_data_comes_with_errors_beside_it(acme, arm):
    """Half of the rows, and an error: whoever reads only `data` loses the rest."""
    arm("partial")
    answer = acme.ask(QUERY)
    assert len(answer["data"]["orders"]["nodes"]) == 25
    assert answer["data"]["orders"]["pageInfo"]["hasNextPage"]
    assert answer["errors"]
    assert well(acme)


def test_a_token_can_expire_at_once(start):
    """The request is refused, and every later one with that token."""
    shop = start()
    grant = {
        "grant_type": "client_credentials",
        "client_id": "sandbox-client",
        "client_secret": "sandbox-secret",
    }
    token = shop.http.post("/admin/oauth/access_token", data=grant).json()["access_token"]
    SEEN.add("token_expired")
    shop.shop.faults.add("token_expired")
    headers = {"X-Shopify-Access-Token": token}
    body = {"query": "{ shop { name } }"}
    for _ in range(2):
        assert (
            shop.http.post("/admin/api/2026-10/graphql.json", json=body, headers=headers).status_code == 401
        )
    assert shop.post("{ shop { name } }").status_code == 200  # another token is well


def test_scopes_can_be_lost(acme, arm):
    """While it stands the app has them no more, and says so when asked."""
    arm("scope_loss", times=None, scopes=["read_orders"])
    assert acme.codes(QUERY) == ["ACCESS_DENIED"]
    scopes = acme.data("{ currentAppInstallation { accessScopes { handle } } }")["currentAppInstallation"]
    assert {"handle": "read_orders"} not in scopes["accessScopes"]
    acme.shop.faults.clear()
    assert well(acme)


@pytest.mark.parametrize("page", [1, 2, 8])
def test_an_empty_page_with_a_next_one_loses_nothing(acme, arm, page):
    """A reader that goes on while there is a next page gets every record once."""
    arm("empty_page", match={"page": page})
    pages = acme.pages("orders", "id", first=50, sortKey="UPDATED_AT")
    ids = [node["id"] for nodes in pages for node in nodes]
    assert pages[page - 1] == []
    assert len(ids) == len(set(ids)) == 400


def test_a_cursor_can_lead_back_to_itself(acme, arm):
    """For ever: the reader must notice."""
    arm("cursor_loop", times=None, match={"page": 2})
    first = acme.data(QUERY)["orders"]["pageInfo"]["endCursor"]
    for _ in range(3):
        page = acme.data(QUERY, after=first)["orders"]
        assert page["pageInfo"] == {"hasNextPage": True, "endCursor": first}


def test_a_hidden_record_is_counted_and_not_listed(acme, arm):
    """A control total shows what a list does not."""
    hidden = acme.data(QUERY)["orders"]["nodes"][7]["id"]
    arm("hidden", times=None, id=hidden)
    assert hidden not in {node["id"] for node in acme.all("orders", "id")}
    assert len(acme.all("orders", "id")) == 399
    assert acme.data("{ ordersCount { count } }")["ordersCount"]["count"] == 400


def test_the_search_index_can_lag_behind(start):
    """A change of the last minutes is found under its old time, a new record not at all."""
    shop = start(life=False)
    old = shop.all("orders", "id updatedAt", sortKey="UPDATED_AT")[0]
    shop.shop.advance(3600)
    shop.shop.change("touch", id=old["id"])
    new = shop.shop.change("new_order")["id"]
    SEEN.add("search_lag")
    shop.shop.faults.add("search_lag", times=None, seconds=300)
    recent = "\"updated_at:>='2026-11-01T07:00:00Z'\""
    assert shop.all("orders", "id", query=recent) == []
    listed = shop.all("orders", "id updatedAt", sortKey="UPDATED_AT")
    assert listed[0] == {"id": old["id"], "updatedAt": "2026-11-01T07:00:00Z"}
    assert new not in {node["id"] for node in listed}
    shop.shop.advance(300)
    assert {node["id"] for node in shop.all("orders", "id", query=recent)} == {old["id"], new}


def test_comparators_can_be_loose(acme, arm):
    """`>` takes in the bound, as was seen in life."""
    bound = max(order["updatedAt"] for order in acme.shop.truth("shopify_orders"))
    query = f"\"updated_at:>'{bound}'\""
    assert acme.all("orders", "id", query=query) == []
    arm("loose_comparators", times=None)
    assert acme.all("orders", "id", query=query)


def test_another_version_can_answer(acme, arm):
    """The header tells, and the schema is that version's."""
    arm("fall_forward", version="2026-01", times=2)
    assert acme.post("{ shop { name } }").headers["X-Shopify-API-Version"] == "2026-01"
    assert acme.codes("{ orders(first: 1) { nodes { cartToken } } }") == ["undefinedField"]
    assert acme.post("{ shop { name } }").headers["X-Shopify-API-Version"] == "2026-10"


def test_a_redirect_leads_to_another_host(acme, arm):
    """The token must not follow it."""
    arm("redirect", location=f"{acme.running.storage_url}/bulk/elsewhere")
    answer = acme.post(QUERY)
    assert (answer.status_code, answer.headers["Location"]) == (
        302,
        f"{acme.running.storage_url}/bulk/elsewhere",
    )


def test_what_is_not_the_vendors_json(acme, arm):
    """HTML, another shape, NaN and bottomless nesting all come with status 200."""
    arm("html_200")
    assert "<html" in acme.post(QUERY).text
    arm("wrong_content")
    assert acme.post(QUERY).json() == []
    arm("wrong_content", body="null")
    assert acme.post(QUERY).json() is None
    arm("nan_json")
    assert "NaN" in acme.post(QUERY).text
    arm("deep_json", depth=50_000)
    assert acme.post(QUERY).text.count("[") == 50_000
    assert well(acme)


def test_a_small_body_can_be_a_huge_one(acme, arm):
    """20 MB out of a few kilobytes; the default is ten times that."""
    arm("gzip_bomb", megabytes=20)
    with acme.http.stream("POST", "/admin/api/2026-10/graphql.json", json={"query": QUERY}) as answer:
        packed = b"".join(answer.iter_raw())
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(packed) < 50_000
    assert len(gzip.decompress(packed)) > 20_000_000
    assert json.loads(gzip.decompress(packed))


def test_an_answer_can_be_slow(acme, arm):
    """A client with a shorter patience gives up; the next answer is in time."""
    arm("slow", seconds=0.5)
    with pytest.raises(httpx.ReadTimeout):
        acme.http.post("/admin/api/2026-10/graphql.json", json={"query": QUERY}, timeout=0.2)
    assert well(acme)


def test_an_answer_can_drip(acme, arm):
    """Each piece comes within any read timeout; only a bound on the whole notices."""
    arm("drip", seconds=0.02, pieces=20)
    begun = time.monotonic()
    answer = acme.http.post("/admin/api/2026-10/graphql.json", json={"query": QUERY}, timeout=0.2)
    assert time.monotonic() - begun > 0.35
    assert len(answer.json()["data"]["orders"]["nodes"]) == 50


@pytest.mark.parametrize("drip", [False, True])
def test_a_connection_can_be_cut_within_the_body(acme, arm, drip):
    """The length was announced in full, so the client can tell."""
    arm("cut")
    if drip:
        arm("drip", seconds=0.001)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        acme.post(QUERY)
    assert well(acme)


def test_the_storage_host_fails_in_the_same_ways(acme, arm):
    """A fault can be aimed at a host."""
    arm("status", status=503, match={"host": "storage"})
    assert well(acme)
    assert httpx.get(f"{acme.running.storage_url}/bulk/1.jsonl").status_code == 503
    arm("cut", match={"host": "storage"})
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        httpx.get(f"{acme.running.storage_url}/bulk/1.jsonl")


def test_a_list_within_an_object_can_end_early_and_say_that_it_is_whole(acme, arm):
    """Only the count beside it tells; the list of the root is as it was."""
    query = "{ products(first: 20) { nodes { variantsCount { count } variants(first: 20) { \
        pageInfo { hasNextPage } nodes { id } } } } }"

    def short() -> list[int]:
        nodes = acme.data(query)["products"]["nodes"]
        assert len(nodes) == 20
        whole = [one for one in nodes if not one["variants"]["pageInfo"]["hasNextPage"]]
        return [
            lack for one in whole if (lack := one["variantsCount"]["count"] - len(one["variants"]["nodes"]))
        ]

    assert short() == []
    arm("nested_short", times=None, keep=1, match={"field": "variants"})
    assert len(short()) > 5
    acme.shop.faults.clear()
    arm("nested_short", skip=1, keep=0)
    assert len(short()) == 1
    assert short() == []


def test_members_can_be_put_into_an_answer(acme, arm):
    """Beside its own and over them, into a list by place; the bytes of a body that is no UTF-8, too."""
    node = {"name": "other", "more": 1}
    members = {"errors": "half", "data": {"orders": {"nodes": {"1": node}}}, "extensions": {"cost": None}}
    arm("merged", members=members, match={"field": "orders"})
    answer = acme.ask(QUERY)
    first, second = answer["data"]["orders"]["nodes"][:2]
    assert (answer["errors"], answer["extensions"]) == ("half", {"cost": None})
    assert "more" not in first
    assert {**second, **node} == second
    assert well(acme)
    acme.shop.faults.add("wrong_content", body='{"x":"\udcff"}')
    assert acme.post(QUERY).content == b'{"x":"\xff"}'


def test_every_fault_is_shown():
    """A fault that no test fires may not work at all."""
    assert SEEN | set(ELSEWHERE) == set(FAULTS)
