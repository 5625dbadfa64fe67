"""An error element is never an acceptance: of whichever shape, in whichever place, of whichever call."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import httpx
import pytest

from weathervane.google_ads import CAMPAIGNS, GoogleAdsClient
from weathervane.google_ads._accounts import find_accounts
from weathervane.google_ads._auth import google_ads_auth, judge_grant
from weathervane.google_ads._planning import active_days, look_back, verify_empty
from weathervane.google_ads._refusals import refusal_of
from weathervane.google_ads._verdict import classifier
from weathervane.source import Accept, Fail, Retry, SourceError, Verdict

FAILURE = "type.googleapis.com/google.ads.googleads.v26.errors.GoogleAdsFailure"
ADS_ERROR = {"errorCode": {"internalError": "INTERNAL_ERROR"}, "message": "Oops."}
STATUSES = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}
"""google.rpc.Code and the HTTP status that googleapis/google/rpc/code.proto gives each."""

SHAPES: Mapping[str, Mapping[str, Any]] = {
    **{
        status: {"error": {"code": http, "message": "The operation failed.", "status": status}}
        for status, http in STATUSES.items()
    },
    "a failure": {"error": {"code": 500, "details": [{"@type": FAILURE, "errors": [ADS_ERROR]}]}},
    "a failure without errors": {"error": {"code": 0, "details": [{"@type": FAILURE}]}},
    "a failure whose errors are empty": {"error": {"details": [{"@type": FAILURE, "errors": [{}]}]}},
    "an errors' list of another shape": {"error": {"details": [{"errors": "many"}, 7, None]}},
    "details that are no list": {"error": {"code": 503, "details": {"reason": "x"}}},
    "an enum that is a number": {"error": {"details": [{"errors": [{"errorCode": {"newError": 99}}]}]}},
    "a number alone": {"error": {"code": 500}},
    "code 0": {"error": {"code": 0, "message": "", "status": "OK"}},
    "a status nobody knows": {"error": {"code": -1, "status": "SOMETHING_NEW"}},
    "an empty object": {"error": {}},
    "null": {"error": None},
    "a word": {"error": "internal_failure"},
    "a truth": {"error": True},
    "a list": {"error": [ADS_ERROR]},
    "an empty list": {"error": []},
    "a partial failure": {
        "partialFailureError": {"code": 3, "message": "One of many failed.", "details": []}
    },
    "an empty partial failure": {"partialFailureError": {}},
    "a bare failure": {"@type": FAILURE, "errors": [ADS_ERROR], "requestId": "r"},
    "a bare status": {"code": 13, "message": "Internal error encountered."},
}
ROWS = {"results": [{"customer": {"id": "1234567890"}}], "fieldMask": "customer.id", "requestId": "r"}
SUMMARY = {"summaryRow": {"metrics": {"clicks": "1"}}, "queryResourceConsumption": "100"}
PLACES: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "an object": lambda error: error,
    "an array": lambda error: [error],
    "behind rows": lambda error: [ROWS, error],
    "before rows": lambda error: [error, ROWS, SUMMARY],
    "between chunks": lambda error: [ROWS, error, ROWS, SUMMARY],
    "beside rows": lambda error: [{**ROWS, **error}, SUMMARY],
    "beside the sum": lambda error: [ROWS, {**SUMMARY, **error}],
    "on a page": lambda error: {**ROWS, "nextPageToken": "x", **error},
    "beside names": lambda error: {"resourceNames": ["customers/1234567890"], **error},
    "beside a token": lambda error: {"access_token": "ya29.x", "expires_in": 3599, **error},
}


def judged(judge: Callable[[httpx.Response], Verdict], status: int, body: Any) -> Verdict:
    """The verdict as the transport takes it."""
    try:
        return judge(httpx.Response(status, json=body))
    except SourceError as error:
        return Retry(error) if error.retriable else Fail(error)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("judge", [classifier(3_600), judge_grant], ids=["api", "token"])
def test_no_error_is_an_acceptance(judge, shape):
    """Whatever the HTTP status, and whatever good stands beside it."""
    for place, put in PLACES.items():
        for status in (200, 201, 206, 299, 400, 500):
            verdict = judged(judge, status, put(SHAPES[shape]))
            assert not isinstance(verdict, Accept), (place, status)


@pytest.mark.parametrize(
    "lasts", [3599, "3599", 3599.0, None, True, "NaN", "x", -1, 10**30, 1e300, [], {}], ids=repr
)
def test_a_token_lasts_as_long_as_it_says_or_until_the_next_call(begin, lasts):
    """Whatever is said of it; one that says nothing readable is asked for anew each time."""
    bench = begin(days=2)
    with bench.client() as client:
        client.accessible()
    token = google_ads_auth(bench.credentials()).token()
    body = json.dumps({"access_token": token, "expires_in": lasts})
    other = bench.credentials(refresh_token=f"1//{lasts}")
    bench.vendor.faults.add("wrong_content", None, match={"host": "oauth"}, body=body)
    bench.vendor.recorder.clear()
    with GoogleAdsClient("acme", other) as client:
        client.accessible()
        client.accessible()
    asked = [one for one in bench.vendor.requests if one.host == "oauth"]
    assert len(asked) == (1 if lasts in (3599, "3599", 10**30, 1e300) else 2)


def test_good_answers_are_accepted():
    """So that the walk above proves something."""
    good = [[ROWS, SUMMARY], [], [{}], {**ROWS, "nextPageToken": "x"}, {"resourceNames": []}, {}]
    assert all(isinstance(judged(classifier(3_600), 200, body), Accept) for body in good)
    assert isinstance(judged(judge_grant, 200, {"access_token": "ya29.x", "expires_in": 3599}), Accept)
    for body in (good[0], {}, {"access_token": ""}, {"access_token": 7}, "ya29.x", None, 3):
        assert isinstance(judged(judge_grant, 200, body), Retry)


@pytest.mark.parametrize("status", STATUSES)
def test_a_plain_error_is_judged_by_its_own_status(status):
    """By its name, its number or the HTTP status, in whichever of them Google says it: alike in a 200."""
    classify, http = classifier(3_600), STATUSES[status]
    told = [
        judged(classify, 200, [ROWS, {"error": {"code": http, "status": status, "message": "Why."}}]),
        judged(classify, http, {"error": {"code": http, "status": status, "message": "Why."}}),
        judged(classify, 200, [{"partialFailureError": {"code": [*STATUSES].index(status) + 1}}]),
    ]
    passing = {
        "ABORTED",
        "CANCELLED",
        "DATA_LOSS",
        "INTERNAL",
        "RESOURCE_EXHAUSTED",
        "UNAVAILABLE",
        "UNKNOWN",
    }
    for verdict in told:
        assert not isinstance(verdict, Accept)
        assert isinstance(verdict, Retry) == (status in passing)
        assert verdict.error.retriable == (status in passing | {"DEADLINE_EXCEEDED"})
        assert verdict.error.reason == status
    assert "Why." in told[0].error.message  # type: ignore[union-attr]


CALLS: Mapping[str, tuple[Mapping[str, Any], Callable[[GoogleAdsClient, Any], object]]] = {
    "the list of accounts": (
        {"method": "listAccessibleCustomers"},
        lambda client, _: client.accessible(),
    ),
    "the tree": ({"resource": "customer_client"}, lambda client, _: find_accounts(client)),
    "conversion windows": ({"resource": "conversion_action"}, look_back),
    "the days": (
        {"resource": "customer"},
        lambda client, customer: active_days(client, customer, date(2026, 11, 1), date(2026, 11, 3)),
    ),
    "the sum of days": (
        {"resource": "customer"},
        lambda client, customer: verify_empty(client, customer, date(2026, 10, 1), date(2026, 10, 2)),
    ),
    "a report": (
        {"resource": "campaign"},
        lambda client, customer: client.stream(
            customer.id,
            CAMPAIGNS.query(date(2026, 11, 1), date(2026, 11, 3)),
            login=customer.login,
            summary=True,
        ),
    ),
}


@pytest.mark.parametrize("call", CALLS)
def test_no_call_takes_an_error_for_an_answer(begin, call):
    """Over sockets, with HTTP status 200 and good parts beside it."""
    match, make = CALLS[call]
    bench = begin(days=2)
    with bench.client() as client:
        (customer,) = find_accounts(client).customers
        for shape, error in SHAPES.items():
            for place in (
                ("beside names",) if call == "the list of accounts" else ("an object", "behind rows")
            ):
                body = json.dumps(PLACES[place](error))
                bench.vendor.faults.add("wrong_content", None, match=match, body=body)
                with pytest.raises(SourceError) as caught:
                    make(client, customer)
                assert caught.value.reason not in ("UNEXPECTED_JSON", "ROWS_MISSING"), (shape, place)
                bench.vendor.faults.clear()
        make(client, customer)


def test_a_token_with_an_error_beside_it_is_none(begin):
    """The token endpoint is a call as well."""
    bench = begin(days=2)
    for error in SHAPES.values():
        body = json.dumps({"access_token": "ya29.x", "expires_in": 3599, **error})
        bench.vendor.faults.add("wrong_content", None, match={"host": "oauth"}, body=body)
        with bench.client() as client, pytest.raises(SourceError):
            client.accessible()
        bench.vendor.faults.clear()
    assert {one.host for one in bench.vendor.requests} == {"oauth"}


@pytest.mark.parametrize(
    "status", ["CANCELLED", "ABORTED", "UNKNOWN", "RESOURCE_EXHAUSTED", "UNAUTHENTICATED"]
)
def test_an_account_behind_an_error_is_not_missed(begin, status):
    """The tree is asked again, so no account is missing that night; and a report keeps its rows."""
    bench = begin(clients=2, days=3)
    error = SHAPES[status]
    root = bench.vendor.world.accessible[0]
    client = {"id": root, "manager": True, "status": "ENABLED", "timeZone": "UTC", "currencyCode": "EUR"}
    cut = [{"results": [{"customerClient": client}]}, error]
    bench.vendor.faults.add("wrong_content", 1, match={"resource": "customer_client"}, body=json.dumps(cut))
    bench.run()
    bench.assert_true()
    bench.vendor.advance(86_400)
    bench.vendor.faults.add("wrong_content", 1, match={"resource": "campaign"}, body=json.dumps([error]))
    bench.run()
    bench.assert_true()


def test_a_failure_may_stand_beside_details_that_cannot_be_read():
    """They are skipped, and the failure is read."""
    details = [None, 7, {"reason": 5}, {"errors": {}}, {"@type": FAILURE, "errors": [7, {}, ADS_ERROR]}]
    found = refusal_of(httpx.Response(200, json=[{"error": {"code": 500, "details": details}}]))
    assert found is not None
    assert (found.category, found.code, found.message) == ("internalError", "INTERNAL_ERROR", "Oops.")


def test_a_manager_whose_row_does_not_say_so_costs_no_account(begin):
    """Google refuses figures of it by name: it has none, as any manager."""
    bench = begin(clients=2, days=3)
    root = bench.vendor.world.accessible[0]
    rows = [
        {"id": one, "status": "ENABLED", "timeZone": "America/New_York", "currencyCode": "USD"}
        for one in (root, *bench.clients())
    ]
    body = json.dumps([{"results": [{"customerClient": row} for row in rows]}])
    bench.vendor.faults.add("wrong_content", 1, match={"resource": "customer_client"}, body=body)
    summary = bench.run()
    assert (root, "MANAGER") in [(one.id, one.reason) for one in bench.reader.skipped]
    assert summary.metadata["state"] == "loaded"
    bench.assert_true()
