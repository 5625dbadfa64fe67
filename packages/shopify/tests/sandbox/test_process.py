"""The sandbox as a process of its own: one line when it is ready, one line when it cannot be, and a clean end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from typing import Any

import httpx
import pytest

COMMAND = [sys.executable, "-m", "weathervane.shopify.sandbox"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def test_the_process_says_when_it_is_ready_and_stops_on_a_signal():
    """One JSON line names both hosts; SIGTERM ends it with code 0 and nothing on stderr."""
    command = [*COMMAND, "--shop", "demo", "--orders", "3", "--products", "2", "--access-token", "shpat_mine"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            assert set(ready) == {"event", "url", "storage_url", "shop", "control_url"}
            assert (ready["event"], ready["shop"]) == ("ready", "demo.myshopify.com")
            answer = httpx.post(
                f"{ready['url']}/admin/api/2026-10/graphql.json",
                json={"query": "{ ordersCount { count } }"},
                headers={"X-Shopify-Access-Token": "shpat_mine"},
            )
            assert answer.json()["data"] == {"ordersCount": {"count": 3}}
            assert httpx.get(ready["storage_url"] + "/bulk/x").status_code == 403
            assert httpx.get(ready["control_url"] + "/clock").json() == {"now": "2026-11-01T06:00:00+00:00"}
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


def test_the_links_to_files_can_lead_where_clients_of_other_machines_reach_the_storage_host():
    """Behind 0.0.0.0 in a container, 127.0.0.1 would be the client's own; the name is told at the start."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = f"http://localhost:{port}"
    command = [*COMMAND, "--host", "0.0.0.0", "--storage-port", str(port), "--storage-url", f"{given}/"]
    with subprocess.Popen(
        [*command, "--orders", "2", "--products", "1", "--bulk-polls", "1"],
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    ) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            assert ready["storage_url"] == given

            def ask(query: str) -> dict[str, Any]:
                answer = httpx.post(
                    f"{ready['url']}/admin/api/2026-10/graphql.json",
                    json={"query": query},
                    headers={"X-Shopify-Access-Token": "shpat_sandbox"},
                )
                data: dict[str, Any] = answer.json()["data"]
                return data

            ask(
                'mutation { bulkOperationRunQuery(query: "{ orders { edges { node { id } } } }") '
                "{ bulkOperation { id } } }"
            )
            url = ask("{ currentBulkOperation { url } }")["currentBulkOperation"]["url"]
            assert url.startswith(f"{given}/bulk/")
            assert len(httpx.get(url).text.splitlines()) == 2
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=20)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--colour", "red"], "unrecognized arguments: --colour red"),
        (["--orders", "many"], "--orders"),
        (["--orders", "-1"], "orders must not be negative"),
        (["--now", "2026-11-01T06:00:00"], "needs an offset or Z"),
        (["--shop", "a b"], "shop must be a myshopify name"),
        (["--timezone", "Mars/Olympus"], "timezone must be an IANA name"),
        (["--currency", "euro"], "currency must be an ISO code"),
        (["--port", "70000"], "cannot listen on 127.0.0.1:70000"),
        (["--storage-url", "shopify:8401"], "storage-url must be such as http://shopify:8401"),
        (["--storage-url", "http://shopify:8401/files"], "storage-url must be such as"),
        (["--host", "no.such.host.invalid"], "cannot listen on no.such.host.invalid"),
        (["--records", "/nowhere/none.jsonl"], "/nowhere/none.jsonl: No such file"),
    ],
)
def test_a_bad_argument_is_one_line_on_stderr(arguments, says, capsys):
    """The exit code is not zero, and stdout stays empty."""
    from weathervane.shopify.sandbox.__main__ import main

    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    out, err = capsys.readouterr()
    assert stopped.value.code in (1, 2)
    assert out == ""
    assert err.count("\n") == 1
    assert says in err
