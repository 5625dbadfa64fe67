"""Bulk operations: a long history by files, equal to what pages would have brought, or nothing at all."""

from __future__ import annotations

import itertools
import json
import logging
import re
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from weathervane.shopify import _bulk as bulk
from weathervane.shopify import _bulk_reader as bulk_orders
from weathervane.shopify._queries import orders_bulk_query
from weathervane.shopify._tables.orders import LINES as LINES_OF
from weathervane.shopify._tables.orders import ORDERS as ORDERS_OF
from weathervane.shopify._tables.orders import PARTS
from weathervane.source import ConfigurationError, DeferredError, IncompleteError, download, listening
from weathervane.source.sandbox import fingerprint

from .bench import BULK, LINES, ORDERS, QUICK, Once, everything_said, number, secrets_of

FRAGMENTS = replace(BULK, bulk_slice_rows=5)


def test_pages_and_bulk_operations_make_the_same_tables(begin):
    """Which way the rows came cannot be seen in them."""
    bench = begin(orders=40)
    bench.shop.change("cancel_order", id=bench.order_ids()[3])
    by_bulk = bench.other("bulk")
    bench.run()
    kinds = []
    by_bulk.run(settings=BULK, on_slice=lambda result: kinds.append(result.slice.bounds["kind"]))
    by_bulk.holds_the_shop()
    assert kinds == ["bulk", "pages"]
    for dataset in (ORDERS, LINES):
        assert bench.rows(dataset) == by_bulk.rows(dataset)


def test_a_page_read_after_a_bulk_read_finds_nothing_changed(bench):
    """The same order by the other way is equal to the last letter, JSON columns too."""
    bench.shop.change("refund_order", id=bench.order_ids()[0], full=True)
    bench.run(settings=BULK)
    summary = bench.run(settings=replace(QUICK, overlap=timedelta(days=900)))
    counts = [summary.metadata["datasets"][name] for name in (ORDERS, LINES)]
    assert [(one.rows_inserted, one.rows_updated, one.rows_deleted) for one in counts] == [(0, 0, 0)] * 2
    assert [one.rows_received > 0 for one in counts] == [True, True]


def test_a_history_is_cut_into_bounded_operations(begin):
    """Windows are halved until a file is bounded; the checkpoint follows window by window (fact 20)."""
    bench = begin(orders=24)
    reached = []
    bench.run(settings=FRAGMENTS, on_slice=lambda _: reached.append(bench.checkpoint()["updated_at"]))
    bench.holds_the_shop()
    assert len(bench.requests("Run")) >= 5
    assert reached == sorted(reached)


def test_more_orders_in_one_second_than_an_operation_should_hold_are_read_all_the_same(begin):
    """A second cannot be halved."""
    bench = begin(orders=12)
    at = bench.shop.clock.now() - timedelta(hours=1)
    for order in bench.shop.world.orders.values():
        order["updatedAt"] = f"{at:%Y-%m-%dT%H:%M:%SZ}"
        bench.shop.world.changed(order)
    bench.run(settings=FRAGMENTS)
    bench.holds_the_shop()


def test_an_order_that_changes_while_the_operation_runs_is_not_lost(begin):
    """It leaves the window, and comes with the pages behind it."""
    bench = begin(orders=12)
    bench.shop.advance(600)
    touched = bench.order_ids()[2]
    started = Once(lambda: bench.shop.change("remove_line", id=_with_lines(bench)))
    bench.shop.faults.add("bulk_slow", polls=3)
    bench.run(settings=BULK, wrap=started.wrap)
    bench.shop.change("touch", id=touched)
    bench.run(settings=BULK)
    bench.holds_the_shop()


def test_an_operation_that_finds_nothing_is_zero_rows(bench, monkeypatch):
    """COMPLETED without a file: all orders of the window changed after they were counted (fact 20)."""
    bench.shop.advance(600)

    def meanwhile(*given, **more):
        for one in bench.order_ids():
            bench.shop.change("touch", id=one)
        monkeypatch.undo()
        return bulk.bulk_file(*given, **more)

    monkeypatch.setattr(bulk_orders, "bulk_file", meanwhile)
    received = []
    bench.run(settings=BULK, on_slice=lambda result: received.append(result.receipts[ORDERS].rows_received))
    assert received[:2] == [0, 12]
    bench.holds_the_shop()


def test_a_line_taken_off_an_order_vanishes_by_a_file_too(bench):
    """A file holds whole orders, with all of their lines (fact 12)."""
    bench.run(settings=BULK)
    order = _with_lines(bench)
    bench.shop.advance(3600)
    bench.shop.change("remove_line", id=order)
    bench.shop.advance(60)
    bench.shop.change("new_order")  # the newest is read by a page, too
    kinds = []
    bench.run(settings=BULK, on_slice=lambda result: kinds.append(result.slice.bounds["kind"]))
    assert kinds[0] == "bulk"
    bench.holds_the_shop()


@pytest.mark.parametrize(
    ("fault", "given", "reason"),
    [
        ("bulk_failed", {}, "BULK_FAILED"),
        ("bulk_failed", {"error_code": "TIMEOUT"}, "BULK_FAILED"),
        ("bulk_canceled", {}, "BULK_CANCELED"),
        ("bulk_url_expired", {}, "LINK_REFUSED"),
        ("bulk_truncated", {}, "BULK_SHORT"),
        ("bulk_fewer_lines", {"drop": 1}, "BULK_SHORT"),
        ("bulk_repeated", {}, "BULK_SHORT"),
        ("cut", {"match": {"host": "storage"}}, "BODY_CUT"),
        ("status", {"match": {"host": "storage"}, "status": 503}, "BULK_FILE"),
    ],
)
def test_an_operation_that_did_not_end_well_commits_nothing_and_is_started_anew(
    bench, caplog, fault, given, reason
):
    """What it left is never trusted; the next attempt is another operation and brings all (facts 20, 21)."""
    times = 5 if fault in ("status", "cut") else 1
    bench.shop.faults.add(fault, times=times, **given)
    caplog.set_level(logging.DEBUG)
    with pytest.raises(IncompleteError, match=f"reason={reason}") as caught:
        bench.run(settings=BULK)
    assert bench.rows(ORDERS) == bench.rows(LINES) == []
    assert bench.checkpoint() is None
    assert bench.requests("Cancel") == []
    told = everything_said(caught.value, caplog)
    assert not [secret for secret in secrets_of(bench) if secret in told]
    bench.run(settings=BULK)
    assert len(bench.requests("Run")) == 2
    bench.holds_the_shop()


def test_a_link_that_the_cloud_refuses_for_a_moment_is_tried_again(bench):
    """One bad answer of the file's host costs no operation."""
    bench.shop.faults.add("status", match={"host": "storage"}, status=503)
    bench.run(settings=BULK)
    bench.holds_the_shop()
    assert len(bench.requests("Run")) == 1


def test_a_file_whose_last_line_was_cut_is_not_believed(bench, spoil):
    """As many lines as objects, but one is half a line (fact 21)."""
    spoil(lambda body: body[:-20])
    with pytest.raises(IncompleteError, match="reason=BULK_CUT"):
        bench.run(settings=BULK)
    assert bench.rows(ORDERS) == bench.rows(LINES) == []


@pytest.mark.parametrize("long", [False, True])
def test_a_line_whose_order_is_not_in_the_file_makes_it_incomplete(bench, spoil, long):
    """Lines without their order would have no version and no currency; the counts all fit."""
    longest = _longest(bench)["id"].encode()

    def swapped(body):
        lines = body.splitlines(keepends=True)
        orders = [line for line in lines if b"__parentId" not in line]
        orders.sort(key=lambda line: (longest in line) is not long)
        other = orders[0].replace(b"gid://shopify/Order/", b"gid://shopify/Order/9", 1)
        return b"".join([other, *[line for line in lines if line != orders[0]]])

    spoil(swapped)
    with pytest.raises(IncompleteError, match="reason=BULK_ORPHANS"):
        bench.run(settings=BULK)
    assert bench.rows(ORDERS) == bench.rows(LINES) == []


def test_an_order_that_is_counted_but_not_in_the_file_makes_it_incomplete(bench):
    """Shopify's own count is asked beside the file, which counts only itself (A11)."""
    bench.shop.faults.add("hidden", times=None, id=bench.order_ids()[4])
    with pytest.raises(IncompleteError, match=r"counts 12 .* holds 11 .*reason=COUNT_DIFFERS"):
        bench.run(settings=BULK)
    assert bench.checkpoint() is None


def test_taken_slots_are_waited_for_and_nobody_elses_operation_is_cancelled(bench):
    """OPERATION_IN_PROGRESS is no failure (fact 20)."""
    bench.shop.faults.add("slots_busy", times=4)
    bench.run(settings=BULK)
    bench.holds_the_shop()
    assert len(bench.requests("Run")) == 5
    assert bench.requests("Cancel") == []


def test_a_wait_for_a_slot_and_for_the_operation_shows_how_far_it_is(bench):
    """Minutes of silence look like a run that hangs; a line for each poll would be noise."""
    bench.shop.faults.add("slots_busy", times=3)
    bench.shop.faults.add("bulk_slow", polls=30)
    now = itertools.count(step=10)
    heard = []
    query = orders_bulk_query(ORDERS_OF, LINES_OF, PARTS, "updated_at:>='2026-01-01T00:00:00Z'")
    with (
        listening(heard.append),
        bench.client() as client,
        bulk.bulk_file(client, query, sleep=lambda seconds: None, clock=lambda: float(next(now))) as file,
    ):
        assert file.path is not None
    said = [one.message for one in heard]
    assert (
        "a bulk operation of this shop: all that Shopify runs at once for this app are taken; waited"
        in said[0]
    )
    running = [
        one for one in said if re.match(r"Shopify's bulk operation: running, \d+ objects so far; waited", one)
    ]
    assert 2 <= len(running) <= 8
    assert len(running) + 1 <= len(said) <= 9


def test_slots_that_stay_taken_defer_the_run(bench):
    """Patience is bounded: come back later, do not sleep for ever."""
    bench.shop.faults.add("slots_busy", times=None)
    with pytest.raises(DeferredError, match="reason=BULK_BUSY"):
        bench.run(settings=replace(BULK, bulk_patience=timedelta(seconds=0.1)))
    assert bench.requests("Cancel") == []


@pytest.mark.parametrize("why", ["slow", "interrupted"])
def test_our_own_operation_is_cancelled_when_nobody_will_come_for_it(bench, why):
    """It would hold one of the app's five slots for hours."""
    bench.shop.faults.add("bulk_slow", polls=10_000)
    patience = timedelta(seconds=0.1) if why == "slow" else timedelta(hours=1)
    if why == "interrupted":
        bench.shop.faults.add("status", times=None, match={"operation": "Poll"}, status=404)
    expected = DeferredError if why == "slow" else ConfigurationError
    with pytest.raises(expected, match="reason=BULK_SLOW" if why == "slow" else "reason=NO_SHOP"):
        bench.run(settings=replace(BULK, bulk_patience=patience))
    bench.shop.faults.clear()
    assert len(bench.requests("Cancel")) == 1
    bench.run(settings=BULK)
    bench.holds_the_shop()


def test_a_slow_operation_is_polled_ever_less_often(bench):
    """1, 2, 4, … seconds: a long operation costs few calls."""
    bench.shop.faults.add("bulk_slow", polls=5)
    began = time.monotonic()
    bench.run(settings=replace(BULK, bulk_poll_seconds=(0.01, 0.1, 0.2)))
    assert time.monotonic() - began > 0.01 + 0.1 + 0.2 + 0.2
    assert len(bench.requests("Poll")) == 5
    bench.holds_the_shop()


def test_a_start_whose_answer_was_lost_is_not_repeated_blindly(bench):
    """A second operation would run beside the first and take another slot."""
    bench.shop.faults.add("cut", match={"operation": "Run"})
    with pytest.raises(IncompleteError, match="reason=BODY_CUT"):
        bench.run(settings=BULK)
    assert len(bench.requests("Run")) == 1


def test_the_host_of_the_file_never_sees_a_token(bench):
    """Its link is signed; the shop's token has no business there (fact 3)."""
    bench.run(settings=BULK)
    (seen,) = bench.requests(host="storage")
    token = bench.requests("Run")[0].headers["x-shopify-access-token"]
    assert token.startswith("sha256:")
    assert not {"x-shopify-access-token", "authorization", "cookie"} & set(seen.headers)
    assert token not in json.dumps([seen.headers, seen.query, seen.body])
    assert fingerprint("sandbox-secret") not in json.dumps([seen.headers, seen.query, seen.body])


def test_a_history_of_few_orders_needs_no_operation(bench):
    """Below the threshold pages are cheaper."""
    bench.run(settings=replace(QUICK, bulk_from=13))
    assert bench.requests("Run") == []
    bench.holds_the_shop()


def test_every_line_of_the_file_is_an_order_or_a_line(bench):
    """The long order's lines all come, in one stream."""
    bench.run(settings=BULK)
    assert sum(row["order_id"] == number(_longest(bench)["id"]) for row in bench.rows(LINES)) == 130


@pytest.mark.parametrize("keep", [100, 96])
def test_a_long_orders_lines_are_all_read_though_the_file_was_cut_with_consistent_counts(bench, keep):
    """Shopify cuts deep lists near 100 without a word: such an order is read by pages, and nothing vanishes."""
    bench.run(settings=BULK)
    bench.shop.advance(3600)
    for one in bench.order_ids():
        bench.shop.change("touch", id=one)
    bench.shop.faults.add("bulk_short_children", keep=keep)
    summary = bench.run(settings=BULK)
    assert summary.metadata["datasets"][LINES].rows_deleted == 0
    bench.holds_the_shop()


def test_a_line_taken_off_a_long_order_vanishes(bench):
    """By pages the order is as whole as by a file."""
    bench.run(settings=BULK)
    bench.shop.advance(3600)
    bench.shop.change("remove_line", id=_longest(bench)["id"])
    bench.shop.advance(60)
    bench.shop.change("new_order")
    bench.run(settings=BULK)
    bench.holds_the_shop()


def test_a_long_order_that_is_deleted_before_its_lines_are_read_keeps_what_the_lake_has(bench):
    """Deleted orders stay in the lake; half a list of lines is no reason to take lines off it."""
    bench.run(settings=BULK)
    bench.shop.advance(3600)
    order = _longest(bench)["id"]
    for one in bench.order_ids():
        bench.shop.change("touch", id=one)
    gone = Once(lambda: bench.shop.change("delete_order", id=order))
    bench.run(settings=BULK, wrap=gone.wrap)
    assert gone.done
    assert sum(row["order_id"] == number(order) for row in bench.rows(LINES)) == 130


def test_pages_that_show_fewer_lines_than_the_file_are_not_believed(bench):
    """Neither way counts lines, but two sights of one version must agree."""
    bench.shop.faults.add("nested_short", times=None, match={"field": "lineItems"})
    with pytest.raises(IncompleteError, match=r"2 lines .* and 130 .*reason=LIST_SHORT"):
        bench.run(settings=BULK)
    assert bench.rows(ORDERS) == bench.rows(LINES) == []
    assert bench.checkpoint() is None


@pytest.fixture
def spoil(monkeypatch):
    """Changes what the next files hold, once they are here whole."""

    def spoil(change):
        def spoiled(url, path, **given):
            download(url, path, **given)
            path.write_bytes(change(path.read_bytes()))

        monkeypatch.setattr(bulk, "download", spoiled)

    return spoil


def _longest(bench):
    return max(bench.shop.world.orders.values(), key=lambda one: len(one["lineItems"]))


def _with_lines(bench):
    return next(one for one in bench.order_ids() if len(bench.shop.world.orders[one]["lineItems"]) > 1)
