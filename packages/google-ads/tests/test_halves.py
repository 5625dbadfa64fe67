"""What is too much for Google, or for us, is asked in halves: fewer days, the same rows."""

from __future__ import annotations

import pytest

from weathervane.google_ads import GoogleAdsSettings
from weathervane.source import ContractError, IncompleteError, UnavailableError

ATTEMPTS = 5
"""How often a call that may pass is made."""


@pytest.mark.parametrize("resource", ["ad_group", "ad_group_ad"])
def test_half_an_answer_that_is_empty_is_not_believed(begin, resource):
    """Of a query that is asked in halves, each has its own days to answer for."""
    bench = begin(days=12)
    bench.vendor.faults.add("error", code="internalError.DEADLINE_EXCEEDED", match={"resource": resource})
    bench.vendor.faults.add("wrong_content", match={"resource": resource}, skip=1, body="[]")
    with pytest.raises(IncompleteError, match=rf"{resource}: no rows of .*SEARCH campaigns had figures"):
        bench.run()
    assert bench.rows() == []


def test_a_query_that_takes_too_long_is_asked_in_halves(begin):
    """Both halves are in one commit, and their sums are held to Google's."""
    bench = begin(days=12)
    bench.vendor.faults.add(
        "error", 3, code="internalError.DEADLINE_EXCEEDED", match={"resource": "ad_group_ad"}
    )
    bench.run()
    bench.assert_true()
    assert len(bench.queries("ad_group_ad")) == 7


@pytest.mark.parametrize(
    "code",
    ["internalError.INTERNAL_ERROR", "internalError.TRANSIENT_ERROR", "CANCELLED", "ABORTED", "INTERNAL"],
)
def test_a_query_that_stays_an_internal_error_is_asked_in_halves(begin, code):
    """Google's own failure is tried again first; when it stays, the days may be too many for it."""
    bench = begin(days=12)
    facts = {"resource": "ad_group_ad"}
    bench.vendor.faults.add("error", ATTEMPTS, code=code, match=facts)
    bench.run()
    bench.assert_true()
    asked = [one["body"] for one in bench.queries("ad_group_ad")]
    assert len(asked) == ATTEMPTS + 2
    assert len(set(asked[:ATTEMPTS])) == 1
    assert len(set(asked)) == 3


def test_an_internal_error_of_a_single_day_fails_the_run(begin):
    """There is nothing left to halve."""
    bench = begin(days=1)
    bench.vendor.faults.add(
        "error", None, code="internalError.INTERNAL_ERROR", match={"resource": "ad_group"}
    )
    with pytest.raises(UnavailableError, match="INTERNAL_ERROR"):
        bench.run()
    assert bench.rows() == []
    days = bench.queries("ad_group ")[-1]["body"].partition("BETWEEN '")[2]
    assert days[:10] == days[17:27]


def test_an_answer_that_is_too_large_is_asked_in_halves(begin):
    """An answer about several days is bounded; that of one day has to be taken as it is."""
    bench = begin(days=12)
    bench.run(settings=GoogleAdsSettings(answer_bytes=20_000))
    bench.assert_true()
    asked = len(bench.queries("ad_group_ad"))
    assert asked > 1
    bench.vendor.recorder.clear()
    bench.run(settings=GoogleAdsSettings(answer_bytes=1))
    bench.assert_true()
    assert len(bench.queries("ad_group_ad")) > asked
    with pytest.raises(ContractError, match="the answer is larger than 2,000 bytes"):
        bench.run(settings=GoogleAdsSettings(max_body=2_000))
