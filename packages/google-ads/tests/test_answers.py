"""What Google's answers mean: one judgement for both shapes of an error, by its enum and never by its text."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from weathervane.google_ads import GoogleAdsCredentials
from weathervane.google_ads._auth import judge_grant
from weathervane.google_ads._refusals import refusal_of
from weathervane.google_ads._verdict import (
    AccountNotEnabledError,
    OutOfRetentionError,
    QueryTooHeavyError,
    QuotaError,
    classifier,
)
from weathervane.google_ads.sandbox._errors import GoogleAdsError, error_body, front_end_error
from weathervane.source import (
    Accept,
    ConfigurationError,
    ContractError,
    CredentialsError,
    Fail,
    Retry,
    SourceError,
    UnavailableError,
)

classify = classifier(quota_delay=3_600)


def answer(status: int, body: Any, **headers: str) -> httpx.Response:
    """An answer as it arrives."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.Response(status, content=content, headers=headers)


def refused(code: str, details: Mapping[str, Any] | None = None, *, array: bool = False) -> httpx.Response:
    """A refusal as the API writes it."""
    category, _, enum = code.partition(".")
    error = GoogleAdsError(category, enum, "A text that nobody reads.", details=details)
    body = error_body("v26", [error], "dQSB-3UevUPdukZ_RQEPIw")
    return answer(error.status, [body] if array else body)


QUOTA = {"quotaErrorDetails": {"rateScope": "DEVELOPER", "rateName": "Operations", "retryDelay": "17941s"}}


def test_both_shapes_are_one_error():
    """Category, enum, message, request id, delay and scope, from an object and from an array."""
    one, other = (
        refusal_of(refused("quotaError.RESOURCE_EXHAUSTED", QUOTA, array=array)) for array in (False, True)
    )
    assert one == other
    assert (one.category, one.code, one.request_id) == (
        "quotaError",
        "RESOURCE_EXHAUSTED",
        "dQSB-3UevUPdukZ_RQEPIw",
    )
    assert (one.retry_delay, one.scope, one.message) == (17_941.0, "DEVELOPER", "A text that nobody reads.")
    verdicts = [
        classify(refused("quotaError.RESOURCE_EXHAUSTED", QUOTA, array=array)) for array in (False, True)
    ]
    for verdict in verdicts:
        assert isinstance(verdict, Retry)
        assert isinstance(verdict.error, QuotaError)
        assert (verdict.after, verdict.error.refusal) == (17_941.0, one)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("authenticationError.OAUTH_TOKEN_REVOKED", CredentialsError),
        ("authenticationError.OAUTH_TOKEN_DISABLED", CredentialsError),
        ("authenticationError.GOOGLE_ACCOUNT_DELETED", CredentialsError),
        ("authenticationError.NOT_ADS_USER", CredentialsError),
        ("authenticationError.TWO_STEP_VERIFICATION_NOT_ENROLLED", CredentialsError),
        ("authenticationError.ORGANIZATION_NOT_APPROVED", CredentialsError),
        ("authenticationError.CUSTOMER_NOT_FOUND", ConfigurationError),
        ("authenticationError.CLIENT_CUSTOMER_ID_INVALID", ConfigurationError),
        ("requestError.INVALID_CUSTOMER_ID", ConfigurationError),
        ("headerError.INVALID_LOGIN_CUSTOMER_ID", ConfigurationError),
        ("requestError.UNSUPPORTED_VERSION", ConfigurationError),
        ("authorizationError.USER_PERMISSION_DENIED", CredentialsError),
        ("authorizationError.CUSTOMER_NOT_ENABLED", AccountNotEnabledError),
        ("authorizationError.METRIC_ACCESS_DENIED", CredentialsError),
        ("authorizationError.CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION", CredentialsError),
        ("authorizationError.DEVELOPER_TOKEN_NOT_APPROVED", CredentialsError),
        ("authorizationError.PROJECT_DISABLED", CredentialsError),
        ("quotaError.ACCESS_PROHIBITED", CredentialsError),
        ("queryError.UNRECOGNIZED_FIELD", ConfigurationError),
        ("queryError.PROHIBITED_SEGMENT_WITH_METRIC_IN_SELECT_OR_WHERE_CLAUSE", ConfigurationError),
        ("queryError.REQUESTED_METRICS_FOR_MANAGER", ConfigurationError),
        ("dateRangeError.REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED", OutOfRetentionError),
        ("dateRangeError.INVALID_DATE", OutOfRetentionError),
        ("requestError.PAGE_SIZE_NOT_SUPPORTED", ContractError),
        ("requestError.EXPIRED_PAGE_TOKEN", UnavailableError),
        ("internalError.DEADLINE_EXCEEDED", QueryTooHeavyError),
        ("requestError.RPC_DEADLINE_TOO_SHORT", QueryTooHeavyError),
        ("clickViewError.EXPECTED_FILTER_ON_A_SINGLE_DAY", ConfigurationError),
        ("mutateError.SOMETHING_NEW", ContractError),
    ],
)
def test_a_refusal_that_no_retry_mends(code, kind):
    """Its enum is the reason, and its text holds the request id."""
    verdict = classify(refused(code, array=True))
    assert isinstance(verdict, Fail)
    assert isinstance(verdict.error, kind)
    assert verdict.error.reason == code.partition(".")[2]
    assert "request id dQSB-3UevUPdukZ_RQEPIw" in str(verdict.error)
    assert not verdict.refresh


@pytest.mark.parametrize("code", ["OAUTH_TOKEN_EXPIRED", "OAUTH_TOKEN_INVALID"])
def test_a_token_that_ended_is_refreshed(code):
    """Once: the transport sees to it."""
    verdict = classify(refused(f"authenticationError.{code}"))
    assert isinstance(verdict, Fail)
    assert verdict.refresh


@pytest.mark.parametrize(
    ("code", "delay", "after"),
    [
        ("quotaError.RESOURCE_EXHAUSTED", "62513s", 62_513.0),
        ("quotaError.RESOURCE_EXHAUSTED", None, 3_600.0),
        ("quotaError.RESOURCE_TEMPORARILY_EXHAUSTED", "5s", 5.0),
        ("quotaError.RESOURCE_TEMPORARILY_EXHAUSTED", "0.500s", 0.5),
        ("quotaError.RESOURCE_TEMPORARILY_EXHAUSTED", None, None),
        ("quotaError.RESOURCE_EXHAUSTED", "999999999s", 86_400.0),
        ("quotaError.EXCESSIVE_LONG_TERM_QUERY_RESOURCE_CONSUMPTION", "30s", 30.0),
        ("internalError.INTERNAL_ERROR", None, None),
        ("internalError.TRANSIENT_ERROR", None, None),
    ],
)
def test_a_refusal_that_passes(code, delay, after):
    """Google's own delay is kept; without one the daily quota is left alone for an hour."""
    details = {"quotaErrorDetails": {"retryDelay": delay}} if delay else None
    verdict = classify(refused(code, details))
    assert isinstance(verdict, Retry)
    assert verdict.after == after


def test_an_error_behind_good_chunks_spoils_them():
    """Status 200 and rows do not make it a good answer."""
    error = error_body("v26", [GoogleAdsError("internalError", "INTERNAL_ERROR", "Oops.")], "r")
    assert isinstance(classify(answer(200, [{"results": [{}]}, error])), Retry)
    assert isinstance(classify(answer(200, [{"results": [{}]}, {"requestId": "r"}])), Accept)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b'[{"results":[{"campaign"', Retry),
        (200, b"<html>", Retry),
        (200, b"", Retry),
        (200, b'{"data":' + b"[" * 5_000, Fail),
        (502, b"<html>", Retry),
        (503, b'{"error":{"code":503,"status":"UNAVAILABLE"}}', Retry),
        (401, b'{"error":{"code":401,"status":"UNAUTHENTICATED"}}', Fail),
        (429, b'{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}', Retry),
        (400, b'{"error":{"code":400,"message":"Invalid JSON payload","status":"INVALID_ARGUMENT"}}', Fail),
        (404, b"<html>", Fail),
    ],
)
def test_answers_that_the_api_did_not_write(status, body, kind):
    """The front end's errors, gateways' pages and torn bodies."""
    try:
        verdict: Any = classify(answer(status, body))
    except SourceError as error:  # as the transport takes it
        verdict = Retry(error) if error.retriable else Fail(error)
    assert isinstance(verdict, kind)


def test_details_of_other_types_are_skipped():
    """ErrorInfo, BadRequest and RetryInfo may stand before the failure; a RetryInfo's delay counts."""
    body = error_body("v26", [GoogleAdsError("quotaError", "RESOURCE_TEMPORARILY_EXHAUSTED", "Slow.")], "r")
    body["error"]["details"][:0] = [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "X", "metadata": {"a": "b"}},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"},
    ]
    verdict = classify(answer(429, [body]))
    assert isinstance(verdict, Retry)
    assert (verdict.error.reason, verdict.after) == ("RESOURCE_TEMPORARILY_EXHAUSTED", 7.0)
    plain = {"error": {"code": 503, "status": "UNAVAILABLE", "details": body["error"]["details"][1:2]}}
    assert classify(answer(503, plain)).after == 7.0


def test_every_official_error_is_judged_by_what_a_repetition_can_do():
    """All that the official protos of the newest version have: these alone pass, all others are final."""
    errors = importlib.import_module("google.ads.googleads.v26.errors.types.errors")
    passing = {"databaseError.CONCURRENT_MODIFICATION"}
    for member in errors.ErrorCode.pb().DESCRIPTOR.fields:
        for value in member.enum_type.values:
            code = f"{member.json_name}.{value.name}"
            verdict = classify(refused(code, array=True))
            assert not isinstance(verdict, Accept)
            if isinstance(verdict, Retry):
                passing.add(code)
            elif verdict.error.retriable:
                # Not as it is: in halves, from the first page on.
                assert value.name in (
                    "DEADLINE_EXCEEDED",
                    "EXPIRED_PAGE_TOKEN",
                    "INVALID_PAGE_TOKEN",
                    "RPC_DEADLINE_TOO_SHORT",
                )
    quota = {one.partition(".")[2] for one in passing if one.startswith("quotaError.")}
    assert {one for one in passing if not one.startswith(("quotaError.", "internalError."))} == {
        "databaseError.CONCURRENT_MODIFICATION"
    }
    assert quota >= {"RESOURCE_EXHAUSTED", "RESOURCE_TEMPORARILY_EXHAUSTED"}
    assert "ACCESS_PROHIBITED" not in quota


@pytest.mark.parametrize("details", [True, False])
def test_an_api_that_is_not_enabled_says_where_it_is_enabled(details):
    """In Google's own sentence, or by the link beside it; it is no matter of the tenant's credentials."""
    error = front_end_error("SERVICE_DISABLED", message=None if details else "It is disabled.")
    verdict = classify(answer(403, error_body("v26", [error], "r")))
    assert isinstance(verdict, Fail)
    assert not verdict.error.retriable
    assert not verdict.refresh
    assert verdict.error.reason == "SERVICE_DISABLED"
    assert isinstance(verdict.error, ConfigurationError)
    assert "overview?project=407408718192" in str(verdict.error)
    assert "enable the Google Ads API" in str(verdict.error)


@pytest.mark.parametrize("status", [409, 499])
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}"])
def test_a_call_that_was_given_up_is_made_again(status, body):
    """Also where nothing of it can be read."""
    verdict = classify(answer(status, body, **{"retry-after": "3"}))
    assert isinstance(verdict, Retry)
    assert verdict.after == 3.0


def test_no_credential_comes_into_a_message():
    """Not even if a sentence of Google's quotes one: of any form, and those that were given by their values."""
    given = GoogleAdsCredentials(
        client_id="1-a", client_secret="hush-1", refresh_token="hush-2", developer_token="hush-3"
    )
    words = "hush-1, hush-2, hush-3, Bearer eyJ.hush-4"
    told = {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": words}}
    for judge in (classifier(1, given.secrets), lambda sent: judge_grant(sent, given.secrets)):
        verdict = judge(answer(400, told))
        assert "[...], [...], [...], [...]" in str(verdict.error)
        assert "hush" not in repr(verdict.error)


def test_a_service_accounts_key_comes_into_no_message():
    """Neither as it was given, nor as the text within it that signs."""
    key = {
        "client_email": "a@b.c",
        "private_key": "-----BEGIN\nhush-1\nEND-----",
        "token_uri": "https://x.y/z",
    }
    given = GoogleAdsCredentials(service_account=json.dumps(key))
    for quoted in (json.dumps(key), key["private_key"]):
        told = {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": f"of {quoted}."}}
        verdict = classifier(1, given.secrets)(answer(400, told))
        assert "of [...]." in str(verdict.error)


def test_the_client_hides_its_credentials(bench):
    """Those it was made with, whatever they look like."""
    sentence = [{"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "of hush-3."}}]
    with bench.client(developer_token="hush-3") as client:
        account = bench.clients()[0]
        bench.vendor.faults.add("wrong_content", 1, match={"resource": "customer"}, body=json.dumps(sentence))
        with pytest.raises(SourceError, match=r"of \[\.\.\.\]\."):
            client.stream(account, "SELECT customer.id FROM customer")


def test_no_token_comes_into_a_message():
    """Not even if a sentence of Google's quotes one."""
    told = {
        "error": {"code": 401, "status": "UNAUTHENTICATED", "message": "ya29.abc-DEF and 1//0g_xyz are bad"}
    }
    verdict = classify(answer(401, told))
    assert "[...] and [...] are bad" in str(verdict.error)
    assert "abc" not in repr(verdict.error)


ERROR = {"code": 3, "status": "INVALID_ARGUMENT", "message": "A text that nobody reads."}
ROW = {"metrics": {"clicks": "3"}, "campaign": {"id": "7"}, "segments": {"date": "2026-11-02"}}


@pytest.mark.parametrize("name", ["error", "errors", "exception", "Error", r"\u0065rror"])
@pytest.mark.parametrize(
    "spoilt",
    [
        lambda error: {"results": [ROW, {**ROW, **error}]},
        lambda error: {"results": [ROW, error]},
        lambda error: {"results": [{**ROW, "metrics": {**ROW["metrics"], **error}}]},
        lambda error: {"results": [{**ROW, "campaign": {**ROW["campaign"], **error}}]},
        lambda error: {"results": [ROW], "fieldMask": error},
        lambda error: {"results": [ROW], "queryResourceConsumption": error},
        lambda error: {"results": [ROW], "summaryRow": {"customer": error}},
        lambda error: {"results": [ROW], "requestId": "x", **error},
    ],
    ids=["row", "whole row", "metrics", "resource", "mask", "consumption", "sum", "chunk"],
)
def test_an_error_is_found_wherever_it_stands(spoilt, name):
    """Rows beside it are no answer: which of them are missing, nobody can say."""
    body = json.dumps([{"results": [ROW]}, spoilt({"ERROR": ERROR})]).replace('"ERROR"', f'"{name}"')
    assert isinstance(classify(answer(200, body.encode())), Fail | Retry)


def test_a_field_of_errors_that_was_selected_is_a_field():
    """Google has such: what went wrong with uploads of conversions."""
    summary = {
        "alerts": [{"error": {"conversionUploadError": "X"}, "errorPercentage": 0.5}],
        "errors": ["one"],
    }
    rows = [{"offlineConversionUploadClientSummary": summary}]
    mask = "offlineConversionUploadClientSummary.alerts,offlineConversionUploadClientSummary.errors"
    assert isinstance(classify(answer(200, [{"results": rows, "fieldMask": mask}])), Accept)
    assert not isinstance(classify(answer(200, [{"results": rows, "fieldMask": "campaign.id"}])), Accept)
