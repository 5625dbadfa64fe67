"""Whether a task is tried again: what the error itself says."""

from __future__ import annotations

from typing import Any

from prefect.client.schemas.objects import State, TaskRun

__all__ = ["mendable"]


def mendable(task: Any, task_run: TaskRun, state: State[Any]) -> bool:
    """As a task's `retry_condition_fn`: the error's own `retriable`; no for an error that nobody foresaw."""
    return bool(getattr(state.result(raise_on_failure=False), "retriable", False))
