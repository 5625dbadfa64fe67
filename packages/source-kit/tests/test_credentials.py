"""Credentials come from a tenant's block or from the environment, and are never shown."""

import logging
import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Iterator
from typing import ClassVar

import pytest
from pydantic import SecretStr, ValidationError, model_validator

from weathervane.flow.testing import running_prefect
from weathervane.source._credentials import SourceCredentials, credentials_block
from weathervane.source._errors import ConfigurationError, UnavailableError

CANARY = "canary-51c0e"


class AcmeCredentials(SourceCredentials):
    """A vendor that has every kind of field."""

    source: ClassVar[str] = "acme_ads"
    hint: ClassVar[str] = "secrets are found in the vendor's console"

    shop: str
    client_secret: SecretStr
    refresh_token: SecretStr | None = None
    page_size: int = 100

    @model_validator(mode="after")
    def fits(self) -> "AcmeCredentials":
        """Check what two fields say together."""
        if self.shop == self.client_secret.get_secret_value():
            raise ValueError(f"{self.shop} is the secret")
        return self


@pytest.fixture(autouse=True)
def no_prefect_api(monkeypatch: pytest.MonkeyPatch, tmp_path) -> Iterator[None]:
    """No Prefect API is configured, whatever the developer's machine says."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    for name in [name for name in os.environ if name.startswith("WEATHERVANE_")]:
        monkeypatch.delenv(name)
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        yield


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tenants, one a prefix of the other."""
    for name, value in {
        "ACME__SHOP": "one",
        "ACME__CLIENT_SECRET": "s1",
        "ACME_EU__SHOP": "two",
        "ACME_EU__CLIENT_SECRET": CANARY,
        "ACME_EU__PAGE_SIZE": "25",
    }.items():
        monkeypatch.setenv(f"WEATHERVANE_ACME_ADS__{name}", value)


def everything_said_by(error: BaseException) -> str:
    """All text that an error or those behind it can give away."""
    said = ["".join(traceback.format_exception(error)), str(pickle.dumps(error))]
    link: BaseException | None = error
    while link is not None:
        said += [repr(link), repr(vars(link))]
        link = link.__cause__ or link.__context__
    return "\n".join(said)


def test_the_environment_gives_each_tenant_its_own(variables: None) -> None:
    """A tenant whose name begins like another's never gets the other's."""
    one, two = AcmeCredentials.load("acme"), AcmeCredentials.load("acme_eu")

    assert (one.shop, one.client_secret.get_secret_value(), one.page_size) == ("one", "s1", 100)
    assert (two.shop, two.client_secret.get_secret_value(), two.page_size) == ("two", CANARY, 25)
    assert AcmeCredentials.configured_tenants() == ["acme", "acme_eu"]


def test_secrets_are_masked(variables: None) -> None:
    """Neither repr nor str nor JSON shows them."""
    credentials = AcmeCredentials.load("acme_eu")

    shown = [
        repr(credentials),
        str(credentials),
        str(credentials.model_dump()),
        credentials.model_dump_json(),
    ]
    assert [text for text in shown if CANARY in text] == []


def test_what_is_missing_is_named_with_the_place_to_put_it() -> None:
    """The error says which variables and which block, for which tenant."""
    with pytest.raises(ConfigurationError, match="client_secret is missing") as caught:
        AcmeCredentials.load("acme_eu")
    said = str(caught.value)

    assert "WEATHERVANE_ACME_ADS__ACME_EU__CLIENT_SECRET, WEATHERVANE_ACME_ADS__ACME_EU__SHOP" in said
    assert "acme-ads-credentials/acme-ads-acme-eu" in said
    assert "found in the vendor's console" in said
    assert caught.value.tenant == "acme_eu"


def test_an_empty_variable_is_a_missing_one(variables: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose files set what they do not know to the empty string."""
    monkeypatch.setenv("WEATHERVANE_ACME_ADS__ACME__CLIENT_SECRET", "")
    monkeypatch.setenv("WEATHERVANE_ACME_ADS__NOBODY__SHOP", "")

    with pytest.raises(ConfigurationError, match="client_secret is missing"):
        AcmeCredentials.load("acme")
    assert "nobody" not in AcmeCredentials.configured_tenants()


@pytest.mark.parametrize(("field", "value"), [("PAGE_SIZE", CANARY), ("SHOP", CANARY)])
def test_a_value_that_does_not_fit_is_not_quoted(
    variables: None, monkeypatch: pytest.MonkeyPatch, field: str, value: str
) -> None:
    """Pydantic would show the input; a validator may show anything."""
    monkeypatch.setenv(f"WEATHERVANE_ACME_ADS__ACME_EU__{field}", value)

    with pytest.raises(ConfigurationError, match=r"page_size is not valid|do not fit together") as caught:
        AcmeCredentials.load("acme_eu")
    assert CANARY not in everything_said_by(caught.value)
    assert caught.value.__context__ is None


def test_a_stray_variable_fills_no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    """CLIENT_SECRET of another program is not ours."""
    monkeypatch.setenv("CLIENT_SECRET", CANARY)
    monkeypatch.setenv("SHOP", "other")

    with pytest.raises(ConfigurationError, match="is missing"):
        AcmeCredentials.load("acme")
    with pytest.raises(ValidationError, match="client_secret"):
        AcmeCredentials.model_validate({"shop": "from a block that lacks the secret"})


@pytest.mark.parametrize(
    "tenant", ["", "Acme", "1a", "_a", "a-b", "a/b", "../a", "a\n", "a b", "ä", "a" * 64, "a\u0661", "a.b"]
)
def test_a_name_that_is_no_tenant_is_refused(tenant: str) -> None:
    """Names become variables and block names: only the one alphabet that maps one to one."""
    with pytest.raises(ConfigurationError, match="tenant's name must match"):
        AcmeCredentials.load(tenant)


@pytest.mark.parametrize("source", ["Shopify", "meta__ads", "meta-ads", ""])
def test_a_source_whose_variables_could_be_misread_is_refused(source: str) -> None:
    """Two underscores separate; so a source has none in its name."""
    with pytest.raises(TypeError, match="must match"):
        type("Bad", (SourceCredentials,), {"source": source, "__annotations__": {"source": ClassVar[str]}})


def test_what_cannot_be_kept_is_said(variables: None, caplog: pytest.LogCaptureFixture) -> None:
    """A rotated token of a tenant that lives in the environment is lost with the process; the log says so."""
    with caplog.at_level(logging.WARNING):
        assert AcmeCredentials.load("acme_eu").save("acme_eu") is False
    assert "cannot be kept: create the Prefect block acme-ads-credentials/acme-ads-acme-eu" in caplog.text
    assert CANARY not in caplog.text


def test_importing_does_not_import_prefect() -> None:
    """Importing Prefect takes seconds; who only reads the environment's names does not pay."""
    code = "import sys, weathervane.source._credentials; print('prefect' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.strip() == "False"


def test_a_prefect_api_that_is_down_is_not_taken_for_no_block(variables: None) -> None:
    """The environment may hold an older token than the block: do not fall back when nobody knows."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}),
        pytest.raises(UnavailableError, match="does not answer") as caught,
    ):
        AcmeCredentials.load("acme_eu")
    assert caught.value.__context__ is None


@pytest.mark.slow
def test_a_block_is_read_updated_and_masked(variables: None) -> None:
    """On a real Prefect server: saved, loaded, rotated, listed; and the API shows it masked."""
    from prefect.blocks.core import Block
    from prefect.client.orchestration import get_client

    block_class = credentials_block(AcmeCredentials)
    assert Block.is_block_class(block_class)  # what `prefect block register -m` looks for
    with running_prefect():
        assert AcmeCredentials.load("acme_eu").shop == "two"  # no block type yet: the environment
        assert AcmeCredentials.configured_tenants() == ["acme", "acme_eu"]

        block = block_class(shop="three", client_secret=SecretStr(CANARY))
        assert CANARY not in repr(block)
        block.save("acme-ads-acme-eu")
        block_class(shop="four", client_secret=SecretStr("s4")).save("acme-ads-z")

        loaded = AcmeCredentials.load("acme_eu")
        assert (loaded.shop, loaded.page_size) == ("three", 100)
        assert loaded.client_secret.get_secret_value() == CANARY
        assert AcmeCredentials.load("acme").shop == "one"  # no document: the environment
        assert AcmeCredentials.configured_tenants() == ["acme", "acme_eu", "z"]

        rotated = loaded.model_copy(update={"refresh_token": SecretStr(f"{CANARY}-2")})
        assert rotated.save("acme_eu") is True
        assert AcmeCredentials.load("acme_eu") == rotated
        again = Block.load("acme-ads-credentials/acme-ads-acme-eu")
        assert again.refresh_token.get_secret_value() == f"{CANARY}-2"  # type: ignore[attr-defined]

        with get_client(sync_client=True) as api:
            shown = api.read_block_document_by_name(
                "acme-ads-acme-eu", block_type_slug="acme-ads-credentials", include_secrets=False
            )
            assert shown.data["shop"] == "three"
            assert CANARY not in repr(shown)
            # docs/running.md says so: masked unless asked otherwise, and then given to whoever may ask the API at all.
            one = "/block_types/slug/acme-ads-credentials/block_documents/name/acme-ads-acme-eu"
            for include in (False, True):
                some = api._client.post("/block_documents/filter", json={"include_secrets": include})
                it = api._client.get(one, params={"include_secrets": include})
                assert [CANARY in answer.text for answer in (some, it)] == [include, include]
