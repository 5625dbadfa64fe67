"""What a check of a tenant says before a run fails of it."""

from __future__ import annotations

from datetime import timedelta

from weathervane.meta_ads._source import check_accounts
from weathervane.meta_ads._tokens import token_findings
from weathervane.meta_ads.sandbox import AccountOptions
from weathervane.meta_ads.sandbox._oauth import grant
from weathervane.source import Severity

APP = {"app_id": "1234567890", "app_secret": "sandbox-secret"}


def test_a_check_tells_of_each_account(begin, monkeypatch):
    """Its currency and its zone; a system user's token never ends."""
    bench = begin(
        accounts=(
            AccountOptions("101", "EUR", "Europe/Paris", "Mine"),
            AccountOptions("102", "JPY", "Asia/Tokyo"),
        )
    )
    for name, value in {**APP, "access_token": "EAAsandbox", "api_url": bench.running.url}.items():
        monkeypatch.setenv(f"WEATHERVANE_META_ADS__MINE__{name.upper()}", value)
    findings = check_accounts("mine")
    assert [(one.severity, one.reason) for one in findings] == [(Severity.INFO, "ACCOUNT")] * 2
    assert findings[0].message == "act_101 Mine: amounts in EUR, days in Europe/Paris"


def test_a_check_tells_of_a_named_account_that_is_refused(begin, monkeypatch):
    """Beside the others, not in their place."""
    bench = begin()
    named = {"access_token": "EAAsandbox", "api_url": bench.running.url, "accounts": "101,999"}
    for name, value in named.items():
        monkeypatch.setenv(f"WEATHERVANE_META_ADS__MINE__{name.upper()}", value)
    mine, refused = check_accounts("mine")
    assert (mine.severity, mine.reason) == (Severity.INFO, "ACCOUNT")
    assert (refused.severity, refused.reason) == (Severity.ERROR, "ACCOUNT_REFUSED")
    assert refused.message.startswith("act_999 cannot be read: the token may not read this")


def test_a_token_that_ends_soon_is_told_days_ahead(begin):
    """A user's long-lived one lives for 60 days; a week before its end there is a warning."""
    bench = begin()
    exchange = {"grant_type": "fb_exchange_token", "fb_exchange_token": "EAAsandbox"}
    token = grant(bench.meta, {"client_id": APP["app_id"], "client_secret": APP["app_secret"], **exchange})
    bench.token = token["access_token"]
    now = bench.meta.now()
    assert token_findings(bench.credentials(**APP), now) == []
    (found,) = token_findings(bench.credentials(**APP), now + timedelta(days=55))
    assert (found.severity, found.reason) == (Severity.WARNING, "TOKEN_ENDS")
    assert "ends in 5 days" in found.message


def test_an_app_that_is_refused_is_told_as_that(begin, monkeypatch):
    """It is not the token that has to be made anew; the accounts are told all the same."""
    given = {**APP, "app_id": "7", "access_token": "EAAsandbox", "api_url": begin().running.url}
    for name, value in given.items():
        monkeypatch.setenv(f"WEATHERVANE_META_ADS__MINE__{name.upper()}", value)
    account, refused = check_accounts("mine")
    assert account.reason == "ACCOUNT"
    assert (refused.severity, refused.reason) == (Severity.ERROR, "APP_REFUSED")
    assert refused.message.startswith("Meta refuses the app_id or the app_secret")


def test_a_dead_token_is_an_error(begin):
    """And nothing can be said without the app's own id and secret."""
    bench = begin()
    bench.meta.change("revoke_token", token="EAAsandbox")
    (found,) = token_findings(bench.credentials(**APP), bench.meta.now())
    assert (found.severity, found.reason) == (Severity.ERROR, "TOKEN_REFUSED")
    assert token_findings(bench.credentials(), bench.meta.now()) == []
