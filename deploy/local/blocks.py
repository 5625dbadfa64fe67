"""Credentials of tenants as block documents of a Prefect server: the way that real tenants' credentials take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module


def save_credentials(source: str, environment: Mapping[str, str]) -> list[str]:
    """Makes a document for each tenant of one source, on the server of PREFECT_API_URL; returns their names.

    Args:
        source: The module in `weathervane`, e.g. `meta_ads`.
        environment: Variables `WEATHERVANE_<SOURCE>__<TENANT>__<FIELD>`, as the source would read them itself.
    """
    fields: dict[str, dict[str, str]] = {}
    for variable, value in environment.items():
        if found := re.fullmatch(rf"WEATHERVANE_{source.upper()}__(\w+?)__(\w+)", variable):
            fields.setdefault(found[1].lower(), {})[found[2].lower()] = value
    menu = import_module(f"weathervane.{source}")
    (block,) = (getattr(menu, name) for name in menu.__all__ if name.endswith("CredentialsBlock"))
    names = []
    for tenant, values in fields.items():
        name = f"{source}-{tenant}".replace("_", "-")
        block(**values).save(name, overwrite=True)
        names.append(f"{block.get_block_type_slug()}/{name}")
    return names
