"""What runs are called, and for whom they are."""

from __future__ import annotations

from prefect.runtime import flow_run as runtime

__all__ = ["EVERY_TENANT", "run_name", "who"]

EVERY_TENANT = "*"
"""As `tenant_id`: every tenant that there is. No tenant can be named so."""


def who(tenant: str) -> str:
    """A tenant's name, or `every tenant`."""
    return "every tenant" if tenant == EVERY_TENANT else tenant


def run_name() -> str:
    """A run's name as people know it: tenant, what is done, and when it was due."""
    given = str(runtime.get_parameters().get("tenant_id", EVERY_TENANT))
    due = runtime.get_scheduled_start_time()
    what = (runtime.get_flow_name() or "").replace("_", " ")
    return " · ".join([who(given), what, *([f"{due:%Y-%m-%d %H:%M}"] if due is not None else [])])
