"""The pretend account as a product of its own: faults, changes, life, and the process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request

import httpx
import pytest

from weathervane.klaviyo.sandbox import FAULTS, AccountOptions, PretendAccount, running_klaviyo
from weathervane.source.sandbox import HTTP_FAULTS

from .conftest import KEY


def test_the_same_options_give_the_same_account():
    """Byte for byte, also after the same life."""
    first, second = (PretendAccount(AccountOptions(campaigns=10)) for _ in range(2))
    for account in (first, second):
        account.advance(40 * 3600)
    for dataset in first.datasets:
        assert list(first.truth(dataset)) == list(second.truth(dataset))


def test_a_living_account_changes_in_every_way():
    """New campaigns, edits, flips of archived, sendings and deletions."""
    account = PretendAccount(AccountOptions(campaigns=200))
    before = {one["id"]: one for one in json.loads(json.dumps(account.truth("klaviyo_campaigns")))}
    account.advance(10 * 86_400)
    after = {one["id"]: one for one in account.truth("klaviyo_campaigns")}
    assert after.keys() - before.keys()
    assert [one for one in before if after[one]["deletedAt"]]
    both = [(before[one], after[one]) for one in before if not after[one]["deletedAt"]]
    assert [one for one, now in both if one["attributes"] != now["attributes"]]
    assert [one for one, now in both if one["statuses"] != now["statuses"]]


def test_a_sent_campaign_brings_more_as_days_go_by(start):
    """For a month; an old one brings no more."""
    client = start()

    def brought():
        rows = client.account.truth("klaviyo_campaign_reports")
        return {
            one["groupings"]["campaign_message_id"]: (one["send_time"], one["statistics"]["opens"])
            for one in rows
        }

    before = brought()
    client.account.advance(86_400 * 2)
    after = brought()
    moved = {before[one][0] for one in before if after[one] != before[one]}
    assert moved
    assert min(moved) > "2026-09-28"


FACTS = {
    "throttled": lambda answer: (answer.status_code, answer.headers["retry-after"]) == (429, "1"),
    "html_403": lambda answer: answer.status_code == 403 and "<html>" in answer.text,
    "no_data": lambda answer: "data" not in answer.json(),
    "partial": lambda answer: len(answer.json()["data"]) == 14 and answer.json()["links"]["next"] is None,
    "empty_page": lambda answer: answer.json()["data"] == [] and answer.json()["links"]["next"],
    "cursor_loop": lambda answer: answer.json()["links"]["next"] == answer.json()["links"]["self"],
    "foreign_next": lambda answer: answer.json()["links"]["next"].startswith("http://127.0.0.1:9/"),
    "extra_members": lambda answer: "brand_new" in answer.json()["data"][0]["attributes"],
    "fractions": lambda answer: ".000000+00:00" in answer.json()["data"][0]["attributes"]["created_at"],
    "agent_hints": lambda answer: answer.json()["meta"]["agent_hints"]["next_steps"],
}


@pytest.mark.parametrize("name", FACTS)
def test_a_fault_does_what_it_says_and_then_is_over(start, name):
    """Once, unless it says otherwise; the account's own data stay as they are."""
    client = start()
    clean = client.get("campaigns").json()["data"]
    client.account.faults.add(name)
    assert FACTS[name](client.get("campaigns"))
    client.account.faults.clear()
    assert client.get("campaigns").json()["data"] == clean


def test_the_other_faults_have_their_aims(start):
    """An include is refused, a report is empty, a record is gone, something changes after a page."""
    client = start()
    client.account.faults.add("empty_report")
    results = [client.report().json()["data"]["attributes"]["results"] for _ in range(2)]
    assert not results[0]
    assert results[1]
    client.account.faults.add("not_included")
    pages = [client.get("campaigns", include="campaign-messages").json() for _ in range(2)]
    assert ["included" in page for page in pages] == [False, True]
    client.account.faults.add("links_only", relationship="campaign-messages")
    pages = [client.data("campaigns", include="campaign-messages,tags")[0]["relationships"] for _ in range(2)]
    assert ["data" in page["campaign-messages"] for page in pages] == [False, True]
    assert ["data" in page["tags"] for page in pages] == [True, True]
    client.account.faults.add("errors_inside", place="relationships", member="error", errors="no")
    (first, *_) = client.data("campaigns")[0]["relationships"].values()
    assert first["error"] == "no"
    client.account.faults.add("errors_inside")
    assert [bool(client.get("accounts").json().get("errors")) for _ in range(2)] == [True, False]
    client.account.faults.add("refuse_include", include="tags")
    assert client.get("campaigns", include="tags").status_code == 400
    one = client.ids("campaigns")[0]
    client.account.faults.add("gone", None, id=one)
    assert client.get(f"campaigns/{one}").status_code == 404
    client.account.faults.clear()
    client.account.faults.add("change_after_page", match={"endpoint": "campaigns"}, change="delete", id=one)
    assert one in client.ids("campaigns")
    assert one not in client.ids("campaigns")
    assert set(FAULTS) == {
        *HTTP_FAULTS,
        *FACTS,
        "refuse_include",
        "gone",
        "change_after_page",
        "empty_report",
        "not_included",
        "links_only",
        "errors_inside",
    }


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"timezone": "Mars/Base"}, "IANA"),
        ({"api_key": "x"}, "pk_"),
        ({"account": "x"}, "six"),
        ({"seed": 1, "campaigns": -1}, "neg"),
    ],
)
def test_options_are_checked(options, told):
    """One sentence each."""
    with pytest.raises(ValueError, match=told):
        AccountOptions(**options)


def test_the_process_says_where_it_is_and_stops_cleanly():
    """One JSON line when it listens; secrets are shown to nobody."""
    command = [sys.executable, "-m", "weathervane.klaviyo.sandbox", "--campaigns", "3", "--account", "UMI001"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            assert (ready["event"], ready["account"]) == ("ready", "UMI001")
            headers = {"Authorization": f"Klaviyo-API-Key {KEY}", "revision": "2026-10-15"}
            assert len(httpx.get(f"{ready['url']}/api/campaigns", headers=headers).json()["data"]) == 3
            with urllib.request.urlopen(f"{ready['control_url']}/truth/klaviyo_campaigns") as lines:
                assert len(list(lines)) == 3
            with urllib.request.urlopen(f"{ready['control_url']}/requests") as seen:
                assert KEY not in seen.read().decode()
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
    bad = subprocess.run([*command[:3], "--timezone", "Mars"], capture_output=True, text=True, check=False)
    assert bad.returncode == 2
    assert "IANA" in bad.stderr


def test_the_control_routes_drive_it():
    """Clock, faults, changes and truth over HTTP."""
    with running_klaviyo(campaigns=3, life=False) as running:
        control = running.control_url
        assert set(httpx.get(control).json()) == {"now", "faults", "changes", "truth", "tables"}
        made = httpx.post(f"{control}/change", json={"change": "new_campaign", "status": "sent"}).json()
        assert (
            httpx.post(f"{control}/change", json={"change": "archive", "id": made["id"]}).status_code == 200
        )
        assert httpx.post(f"{control}/change", json={"change": "delete", "id": "nobody"}).status_code == 400
        assert httpx.get(f"{control}/table/klaviyo_campaign_audiences").status_code == 400
        rows = [
            json.loads(line) for line in httpx.get(f"{control}/truth/klaviyo_campaigns").text.splitlines()
        ]
        assert [one["attributes"]["definition"]["archived"] for one in rows if one["id"] == made["id"]] == [
            True
        ]
