"""Whatever Meta answers: an error is no success, no bytes break the client, and no URL holds a secret."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest

from weathervane.meta_ads._checkpoint import parse_days
from weathervane.meta_ads._verdict import ReportLostError
from weathervane.source import CredentialsError, CursorError, DeferredError, RetriableError, SourceError

from .answering import FAILED, GOOD, NODE, ROW, SECRET, TOKEN, Answering, answering

CALLS = tuple(GOOD)
DEAD = {"message": "Session has expired", "type": "OAuthException", "code": 190, "error_subcode": 463}
LIMIT = {"message": "An unknown error occurred", "code": 2}


@pytest.fixture(scope="module")
def _served() -> Iterator[Answering]:
    with answering() as one:
        yield one


@pytest.fixture
def vendor(_served: Answering) -> Answering:
    """One for all tests of the module; each begins with good answers."""
    _served.told, _served.headers, _served.status = {}, {}, 200
    _served.urls.clear()
    return _served


def batch(*bodies):
    """Answers of a batch, each with its own status."""
    return [{"code": 400, "headers": [], "body": json.dumps(one)} for one in bodies]


def beside(kind, error):
    """The good answer of a call with an error beside what it holds."""
    good = GOOD[kind]
    if isinstance(good, dict):
        return {**good, "error": error}
    return [{**good[0], "body": json.dumps({**json.loads(good[0]["body"]), "error": error})}]


def element(kind, error):
    """A list whose last element is an error, in place of a record or beside a record's own members."""
    records = GOOD[kind].get("data", []) if isinstance(GOOD[kind], dict) else []
    return {**(GOOD[kind] if isinstance(GOOD[kind], dict) else {}), "data": [*records, {"error": error}]}


SHAPES = {
    "alone": lambda kind: {"error": DEAD},
    "beside its data": lambda kind: beside(kind, DEAD),
    "beside an empty list": lambda kind: {"data": [], "error": DEAD},
    "in an element": lambda kind: element(kind, DEAD),
    "in a record": lambda kind: {"data": [{**ROW, **NODE, "error": DEAD}]},
    "in a batch": lambda kind: batch({"error": DEAD}),
    "in one of a batch": lambda kind: [*batch({"data": []}), *batch({"error": DEAD})],
    "with its code as a text": lambda kind: beside(kind, {**DEAD, "code": "190", "error_subcode": "463"}),
    "with spaces in its code": lambda kind: beside(kind, {**DEAD, "code": " 190"}),
    "with a float for its code": lambda kind: beside(kind, {**DEAD, "code": 190.0}),
    "in a list": lambda kind: beside(kind, [DEAD]),
    "in an error": lambda kind: beside(kind, {"error": DEAD}),
    "as a text of JSON": lambda kind: beside(kind, json.dumps(DEAD)),
    "plural": lambda kind: {"data": [], "errors": [DEAD]},
    "in members of its own": lambda kind: {"data": [], "error_code": 190, "error_msg": "expired"},
    "beside is_valid": lambda kind: {"data": [], "error": DEAD, "is_valid": False},
}
"""Errors that say what is wrong: a dead token."""
VAGUE = {
    "a text": lambda kind: beside(kind, "Service temporarily unavailable"),
    "null": lambda kind: beside(kind, None),
    "empty": lambda kind: beside(kind, {}),
    "an empty text": lambda kind: beside(kind, ""),
    "a list": lambda kind: beside(kind, [LIMIT]),
    "false": lambda kind: beside(kind, False),
    "without a code": lambda kind: beside(kind, {"message": "Something went wrong"}),
    "of a code that is none": lambda kind: beside(kind, {**LIMIT, "code": [2]}),
    "a text of its own": lambda kind: {"data": [], "error_message": "expired"},
    "an exception": lambda kind: {"data": [], "exception": "OAuthException"},
    "success: 0": lambda kind: {"data": [], "success": 0},
    "success as a text": lambda kind: {"data": [], "success": "false"},
    "success: false": lambda kind: {"success": False},
    "success: false beside its data": lambda kind: (
        {**GOOD[kind], "success": False} if isinstance(GOOD[kind], dict) else batch({"success": False})
    ),
    "nothing to a call of a batch": lambda kind: [None],
    "an empty batch": lambda kind: [],
    "passing, in an element": lambda kind: element(kind, LIMIT),
}
"""Errors of which nobody can tell that they will not pass."""


@pytest.mark.parametrize("kind", CALLS)
@pytest.mark.parametrize("shape", SHAPES)
def test_an_error_in_a_success_is_judged_as_what_it_says(vendor, kind, shape):
    """By code and subcode, wherever it stands: a dead token is not asked with again."""
    vendor.told[kind] = json.dumps(SHAPES[shape](kind)).encode()
    with pytest.raises(CredentialsError) as caught:
        vendor.make(kind)
    # Asking what the token is, it is the app's own that is refused.
    assert caught.value.reason == ("APP_REFUSED" if kind == "token" else "TOKEN_REFUSED")


@pytest.mark.parametrize("kind", CALLS)
@pytest.mark.parametrize("shape", VAGUE)
def test_an_error_that_says_little_is_no_success(vendor, kind, shape):
    """It may pass, so it is asked again, and told in the end."""
    vendor.told[kind] = json.dumps(VAGUE[shape](kind)).encode()
    with pytest.raises(RetriableError):
        vendor.make(kind)
    assert len(vendor.urls) >= 5


BYTES = {
    b'{"data":[],"\\u0065rror":{"code":2}}': 200,
    b'{"data":[{"id":"11"}],"data":[]}': 200,
    b'{"data":[],"paging":{"next":"x","cursors":{"after":"y"}},"paging":{}}': 200,
    b'{"data":[]}': 206,
    b'{"data": []}': 201,
}


@pytest.mark.parametrize("body", BYTES, ids=str)
def test_an_answer_that_is_not_whole_is_no_success(vendor, body):
    """An escaped name, a list given twice, a status that says that there is more."""
    vendor.told["insights"], vendor.status = body, BYTES[body]
    with pytest.raises(RetriableError):
        vendor.make("insights")


@pytest.mark.parametrize("status", [400, 401, 403, 500])
@pytest.mark.parametrize(
    "error",
    [
        {"error": {"message": f"Look here, {TOKEN}", "type": "X"}},
        {"error": f"Look here, {TOKEN}"},
        {"error_msg": f"Look here, {TOKEN}"},
    ],
    ids=str,
)
def test_metas_sentence_is_told_where_it_gives_no_code(vendor, status, error):
    """It is all there is to go by; the token in it is not told."""
    vendor.told["insights"], vendor.status = json.dumps(error).encode(), status
    with pytest.raises(SourceError, match=r"Look here, \[\.\.\.\]") as caught:
        vendor.make("insights")
    assert TOKEN not in str(caught.value)


def test_a_failed_report_run_does_not_log_the_token(vendor, caplog):
    """Meta may quote it in the run's message, in whichever form."""
    told = {
        **FAILED,
        "error_code": 1,
        "error_subcode": None,
        "error_message": f"for {TOKEN} and 12|{SECRET} it went",
    }
    vendor.told["poll"] = json.dumps(told).encode()
    with pytest.raises(SourceError):
        vendor.make("results")
    assert "it went" in caplog.text
    assert TOKEN not in caplog.text
    assert SECRET not in caplog.text


def test_a_completed_run_with_an_error_is_not_complete(vendor):
    """It is made anew, and then cut in parts."""
    told = {"async_status": "Job Completed", "async_percent_completion": 100, "error_code": 2601}
    vendor.told["poll"] = json.dumps(told).encode()
    with pytest.raises(SourceError, match="cannot be made smaller"):
        vendor.make("results")


@pytest.mark.parametrize(
    ("status", "percent"), [("job completed", 100), ("Job Lost", 3), ("Job Completed", 101)]
)
def test_a_run_that_says_what_is_not_documented_is_soon_named(vendor, status, percent):
    """Instead of an hour of looking again."""
    vendor.told["poll"] = json.dumps({"async_status": status, "async_percent_completion": percent}).encode()
    with pytest.raises(SourceError, match=f"says '{status}', {percent} %"):
        vendor.make("results")
    assert len(vendor.urls) < 20


def test_what_no_url_takes_is_an_error_of_the_vendors(vendor):
    """A cursor or an account's number of 70,000 characters."""
    paging = {"next": "x", "cursors": {"after": "q" * 70_000}}
    vendor.told["insights"] = json.dumps({"data": [ROW], "paging": paging}).encode()
    with pytest.raises(SourceError, match="70,000 characters"):
        vendor.make("insights")
    nodes = [NODE, {**NODE, "account_id": "1" * 70_000}]
    vendor.told["accounts"] = json.dumps({"data": nodes}).encode()
    assert vendor.make("accounts")["refused"].keys() == {"number 2 of the list"}


@pytest.mark.parametrize("more", [{"name": 7}, {"account_status": "1"}], ids=str)
def test_an_account_is_not_refused_for_what_nobody_needs(vendor, more):
    """Its days and its currency are all that a read needs."""
    vendor.told["accounts"] = json.dumps({"data": [{**NODE, **more}]}).encode()
    assert [one.id for one in vendor.make("accounts")["readable"]] == ["101"]


@pytest.mark.parametrize("kind", CALLS)
def test_good_answers_are_good(vendor, kind):
    """Or the tests above would prove nothing."""
    if kind == "objects":
        with pytest.raises(SourceError, match="cannot be made smaller"):
            vendor.make(kind)
    else:
        vendor.make(kind)
    # `error` in a name, or of a run that did not fail, is none.
    row = {**ROW, "campaign_name": 'All "error" and no "success"'}
    vendor.told["insights"] = json.dumps({"data": [row]}).encode()
    assert vendor.make("insights")


@pytest.mark.parametrize("kind", CALLS)
def test_no_url_holds_a_secret(vendor, kind):
    """Of any call: URLs end in logs, of ours and of every proxy on the way."""
    with contextlib.suppress(SourceError):
        vendor.make(kind)
    assert vendor.urls
    for url in vendor.urls:
        assert TOKEN not in url
        assert SECRET not in url
        assert "access_token" not in url
        assert "input_token" not in url


@pytest.mark.parametrize("quoted", [TOKEN, f"1234567890|{SECRET}", "EAAanother0ne"])
def test_a_token_in_a_message_of_metas_is_not_told(vendor, quoted):
    """The rest of the message is."""
    error = {"code": 100, "message": f"Malformed access token {quoted} of the call"}
    vendor.told["insights"] = json.dumps({"error": error}).encode()
    with pytest.raises(SourceError, match=r"Malformed access token \[\.\.\.\] of the call") as caught:
        vendor.make("insights")
    assert quoted not in str(caught.value)


LOST = [
    {
        "code": 100,
        "error_subcode": 33,
        "message": "Unsupported get request. Object with ID '601' does not exist",
    },
    {"code": 2601, "error_subcode": 1815107, "message": "Error accessing adreport job."},
    {"code": 100, "message": "(#100) The adreport job is not completed yet"},
]


@pytest.mark.parametrize("error", LOST)
@pytest.mark.parametrize("kind", ["poll", "results"])
def test_a_report_run_that_meta_does_not_know_is_made_anew_once_and_then_told(vendor, kind, error):
    """It was just made, and what one of Meta's machines knows another may not: never a matter of rights."""
    vendor.told[kind] = json.dumps({"error": error}).encode()
    vendor.status = 400
    with pytest.raises(ReportLostError):
        vendor.make(kind)
    made = [url for url in vendor.urls if url.startswith("/v26.0/act_101/insights")]
    assert len(made) == 2
    assert len(vendor.urls) > 2 + 2 * 4


TWO_TO_THE_63 = str(2**63)
HOSTILE = [
    b"",
    b" ",
    b"null",
    b"true",
    b'"a text"',
    b"12",
    b"1e400",
    b"[]",
    b"[[]]",
    b"[1]",
    b"{}",
    b"{",
    b'{"data":',
    b'{"data":null}',
    b'{"data":{}}',
    b'{"data":[null]}',
    b'{"data":[1,"x",[],true]}',
    b'{"data":[{}]}',
    b'{"data":[{"id":null,"account_id":null}]}',
    b'{"data":[{"id":7,"account_id":"../101"}]}',
    b'{"data":[{"id":"act_x","account_id":"","timezone_name":"UTC","currency":"EUR"}]}',
    b'{"data":[{"id":"../../me","account_id":"101?x","timezone_name":"UTC","currency":"EUR"}]}',
    b'{"data":[{"id":"11"}],"paging":{"next":"http://["}}',
    b'{"data":[{"id":"11"}],"paging":{"next":7}}',
    b'{"data":[{"id":"11"}],"paging":{"next":"x","cursors":{"after":[]}}}',
    b'{"data":[{"id":"11"}],"paging":{"next":"x","cursors":{"after":"\\ud800"}}}',
    b'{"data":[{"id":"11"}],"paging":[]}',
    b'{"data":[{"date_start":"2026-10-20","date_stop":"2026-10-20","spend":1e400}]}',
    b'{"data":[{"date_start":"2026-10-20T00:00:00","date_stop":"9999-99-99","spend":"NaN"}]}',
    b'{"data":[{"actions":{"action_type":"x"},"ad_id":"13"}]}',
    b'{"data":[{"name":"\xff\xfe"}]}',
    b'{"name":"\xff\xfe"}',
    b"\xff\xfe\x00",
    b"\xef\xbb\xbf{}",
    b'{"data":' + b"[" * 5000 + b"]" * 5000 + b"}",
    b'{"error":' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}",
    b'{"error":{"code":1e400,"message":7}}',
    b'{"error":{"code":' + b"9" * 5000 + b"}}",
    *(
        b'{"report_run_id":' + one + b"}"
        for one in (
            b"null",
            b"7.5",
            b"[]",
            b'""',
            b'"../me"',
            b'"601/insights"',
            b"-1",
            TWO_TO_THE_63.encode() * 3,
        )
    ),
    *(
        b'{"async_status":' + one + b',"async_percent_completion":' + percent + b',"error_code":null}'
        for one, percent in (
            (b"null", b"1"),
            (b"7", b"1"),
            (b'"Job Lost"', b'"100"'),
            (b'"Job Completed"', b"1e400"),
        )
    ),
    b'{"async_status":"Job Failed","error_code":"100","error_message":null}',
    b'{"async_status":"Job Failed","async_percent_completion":null}',
    b'{"async_status":"Job Failed","error_code":null,"error_subcode":null,"error_message":null}',
    *(
        b'{"id":"act_101","account_id":"101","currency":"EUR","timezone_name":' + zone + b"}"
        for zone in (
            b"null",
            b"7",
            b'""',
            b'"Mars/Olympus"',
            b'"../../etc/passwd"',
            b'"\\u0000"',
            b'"Europe"',
        )
    ),
    b'{"id":"act_101","account_id":"101","currency":null,"timezone_name":"UTC","name":null,"account_status":"1"}',
    *(
        json.dumps([{"code": 200, "body": body}]).encode()
        for body in (
            "",
            "null",
            "[]",
            "{}",
            '{"data":null}',
            '{"data":{"is_valid":null}}',
            '{"data":{"scopes":{}}}',
        )
    ),
    *(
        json.dumps(
            [{"code": 200, "body": f'{{"data":{{"is_valid":true,"expires_at":{ends},"scopes":null}}}}'}]
        ).encode()
        for ends in (
            "1e999",
            "-1",
            TWO_TO_THE_63,
            "999999999999999999",
            "-999999999999999999",
            '"soon"',
            "[]",
            "1.5",
        )
    ),
    b'[{"code":200}]',
    b'[{"code":200,"body":null}]',
    b'[{"code":200,"body":{}}]',
]


@pytest.mark.parametrize("kind", CALLS)
def test_no_bytes_break_a_call(vendor, kind):
    """Each answer gives something, or an error that says what to do; none that nobody foresaw."""
    broken = []
    for body in HOSTILE:
        vendor.told[kind] = body
        try:
            vendor.make(kind)
        except SourceError as error:
            if TOKEN in str(error) or SECRET in str(error):
                broken.append((body[:80], error))
        except Exception as error:
            broken.append((body[:80], error))
    assert broken == []


HEADERS = ["x-business-use-case-usage", "x-fb-ads-insights-throttle", "x-ad-account-usage", "x-app-usage"]
USAGE = [
    "",
    "null",
    "[]",
    "{",
    "7",
    "[" * 5000,
    "\xff",
    '{"101":null}',
    '{"101":[null,7,[]]}',
    '{"101":[{"call_count":"28","estimated_time_to_regain_access":null}]}',
    '{"101":[{"call_count":1e400}]}',
    '{"101":[{"estimated_time_to_regain_access":true,"call_count":-1e300}]}',
    '{"101":[{"estimated_time_to_regain_access":' + "9" * 400 + "}]}",
    '{"app_id_util_pct":{},"acc_id_util_pct":"NaN"}',
    '{"acc_id_util_pct":-5,"reset_time_duration":-1e18}',
    '{"call_count":[],"total_time":"x"}',
]


@pytest.mark.parametrize("name", HEADERS)
def test_no_header_breaks_a_call(vendor, name):
    """What it says is passed over, where it says nothing."""
    for value in USAGE:
        vendor.headers = {name: value}
        assert vendor.make("insights") == [json.dumps(ROW, separators=(", ", ": ")).encode()]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-business-use-case-usage", '{"101":[{"estimated_time_to_regain_access":999999999}]}'),
        ("x-ad-account-usage", '{"acc_id_util_pct":100,"reset_time_duration":1e18}'),
    ],
)
def test_nobody_is_kept_out_for_more_than_a_day(vendor, name, value):
    """An absurd header puts a tenant off until tomorrow, and not for years."""
    vendor.headers, vendor.status = {name: value}, 400
    vendor.told["insights"] = json.dumps(
        {"error": {"code": 17, "error_subcode": 2446079, "message": ""}}
    ).encode()
    with pytest.raises(DeferredError) as caught:
        vendor.make("insights")
    assert caught.value.retry_after == 86_400


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        '{"101":7}',
        '{"101":"2026-02-30"}',
        '{"101":"2026-10-20T00:00:00"}',
        "[" * 5000,
        "\ud800",
    ],
)
def test_a_checkpoint_that_is_none_is_said_to_be_none(text):
    """Never taken for none at all."""
    with pytest.raises(CursorError):
        parse_days(text)


def test_an_account_of_which_little_can_be_read_is_refused_by_name_and_not_the_others(vendor):
    """Of a list: what is wrong with one is no reason not to read the next."""
    nodes = [
        {"id": "act_100", "currency": "EUR"},
        {**NODE, "timezone_name": 7, "id": "x", "account_id": 9},
        NODE,
    ]
    vendor.told["accounts"] = json.dumps({"data": nodes}).encode()
    found = vendor.make("accounts")
    assert [one.id for one in found["readable"]] == ["101"]
    assert found["refused"].keys() == {"100", "number 2 of the list"}
