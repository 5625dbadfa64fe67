"""Starting one run for each tenant: its failure, delay or death is then that tenant's alone.

A tenant whose earlier run goes on is left out, and that is told: by the name and the message of the state, and when a
tenant is left out for the second time in a row, by a failure. Either way every other tenant has its run. One whose run
is put off until a vendor allows is not left out: that run is due now, for the delay may have been a mistake, and a
vendor that meant it says so again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefect import Task
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentFlowRunCreate
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed, Failed, Pending, Scheduled, to_state_create

from weathervane.flow._errors import FlowError
from weathervane.flow._history import dispatched_before, occupied
from weathervane.flow._names import EVERY_TENANT, who

__all__ = ["Dispatched", "LeftOutError", "dispatch", "finish_dispatch_of"]

_AT_ONCE = 100
"""Runs of one request, the most that Prefect takes. It makes them in one transaction, at 14 ms each; `run_deployment`,
which makes a client and four requests for each, took 80 ms on the same busy machine (benchmarks/dispatch.py)."""


class LeftOutError(FlowError):
    """Tenants whose earlier run goes on, for the second time in a row."""

    advice = "look at the named runs: cancel one that hangs, and start the tenants that are left out by hand"


@dataclass(frozen=True)
class Dispatched:
    """What a dispatch did."""

    runs: dict[str, str]
    """The ids of the runs that do the work, by tenant."""
    left_out: dict[str, str]
    """By tenant that is left out, where its earlier run stands."""
    again: Sequence[str]
    """Those of them that the dispatch before left out as well."""
    message: str

    def state(self, data: Any) -> State[Any]:
        """The state in which the run ends: Completed "Dispatched" or "Dispatched, 1 left out", or Failed with a
        LeftOutError.

        Args:
            data: What the run gives, if it does not fail.
        """
        if not self.left_out:
            return Completed(name="Dispatched", message=self.message, data=data)
        left_out = f"left out {len(self.left_out)}: "
        left_out += ", ".join(f"{one} ({stands})" for one, stands in sorted(self.left_out.items()))
        if self.again:
            told = (
                f"left out for the second time in a row: {', '.join(self.again)}; {self.message}; {left_out}"
            )
            error = LeftOutError(told, reason="TENANTS_LEFT_OUT")
            return Failed(name="Tenants left out", message=str(error), data=error)
        name = f"Dispatched, {len(self.left_out)} left out"
        return Completed(name=name, message=f"{self.message}; {left_out}", data=data)


def dispatch(api: SyncPrefectClient, run: FlowRun, tenants: Sequence[str]) -> Dispatched:
    """Starts one run of the same deployment per tenant; once, whoever does it and how often.

    Args:
        api: The server.
        run: The run for every tenant.
        tenants: The tenants.
    """
    busy = {tenant: other for tenant, other in occupied(api, run).items() if tenant in tenants}
    early = {tenant: busy.pop(tenant) for tenant, other in list(busy.items()) if _is_put_off(other)}
    started = _start(api, run, [tenant for tenant in tenants if tenant not in {*busy, *early}])
    for tenant, other in early.items():
        told = f"due now instead of {_due(other)}: {run.name} looks at whether the vendor allows"
        # Of that name it would be taken for put off until now.
        api.set_flow_run_state(other.id, Scheduled(name="Looking early", message=told), force=True)
        started[tenant] = str(other.id)
    message = f"started {len(started)} of {len(tenants)} tenants: {', '.join(started) or 'none'}"
    if early:
        message += f"; of them put off before, and due now: {', '.join(sorted(early))}"
    before = dispatched_before(api, run) if busy else None
    again = [one for one in sorted(busy) if before is not None and _was_there(busy[one], before)]
    return Dispatched(started, {one: _stands(other) for one, other in busy.items()}, again, message)


def finish_dispatch_of(
    api: SyncPrefectClient, run: FlowRun, tenants: Callable[[], Sequence[str]]
) -> FlowRun | None:
    """Does what is left of the dispatch that started this run, if its process died.

    The dispatch, resumed, would wait for a place in its deployment's limit, behind the runs that it started itself.

    Args:
        api: The server.
        run: A run, of whomever.
        tenants: Gives the tenants; asked only if there is something to do.

    Returns:
        The dispatch, if there was something to do.
    """
    first, _, tenant = (run.idempotency_key or "").partition(":")
    try:
        other = api.read_flow_run(UUID(first)) if tenant else None
    except (ValueError, ObjectNotFound):
        return None
    dead = {StateType.SCHEDULED, StateType.CRASHED}
    if other is None or other.deployment_id != run.deployment_id or other.state_type not in dead:
        return None
    if other.run_count == 0 or other.parameters.get("tenant_id") != EVERY_TENANT:
        return None
    state = dispatch(api, other, tenants()).state(None)
    done = f"{run.name} did what was left of it when its process died: {state.message}"
    api.set_flow_run_state(other.id, State(type=state.type, name=state.name, message=done), force=True)
    return other


def _start(api: SyncPrefectClient, run: FlowRun, tenants: Sequence[str]) -> dict[str, str]:
    """The runs' ids by tenant."""
    if not tenants:
        return {}
    # A person finds them below the run that started them: Prefect links a run to a task run of that one.
    task = Task(fn=lambda: None, name="runs of the tenants")
    parent = api.create_task_run(task, run.id, dynamic_key="0", name=task.name, state=Pending())
    started: dict[str, str] = {}
    for first in range(0, len(tenants), _AT_ONCE):
        some = tenants[first : first + _AT_ONCE]
        asked = [
            _asked(run, tenant, parent.id).model_dump(mode="json", exclude_unset=True) for tenant in some
        ]
        # Prefect's client has no method for it. What is made already is found by its key.
        answer = api._client.post(f"/deployments/{run.deployment_id}/create_flow_run/bulk", json=asked)
        answer.raise_for_status()
        for tenant, made in zip(some, answer.json()["results"], strict=True):
            started[tenant] = made["flow_run_id"] or _start_one(api, run, tenant, parent.id)
    return started


def _asked(run: FlowRun, tenant: str, parent: UUID) -> DeploymentFlowRunCreate:
    return DeploymentFlowRunCreate(
        parameters={**run.parameters, "tenant_id": tenant},
        state=to_state_create(Scheduled()),
        name=run.name.replace(who(EVERY_TENANT), tenant),
        # A retry of the dispatch finds the runs that it started.
        idempotency_key=f"{run.id}:{tenant}",
        parent_task_run_id=parent,
    )


def _start_one(api: SyncPrefectClient, run: FlowRun, tenant: str, parent: UUID) -> str:
    """What could not be made among others: this says why, or makes it."""
    asked = _asked(run, tenant, parent).model_dump(mode="json", exclude_unset=True)
    answer = api._client.post(f"/deployments/{run.deployment_id}/create_flow_run", json=asked)
    answer.raise_for_status()
    return str(answer.json()["id"])


def _is_put_off(run: FlowRun) -> bool:
    return run.state_type is StateType.SCHEDULED and run.state_name == "Deferred"


def _due(run: FlowRun) -> str:
    due = run.state.state_details.scheduled_time if run.state is not None else None
    return f"{due:%Y-%m-%d %H:%M} UTC" if due is not None else "later"


def _stands(run: FlowRun) -> str:
    """Where an earlier run stands, and since when."""
    since = run.state.timestamp if run.state is not None else run.created
    due = run.expected_start_time
    its = f"its run of {due:%Y-%m-%d %H:%M} UTC" if due is not None else "its run"
    return f"{its} is {run.state_name} since {since:%Y-%m-%d %H:%M} UTC"


def _was_there(run: FlowRun, before: FlowRun) -> bool:
    """Whether a run was older than the dispatch before, which so had to leave its tenant out as well."""
    return run.created is not None and before.start_time is not None and run.created < before.start_time
