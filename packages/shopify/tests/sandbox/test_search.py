"""The search syntax, against records whose answer is known."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from weathervane.shopify.sandbox._search import SearchField, search
from weathervane.shopify.sandbox._search_terms import SearchError

NOW = datetime(2026, 11, 1, 6, tzinfo=UTC)
FIELDS = {
    "updated_at": SearchField("time", lambda r: r["updatedAt"]),
    "id": SearchField("number", lambda r: r["id"]),
    "test": SearchField("bool", lambda r: r["test"]),
    "status": SearchField("text", lambda r: r["status"]),
    "tag": SearchField("text", lambda r: r["tags"]),
    "default": SearchField("word", lambda r: r["name"]),
}
RECORDS: list[dict[str, Any]] = [
    {
        "id": 1,
        "updatedAt": "2025-12-31T23:59:59Z",
        "test": False,
        "status": "OPEN",
        "tags": ["vip"],
        "name": "Ada",
    },
    {"id": 2, "updatedAt": "2026-10-31T05:59:59Z", "test": True, "status": "OPEN", "tags": [], "name": "Bo"},
    {
        "id": 3,
        "updatedAt": "2026-10-31T06:00:00Z",
        "test": False,
        "status": "CLOSED",
        "tags": ["vip", "b2b"],
        "name": "Cy",
    },
    {
        "id": 4,
        "updatedAt": "2026-11-01T06:00:00.900Z",
        "test": False,
        "status": "",
        "tags": ["été"],
        "name": "Ad Bo",
    },
    {"id": 5, "updatedAt": None, "test": False, "status": None, "tags": None, "name": None},
]


def found(text: str, **options) -> list[int]:
    """Return the ids of the records that a search string fits."""
    test = search(text, FIELDS, now=NOW, **options).test
    return [record["id"] for record in RECORDS if test(record)]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", [1, 2, 3, 4, 5]),
        ("updated_at:>='2026-10-31T06:00:00Z'", [3, 4]),
        ("updated_at:>'2026-10-31T06:00:00Z'", [4]),
        ("updated_at:<='2026-10-31T06:00:00Z'", [1, 2, 3]),
        ("updated_at:<'2026-10-31T06:00:00Z'", [1, 2]),
        ("updated_at:'2026-10-31T06:00:00Z'", [3]),
        ("updated_at:>='2026-10-31T08:00:00+02:00'", [3, 4]),
        ("updated_at:>=2026-10-31T06:00:00Z", [3, 4]),
        ('updated_at:>="2026-10-31T06:00"', [3, 4]),
        ("updated_at:2026-10", [2, 3]),
        ("updated_at:>2026-10", [4]),
        ("updated_at:<=2025", [1]),
        ("updated_at:2026-10-31", [2, 3]),
        ("updated_at:<now", [1, 2, 3]),
        ("updated_at:<=now", [1, 2, 3, 4]),
        ("updated_at:>='2026-10-31T05:59:59Z' AND updated_at:<='2026-10-31T06:00:00Z'", [2, 3]),
        ("updated_at:>='2026-10-31T05:59:59Z' updated_at:<'2026-10-31T06:00:00Z'", [2]),
        ("id:3", [3]),
        ("id:>=3", [3, 4, 5]),
        ("id:>3 id:<5", [4]),
        ("test:true", [2]),
        ("test:false", [1, 3, 4, 5]),
        ("status:open", [1, 2]),
        ("status:OPEN,closed", [1, 2, 3]),
        ("status:'open,closed'", []),
        ("status:*", [1, 2, 3]),
        ("-status:open", [3, 4, 5]),
        ("NOT status:open", [3, 4, 5]),
        ("tag:vip", [1, 3]),
        ("tag:vip -tag:b2b", [1]),
        ("tag:v*", [1, 3]),
        ("tag:'été'", [4]),
        ("status:open OR status:closed", [1, 2, 3]),
        ("status:open AND test:true OR id:4", [2, 4]),
        ("status:open AND (test:true OR id:1)", [1, 2]),
        ("-(status:open OR id:4)", [3, 5]),
        ("bo", [2, 4]),
        ("ad bo", [4]),
        ("'ad bo'", [4]),
    ],
)
def test_a_search_finds_what_it_says(text, ids):
    """Comparators, quotes, connectives, parentheses and bare words; times count in whole seconds."""
    assert found(text) == ids


def test_comparators_can_be_loose_as_seen_in_life():
    """`>` was seen to behave as `>=` and `<` as `<=`."""
    assert found("updated_at:>'2026-10-31T06:00:00Z'", loose=True) == [3, 4]
    assert found("updated_at:<'2026-10-31T06:00:00Z'", loose=True) == [1, 2, 3]


@pytest.mark.parametrize(
    ("text", "ids", "codes"),
    [
        ("colour:red", [1, 2, 3, 4, 5], ["invalid_field"]),
        ("colour:red AND id:3", [3], ["invalid_field"]),
        ("colour:red OR id:3", [3], ["invalid_field"]),
        ("-colour:red id:3", [3], ["invalid_field"]),
        ("updated_at:banana id:3", [3], ["invalid_time"]),
        ("updated_at:2026-13-01 id:3", [3], ["invalid_time"]),
        ("id:x", [1, 2, 3, 4, 5], ["invalid_number"]),
        ("test:maybe", [1, 2, 3, 4, 5], ["invalid_bool"]),
    ],
)
def test_terms_that_mean_nothing_are_left_out_with_a_warning(text, ids, codes):
    """The rest of the search holds."""
    result = search(text, FIELDS, now=NOW)
    assert [record["id"] for record in RECORDS if result.test(record)] == ids
    assert [one["code"] for one in result.warnings] == codes


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("updated_at:>=2026-10-31T06:00:00+02:00", "has an offset and no quotes"),
        ("(id:1", "parenthesis"),
        ("id:1)", "parenthesis"),
        ("id:1 AND", "missing at the end"),
        ("OR id:1", "unexpected OR"),
        ("updated_at:'2026", "not closed"),
        ("colour:red", "does not search by colour"),
    ],
)
def test_what_cannot_be_read_or_served_is_refused(text, says):
    """A broken string is an error, and so is a field that the vendor has and the sandbox has not."""
    with pytest.raises(SearchError, match=says):
        search(text, FIELDS, now=NOW, documented=frozenset({"colour"}))


def test_an_ignored_term_is_reported_in_the_answer(acme):
    """The rows come unfiltered, and extensions.search says why."""
    answer = acme.ask('{ orders(first: 2, query: "updatedat:>now") { nodes { id } } }')
    assert len(answer["data"]["orders"]["nodes"]) == 2
    (report,) = answer["extensions"]["search"]
    assert (report["path"], report["query"]) == (["orders"], "updatedat:>now")
    assert report["warnings"] == [
        {"field": "updatedat", "message": "Invalid search field for this query.", "code": "invalid_field"}
    ]
    again = acme.ask('{ orders(first: 2, query: "updatedat:>now") { nodes { id } } }')
    assert again["extensions"]["search"] == answer["extensions"]["search"]
    assert (
        "search"
        not in acme.ask('{ orders(first: 2, query: "updated_at:<now") { nodes { id } } }')["extensions"]
    )


def test_a_search_field_that_is_not_served_is_an_error_not_a_silence(acme):
    """credit_card_last4 is the vendor's, but no record here holds it."""
    (error,) = acme.ask('{ orders(first: 2, query: "credit_card_last4:1234") { nodes { id } } }')["errors"]
    assert "does not search by credit_card_last4" in error["message"]


def test_orders_are_found_by_their_states(acme):
    """Each filter finds what the records themselves say."""
    truth = list(acme.shop.truth("shopify_orders"))
    cases = {
        "status:cancelled": lambda o: o["cancelledAt"],
        "status:open": lambda o: not o["closedAt"],
        "financial_status:partially_refunded": lambda o: o["displayFinancialStatus"] == "PARTIALLY_REFUNDED",
        "fulfillment_status:unshipped": lambda o: o["displayFulfillmentStatus"] == "UNFULFILLED",
        "test:true": lambda o: o["test"],
        "tag:vip AND -test:true": lambda o: "vip" in o["tags"] and not o["test"],
        "created_at:>='2026-09-01T00:00:00Z'": lambda o: o["createdAt"] >= "2026-09-01T00:00:00Z",
        "name:1042": lambda o: o["name"] == "#1042",
    }
    for text, wanted in cases.items():
        ids = {order["id"] for order in truth if wanted(order)}
        assert ids, text
        assert {node["id"] for node in acme.all("orders", "id", query=f'"{text}"')} == ids, text
        assert acme.data("query($q: String) { ordersCount(query: $q) { count } }", q=text)["ordersCount"] == {
            "count": len(ids)
        }


def test_products_variants_and_items_are_searchable_by_update_time(acme):
    """ProductVariant has no sort by update time, but can be filtered by it."""
    for root, dataset in (("products", "shopify_products"), ("productVariants", "shopify_product_variants")):
        recent = {row["id"] for row in acme.shop.truth(dataset) if row["updatedAt"] >= "2026-10-01T00:00:00Z"}
        found = {node["id"] for node in acme.all(root, "id", query="\"updated_at:>='2026-10-01T00:00:00Z'\"")}
        assert found == recent != set()
