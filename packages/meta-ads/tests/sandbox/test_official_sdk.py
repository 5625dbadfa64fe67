"""facebook-business, Meta's own SDK, runs against the sandbox as it is: only its host is another one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from facebook_business.adobjects.adaccount import AdAccount
from facebook_business.adobjects.adreportrun import AdReportRun
from facebook_business.adobjects.user import User
from facebook_business.api import FacebookAdsApi, FacebookSession
from facebook_business.exceptions import FacebookRequestError

from weathervane.meta_ads.sandbox import RunningMeta, running_meta

from .conftest import EUROPE, TOKEN

FIELDS = ["ad_id", "ad_name", "impressions", "spend", "actions"]
DAILY = {
    "level": "ad",
    "time_increment": 1,
    "time_range": {"since": "2026-10-18", "until": "2026-10-20"},
    "limit": 7,
}


@pytest.fixture(scope="module")
def running() -> Iterator[RunningMeta]:
    """A world, and the SDK pointed at it, with the app's secret: it sends the proof with every call."""
    with running_meta(require_proof=True, run_polls=2) as running:
        graph, FacebookSession.GRAPH = FacebookSession.GRAPH, running.url
        FacebookAdsApi.init("1234567890", "sandbox-secret", TOKEN)
        try:
            yield running
        finally:
            FacebookSession.GRAPH = graph
            FacebookAdsApi.set_default_api(None)


@pytest.fixture
def account(running: RunningMeta) -> Iterator[AdAccount]:
    """The European account."""
    yield AdAccount(f"act_{EUROPE}")
    running.meta.faults.clear()


def shown(running: RunningMeta) -> list[tuple[str, str]]:
    """What the sandbox itself says is there, without deleted ads."""
    gone = {one["id"] for one in running.meta.truth("ads") if one["effective_status"] == "DELETED"}
    days = {"2026-10-18", "2026-10-19", "2026-10-20"}
    rows = running.meta.daily(EUROPE, "ad")
    return sorted(
        (row["ad_id"], row["spend"]) for row in rows if row["date_start"] in days and row["ad_id"] not in gone
    )


def test_it_lists_accounts_and_objects(running: RunningMeta, account: AdAccount) -> None:
    """Nodes, edges and their counts."""
    accounts = User("me").get_ad_accounts(fields=["account_id", "currency"])
    assert [one["account_id"] for one in accounts] == list(running.meta.world.accounts)
    assert account.api_get(fields=["timezone_name"])["timezone_name"] == "Europe/Paris"
    campaigns = account.get_campaigns(fields=["name", "objective"], params={"limit": 1})
    assert len(list(campaigns)) == 2
    assert campaigns.total() == 2


def test_it_pages_through_insights(running: RunningMeta, account: AdAccount) -> None:
    """Every row, seven a page."""
    rows = account.get_insights(fields=FIELDS, params=DAILY)
    assert sorted((row["ad_id"], row["spend"]) for row in rows) == shown(running)


def test_it_runs_reports(running: RunningMeta, account: AdAccount) -> None:
    """Created, polled with the slash that it adds, read."""
    run: AdReportRun = account.get_insights_async(fields=FIELDS, params=DAILY)
    for _ in range(10):
        run = run.api_get()
        if run["async_status"] == "Job Completed":
            break
    assert run["async_percent_completion"] == 100
    rows = run.get_insights(params={"limit": 7})
    assert sorted((row["ad_id"], row["spend"]) for row in rows) == shown(running)


def test_it_reads_errors(running: RunningMeta, account: AdAccount) -> None:
    """Code, subcode, transience and usage headers."""
    running.meta.faults.add("account_limit", regain=7)
    with pytest.raises(FacebookRequestError) as caught:
        list(account.get_insights(params={"date_preset": "yesterday"}))
    error = caught.value
    assert (error.api_error_code(), error.api_error_subcode(), error.api_transient_error()) == (
        17,
        2446079,
        True,
    )
    assert '"estimated_time_to_regain_access":7' in error.http_headers()["x-business-use-case-usage"]


def test_an_error_in_a_good_status_is_an_error_to_it(running: RunningMeta, account: AdAccount) -> None:
    """As for us."""
    running.meta.faults.add("service_fault", http_200=True)
    with pytest.raises(FacebookRequestError, match="retry your request"):
        account.api_get(fields=["name"])


def test_it_batches(running: RunningMeta, account: AdAccount) -> None:
    """And calls again what was answered by null."""
    api = FacebookAdsApi.get_default_api()
    found: list[str] = []
    batch = api.new_batch()
    for _ in range(3):
        account.api_get(
            fields=["name"], batch=batch, success=lambda answer: found.append(answer.json()["name"])
        )
    running.meta.faults.add("batch_null", skip=1)
    again = batch.execute()
    assert len(found) == 2
    again.execute()
    assert found == ["Acme Europe"] * 3
