"""An error element is never an acceptance: whatever its shape, wherever it stands, whichever call it answers."""

from __future__ import annotations

import httpx
import pytest

from weathervane.klaviyo._client import KlaviyoClient, address
from weathervane.klaviyo._settings import LEGACY_VERSION
from weathervane.klaviyo._verdict import NotFoundError, classify
from weathervane.source import (
    Accept,
    ConfigurationError,
    ContractError,
    CredentialsError,
    Fail,
    IncompleteError,
    Retry,
    SourceError,
    ThrottledError,
    UnavailableError,
)

from .altering import CALLS
from .bench import CAMPAIGNS, REPORTS

SHAPES = (
    [{"status": 500, "detail": "Broken."}],
    [{"status": "503"}],
    [{"title": "No status."}],
    [{}],
    [None],
    ["A text."],
    {"detail": "One that is no list."},
    "A text.",
    True,
    7,
)
FINAL = (
    ([{"status": 400, "code": "invalid", "detail": "Bad."}], ContractError),
    ([{"status": "401", "detail": "Bad key."}], CredentialsError),
    ([{"status": 403, "detail": "No scope."}], CredentialsError),
    ([{"status": 404, "detail": "Not there."}], ContractError),
    ([{"status": 410, "detail": "Gone."}], ConfigurationError),
)
NOTHING = ([], None, "", {}, False)


@pytest.fixture(scope="module")
def standing():
    """One account that no test changes, and a client of it."""
    from weathervane.klaviyo.sandbox import running_klaviyo

    from .bench import Bench

    key = "pk_4f.2c/9"
    with running_klaviyo(campaigns=5, life=False, quota_factor=10_000, api_key=key) as running:
        bench = Bench(None, running, "standing")
        with KlaviyoClient("standing", bench.credentials(api_key=key)) as client:
            yield client, running.account


@pytest.mark.parametrize("endpoint", CALLS)
def test_an_error_in_a_good_answer_is_no_acceptance(standing, endpoint):
    """What may pass is tried again and fails by that name; what says that it is final, is."""
    client, account = standing
    call, more = CALLS[endpoint]
    call(client)
    for place in ("document", "data", *more):
        for member in ("errors", "error"):
            for shape, kind in [*((one, UnavailableError) for one in SHAPES), *FINAL]:
                account.faults.add(
                    "errors_inside",
                    None,
                    match={"endpoint": endpoint},
                    place=place,
                    member=member,
                    errors=shape,
                )
                account.recorder.clear()
                with pytest.raises(SourceError) as caught:
                    call(client)
                account.faults.clear()
                assert type(caught.value) is kind, (place, member, shape, caught.value)
                seen = [one for one in account.requests if one.note["endpoint"] == endpoint]
                assert (len(seen) > 1) == caught.value.retriable


@pytest.mark.parametrize("place", ["data", "included", "results"])
def test_an_error_in_the_place_of_a_record_is_one(place):
    """As JSON:API writes one, without the name of its list."""
    error = {"id": "1", "status": 500, "code": "error", "title": "Oops", "detail": "Something is missing"}
    record = {"type": "campaign", "id": "1", "attributes": {"detail": "no error", "status": "Draft"}}
    documents = {
        "data": {"data": [record, error]},
        "included": {"data": [record], "included": [error]},
        "results": {"data": {"type": "campaign-values-report", "attributes": {"results": [error]}}},
    }
    verdict = classify(httpx.Response(200, json=documents[place]))
    assert isinstance(verdict, Retry)
    assert "Something is missing" in str(verdict.error)
    assert isinstance(classify(httpx.Response(200, json={"data": [record]})), Accept)


@pytest.mark.parametrize("endpoint", CALLS)
def test_errors_that_say_that_there_is_none_are_none(standing, endpoint):
    """An empty list is no refusal."""
    client, account = standing
    for nothing in NOTHING:
        account.faults.add("errors_inside", match={"endpoint": endpoint}, errors=nothing)
        CALLS[endpoint][0](client)
        assert not account.faults.standing("errors_inside")


@pytest.mark.parametrize("revision", [None, LEGACY_VERSION])
def test_a_run_of_spoilt_answers_commits_nothing_of_them(bench, revision):
    """Neither of a list, nor of a report; and then it goes on as if nothing had been."""
    held = {"revision": revision} if revision else {}
    for place, endpoint in (("included", "campaigns"), ("document", "campaigns")):
        bench.account.faults.add("errors_inside", None, match={"endpoint": endpoint}, place=place)
        with pytest.raises(UnavailableError, match="Something is missing"):
            bench.run(credentials=held)
        assert bench.rows(CAMPAIGNS) == []
        bench.account.faults.clear()
    bench.account.faults.add(
        "errors_inside", None, match={"endpoint": "campaign-values-reports"}, place="results"
    )
    with pytest.raises(UnavailableError, match="Something is missing"):
        bench.run(reports=True, credentials=held)
    assert bench.rows(REPORTS) == []
    bench.account.faults.clear()
    bench.run(reports=True, credentials=held)
    if revision is None:
        bench.holds_the_reports()


def test_a_part_that_is_missing_is_no_campaign_that_is_gone(bench):
    """A 404 within a good answer about a campaign says nothing of the campaign."""
    bench.run()
    bench.account.faults.add("partial", times=None, match={"endpoint": ["campaigns", "campaign-messages"]})
    missing = [{"status": 404, "code": "not_found", "detail": "A message does not exist."}]
    bench.account.faults.add("errors_inside", None, match={"endpoint": "campaigns/{id}"}, errors=missing)
    with pytest.raises(ContractError, match="A message does not exist"):
        bench.run()
    assert not [row for row in bench.rows(CAMPAIGNS) if row["deleted_at"]]


WORDS = (
    ({"errors": [{"detail": "Why."}]}, "Why."),
    ({"errors": {"title": "Why."}}, "Why."),
    ({"errors": "Why."}, "Why."),
    ({"error": {"message": "Why."}}, "Why."),
    (
        {"errors": [{"detail": 5, "title": None, "code": "why_not", "source": "x", "id": 7, "status": None}]},
        "why_not",
    ),
    ({"errors": [None, 3]}, "an error without a word"),
    ({"errors": []}, ""),
)


@pytest.mark.parametrize(
    ("status", "verdict", "kind"),
    [
        *((one, Fail, ContractError) for one in (400, 404, 405, 409, 415, 422)),
        (401, Fail, CredentialsError),
        (403, Fail, CredentialsError),
        (410, Fail, ConfigurationError),
        *((one, Retry, UnavailableError) for one in (408, 425, 500, 502, 503, 504, 520, 524)),
        (429, Retry, ThrottledError),
    ],
)
@pytest.mark.parametrize(("body", "word"), WORDS)
def test_each_status_means_the_same_whatever_shape_its_errors_have(status, verdict, kind, body, word):
    """Final is final, passing is passing, and Klaviyo's own words are told (sheet, 7)."""
    found = classify(httpx.Response(status, json=body))
    assert isinstance(found, verdict)
    assert isinstance(found.error, kind)
    assert word in found.error.message
    assert not isinstance(found.error, NotFoundError) or status == 404


@pytest.mark.parametrize(
    ("body", "missing"),
    [
        ({"errors": [{"status": 404}]}, True),
        ({"errors": [{"code": "not_found"}]}, True),
        ({"errors": [{"status": 400, "code": "invalid"}]}, False),
        ({"error": "default backend - 404"}, False),
        ({"error": {"status": 404}}, False),
    ],
)
def test_only_klaviyos_own_word_says_that_a_record_is_gone(body, missing):
    """A gateway that does not find Klaviyo has a 404 as well, and would mark a campaign as deleted."""
    assert isinstance(classify(httpx.Response(404, json=body)).error, NotFoundError) == missing


@pytest.mark.parametrize("status", [201, 202, 203, 204, 206])
def test_a_part_of_an_answer_is_none(status):
    """Each call is answered by a 200, whatever the body of another looks like."""
    assert isinstance(classify(httpx.Response(status, json={"data": []})), Retry)


SECRETS = ("pk_4f2c9", "pk_4f2c9-a.b/c+d=", "pk_", "pk_ä ö", "Sesame, open!")


@pytest.mark.parametrize("key", SECRETS)
@pytest.mark.parametrize("status", [200, 400, 401, 404, 429, 503])
@pytest.mark.parametrize("part", ["detail", "title", "code", "id", "pointer", "parameter"])
def test_a_key_in_klaviyos_words_is_not_told_on(key, status, part):
    """It may quote what it was given, in whatever part, and where a long text is cut; nobody promises a key's form."""
    padding = {"detail": 200, "title": 200, "pointer": 80, "parameter": 80, "id": 40}.get(part, 0)
    for before in {"", "x" * (padding - len(key) + 2)}:
        said = f"{before}{key}"
        source = {part: said} if part in ("pointer", "parameter") else {}
        one = {"detail": "The key is invalid.", part: said, "source": source}
        if part in ("title", "code"):
            del one["detail"]
        body = {"errors": [one]} | ({"data": []} if status == 200 else {})
        error = classify(httpx.Response(status, json=body), key=key).error
        secret = key.removeprefix("pk_")
        assert not secret or secret[:4] not in error.message.replace("x", "")
        assert not secret or secret.upper()[:4] not in error.reason


def test_another_key_is_not_told_on_either():
    """An agency's keys are many, and Klaviyo's words may be about another one."""
    verdict = classify(httpx.Response(401, json={"errors": [{"detail": "The key pk_4f2c9-x is invalid."}]}))
    assert "The key [...] is invalid." in verdict.error.message


def test_the_client_hides_its_own_key(standing):
    """Whatever it looks like: of those that come after the prefix, too."""
    client, account = standing
    key = client.credentials.api_key.get_secret_value()
    account.faults.add(
        "errors_inside", 1, match={"endpoint": "campaigns"}, errors=[{"status": 400, "detail": f"no {key}"}]
    )
    with pytest.raises(ContractError, match=r"no \[\.\.\.\] \(HTTP"):
        next(client.pages("campaigns", {}))


def test_the_accounts_own_words_are_no_errors():
    """What stands in a campaign's attributes is the account's."""
    one = {"type": "campaign", "id": "1", "attributes": {"definition": {"errors": ["x"], "error": "x"}}}
    assert isinstance(classify(httpx.Response(200, json={"data": [one], "included": [one]})), Accept)


@pytest.mark.parametrize(
    ("data", "included", "kind", "told"),
    [
        ([("campaign", "1", "a"), ("campaign", "1", "b")], [], IncompleteError, "holds campaign 1 twice"),
        (
            [],
            [("campaign-message", "1", "a"), ("campaign-message", "1", "b")],
            IncompleteError,
            "message 1 twice",
        ),
        (
            [("campaign-audience", "1", "a"), ("campaign-audience", "2", "a")],
            [],
            ContractError,
            "a campaign was asked for",
        ),
        ([("campaign", "1", "a"), ("campaign", "1", "a")], [("tag", "1", "a")], None, ""),
    ],
)
def test_two_of_one_id_and_others_than_those_asked_for_are_refused(data, included, kind, told):
    """Of two different ones the first would be lost without a word; equal ones are one."""
    from weathervane.klaviyo._resources import Resource, ResourcePage

    page = ResourcePage(
        *([Resource(t, i, f'{{"name":"{n}"}}'.encode()) for t, i, n in part] for part in (data, included))
    )
    if kind is None:
        assert page.of("campaign") is page
        return
    with pytest.raises(kind, match=told):
        page.of("campaign")


def test_another_record_than_the_one_that_was_asked_for_is_refused(standing):
    """By it the one that was asked for would look as if it were gone."""
    client, account = standing
    one, other, *_ = account.world.records["campaign"]
    account.world.records["campaign"][one]["id"] = other
    try:
        with pytest.raises(ContractError, match="another record"):
            client.one(address("campaigns", one))
    finally:
        account.world.records["campaign"][one]["id"] = one
