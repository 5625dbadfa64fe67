"""A run that is cut anywhere and begun again ends where an undisturbed one ends (fact 23)."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from weathervane.source import UnavailableError, listening

from .bench import BULK, LINES, ORDERS, PRODUCTS, SMALL, VARIANTS

SLICED = replace(SMALL, max_page_size=2, page_size=2, slice_rows=3)
TABLES = {"orders": (ORDERS, LINES), "products": (PRODUCTS, VARIANTS)}


class Stopped(BaseException):
    """What a cancelled or killed run sees: no error of ours."""


@pytest.mark.parametrize(
    ("kind", "settings"),
    [("orders", SLICED), ("orders", BULK), ("products", SLICED)],
    ids=["pages", "bulk", "products"],
)
def test_a_run_may_be_stopped_before_any_piece_and_begun_again(begin, kind, settings):
    """Wherever it stops, the tables end equal to those of a run that nothing stopped, tried again or begun anew."""
    bench = begin(orders=7, products=3)
    undisturbed = bench.other("undisturbed")
    undisturbed.run(kind, settings)
    undisturbed.holds_the_shop(*TABLES[kind])
    for pieces in itertools.count():
        stopped = bench.other(f"after{pieces}")
        error = Stopped() if pieces % 2 else UnavailableError("stopped", reason="STOPPED")
        if not _stops(stopped, kind, settings, wrap=Fuse(pieces, error).wrap, run_id="first"):
            break
        stopped.run(kind, settings, run_id="first" if pieces % 3 else "second")
        for table in TABLES[kind]:
            assert stopped.rows(table) == undisturbed.rows(table), f"{table} after {pieces} pieces"
        assert stopped.checkpoint(TABLES[kind][0]) == undisturbed.checkpoint(TABLES[kind][0])
    assert pieces >= 3


@pytest.mark.parametrize(("commits", "same_run"), [(1, True), (1, False), (2, True), (3, False)])
def test_a_run_may_be_stopped_between_any_two_commits(begin, commits, same_run):
    """Lines are committed before their orders; a stop in between leaves the position before the slice."""
    bench = begin(orders=11)
    countdown = itertools.count(1)

    def stop(_):
        if next(countdown) == commits:
            raise Stopped

    with listening(stop):
        assert _stops(bench, "orders", SLICED, run_id="first")
    # And the shop goes on before the run does.
    bench.shop.advance(3600)
    order = max(bench.shop.world.orders.values(), key=lambda one: len(one["lineItems"]))
    bench.shop.change("remove_line", id=order["id"])
    bench.shop.change("new_order")
    bench.run("orders", SLICED, run_id="first" if same_run else "second")
    bench.holds_the_shop()


def test_a_failed_slice_leaves_the_checkpoint_of_the_slice_before(begin):
    """Nothing of a slice is there until all of it is; the slices before it stay."""
    bench = begin(orders=11)
    reached = []
    fuse = Fuse(1, UnavailableError("stopped", reason="STOPPED"), armed=lambda: bool(reached))
    with pytest.raises(
        UnavailableError, match=r"stopped \[tenant=.* dataset=shopify_orders slice=updated_at"
    ):
        bench.run(settings=SLICED, wrap=fuse.wrap, on_slice=lambda _: reached.append(bench.checkpoint()))
    assert bench.checkpoint() == reached[-1]
    assert 0 < len(bench.rows(ORDERS)) < 11


class Fuse:
    """A reader that fails before its n-th piece, counted over all slices since it was armed."""

    def __init__(self, pieces, error, armed=lambda: True):
        self.left, self.error, self.armed = pieces, error, armed

    def wrap(self, reader):
        """The reader, with the fuse in it."""
        read = reader.read

        def fused(slice):
            pieces = read(slice)
            while True:
                try:
                    piece = next(pieces)
                except StopIteration as stop:
                    return stop.value
                if self.left == 0:
                    pieces.close()
                    raise self.error
                self.left -= self.armed()
                yield piece

        reader.read = fused
        return reader


def _stops(bench, kind, settings, **given):
    try:
        bench.run(kind, settings, **given)
    except (Stopped, UnavailableError):
        return True
    return False
