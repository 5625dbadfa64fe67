"""How a run ends, and whether one that fails is tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, State, TaskRun
from prefect.exceptions import Pause
from prefect.states import Failed, Scheduled

from weathervane.flow._errors import Known

__all__ = ["defer", "ended_again", "failed", "mendable", "no_more_retries"]


def mendable(task: Any, task_run: TaskRun, state: State[Any]) -> bool:
    """Whether trying a task again can help: what the error itself says; no for one that nobody foresaw.

    Give it to `@task(retry_condition_fn=mendable)`.
    """
    error = state.result(raise_on_failure=False)
    return isinstance(error, Known) and error.retriable


def no_more_retries(api: SyncPrefectClient, run: FlowRun) -> None:
    """Flow retries take no condition, so a run that shall end is told that none are left."""
    policy = run.empirical_policy.model_copy(update={"retries": 0})
    api.update_flow_run(run.id, empirical_policy=policy)


def failed(api: SyncPrefectClient, run: FlowRun, error: Exception, *, name: str = "Failed") -> State[Any]:
    """The state in which the run ends now, in one clear line, whatever retries it had left."""
    no_more_retries(api, run)
    return Failed(name=name, message=str(error), data=error)


def defer(api: SyncPrefectClient, run: FlowRun, seconds: float, why: str) -> NoReturn:
    """Puts a deployment's run off, and leaves its process, which frees its slot."""
    # Every beginning counts as an attempt; the pause shall not cost one. A run that was tried again in its process
    # would stay marked so, and no worker takes such a run (3.8.8).
    policy = run.empirical_policy.model_copy(
        update={"retries": (run.empirical_policy.retries or 0) + 1, "retry_type": "reschedule"}
    )
    api.update_flow_run(run.id, empirical_policy=policy)
    state: State[Any] = Scheduled(
        scheduled_time=datetime.now(UTC) + timedelta(seconds=seconds), name="Deferred", message=why
    )
    raise Pause(state=api.set_flow_run_state(run.id, state).state)


def ended_again(api: SyncPrefectClient, run: FlowRun, end: State[Any], data: Any) -> State[Any]:
    """The state of a run that had ended already and was begun again by mistake: the same end.

    Args:
        api: The server.
        run: The run.
        end: How it had ended: see `end_before`.
        data: What the run gives, if it did not fail.
    """
    if end.is_failed():
        return failed(api, run, RuntimeError(end.message), name=str(end.name))
    return State(type=end.type, name=end.name, message=end.message, data=None if end.is_cancelled() else data)
