"""What a tenant costs a run for every tenant: by one request for many, and one by one as `run_deployment` does it.

Run it from a checkout: `python packages/flow-kit/benchmarks/dispatch.py [TENANTS]`. It starts a Prefect server of its
own, on SQLite.
"""

from __future__ import annotations

import sys
import time

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.deployments import run_deployment

from weathervane.flow import dispatch
from weathervane.flow.testing import running_prefect


@flow
def something(tenant_id: str = "*") -> None:
    """Never run here."""


@flow
def one_by_one(deployment: object, tenants: list[str]) -> float:
    """Seconds a tenant."""
    began = time.perf_counter()
    for tenant in tenants:
        run_deployment(deployment, parameters={"tenant_id": tenant}, idempotency_key=tenant, timeout=0)  # type: ignore[arg-type]
    return (time.perf_counter() - began) / len(tenants)


def main(count: int) -> None:
    """Prints milliseconds a tenant, and the ratio."""
    tenants = [f"tenant{number}" for number in range(count)]
    with running_prefect(), get_client(sync_client=True) as api:
        deployment = api.create_deployment(api.create_flow(something), "benchmark", tags=["weathervane"])
        run = api.create_flow_run_from_deployment(deployment)
        began = time.perf_counter()
        dispatch(api, run, tenants)
        at_once = (time.perf_counter() - began) / count
        each = one_by_one(deployment, tenants)
    print(
        f"{1000 * each:.1f} ms a tenant one by one, {1000 * at_once:.1f} at once: {each / at_once:.1f} times less"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
