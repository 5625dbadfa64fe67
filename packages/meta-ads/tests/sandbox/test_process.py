"""The sandbox as a process of its own: one line when it is ready, one line when it cannot be, and a clean end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import httpx
import pytest

from weathervane.source.sandbox import TableTruth

COMMAND = [sys.executable, "-m", "weathervane.meta_ads.sandbox"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def test_the_process_says_when_it_is_ready_and_stops_on_a_signal():
    """One JSON line names the host and its accounts; SIGTERM ends it with code 0 and nothing on stderr."""
    command = [*COMMAND, "--account", "101,EUR,Europe/Paris,Mine", "--account", "102,JPY,Asia/Tokyo"]
    command += ["--token", "EAAmine=101", "--ads", "1", "--now", "2026-11-01T06:00:00Z"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as process:
        try:
            ready = json.loads(process.stdout.readline())
            assert set(ready) == {"event", "url", "accounts", "control_url"}
            assert (ready["event"], ready["accounts"]) == ("ready", ["101", "102"])
            asked = {"access_token": "EAAmine", "fields": "account_id"}
            answer = httpx.get(f"{ready['url']}/v26.0/me/adaccounts", params=asked)
            assert [one["account_id"] for one in answer.json()["data"]] == ["101"]
            assert httpx.get(ready["control_url"] + "/clock").json() == {"now": "2026-11-01T06:00:00+00:00"}
            truth = httpx.get(ready["control_url"] + "/truth/insights_account").text.splitlines()
            assert json.loads(truth[0])["account_id"] == "101"
            tables = ready["control_url"] + "/table"
            mine = TableTruth.from_json(httpx.get(f"{tables}/meta_ads_account?account_id=101").content)
            assert len(mine.rows) == len([one for one in truth if json.loads(one)["account_id"] == "101"]) > 0
            assert httpx.get(f"{tables}/insights_account").status_code == 400
            change = {"change": "new_ad", "account_id": "102", "called": "Fresh"}
            assert httpx.post(ready["control_url"] + "/change", json=change).json()["name"] == "Fresh"
            port = ready["url"].rsplit(":", 1)[1]
            second = subprocess.run(
                [*COMMAND, "--port", port],
                capture_output=True,
                text=True,
                env=ENVIRONMENT,
                timeout=30,
                check=False,
            )
            assert second.returncode == 1
            assert second.stdout == ""
            assert second.stderr.count("\n") == 1
            assert f"cannot listen on 127.0.0.1:{port}" in second.stderr
        finally:
            process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=20)
    assert (process.returncode, rest, errors) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--colour", "red"], "unrecognized arguments: --colour red"),
        (["--ads", "many"], "--ads"),
        (["--ads", "-1"], "ads must not be negative"),
        (["--now", "2026-11-01T06:00:00"], "needs an offset or Z"),
        (["--account", "mine"], "account's id must be a number"),
        (["--account", "101,EUR,Mars/Olympus"], "timezone must be an IANA name"),
        (["--account", "101,euro"], "currency must be an ISO code"),
        (["--account", "101", "--account", "act_101"], "two accounts have one id"),
        (["--port", "70000"], "cannot listen on 127.0.0.1:70000"),
        (["--records", "/nowhere/none.jsonl"], "/nowhere/none.jsonl: No such file"),
    ],
)
def test_a_bad_argument_is_one_line_on_stderr(arguments, says, capsys):
    """The exit code is not zero, and stdout stays empty."""
    from weathervane.meta_ads.sandbox.__main__ import main

    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    out, err = capsys.readouterr()
    assert stopped.value.code in (1, 2)
    assert out == ""
    assert err.count("\n") == 1
    assert says in err
