"""The unary method: pages, their tokens, and what may be asked for beside the rows."""

from __future__ import annotations

from .conftest import code_of

DAILY = (
    "SELECT customer.id, campaign.id, campaign.status, segments.date, metrics.clicks, metrics.cost_micros,"
    " metrics.conversions FROM campaign WHERE segments.date DURING LAST_7_DAYS"
)


def test_search_has_fixed_pages(start):
    """The token is absent on the last page, belongs to its query, and lives for two hours."""
    client = start(page_rows=9)
    found, token = [], ""
    while True:
        page = client.post("search", {"query": DAILY, **({"pageToken": token} if token else {})}).json()
        found += page["results"]
        assert len(page["results"]) <= 9
        if "nextPageToken" not in page:
            break
        token = page["nextPageToken"]
    assert len(found) == len(client.stream(DAILY))
    other = client.post("search", {"query": DAILY + " LIMIT 5", "pageToken": token})
    assert (other.status_code, code_of(other)) == (400, "requestError.INVALID_PAGE_TOKEN")
    client.vendor.advance(2 * 3600)
    client.http.headers["Authorization"] = f"Bearer {client.token()}"
    late = client.post("search", {"query": DAILY, "pageToken": token})
    assert code_of(late) == "requestError.EXPIRED_PAGE_TOKEN"


def test_search_takes_no_page_size_and_no_unknown_member(acme):
    """The first is the API's own error, the second the front end's."""
    answer = acme.post("search", {"query": DAILY, "pageSize": 100})
    assert (answer.status_code, code_of(answer)) == (400, "requestError.PAGE_SIZE_NOT_SUPPORTED")
    for method, member in (("search", "summaryRowSetting"), ("searchStream", "pageToken")):
        answer = acme.post(method, {"query": DAILY, member: "x"})
        assert answer.status_code == 400
        assert f'Unknown name \\"{member}\\"' in answer.text


def test_search_settings(acme):
    """Counts and sums by request; `validateOnly` answers nothing."""
    settings = {"returnTotalResultsCount": True, "returnSummaryRow": True, "omitResults": True}
    page = acme.post("search", {"query": DAILY, "searchSettings": settings}).json()
    assert int(page["totalResultsCount"]) == len(acme.stream(DAILY))
    assert "results" not in page
    assert set(page["summaryRow"]) == {"metrics"}
    assert acme.post("search", {"query": DAILY, "validateOnly": True}).json() == {}
    snake = {"return_total_results_count": True, "return_summary_row": True, "omit_results": True}
    again = acme.post("search", {"query": DAILY, "search_settings": snake}).json()
    assert {**again, "fieldMask": ""} == {**page, "fieldMask": ""}
    assert acme.post("search", {"query": DAILY, "searchSettings": {"page_size": 1}}).status_code == 400
    assert acme.post("search", {"query": DAILY, "searchSettings": ["omitResults"]}).status_code == 400


def test_the_total_count_ignores_the_limit(acme):
    """As the proto says it: of all that match the query."""
    body = {"query": f"{DAILY} LIMIT 5", "searchSettings": {"returnTotalResultsCount": True}}
    page = acme.post("search", body).json()
    assert len(page["results"]) == 5
    assert int(page["totalResultsCount"]) == len(acme.stream(DAILY))


def test_only_pages_with_a_good_token_are_free(start):
    """One that is invalid or too old costs an operation like any query."""
    client = start(operations_per_day=3, page_rows=9)
    page = client.post("search", {"query": DAILY}).json()
    invalid = client.post("search", {"query": DAILY, "pageToken": "x"})
    assert code_of(invalid) == "requestError.INVALID_PAGE_TOKEN"
    client.vendor.advance(2 * 3600)
    client.http.headers["Authorization"] = f"Bearer {client.token()}"
    token = page["nextPageToken"]
    expired = client.post("search", {"query": DAILY, "pageToken": token})
    assert code_of(expired) == "requestError.EXPIRED_PAGE_TOKEN"
    assert client.refused(DAILY) == (429, "quotaError.RESOURCE_EXHAUSTED")
