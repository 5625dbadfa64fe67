"""A month of an account's ads takes no more memory than a week of them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from weathervane.google_ads import (
    ADS,
    GoogleAdsClient,
    GoogleAdsCredentials,
    MetricsReader,
)
from weathervane.google_ads.sandbox._options import GoogleAdsOptions
from weathervane.source import Ingestion
from weathervane.source.testing import forget_peak, peak_mib

ADS_OF_A_DAY = 2_000


@pytest.mark.slow
def test_a_month_of_2000_ads_is_ingested_in_bounded_memory(tmp_path):
    """A month takes no more than a week, the commits included. Google and the lake are processes of their
    own.
    """
    peaks, rows = [], []
    with (
        process("weathervane.google_ads.sandbox", "--clients", "1", "--days", "0") as google,
        process("weathervane.lake.server", "--lake", str(tmp_path), "--port", "0") as lake,
    ):
        control = google["control_url"]
        truth = httpx.get(f"{control}/truth/campaign").text
        customer = json.loads(truth.splitlines()[0])["customer"]["id"]
        large = {"customer": customer, "name": "Large", "groups": ADS_OF_A_DAY // 2}
        post(f"{control}/change", {"change": "new_campaign", **large})
        now = datetime.fromisoformat(post(f"{control}/clock", {"advance_seconds": 31 * 86_400})["now"])
        for tenant, days in (("week", 7), ("month", 30)):
            forget_peak()
            with GoogleAdsClient(tenant, credentials(google)) as client:
                reader = MetricsReader(client, (ADS,), start=now.date() - timedelta(days=days - 1), now=now)
                with Ingestion(lake["address"], tenant, reader, tenant) as ingestion:
                    while (slice := ingestion.next_slice()) is not None:
                        ingestion.write(slice)
                    rows.append(ingestion.summary().metadata["datasets"][ADS.dataset.name].rows_inserted)
            peaks.append(peak_mib())
    assert rows[1] > 4 * rows[0] > 4 * 7 * ADS_OF_A_DAY * 0.9
    assert peaks[1] - peaks[0] < 40, f"MiB at most after each run: {peaks}"


@contextmanager
def process(module: str, *arguments: str) -> Iterator[dict[str, str]]:
    """A server as a process of its own; gives what it says when it is ready."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            yield json.loads(running.stdout.readline())
        finally:
            running.send_signal(signal.SIGTERM)


def post(url: str, body: dict[str, Any]) -> Any:
    """What a control route answers, which must be no refusal."""
    answer = httpx.post(url, json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def credentials(google: dict[str, str]) -> GoogleAdsCredentials:
    """Of the pretend Google Ads."""
    options = GoogleAdsOptions()
    return GoogleAdsCredentials(
        client_id=options.client_id,
        client_secret=SecretStr(options.client_secret),
        refresh_token=SecretStr(options.refresh_token),
        api_url=google["url"],
        token_url=google["token_url"],
    )
