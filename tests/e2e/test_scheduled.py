"""A Prefect server of its own: its scheduler, block types, READMEs; what becomes of runs is in `tests/stack`."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from processes import Stack
from showing import registered
from vendors import VENDORS

from weathervane.flow import deploy

from .running import ROOT


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its API's URL."""
    folder = tmp_path_factory.mktemp("stack")
    with Stack(folder / "logs") as stack:
        url = stack.prefect(folder / "prefect")["PREFECT_API_URL"]
        with temporary_settings({PREFECT_API_URL: url}):
            yield url


def test_a_real_server_schedules_every_deployment(server: str) -> None:
    """With sqlalchemy 2.1, Prefect 3.8.8 looks healthy, registers everything and never schedules anything."""
    deploy(server)
    found = registered()
    assert [one.name for one in found] == [
        "check_freshness/lake-freshness",
        "compact_lake/lake-compaction",
        "ingest_google_ads/google-ads-ingestion",
        "ingest_klaviyo_campaigns/klaviyo-campaigns-ingestion",
        "ingest_meta_ads/meta-ads-ingestion",
        "ingest_shopify_orders/shopify-orders-ingestion",
        "ingest_shopify_products/shopify-products-ingestion",
        "vacuum_lake/lake-vacuum",
    ]
    assert all(one.next_run is not None and one.next_run > datetime.now(UTC) for one in found)


@pytest.mark.parametrize("source", [vendor.source for vendor in VENDORS])
def test_prefects_own_command_registers_a_sources_block(server: str, source: str) -> None:
    """As its README says; then a person fills the block in, in the UI, where its secret fields are masked."""
    command = [sys.executable, "-m", "prefect", "block", "register", "--module", f"weathervane.{source}"]
    environment = {**os.environ, "PREFECT_API_URL": server}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with get_client(sync_client=True) as api:
        kind = api.read_block_type_by_slug(f"{source}-credentials".replace("_", "-"))
        schema = api.get_most_recent_block_schema_for_block_type(kind.id)
    assert schema is not None
    assert schema.fields["secret_fields"]


@pytest.mark.parametrize("package", [vendor.source.replace("_", "-") for vendor in VENDORS])
def test_the_first_commands_of_a_readme_do_what_it_says(server: str, package: str, tmp_path: Path) -> None:
    """As they stand, on free ports: from the checkout to rows in a lake. What `pip` is to install can be resolved."""
    readme = (ROOT / "packages" / package / "README.md").read_text()
    (script,) = re.findall(r"^```shell\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    assert script.startswith("pip install ")
    port, lake = quiet_port(), quiet_port()
    script = re.sub(r"(--port |127\.0\.0\.1:)\d+", rf"\g<1>{port}", script)
    script = script.replace("--lake lake", f"--lake {tmp_path}/lake --port {lake}")
    prelude = f"""
        set -euo pipefail
        pip() {{ uv pip install --quiet --dry-run --python {sys.executable} "${{@:2}}"; }}
    """
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PREFECT_API_URL": server,
        "WEATHERVANE_LAKE_ADDRESS": f"127.0.0.1:{lake}",
    }
    with subprocess.Popen(
        ["bash", "-c", prelude + script],
        cwd=ROOT,
        env=environment,
        start_new_session=True,  # what it leaves in the background ends with it
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as shell:
        code = shell.wait(240)
        os.killpg(shell.pid, signal.SIGTERM)
        out, error = shell.communicate()
    assert code == 0, out + error
    assert "can read acme" in out
    assert json.loads(out.splitlines()[-1])["row_count"] > 0


def quiet_port() -> int:
    """A free port that no other test is given meanwhile: below those of which the system gives who asks for any."""
    while True:
        port = random.SystemRandom().randrange(20_000, 30_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
