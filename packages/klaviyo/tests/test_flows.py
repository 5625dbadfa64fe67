"""The flow as Prefect runs it, its credentials, and the process that serves it."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from weathervane.flow.testing import newest_run
from weathervane.klaviyo._credentials import KlaviyoCredentials
from weathervane.source import ConfigurationError, Severity

from .bench import KEY, METRIC, REPORTS


@pytest.fixture
def at_hand(begin, monkeypatch):
    """The tenant's credentials in the environment, and the lake where flows look for it."""
    bench = begin(campaigns=40)
    given = {"API_KEY": KEY, "CONVERSION_METRIC_ID": METRIC, "API_URL": bench.running.url}
    for name, value in given.items():
        monkeypatch.setenv(f"WEATHERVANE_KLAVIYO__{bench.tenant.upper()}__{name}", value)
    monkeypatch.setenv("WEATHERVANE_LAKE_ADDRESS", bench.lake.target)
    return bench


def test_a_quota_that_ends_is_told_in_the_summary_of_a_run_that_succeeds(prefect, at_hand):
    """Deferred, not failed; the next run goes on where it was (fact 10)."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.objects import StateType

    from weathervane.klaviyo._source import ingest_klaviyo_campaigns

    facts = {"endpoint": "campaign-values-reports"}
    at_hand.account.faults.add("throttled", times=None, skip=1, match=facts, retry_after=73_473)
    summary = ingest_klaviyo_campaigns(at_hand.tenant)
    assert summary.metadata["state"] == "loaded"
    deferred = summary.metadata["deferred"]
    assert (deferred["dataset"], deferred["retry_after"]) == (REPORTS, 73_473)
    key = f"klaviyo-campaigns--{at_hand.tenant}"
    with get_client(sync_client=True) as api:
        run = newest_run(api)
        assert (run.state_type, run.state_name) == (StateType.COMPLETED, "Deferred")
        found = {one.key: one for one in api.read_artifacts()}
    assert found[key].description == f"{at_hand.tenant}/klaviyo_campaigns: deferred"
    assert float(found[f"{key}--progress"].data) < 100
    at_hand.holds_the_account()
    at_hand.account.faults.clear()
    assert (
        "deferred" not in ingest_klaviyo_campaigns(at_hand.tenant, end_date=datetime.now(UTC).date()).metadata
    )
    assert "deferred" not in ingest_klaviyo_campaigns(at_hand.tenant).metadata
    at_hand.holds_the_reports()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "api_key is missing"),
        ({"API_KEY": "ABC123"}, "api_key is not valid"),
        ({"API_KEY": KEY, "REVISION": "2024-10-15"}, "revision is not valid"),
    ],
)
def test_credentials_that_cannot_work_are_told_by_name(monkeypatch, given, told):
    """A public key, a revision that this package does not read; never a value."""
    for name, value in given.items():
        monkeypatch.setenv(f"WEATHERVANE_KLAVIYO__NOBODY__{name}", value)
    with pytest.raises(ConfigurationError, match=told) as caught:
        KlaviyoCredentials.load("nobody")
    assert not [value for value in given.values() if value in str(caught.value) and value != KEY[:3]]


def test_a_key_shows_nowhere():
    """Not in reprs, not in dumps."""
    credentials = KlaviyoCredentials(api_key=SecretStr("pk_canary"))
    assert "pk_canary" not in f"{credentials!r} {credentials} {credentials.model_dump_json()}"


def test_the_block_has_the_same_fields():
    """`prefect block register -m weathervane.klaviyo`."""
    from weathervane.klaviyo._source import KlaviyoCredentialsBlock

    assert set(KlaviyoCredentials.model_fields) <= set(KlaviyoCredentialsBlock.model_fields)


def test_a_tenant_is_checked_from_the_command_line(begin):
    """What the key sees is told, and never the key."""
    bench = begin()
    prefix = "WEATHERVANE_KLAVIYO__ACME__"
    given = {**os.environ, f"{prefix}API_KEY": KEY, f"{prefix}API_URL": bench.running.url}
    command = [sys.executable, "-m", "weathervane.klaviyo", "check", "acme"]
    fit = subprocess.run(command, env=given, capture_output=True, text=True, timeout=90, check=False)
    assert fit.returncode == 0, fit.stderr
    assert "ACCOUNT: ACME01: amounts in EUR, days in Europe/Paris" in fit.stdout
    assert fit.stdout.splitlines()[-1] == "klaviyo can read acme"
    assert KEY not in fit.stdout + fit.stderr


@pytest.mark.parametrize(
    ("options", "given", "told"),
    [
        ({}, {}, {"ACCOUNT", "NO_REPORTS"}),
        ({}, {"CONVERSION_METRIC_ID": METRIC}, {"ACCOUNT"}),
        ({}, {"CONVERSION_METRIC_ID": "NOSUCH"}, {"ACCOUNT", "NO_SUCH_METRIC"}),
        ({}, {"REPORTS": "true"}, {"ACCOUNT", "NO_CONVERSION_METRIC"}),
        ({}, {"REVISION": "2026-07-15"}, {"ACCOUNT", "NO_REPORTS", "LEGACY_REVISION"}),
        ({"scopes": ("accounts:read",)}, {"CONVERSION_METRIC_ID": METRIC}, {"ACCOUNT", "MISSING_SCOPE"}),
    ],
)
def test_a_check_finds_what_a_flow_would_stumble_over(begin, monkeypatch, options, given, told):
    """Scopes, the metric, the revision; no rows are read."""
    from weathervane.klaviyo._source import check_account

    bench = begin(**options)
    for name, value in {"API_KEY": KEY, "API_URL": bench.running.url, **given}.items():
        monkeypatch.setenv(f"WEATHERVANE_KLAVIYO__CHECKED__{name}", value)
    findings = check_account("checked")
    assert {one.reason for one in findings} == told
    errors = {one.reason for one in findings if one.severity is Severity.ERROR}
    assert errors == told & {"NO_SUCH_METRIC", "NO_CONVERSION_METRIC", "MISSING_SCOPE"}
    assert KEY not in str(findings)


def test_the_deployment_is_daily_at_five():
    """In prefect.yaml, with an entrypoint that exists; no parameter for a secret."""
    yaml = pytest.importorskip("yaml")
    document = yaml.safe_load((Path(__file__).parents[1] / "prefect.yaml").read_text())
    (deployment,) = document["deployments"]
    assert deployment["name"] == "klaviyo-campaigns-ingestion"
    assert deployment["schedules"] == [{"slug": "daily", "cron": "0 5 * * *", "timezone": "UTC"}]
    assert deployment["work_pool"] == {"name": "weathervane-pool", "work_queue_name": "klaviyo"}
    module, _, name = deployment["entrypoint"].partition(":")
    assert module == "weathervane.klaviyo"
    from weathervane import klaviyo as flows

    assert getattr(flows, name).name == name
