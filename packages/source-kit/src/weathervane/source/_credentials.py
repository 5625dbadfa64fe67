"""Credentials of a source, per tenant: from a Prefect block or the environment, never from a parameter.

A source declares its fields once::

    class ShopifyCredentials(SourceCredentials):
        source: ClassVar[str] = "shopify"
        shop: str
        client_id: str
        client_secret: SecretStr

    credentials = ShopifyCredentials.load("acme_eu")

``load`` looks at the block document ``shopify-credentials/shopify-acme-eu``, if a Prefect API is configured
and the document exists, else at ``WEATHERVANE_SHOPIFY__ACME_EU__CLIENT_SECRET`` and its siblings. For the
block type to exist, the menu offers ``ShopifyCredentialsBlock = credentials_block(ShopifyCredentials)``,
and ``prefect block register -m weathervane.shopify`` makes it known to a server.

Prefect is imported only when it is needed: importing it takes seconds.
"""

import logging
import os
import re
import types
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from weathervane.source import _block_store
from weathervane.source._errors import ConfigurationError

if TYPE_CHECKING:
    from prefect.blocks.core import Block

__all__ = ["SourceCredentials", "credentials_block"]

_log = logging.getLogger(__name__)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)


class SourceCredentials(BaseSettings):
    """What one tenant needs to be read at one vendor. A subclass adds the fields; secrets are SecretStr."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", hide_input_in_errors=True, env_ignore_empty=True
    )

    source: ClassVar[str]
    """The source's name, ``^[a-z][a-z0-9_]{0,62}$``: ``shopify``, ``meta_ads``."""
    hint: ClassVar[str] = ""
    """One sentence for the error about missing fields, e.g. which of them are alternatives. Never a value."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        # Without "__" in names, WEATHERVANE_{SOURCE}__{TENANT}__{FIELD} can be read in one way only.
        for name in (cls.source, *cls.model_fields):
            if not _NAME.fullmatch(name) or "__" in name:
                raise TypeError(f"{cls.__name__}: {name!r} must match ^[a-z][a-z0-9_]{{0,62}}$, without '__'")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the environment under a tenant's prefix only: a stray CLIENT_SECRET fills no gap."""
        if getattr(env_settings, "env_prefix", ""):
            return (env_settings,)
        return (init_settings,)

    @classmethod
    def load(cls, tenant: str) -> Self:
        """Give a tenant's credentials, from its block document or from the environment.

        A document that exists is the only place looked at: with both, the environment is likely the older.
        Raises ConfigurationError that names the missing variables and the block (never a value), and
        PrefectUnavailableError or PrefectSetupError when a Prefect API is configured but does not answer as it should.
        """
        _check_tenant(tenant)
        document = _block_store.read(*_block(cls, tenant))
        problems: list[Any] = []
        try:
            if document is not None:
                return cls.model_validate(document)
            settings: dict[str, Any] = {"_env_prefix": _prefix(cls, tenant)}
            return cls(**settings)
        except ValidationError as error:
            problems = list(error.errors(include_url=False, include_context=False, include_input=False))
        except SettingsError:  # its cause quotes the value
            problems = [{"loc": (), "type": "json_invalid"}]
        raise _incomplete(cls, tenant, problems, in_block=document is not None)

    @classmethod
    def configured_tenants(cls) -> list[str]:
        """List the tenants that have a variable or, if a Prefect API is configured, a block document; sorted.

        Raises as `load` does about Prefect.
        """
        found = set(_tenants_of_environment(cls))
        names = _block_store.names(_block_type(cls))
        start = f"{_dashed(cls.source)}-"
        found.update(name.removeprefix(start).replace("-", "_") for name in names if name.startswith(start))
        return sorted(tenant for tenant in found if _NAME.fullmatch(tenant))

    def save(self, tenant: str) -> bool:
        """Keep these credentials for the tenant: a rotated refresh token, before its access token is used.

        True once the tenant's block document holds them. False, with a warning in the log, when there is no
        such document: a process cannot write its own environment, and what the vendor rotated is lost with
        it. So sources with rotating tokens need a block. The last of two writers wins: refresh in one process
        at a time, and on a refusal `load` again before giving up.
        Raises PrefectUnavailableError when the Prefect API does not answer: whether they are kept is unknown then.
        """
        _check_tenant(tenant)
        if _block_store.update(*_block(type(self), tenant), self._revealed()):
            return True
        _log.warning(
            "%s credentials of tenant %s changed, but cannot be kept: create the Prefect block %s from them",
            self.source,
            tenant,
            "/".join(_block(type(self), tenant)),
        )
        return False

    def _revealed(self) -> dict[str, Any]:
        plain = self.model_dump(mode="json")
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, SecretStr):
                plain[name] = value.get_secret_value()
        return plain


def credentials_block(credentials: type[SourceCredentials]) -> "type[Block]":
    """Make the Prefect block type with a source's fields, for its menu; secrets are masked there."""
    from prefect.blocks.core import Block

    title = credentials.source.replace("_", " ").capitalize()
    fields = credentials.model_fields
    name = f"{_dashed(credentials.source)}-TENANT"
    body: dict[str, Any] = {
        "__doc__": f"{title} credentials of one tenant: name the block {name}, with dashes for underscores.",
        "__annotations__": {name: field.annotation for name, field in fields.items()},
        # The menu that offers it, as the UI tells people what to import.
        "__module__": credentials.__module__.rpartition(".")[0],
        "_block_type_name": f"{title} credentials",
        "_block_type_slug": _block_type(credentials),
        **{name: field for name, field in fields.items() if not field.is_required()},
    }
    return types.new_class(f"{credentials.__name__}Block", (Block,), exec_body=lambda into: into.update(body))


def _check_tenant(tenant: str) -> None:
    if not _NAME.fullmatch(tenant):
        raise ConfigurationError("a tenant's name must match ^[a-z][a-z0-9_]{0,62}$", reason="TENANT_NAME")


def _dashed(name: str) -> str:
    return name.replace("_", "-")  # block documents allow a-z, 0-9 and "-"; one to one, as names hold no "-"


def _block_type(cls: type[SourceCredentials]) -> str:
    return f"{_dashed(cls.source)}-credentials"


def _block(cls: type[SourceCredentials], tenant: str) -> tuple[str, str]:
    """Give the type and the name of a tenant's block document."""
    return _block_type(cls), f"{_dashed(cls.source)}-{_dashed(tenant)}"


def _prefix(cls: type[SourceCredentials], tenant: str) -> str:
    return f"WEATHERVANE_{cls.source}__{tenant}__".upper()


def _tenants_of_environment(cls: type[SourceCredentials]) -> Iterator[str]:
    start = f"WEATHERVANE_{cls.source}__".upper()
    ends = [f"__{field}".upper() for field in cls.model_fields]
    for variable, value in os.environ.items():
        for end in ends:
            if value and variable.startswith(start) and variable.endswith(end):
                yield variable[len(start) : -len(end)].lower()


def _incomplete(
    cls: type[SourceCredentials], tenant: str, problems: list[Any], *, in_block: bool
) -> ConfigurationError:
    # Field names and error types only: pydantic's messages may quote the value.
    fields = {str(problem["loc"][0]): problem["type"] for problem in problems if problem["loc"]}
    told = [f"{name} is {'missing' if kind == 'missing' else 'not valid'}" for name, kind in fields.items()]
    what = ", ".join(told) or "its fields do not fit together"
    names = sorted(fields) or list(cls.model_fields)
    variables = ", ".join(_prefix(cls, tenant) + name.upper() for name in names)
    block = "/".join(_block(cls, tenant))
    where = (
        f"correct the Prefect block {block}"
        if in_block
        else f"set {variables}, or create the Prefect block {block}"
    )
    hint = f" ({cls.hint})" if cls.hint else ""
    told_all = f"no usable {cls.source} credentials: {what}{hint}; {where}"
    return ConfigurationError(told_all, reason="CREDENTIALS_MISSING", tenant=tenant)
