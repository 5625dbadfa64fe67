"""Report runs: created by POST, polled, read; early looks, failures, and runs that never end."""

from __future__ import annotations

import pytest

from .conftest import EUROPE, days

PATH = f"/v26.0/act_{EUROPE}/insights"
ASKED = {"level": "ad", "time_increment": "1", "time_range": '{"since":"2026-10-18","until":"2026-10-20"}'}


def begin(client, **more):
    """Starts a run; its id."""
    answer = client.http.post(PATH, data={**ASKED, "fields": '["ad_id","spend"]', **more})
    assert answer.status_code == 200, answer.text
    return answer.json()["report_run_id"]


def test_a_run_goes_through_its_states(start):
    """Not Started, Started, Running, 100 percent one look early, Completed; then it has all rows."""
    client = start(run_polls=5)
    run = begin(client)
    states = []
    while not states or states[-1][0] != "Job Completed":
        node = client.ok(f"/v26.0/{run}/")
        states.append((node["async_status"], node["async_percent_completion"]))
    assert [status for status, _ in states] == [
        "Job Not Started",
        "Job Started",
        "Job Running",
        "Job Running",
        "Job Running",
        "Job Completed",
    ]
    assert states[-2:] == [("Job Running", 100), ("Job Completed", 100)]
    assert node["account_id"] == EUROPE
    assert (node["date_start"], node["date_stop"]) == ("2026-10-18", "2026-10-20")
    rows = client.rows(f"/v26.0/{run}/insights")
    whole = client.rows(
        PATH,
        level="ad",
        time_increment="1",
        time_range=days("2026-10-18", "2026-10-20"),
        fields="ad_id,spend",
    )
    assert rows == whole


def test_results_before_the_end_are_a_part_without_a_word(start):
    """No error, no next page, and fewer rows."""
    client = start(run_polls=2)
    run = begin(client)
    early = client.ok(f"/v26.0/{run}/insights")
    assert 0 < len(early["data"]) <= 12
    assert "next" not in early["paging"]
    for _ in range(3):
        client.ok(f"/v26.0/{run}")
    assert len(client.rows(f"/v26.0/{run}/insights")) > len(early["data"])


def test_a_run_keeps_the_numbers_of_its_end(start):
    """What is restated later is in a later run only."""
    client = start(run_polls=0)
    run = begin(client)
    client.ok(f"/v26.0/{run}")
    before = client.rows(f"/v26.0/{run}/insights")
    client.meta.advance(3600)
    assert client.rows(f"/v26.0/{run}/insights") == before


@pytest.mark.parametrize(
    ("fault", "args", "status"),
    [
        ("async_failed", {}, "Job Failed"),
        ("async_failed", {"code": -3, "subcode": 1504045}, "Job Failed"),
        ("async_skipped", {}, "Job Skipped"),
    ],
)
def test_a_run_may_end_badly(start, fault, args, status):
    """At 100 percent all the same; a failed one says why."""
    client = start(run_polls=0)
    client.meta.faults.add(fault, **args)
    node = client.ok(f"/v26.0/{begin(client)}")
    assert (node["async_status"], node["async_percent_completion"]) == (status, 100)
    if status == "Job Failed":
        assert (node["error_code"], node["error_subcode"]) == (
            args.get("code", -2),
            args.get("subcode", 2490547),
        )


def test_a_run_may_never_end(start):
    """It stays below 100 percent."""
    client = start(run_polls=1)
    client.meta.faults.add("async_stuck")
    run = begin(client)
    seen = [client.ok(f"/v26.0/{run}")["async_status"] for _ in range(20)]
    assert seen == ["Job Not Started", "Job Started", *["Job Running"] * 18]


def test_a_run_that_is_too_large_fails(start):
    """With -3/1504045."""
    client = start(run_polls=0, max_run_rows=10)
    assert client.ok(f"/v26.0/{begin(client)}")["error_subcode"] == 1504045


def test_a_run_is_forgotten_after_thirty_days(start):
    """And a bad request starts none."""
    client = start(run_polls=0)
    run = begin(client)
    client.meta.advance(31 * 86_400)
    assert client.error(f"/v26.0/{run}")[0] == 100
    assert client.http.post(PATH, data={"fields": "colour"}).json()["error"]["code"] == 100
