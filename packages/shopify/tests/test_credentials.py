"""Tokens: three ways to have one, renewed once when refused, and a rotated refresh token is never lost."""

from __future__ import annotations

import logging
from urllib.parse import parse_qs

import pytest
from pydantic import SecretStr

from weathervane.shopify._client import ShopifyClient
from weathervane.shopify._credentials import ShopifyCredentials
from weathervane.source import ConfigurationError, CredentialsError, UnavailableError
from weathervane.source.testing import as_a_new_process

from .bench import BULK, SMALL, everything_said, secrets_of


@pytest.mark.parametrize("shop", ["acme", "acme.myshopify.com", "https://acme.myshopify.com/", " ACME "])
def test_a_shop_has_many_spellings_and_one_address(shop):
    """Users paste what the browser shows."""
    credentials = ShopifyCredentials(shop=shop, access_token="t")
    assert (credentials.shop, credentials.domain) == ("acme", "acme.myshopify.com")
    assert credentials.base_url == "https://acme.myshopify.com"


@pytest.mark.parametrize(
    "shop",
    [
        "",
        "acme.example.com",
        "acme.myshopify.com.evil.example",
        "https://evil.example/acme",
        "a/b",
        "a@b",
        "-shop",
    ],
)
def test_a_token_goes_to_no_other_address(monkeypatch, shop):
    """What is no myshopify.com address is no shop; the value is not told, it may be a secret in the wrong place."""
    monkeypatch.setenv("WEATHERVANE_SHOPIFY__ACME__SHOP", shop or " ")
    monkeypatch.setenv("WEATHERVANE_SHOPIFY__ACME__ACCESS_TOKEN", "shpat_canary")
    with pytest.raises(
        ConfigurationError, match="no usable shopify credentials: shop is not valid"
    ) as caught:
        ShopifyCredentials.load("acme")
    assert "canary" not in str(caught.value)
    assert not shop or shop not in str(caught.value)


def test_credentials_that_are_half_there_say_what_is_missing(monkeypatch):
    """A client id without its secret opens nothing."""
    monkeypatch.setenv("WEATHERVANE_SHOPIFY__ACME__SHOP", "acme")
    monkeypatch.setenv("WEATHERVANE_SHOPIFY__ACME__CLIENT_ID", "cid")
    with pytest.raises(ConfigurationError, match="give access_token, or client_id and client_secret"):
        ShopifyCredentials.load("acme")


def test_a_permanent_token_reads_and_is_not_renewed(bench):
    """Once refused there is nothing to ask for: one call, and a person must act."""
    bench.credentials = ShopifyCredentials(
        shop="acme", access_token="shpat_sandbox", api_url=bench.running.url
    )
    bench.run()
    bench.holds_the_shop()
    asked = len(bench.requests())
    bench.shop.change("revoke_token", token="shpat_sandbox")
    with pytest.raises(CredentialsError, match=r"permanent access token.*reason=TOKEN_REFUSED"):
        bench.run()
    assert len(bench.requests()) == asked + 1
    assert bench.requests(host="oauth") == []


@pytest.mark.parametrize("settings", [SMALL, BULK], ids=["pages", "bulk"])
def test_a_token_that_expires_within_a_run_is_renewed_once(bench, settings):
    """The same page is asked for again, with the new token (fact 22)."""
    operation = "OrdersPage" if settings is SMALL else "Poll"
    bench.shop.faults.add("token_expired", match={"operation": operation}, skip=1)
    bench.run(settings=settings)
    bench.holds_the_shop()
    assert [one.status for one in bench.requests(host="oauth")] == [200, 200]
    assert sum(one.status == 401 for one in bench.requests()) == 1


def test_a_second_refusal_of_a_fresh_token_ends_the_run(bench):
    """It would be refused for ever (fact 22)."""
    bench.shop.faults.add("token_expired", times=2, match={"operation": "OrdersPage"})
    with pytest.raises(CredentialsError, match=r"HTTP 401.*reason=TOKEN_REFUSED"):
        bench.run()
    assert len(bench.requests(host="oauth")) == 2
    assert sum(one.status == 401 for one in bench.requests()) == 2


def test_clients_of_a_tenant_share_one_token(bench):
    """A grant costs a call, and with rotating tokens only one may ask."""
    bench.run()
    bench.run("products")
    assert len(bench.requests(host="oauth")) == 1


def test_an_app_that_is_not_what_it_was_is_refused_with_its_reason(bench, caplog):
    """A changed secret, an uninstalled app: the tenant's matter, not to be tried again."""
    caplog.set_level(logging.DEBUG)
    bench.credentials = bench.credentials.model_copy(
        update={"client_secret": SecretStr("shpss_wrong_canary")}
    )
    with pytest.raises(CredentialsError, match=r"grants no access token.*reason=GRANT_REFUSED") as caught:
        bench.run()
    assert len(bench.requests(host="oauth")) == 1
    assert "wrong_canary" not in everything_said(caught.value, caplog)


def test_a_refresh_token_is_used_once_and_the_next_one_kept_before_the_access_token_is_used(bench, store):
    """It rotates with every use: what is not kept at once is lost with the process (fact 22)."""
    used = []
    store.on_update = lambda: used.append(len(bench.requests()))
    bench.shop.faults.add("token_expired", match={"operation": "OrdersPage"}, skip=1)
    bench.credentials = store.put(bench)
    bench.run(settings=SMALL)
    bench.holds_the_shop()
    sent = [parse_qs(one.body)["refresh_token"][0] for one in bench.requests(host="oauth")]
    assert len(sent) == len(set(sent)) == 2
    assert store.document["refresh_token"] in bench.shop.tokens._refresh
    assert used[0] == 0


def test_a_refresh_token_that_another_process_used_is_loaded_anew(bench, store):
    """It kept the next one; ours is dead, and no reason to give up."""
    bench.credentials = store.put(bench)
    with bench.client() as another:
        another.shop()
    as_a_new_process()
    bench.run()
    bench.holds_the_shop()
    assert [one.status for one in bench.requests(host="oauth")] == [200, 400, 200]


def test_a_refresh_token_that_is_dead_everywhere_ends_the_run(bench, store):
    """A person has to install the app again."""
    bench.credentials = store.put(bench)
    bench.shop.tokens._refresh.clear()
    with pytest.raises(CredentialsError, match="reason=GRANT_REFUSED"):
        bench.run()
    assert len(bench.requests(host="oauth")) == 1


def test_a_refresh_whose_answer_was_lost_is_not_repeated(bench, store):
    """The repeat would burn the token a second time; the run is left to its schedule."""
    bench.credentials = store.put(bench)
    bench.shop.faults.add("status", times=None, match={"host": "oauth"}, status=502)
    with pytest.raises(UnavailableError, match="HTTP 502"):
        bench.run()
    assert len(bench.requests(host="oauth")) == 1


def test_a_rotated_token_from_the_environment_serves_this_process_and_warns(bench, monkeypatch, caplog):
    """A process cannot write its own environment: the log says which block to create, and no secret."""
    prefix = f"WEATHERVANE_SHOPIFY__{bench.tenant.upper()}__"
    for name, value in {**_document(bench), "api_url": bench.running.url}.items():
        monkeypatch.setenv(prefix + name.upper(), value)
    bench.credentials = ShopifyCredentials.load(bench.tenant)
    bench.run()
    bench.holds_the_shop()
    assert f"create the Prefect block shopify-credentials/shopify-{bench.tenant}" in caplog.text
    assert not [secret for secret in secrets_of(bench) if secret in caplog.text]


def test_credentials_show_no_secret(bench):
    """Neither in a repr, nor in a dump, nor through a client."""
    credentials = ShopifyCredentials(**_document(bench), access_token="shpat_canary")
    with ShopifyClient("acme", credentials) as client:
        shown = [repr(credentials), str(credentials.model_dump()), repr(client), str(vars(client))]
    assert not [secret for secret in (*secrets_of(bench), "canary") if secret in " ".join(shown)]


def _document(bench):
    """A public app's credentials, as its installation left them."""
    return {
        "shop": "acme",
        "client_id": "sandbox-client",
        "client_secret": "sandbox-secret",
        "refresh_token": "shprt_sandbox",
        "api_url": bench.running.url,
    }


@pytest.fixture
def store(block_document):
    """In memory; `test_flows` keeps a rotated token in a real one. `put` creates it and gives its credentials."""

    def put(bench):
        block_document.document = _document(bench)
        return ShopifyCredentials.load(bench.tenant)

    block_document.put = put
    return block_document
