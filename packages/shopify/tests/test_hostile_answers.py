"""Whatever stands in an answer, it becomes a value or one of our own errors: nothing else ends a run.

What one object alone holds does not even end it: see `test_odd_objects.py`.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from weathervane.source import InternalError, SourceError

from .bench import BULK, SMALL
from .test_errors_in_success import CALLS

DEEP = "[" * 20_000 + "]" * 20_000
BODIES = {
    "nothing": b"",
    "a text": b'"x"',
    "a number": b"1",
    "null": b"null",
    "a list": b"[]",
    "cut": b'{"data":{"sh',
    "no UTF-8": b'{"data":{"x":"\xff"}}',
    "half a character": b'{"data":{"x":"\\ud83d"}}',
    "UTF-16": '{"data":{}}'.encode("utf-16"),
    "beyond all bounds": b'{"data":{"x":1e999},"extensions":{"cost":{"requestedQueryCost":1e400}}}',
    "not a number": b'{"data":{"x":NaN}}',
    "deep": b'{"data":' + DEEP.encode() + b"}",
    "deep errors": b'{"errors":' + DEEP.encode() + b"}",
    "errors as deep as can be read": b'{"errors":[{"message":' + b"[" * 970 + b"]" * 970 + b"}]}",
    "an error as deep": b'{"errors":' + b"[" * 970 + b"]" * 970 + b"}",
    "a code as deep": b'{"data":{},"extensions":{"code":' + b"[" * 970 + b"]" * 970 + b"}}",
    "warnings as deep": b'{"data":{},"extensions":{"search":' + b"[" * 970 + b"1" + b"]" * 970 + b"}}",
    "deep extensions": b'{"data":{},"extensions":' + DEEP.encode() + b"}",
    "data of another kind": b'{"data":[{"shop":1}]}',
    "empty data": b'{"data":{}}',
}


@pytest.mark.parametrize("operation", CALLS)
def test_no_body_ends_a_run_otherwise_than_by_an_error_of_ours(read, operation):
    """Bytes of every kind at every call."""
    for name, body in BODIES.items():
        read.shop.faults.clear()
        text = body.decode("utf-8", "surrogateescape")  # the fault sends such a half as the byte that it was
        read.shop.faults.add("wrong_content", times=None, match={"operation": operation}, body=text)
        with pytest.raises(SourceError) as caught:
            read(*CALLS[operation])
        assert not isinstance(caught.value, InternalError), name


# Operation -> members that no schema allows, each in the place of what is right there.
VALUES: list[tuple[str, dict[str, Any]]] = [
    *(
        ("Shop", {"shop": {"ianaTimezone": zone}})
        for zone in ("Mars/Olympus", "America", "../../etc/passwd", "", "x" * 5000, "\x00", 5, None)
    ),
    ("Shop", {"shop": {"currencyCode": None}}),
    ("Shop", {"currentAppInstallation": {"accessScopes": "read_orders"}}),
    *(
        ("Count", {"count": {"count": count}})
        for count in ("12", 1.5, 1e300, 10**400, -1, 10**16, int("9" * 4000), None, [])
    ),
    ("Count", {"count": {"precision": "AT_LEAST"}}),
    ("Times", {"oldest": {"nodes": 5}}),
    ("Times", {"newest": None}),
    ("OrdersPage", {"orders": {"nodes": None}}),
    ("OrdersPage", {"orders": {"pageInfo": {"hasNextPage": "yes"}}}),
    ("OrdersPage", {"orders": {"pageInfo": {"hasNextPage": True, "endCursor": 5}}}),
    ("Run", {"bulkOperationRunQuery": {"userErrors": None}}),
    ("Run", {"bulkOperationRunQuery": {"bulkOperation": {"id": 5}}}),
    ("Run", {"bulkOperationRunQuery": None}),
    *(
        ("Poll", {"bulkOperation": {"status": "COMPLETED", "objectCount": count}})
        for count in ("many", "-1", "1.5", "", "1e9999", "9" * 5000, 5, None)
    ),
    ("Poll", {"bulkOperation": {"status": "COMPLETED", "rootObjectCount": "x"}}),
    *(
        ("Poll", {"bulkOperation": {"status": "COMPLETED", "url": url}})
        for url in ("http://[", "ftp://x/y", "nowhere", "http://127.0.0.1:99999/x", "\x00", 5, "")
    ),
    ("Poll", {"bulkOperation": {"status": "NEW WORD"}}),
    ("Poll", {"bulkOperation": {"status": ""}}),
    ("Poll", {"bulkOperation": {"status": None}}),
]


@pytest.mark.parametrize(
    ("operation", "members"), VALUES, ids=[f"{name} {json.dumps(one)[:60]}" for name, one in VALUES]
)
def test_no_value_ends_a_run_otherwise_than_by_an_error_of_ours(read, operation, members):
    """The unknown time zone, the naive time, the count in words, the link to nowhere."""
    read.shop.faults.add("merged", times=None, match={"operation": operation}, members={"data": members})
    with pytest.raises(SourceError) as caught:
        read(*CALLS[operation])
    assert not isinstance(caught.value, InternalError)
    assert len(str(caught.value)) < 700
    assert "etc/passwd" not in str(caught.value) or caught.value.reason == "UNKNOWN_TIME_ZONE"


def test_an_order_of_the_first_second_of_all_ends_no_run(read):
    """Nothing lies before it: the page at which a slice is full shows it."""
    members = {"data": {"orders": {"nodes": {"0": {"updatedAt": "0001-01-01T00:00:00Z"}}}}}
    read.shop.faults.add("merged", times=1, match={"operation": "OrdersPage", "page": 2}, members=members)
    read("orders", replace(SMALL, slice_rows=3))


COSTS: list[Any] = [
    "free",
    [],
    {"requestedQueryCost": "much"},
    {"requestedQueryCost": -5},
    {"requestedQueryCost": 1e-300},
    {"requestedQueryCost": 1e300},
    {"throttleStatus": None},
    {"throttleStatus": {"maximumAvailable": 0, "currentlyAvailable": 0, "restoreRate": 0}},
    {"throttleStatus": {"maximumAvailable": 1e300, "currentlyAvailable": 1e300, "restoreRate": 1e-300}},
    {"throttleStatus": {"maximumAvailable": "x"}},
    {"throttleStatus": {"maximumAvailable": 1e308, "currentlyAvailable": -1e308, "restoreRate": 1e-308}},
    {"throttleStatus": {"maximumAvailable": 1000, "currentlyAvailable": -1e9, "restoreRate": 50}},
]


@pytest.mark.parametrize("cost", COSTS, ids=json.dumps)
def test_a_cost_that_cannot_be_read_costs_no_row(read, cost):
    """No row depends on it: the page is taken, and the next one is asked for as if nothing had been said."""
    read.shop.faults.add(
        "merged", times=None, match={"operation": "OrdersPage"}, members={"extensions": {"cost": cost}}
    )
    read(*CALLS["OrdersPage"])


@pytest.mark.parametrize(
    "line", ["1", "null", "[]", '"x"', '{"__parentId":5}', DEEP, '{"id":"\\ud83d"', "\udcff"]
)
def test_no_line_of_a_bulk_file_ends_a_run_otherwise(read, line):
    """Neither JSON of another kind nor what is no JSON."""
    read.shop.faults.add("bulk_line", line=line, times=None)
    with pytest.raises(SourceError) as caught:
        read("orders", BULK)
    assert not isinstance(caught.value, InternalError)
