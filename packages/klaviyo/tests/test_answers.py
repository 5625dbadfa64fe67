"""Klaviyo's refusals, limits and mistakes: what is tried again, what ends a run, and what is said."""

from __future__ import annotations

import logging
import time

import httpx
import pytest
import stamina

from weathervane.klaviyo._client import EndpointGates, KlaviyoClient
from weathervane.klaviyo._verdict import classify, pause
from weathervane.klaviyo.sandbox import running_klaviyo
from weathervane.source import (
    Accept,
    ConfigurationError,
    ContractError,
    CredentialsError,
    DeferredError,
    HttpLimits,
    UnavailableError,
)
from weathervane.source.sandbox import fingerprint

from .bench import CAMPAIGNS, KEY, METRIC, SMALL


def test_a_refused_key_is_one_call_and_one_line(bench, caplog):
    """401 as JSON:API: typed, with Klaviyo's own words, and never the key (facts 1 and 11)."""
    bench.account.change("revoke_key")
    with (
        caplog.at_level(logging.DEBUG),
        pytest.raises(CredentialsError, match="invalid private key") as caught,
    ):
        bench.run()
    assert len(bench.requests()) == 1
    assert caught.value.reason == "KEY_REFUSED"
    assert KEY not in caplog.text + str(caught.value) + repr(bench.credentials())


def test_a_missing_scope_is_named(begin):
    """403 as JSON:API: one call of that kind, not retried (fact 11)."""
    bench = begin(scopes=("accounts:read",))
    with pytest.raises(CredentialsError, match="required scope: campaigns:read") as caught:
        bench.run()
    assert caught.value.reason == "MISSING_SCOPE"
    assert [one.path for one in bench.requests()] == ["/api/accounts", "/api/campaigns"]


def test_a_403_of_an_edge_server_passes(bench):
    """HTML instead of JSON:API is no refusal: tried again (fact 11)."""
    bench.account.faults.add("html_403", times=2, match={"endpoint": "campaigns"})
    bench.run()
    bench.holds_the_account()


@pytest.mark.parametrize("status", [500, 502, 503, 504, 524])
def test_a_vendor_that_is_down_for_a_moment_costs_time_only(bench, status):
    """All of them, also those that Klaviyo's own SDK gives up on."""
    bench.account.faults.add("status", times=2, match={"endpoint": "campaigns"}, status=status)
    bench.run()
    bench.holds_the_account()


def test_a_400_says_what_klaviyo_says_and_is_not_tried_again(bench):
    """Detail, pointer and the error's id, in one line (fact 12)."""
    with KlaviyoClient(bench.tenant, bench.credentials()) as client, pytest.raises(ContractError) as caught:
        next(client.pages("campaigns", {"filter": "greater-or-equal(updated_at,2031-01-01T00:00:00Z)"}))
    assert "End date may not be in the future: 2031-01-01T00:00:00 [updated_at]" in str(caught.value)
    assert "error id " in str(caught.value)
    assert (caught.value.reason, len(bench.requests())) == ("INVALID", 1)


def test_a_page_size_over_the_limit_is_refused(bench):
    """Which is why the client never asks for more than 100 (fact 19)."""
    with (
        KlaviyoClient(bench.tenant, bench.credentials()) as client,
        pytest.raises(ContractError, match="1 and 100"),
    ):
        next(client.pages("campaigns", {"page[size]": "101"}))


def test_a_retired_revision_is_a_matter_of_configuration():
    """410."""
    body = {"errors": [{"id": "1", "status": "410", "code": "gone", "detail": "The revision is retired."}]}
    verdict = classify(httpx.Response(410, json=body))
    assert isinstance(verdict.error, ConfigurationError)
    assert verdict.error.reason == "REVISION_RETIRED"


def test_several_errors_are_all_told():
    """Status as text, no source, unknown members: all of it is life."""
    errors = [{"detail": "One.", "status": "400"}, {"title": "Two.", "source": {"parameter": "sort"}, "x": 1}]
    verdict = classify(httpx.Response(400, json={"errors": errors}))
    assert "One.; Two. [sort]" in str(verdict.error)


def test_a_throttled_call_waits_as_long_as_it_is_told(bench):
    """Retry-After of a second: at least that, in real time, then all is read (fact 10)."""
    stamina.set_testing(False)
    bench.account.faults.add("throttled", match={"endpoint": "campaigns"}, retry_after=1)
    began = time.monotonic()
    bench.run()
    assert time.monotonic() - began >= 1
    bench.holds_the_account()


def test_a_quota_of_the_day_ends_the_run_as_deferred(bench):
    """Retry-After of twenty hours on a list: no sleep, no retry, nothing committed (fact 10)."""
    bench.account.faults.add("throttled", times=None, match={"endpoint": "campaigns"}, retry_after=73_473)
    with pytest.raises(DeferredError, match="73473 s") as caught:
        bench.run()
    assert (caught.value.retry_after, caught.value.retriable) == (73_473, False)
    assert len(bench.requests("campaigns")) == 1
    assert bench.rows(CAMPAIGNS) == []


def test_an_answer_says_when_its_minute_is_used_up():
    """Then that endpoint pauses for what RateLimit-Reset says, and no other one does."""
    used = {"RateLimit-Remaining": "0", "RateLimit-Reset": "37"}
    assert pause(httpx.Response(200, headers=used), Accept()) == 37
    assert pause(httpx.Response(200, headers=used | {"RateLimit-Remaining": "1"}), Accept()) is None
    assert pause(httpx.Response(200, headers=used | {"RateLimit-Reset": "soon"}), Accept()) is None
    gates = EndpointGates(max_wait=10)
    request = httpx.Request("GET", "https://a.klaviyo.com/api/campaigns/1/tags")
    gates.after(httpx.Response(200, headers=used, request=request), Accept())
    gates.before(httpx.Request("GET", "https://a.klaviyo.com/api/campaigns/1"))
    with pytest.raises(
        DeferredError, match=r"campaigns/\{id\}/tags is paused by the vendor for another 3[67] s"
    ):
        gates.before(httpx.Request("GET", "https://a.klaviyo.com/api/campaigns/2/tags"))


@pytest.mark.parametrize("fault", ["no_data", "html_200", "nan_json", "wrong_content"])
def test_an_answer_without_data_is_an_error_and_no_empty_page(bench, fault):
    """Tried again, then the run fails (fact 3)."""
    bench.run()
    before = bench.rows(CAMPAIGNS)
    bench.account.faults.add(fault, times=2, match={"endpoint": "campaigns"})
    bench.run()
    bench.account.faults.add(fault, times=None, match={"endpoint": "campaigns"})
    with pytest.raises(UnavailableError):
        bench.run()
    assert bench.rows(CAMPAIGNS) == before


@pytest.mark.parametrize("page", [1, 2])
def test_an_empty_page_with_a_next_one_goes_on(bench, page):
    """Only a missing next link ends a list (fact 3)."""
    bench.account.faults.add("empty_page", match={"endpoint": "campaigns", "page": page})
    bench.run(SMALL)
    bench.holds_the_account()


def test_pages_that_run_in_a_loop_end_the_run(bench):
    """The same cursor twice (fact 3)."""
    bench.account.faults.add("cursor_loop", times=None, match={"endpoint": "campaigns"})
    with pytest.raises(ContractError, match="loop"):
        bench.run(SMALL)


def test_a_next_link_to_another_host_is_not_followed(bench):
    """The key goes to Klaviyo and to nobody else (fact 1)."""
    with running_klaviyo(campaigns=1) as other:
        bench.account.faults.add(
            "foreign_next", location=f"{other.url}/api/campaigns", match={"endpoint": "campaigns"}
        )
        with pytest.raises(ContractError, match="paging link leads to 127"):
            bench.run(SMALL)
        assert other.account.requests == []
    assert fingerprint(f"Klaviyo-API-Key {KEY}") in {one.headers["authorization"] for one in bench.requests()}


def test_a_hanging_socket_is_bounded():
    """Klaviyo's SDK has no timeout; this client does."""
    limits = HttpLimits()
    assert (limits.connect, limits.read) == (10, 60)


def test_a_report_that_is_refused_keeps_the_campaigns(bench):
    """They were committed before; the error names the metric."""
    with pytest.raises(ConfigurationError, match="no metric NOSUCH"):
        bench.run(reports=True, credentials={"conversion_metric_id": "NOSUCH"})
    bench.holds_the_account()
    assert bench.requests("campaign-values-reports") == []
    assert METRIC != "NOSUCH"
