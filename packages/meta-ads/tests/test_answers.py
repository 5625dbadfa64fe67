"""Whatever Meta answers: an error is no success, no bytes break the client, and no URL holds a secret."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest

from weathervane.meta_ads.answers import ReportLostError
from weathervane.source.errors import CredentialsError, RetriableError, SourceError

from .answering import GOOD, NODE, ROW, SECRET, TOKEN, Answering, answering

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
    assert caught.value.reason == "TOKEN_REFUSED"


@pytest.mark.parametrize("kind", CALLS)
@pytest.mark.parametrize("shape", VAGUE)
def test_an_error_that_says_little_is_no_success(vendor, kind, shape):
    """It may pass, so it is asked again, and told in the end."""
    vendor.told[kind] = json.dumps(VAGUE[shape](kind)).encode()
    with pytest.raises(RetriableError):
        vendor.make(kind)
    assert len(vendor.urls) >= 5


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
    with pytest.raises(SourceError, match="Malformed access token … of the call") as caught:
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
