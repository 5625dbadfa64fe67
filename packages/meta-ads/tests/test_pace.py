"""Limits and errors: who waits for how long, what is tried again, and what is not."""

from __future__ import annotations

import json
from dataclasses import replace

import httpx
import pytest

from weathervane.meta_ads import MetaAdsClient, MetaAdsSettings
from weathervane.meta_ads._credentials import appsecret_proof
from weathervane.meta_ads._pace import AppPace, usage_of
from weathervane.meta_ads._verdict import (
    REPORT,
    AccountRefusedError,
    ReportLostError,
    TooFarBackError,
    TooMuchDataError,
    classifier,
)
from weathervane.meta_ads.sandbox import AccountOptions
from weathervane.source import (
    Accept,
    ConfigurationError,
    ContractError,
    CredentialsError,
    DeferredError,
    Fail,
    IncompleteError,
    Retry,
    ThrottledError,
    UnavailableError,
)

from .bench import ONE_CALL, Clock

TWO = (AccountOptions("101", "EUR", "Europe/Paris"), AccountOptions("102", "JPY", "Asia/Tokyo"))
judge = classifier(300.0, 3600.0)


LIST = "/v26.0/me/adaccounts"
REDUCE = "Please reduce the amount of data you're asking for, then retry your request"


def answer(
    code,
    subcode=None,
    *,
    status=400,
    message="",
    headers=None,
    path="/v26.0/act_1/insights",
    about_a_run=False,
    **more,
):
    """An answer with an error in it."""
    error = {"code": code, "message": message, **more}
    if subcode is not None:
        error["error_subcode"] = subcode
    extensions = {REPORT: True} if about_a_run else {}
    request = httpx.Request("GET", f"https://graph.facebook.com{path}", extensions=extensions)
    return httpx.Response(status, json={"error": error}, headers=headers or {}, request=request)


def test_the_proof_is_the_known_one():
    """HMAC-SHA256 of the token, keyed by the secret, in hex (sheet 16.4)."""
    known = "921e418a9249475492c5c76dde886efe36a783a107dba8a6d3be70bd6c4e8426"
    assert appsecret_proof("secret", "TOK") == known


@pytest.mark.parametrize(
    ("given", "verdict", "error", "reason"),
    [
        (
            answer(1, message="Please reduce the amount of data you're asking for", status=500),
            Fail,
            TooMuchDataError,
            None,
        ),
        (answer(1, 99, status=500), Fail, TooMuchDataError, None),
        (answer(1, path="/v26.0/me/adaccounts", status=500), Retry, UnavailableError, "UNKNOWN_ERROR"),
        (answer(1, message=REDUCE, path=f"{LIST}?limit=500", status=500), Fail, TooMuchDataError, None),
        (answer(1, message=REDUCE, path="/v26.0/601", status=500), Retry, UnavailableError, "UNKNOWN_ERROR"),
        (answer(1, 99, path=f"{LIST}?limit=500", status=500), Retry, UnavailableError, "UNKNOWN_ERROR"),
        (answer(1, 1357045), Retry, UnavailableError, "UNKNOWN_ERROR"),
        (answer(100, 1487534), Fail, TooMuchDataError, None),
        (answer(100, 1504018), Fail, TooMuchDataError, None),
        (answer(2, 1504038), Fail, TooMuchDataError, None),
        (answer(2, status=500), Retry, UnavailableError, None),
        (answer(2, 1504044), Retry, UnavailableError, None),
        (answer(2, 1504041, is_transient=True), Fail, ConfigurationError, "INVALID_BREAKDOWNS"),
        (answer(4), Retry, ThrottledError, "APP_LIMIT"),
        (answer(4, 1504022, status=403), Retry, ThrottledError, "APP_LIMIT"),
        (answer(17, 2446079), Retry, ThrottledError, "ACCOUNT_LIMIT"),
        (answer(613, 1487742), Retry, ThrottledError, "ACCOUNT_LIMIT"),
        (answer(613), Fail, DeferredError, "ABUSE_LIMIT"),
        (answer(32), Retry, ThrottledError, "ACCOUNT_LIMIT"),
        (answer(80000, 2446079), Retry, ThrottledError, "ACCOUNT_LIMIT"),
        (answer(80004, 2446079), Retry, ThrottledError, "ACCOUNT_LIMIT"),
        (answer(190, 463, status=401), Fail, CredentialsError, "TOKEN_REFUSED"),
        (answer(190, is_transient=True), Fail, CredentialsError, "TOKEN_REFUSED"),
        (answer(102), Fail, CredentialsError, "TOKEN_REFUSED"),
        (answer(100, message="Invalid appsecret_proof provided"), Fail, CredentialsError, "APP_SECRET"),
        (answer(10, status=403), Fail, AccountRefusedError, None),
        (answer(200, status=403), Fail, AccountRefusedError, None),
        (answer(100, 3191001), Fail, AccountRefusedError, None),
        (answer(100, 33), Fail, AccountRefusedError, None),
        (answer(100, 33, about_a_run=True), Retry, ReportLostError, None),
        (answer(100, 3191001, about_a_run=True), Fail, AccountRefusedError, None),
        (answer(2601, 1815107), Retry, ReportLostError, None),
        (answer(100, message="(#100) Missing permissions"), Fail, AccountRefusedError, None),
        (answer(3), Fail, CredentialsError, "CAPABILITY"),
        (answer(100, message="nonexisting field"), Fail, ContractError, "INVALID_CALL"),
        (answer(100, is_transient=True), Retry, UnavailableError, None),
        (answer(100, status=503), Retry, UnavailableError, None),
        (answer(100, status=500), Fail, ContractError, "INVALID_CALL"),
        (answer(2500), Fail, ContractError, "INVALID_CALL"),
        (answer(2635), Fail, ContractError, "API_VERSION_DEAD"),
        (answer(2642), Fail, IncompleteError, "CURSOR_INVALID"),
        (answer(3018), Fail, TooFarBackError, None),
        (answer(341), Retry, UnavailableError, None),
        (answer(368), Retry, UnavailableError, None),
        (answer(960), Retry, UnavailableError, None),
        (answer(104), Retry, UnavailableError, None),
        (
            answer(100, message="(#100) Cannot include spend in summary param because they weren't there"),
            Retry,
            UnavailableError,
            None,
        ),
        (answer(99999, is_transient=True), Retry, UnavailableError, None),
        (answer(99999, status=503), Retry, UnavailableError, None),
        (answer(99999), Fail, ContractError, "REFUSED"),
    ],
)
def test_an_error_is_judged_by_code_and_subcode(given, verdict, error, reason):
    """Whatever its status; is_transient is only a hint."""
    found = judge(given)
    assert type(found) is verdict
    assert isinstance(found.error, error)
    assert reason is None or found.error.reason == reason
    in_a_good_status = httpx.Response(200, content=given.content, request=given.request)
    assert type(judge(in_a_good_status)) is verdict or given.status_code == 503


def test_what_is_no_error_is_accepted_and_what_is_no_json_is_tried_again():
    """HTML of an edge, a cut body, a list in place of an object."""
    request = httpx.Request("GET", "https://graph.facebook.com/v26.0/me")
    assert isinstance(judge(httpx.Response(200, json={"data": []}, request=request)), Accept)
    for body in (b"<html>", b'{"data":[', b"[]", b""):
        with pytest.raises(UnavailableError) if body != b"[]" else pytest.MonkeyPatch.context():
            verdict = judge(httpx.Response(200, content=body, request=request))
            assert isinstance(verdict, Retry)


@pytest.mark.parametrize(("status", "verdict"), [(400, Retry), (403, Retry), (502, Retry), (404, Fail)])
def test_a_page_of_an_edge_is_no_refusal_of_metas(status, verdict):
    """The Graph refuses in JSON only; 404 is of an address that is not Meta's."""
    request = httpx.Request("GET", "https://graph.facebook.com/v26.0/me")
    page = httpx.Response(status, html="<html>Sorry</html>", request=request)
    assert type(judge(page)) is verdict


def test_messages_for_people_are_not_told_and_the_trace_is():
    """error_user_msg is localized; fbtrace_id is what Meta's support asks for."""
    found = judge(answer(100, message="bad", error_user_msg="Désolé", fbtrace_id="AzT"))
    assert isinstance(found, Fail)
    assert "Désolé" not in str(found.error)
    assert "trace AzT" in str(found.error)


def test_a_token_that_is_echoed_is_not_told():
    """Meta answers a badly pasted token with the token in its message."""
    found = judge(answer(190, message="Malformed access token EAAcanary", fbtrace_id="AzT"))
    assert isinstance(found, Fail)
    assert "EAAcanary" not in str(found.error)
    assert "(code 190, trace AzT)" in str(found.error)


@pytest.mark.parametrize(
    ("headers", "app", "account", "regain"),
    [
        ({}, 0, 0, 0),
        ({"x-fb-ads-insights-throttle": '{"app_id_util_pct":90.5,"acc_id_util_pct":10}'}, 90.5, 10, 0),
        ({"x-app-usage": '{"call_count":28,"total_time":25,"total_cputime":99}'}, 99, 0, 0),
        ({"x-ad-account-usage": '{"acc_id_util_pct":100,"reset_time_duration":40}'}, 0, 100, 40),
        ({"x-ad-account-usage": '{"acc_id_util_pct":9.67,"reset_time_duration":100}'}, 0, 9.67, 0),
        (
            {
                "x-business-use-case-usage": json.dumps(
                    {
                        "1": [
                            {"type": "ads_management", "call_count": 3, "estimated_time_to_regain_access": 0},
                            {"type": "ads_insights", "call_count": 100, "estimated_time_to_regain_access": 7},
                        ]
                    }
                )
            },
            0,
            100,
            420,
        ),
        (
            {
                "x-app-usage": "not json",
                "x-business-use-case-usage": "[]",
                "x-ad-account-usage": '{"acc_id_util_pct":"9"}',
            },
            0,
            0,
            0,
        ),
        # Nobody is kept out for more than a day, whatever a header says: not by minutes, nor by hundreds of digits.
        (
            {"x-business-use-case-usage": '{"1":[{"estimated_time_to_regain_access":2000}]}'},
            0,
            0,
            86_400,
        ),
        (
            {"x-ad-account-usage": f'{{"acc_id_util_pct":100,"reset_time_duration":1{"0" * 400}}}'},
            0,
            100,
            86_400,
        ),
    ],
)
def test_usage_headers_are_read_the_worst_of_each(headers, app, account, regain):
    """Minutes in one, seconds in another, floats; and nothing is made of nonsense."""
    usage = usage_of(httpx.Response(200, headers=headers))
    assert (usage.app, usage.account, usage.regain) == (app, account, regain)


def test_seven_minutes_are_waited(bench):
    """17/2446079 with a regain of 7: the next call is not before 420 seconds (sheet 16.9)."""
    bench.meta.faults.add("account_limit", regain=7, match={"kind": "insights"})
    bench.run()
    bench.holds_the_truth()
    assert sum(bench.clock.slept) >= 420


def test_a_longer_wait_ends_the_run_with_the_time_to_come_back(bench):
    """Nothing sleeps for an hour; and no further call is made."""
    bench.meta.faults.add("account_limit", regain=60, match={"kind": "insights"})
    with pytest.raises(DeferredError) as caught:
        bench.run()
    assert caught.value.retry_after >= 3600
    assert len(bench.requests("insights")) == 1


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        ("token_expired", CredentialsError, "it has expired"),
        ("token_password", CredentialsError, "password has changed"),
        ("invalid_parameter", ContractError, "code 100"),
        ("version_dead", ContractError, "code 2635"),
        ("capability", CredentialsError, "lacks a capability"),
        ("invalid_breakdowns", ConfigurationError, "code 2/1504041"),
    ],
)
def test_what_cannot_get_better_is_not_tried_again(bench, fault, error, says):
    """Not once (sheet 16.9)."""
    bench.meta.faults.add(fault, None, match={"kind": "insights"})
    with pytest.raises(error, match=says):
        bench.run()
    assert len(bench.requests("insights")) == 1


@pytest.mark.parametrize(
    "fault",
    [
        "service_fault",
        "service_fault_insights",
        "unavailable",
        "temporarily_blocked",
        "batch_timeout",
        "summary_transient",
    ],
)
@pytest.mark.parametrize("http_200", [False, True])
def test_what_may_get_better_is_tried_again(bench, fault, http_200):
    """Also when the error comes in an answer of status 200 (sheet 16.11)."""
    bench.meta.faults.add(fault, 2, match={"level": "adset"}, http_200=http_200)
    bench.run(ONE_CALL)
    bench.holds_the_truth()


@pytest.mark.parametrize("fault", ["status", "html_200", "cut", "nan_json", "deep_json"])
def test_a_broken_way_is_gone_again(bench, fault):
    """502, HTML, half a body, NaN, depth: the lake is right, or nothing was committed."""
    bench.meta.faults.add(
        fault, 2, match={"level": "adset"}, **({"status": 502} if fault == "status" else {})
    )
    try:
        bench.run(ONE_CALL)
    except ContractError:
        assert bench.rows() == []
        bench.meta.faults.clear()
        bench.run(ONE_CALL)
    bench.holds_the_truth()


def test_a_cursor_that_is_lost_begins_the_read_anew(bench):
    """2642 in the middle: what was read of the slice is not used."""
    bench.meta.faults.add("invalid_cursor", match={"level": "adset", "first_page": False})
    with pytest.raises(IncompleteError, match="2642"):
        bench.run(replace(ONE_CALL, page_size=20))
    assert bench.rows() == []
    bench.run(replace(ONE_CALL, page_size=20))
    bench.holds_the_truth()


def test_pages_that_run_in_a_loop_are_left(bench):
    """A next page that is the same one."""
    bench.meta.faults.add("cursor_loop", None, match={"level": "adset"})
    with pytest.raises(ContractError, match="run in a loop"):
        bench.run(replace(ONE_CALL, page_size=20))


@pytest.mark.parametrize(("fault", "waits"), [("insights_calls", 0), ("insights_limit", 120)])
def test_a_limit_of_the_app_pauses_its_other_tenants(begin, fault, waits):
    """4/1504022 on account A pauses B of the same app; 80000 on A does not (sheet 16.18)."""
    bench = begin(accounts=TWO)
    clock = Clock()
    pace = AppPace(MetaAdsSettings(), clock=clock, sleep=clock.sleep)
    slept: list[float] = []

    class Watch:
        """Reads B in the very moment in which A is told to wait, and notes how long B had to."""

        def before(self, request):
            if len(slept) == 0:
                pace.before(request)

        def after(self, response, verdict):
            pace.after(response, verdict)
            if isinstance(verdict, Retry):
                began = clock.now
                read(other, "102")
                slept.append(clock.now - began)

    def read(client, account):
        asked = {"date_preset": "yesterday"}
        return list(client.pages(f"act_{account}/insights", asked, what="rows", account=account))

    bench.meta.faults.add(fault, match={"account": "101"}, regain=2)
    with (
        MetaAdsClient("one", bench.credentials(accounts="101"), pace=Watch()) as first,
        MetaAdsClient("two", bench.credentials(accounts="102"), pace=pace) as other,
    ):
        assert read(first, "101")
    assert slept == [waits]


def test_a_limit_of_an_account_whose_node_is_asked_pauses_that_account_only(begin):
    """80004 on A is no limit of the app: B, of another tenant, is read at once (sheet 16.18)."""
    bench = begin(accounts=TWO)
    clock = Clock()
    pace = AppPace(MetaAdsSettings(), clock=clock, sleep=clock.sleep)
    bench.meta.faults.add("management_calls", None, match={"account": "101"}, regain=30)
    with (
        MetaAdsClient("one", bench.credentials(accounts="101"), pace=pace) as first,
        MetaAdsClient("two", bench.credentials(accounts="102"), pace=pace) as other,
    ):
        assert "80004" in str(first.accounts().refused["101"])
        assert [one.id for one in other.accounts().readable] == ["102"]
    assert clock.slept == []


@pytest.mark.parametrize(("percent", "slept"), [(50, 0), (86, 60), (96, 300)])
def test_near_a_limit_the_next_call_waits(bench, percent, slept):
    """Before the limit is met, more the nearer it is."""
    bench.meta.faults.add("usage", percent=percent, match={"kind": "insights"})
    bench.run()
    assert sum(bench.clock.slept) == slept


def test_near_the_apps_limit_everybody_waits(bench):
    """Its percentage counts for all accounts."""
    bench.meta.faults.add("usage", app_percent=99, match={"kind": "edge"})
    bench.run()
    assert sum(bench.clock.slept) == 300


def test_a_warning_about_the_version_is_logged_once(bench, caplog):
    """The header of a silent upgrade."""
    bench.meta.faults.add("version_warning", 3)
    bench.run()
    assert [one.message for one in caplog.records if "warns about version" in one.message] == [
        f"{bench.tenant}: Meta warns about version v26.0"
    ]
