"""The sandbox as a process of its own: one line when it is ready, one line when it cannot be, and a clean end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import httpx
import pytest

from weathervane.google_ads.sandbox.__main__ import main
from weathervane.google_ads.sandbox._options import GoogleAdsOptions
from weathervane.source.sandbox import TableTruth

COMMAND = [sys.executable, "-m", "weathervane.google_ads.sandbox"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def test_the_process_says_when_it_is_ready_and_stops_on_a_signal():
    """One JSON line names the addresses; SIGTERM ends it with code 0 and nothing on stderr."""
    command = [*COMMAND, "--name", "demo", "--days", "3", "--clients", "1", "--refresh-token", "1//mine"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as process:
        try:
            ready = json.loads(process.stdout.readline())
            assert set(ready) == {"event", "url", "token_url", "control_url", "customers"}
            answer = httpx.post(
                ready["token_url"],
                data={
                    "grant_type": "refresh_token",
                    "client_id": "407408718192-sandbox.apps.googleusercontent.com",
                    "client_secret": "sandbox-secret",
                    "refresh_token": "1//mine",
                },
            )
            headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
            names = httpx.get(f"{ready['url']}/v26/customers:listAccessibleCustomers", headers=headers).json()
            assert names["resourceNames"] == [f"customers/{one}" for one in ready["customers"]]
            moved = httpx.post(ready["control_url"] + "/clock", json={"advance_seconds": 86_400}).json()
            assert moved == {"now": "2026-11-23T18:00:00+00:00"}
            truth = httpx.get(ready["control_url"] + "/truth/campaign").text.splitlines()
            table = TableTruth.from_json(httpx.get(ready["control_url"] + "/table/google_ads").content)
            assert len(table.rows) == len(truth)
            assert httpx.get(ready["control_url"] + "/table/campaign").status_code == 400
            customer = json.loads(truth[0])["customer"]["id"]
            change = {"change": "set_status", "customer": customer, "status": "CANCELED"}
            assert (
                httpx.post(ready["control_url"] + "/change", json=change).json()["customer"]["status"]
                == "CANCELED"
            )
            bad = httpx.post(ready["control_url"] + "/change", json={"change": "update", "customer": "1"})
            assert (bad.status_code, list(bad.json())) == (400, ["error"])
        finally:
            process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=20)
    assert (process.returncode, rest, errors) == (0, "", "")


def test_the_help_names_the_credentials_that_are_taken(capsys):
    """A client that is not ours has no other way to learn them."""
    with pytest.raises(SystemExit):
        main(["--help"])
    out = "".join(capsys.readouterr().out.split())
    start = GoogleAdsOptions()
    for credential in (start.client_id, start.client_secret, start.refresh_token):
        assert f"(default:{credential})" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--colour", "red"], "unrecognized arguments: --colour red"),
        (["--days", "many"], "--days"),
        (["--clients", "9"], "clients must be 1 to 4"),
        (["--days", "-1"], "days must be 0 to 1200"),
        (["--conversion-window", "91"], "conversion-window must be 1 to 90"),
        (["--page-rows", "0"], "page-rows must be above 0"),
        (["--now", "2026-11-01T06:00:00"], "needs an offset or Z"),
        (["--name", "a b"], "name must be of"),
        (["--timezone", "Mars/Olympus"], "timezone must be an IANA name"),
        (["--currency", "yen"], "currency must be an ISO code"),
        (["--port", "70000"], "cannot listen on 127.0.0.1:70000"),
        (["--records", "/nowhere/none.jsonl"], "/nowhere/none.jsonl: No such file"),
        (["--service-account-key", "/nowhere/key.pem"], "/nowhere/key.pem: No such file"),
    ],
)
def test_a_bad_argument_is_one_line_on_stderr(arguments, says, capsys):
    """The exit code is not zero, and stdout stays empty."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    out, err = capsys.readouterr()
    assert stopped.value.code in (1, 2)
    assert out == ""
    assert err.count("\n") == 1
    assert says in err
