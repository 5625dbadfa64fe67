"""`python -m weathervane.google_ads`: a process of its own, against the pretend vendor."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from weathervane.google_ads.sandbox import running_google_ads


@pytest.mark.parametrize(
    ("refresh_token", "code", "says"),
    [
        ("1//canary-refresh-51", 0, "google_ads can read acme"),
        (
            "1//wrong-canary-52",
            1,
            "GRANT_REFUSED: Google grants no access token: the refresh token",
        ),
    ],
)
def test_a_tenant_is_checked(refresh_token, code, says):
    """Which accounts are read, or what is wrong, in one line and without a secret."""
    with running_google_ads(clients=1, days=1, refresh_token="1//canary-refresh-51") as running:
        options = running.vendor.options
        mine = {
            "CLIENT_ID": options.client_id,
            "CLIENT_SECRET": options.client_secret,
            "REFRESH_TOKEN": refresh_token,
            "API_URL": running.url,
            "TOKEN_URL": running.token_url,
        }
        prefix = "WEATHERVANE_GOOGLE_ADS__ACME__"
        done = subprocess.run(
            [sys.executable, "-m", "weathervane.google_ads", "check", "acme"],
            env={**os.environ, **{prefix + name: value for name, value in mine.items()}},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == code, done.stderr
    assert says in done.stdout
    assert ("amounts in USD, days in America/New_York" in done.stdout) == (code == 0)
    assert refresh_token not in done.stdout + done.stderr
