"""A month of an account's ads takes no more memory than a week of them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tracemalloc
from datetime import date, datetime, timedelta
from typing import Any

import httpx
from pydantic import SecretStr

from weathervane.google_ads import (
    ADS,
    GoogleAdsClient,
    GoogleAdsCredentials,
    GoogleAdsSettings,
    MetricsReader,
)
from weathervane.google_ads.sandbox.options import GoogleAdsOptions

ADS_OF_A_DAY = 100
SETTINGS = GoogleAdsSettings(answer_bytes=160 * 1024)
"""A hundred times less than by default, and so are the answers, so that the pretend vendor is quick."""


def test_a_month_takes_no_more_memory_than_a_week():
    """The pretend Google Ads is a process of its own; what is counted is all that Python holds while ads are read."""
    command = [sys.executable, "-m", "weathervane.google_ads.sandbox", "--clients", "1", "--days", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            ready = json.loads(process.stdout.readline())
            control = ready["control_url"]
            truth = httpx.get(f"{control}/truth/campaign").text
            customer = json.loads(truth.splitlines()[0])["customer"]["id"]
            large = {"customer": customer, "name": "Large", "groups": ADS_OF_A_DAY // 2}
            post(f"{control}/change", {"change": "new_campaign", **large})
            now = datetime.fromisoformat(post(f"{control}/clock", {"advance_seconds": 31 * 86_400})["now"])
            peaks, rows = [], []
            for days in (1, 7, 31):  # the first one pays for what is made once
                found, peak = read(ready, now, now.date() - timedelta(days=days - 1))
                rows.append(found)
                peaks.append(peak // 1024)
        finally:
            process.send_signal(signal.SIGTERM)
    assert rows[2] > 4 * rows[1] > 4 * 7 * ADS_OF_A_DAY * 0.9
    assert peaks[2] < 2 * peaks[1], f"KiB at most during each read: {peaks}"


def post(url: str, body: dict[str, Any]) -> Any:
    """What a control route answers, which must be no refusal."""
    answer = httpx.post(url, json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def read(ready: dict[str, str], now: datetime, first: date) -> tuple[int, int]:
    """Rows, and the most bytes that Python held, of one slice of ads from `first` to today."""
    options = GoogleAdsOptions()
    credentials = GoogleAdsCredentials(
        client_id=options.client_id,
        client_secret=SecretStr(options.client_secret),
        refresh_token=SecretStr(options.refresh_token),
        api_url=ready["url"],
        token_url=ready["token_url"],
    )
    with GoogleAdsClient("month", credentials, SETTINGS) as client:
        reader = MetricsReader(client, (ADS,), start=first, now=now)
        slice = reader.next_slice(None)
        assert slice is not None
        tracemalloc.start()
        try:
            rows = sum(piece.rows.rows.num_rows for piece in reader.read(slice) if piece.rows)
            return rows, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
