"""The four Prefect tasks, on batches: never one for a row (measured: 31 ms a task run, against 2 µs of work).

Retries ask the error: one that no retry can mend fails at once.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import date
from typing import Any

import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.runtime import flow_run

from weathervane.lake import (
    LakeClient,
    LakeError,
    TableRef,
    WriteMode,
    WriteResult,
    WriteSpec,
    lake_address,
    row_keys,
)
from weathervane.source.dataset import Dataset
from weathervane.source.errors import ConfigurationError, SourceError
from weathervane.source.incidents import contained
from weathervane.source.ingestion import Ingestion, IngestionSummary
from weathervane.source.patching import patched_rows
from weathervane.source.report import reporting
from weathervane.source.slices import Deferring, Reader, Slice, SliceResult

__all__ = [
    "BACKFILL",
    "build_key",
    "ingest",
    "merge_incremental",
    "parse_day",
    "write_incremental",
    "write_records",
]


BACKFILL = "backfill"
"""The tag of a run that fills in history: it moves no checkpoint."""


def mendable(task: Any, task_run: TaskRun, state: State[Any]) -> bool:
    """Whether trying again can help: what the error itself says. What nobody foresaw is left to the flow's retries."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, SourceError | LakeError) and error.retriable


@task(task_run_name="keys of {batch.num_rows} rows", cache_policy=NO_CACHE, persist_result=False)
def build_key(batch: pa.RecordBatch, unique_keys: tuple[str, ...]) -> pa.StringArray:
    """One text per row that names it: its unique key as a JSON array. Vectorised; NULL parts are `null`."""
    return row_keys(batch, unique_keys)


@task(task_run_name="{table} · {changes.num_rows} changes", cache_policy=NO_CACHE, persist_result=False)
def merge_incremental(
    lake: LakeClient, table: TableRef, changes: pa.RecordBatch, dataset: Dataset
) -> list[pa.RecordBatch]:
    """Lays changes that name only some columns over the rows which the lake holds; see `patched_rows`."""
    with contained():
        return patched_rows(lake, table, changes, dataset)


@task(
    task_run_name="{table} · {write_id}",
    retries=3,
    retry_delay_seconds=30,
    retry_condition_fn=mendable,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def write_records(
    lake: LakeClient, table: TableRef, batches: Iterable[pa.RecordBatch], schema: pa.Schema, write_id: str
) -> WriteResult:
    """Appends rows to a table without keys, in one commit, exactly once for the write id."""
    with contained():
        return lake.write(WriteSpec(table, write_id, WriteMode.APPEND, schema), batches)


@task(
    task_run_name="{ingestion.first} · {slice.name}",
    retries=3,
    retry_delay_seconds=30,
    retry_condition_fn=mendable,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def write_incremental(ingestion: Ingestion, slice: Slice) -> SliceResult:
    """Reads one slice from the vendor and writes it to the lake, one stream and one commit per dataset."""
    with contained():
        return ingestion.write(slice)


def ingest(tenant: str, reader: Reader) -> IngestionSummary:
    """The body of a flow: every slice of the reader, then the summary. Call it within a flow.

    The lake writer's address is `WEATHERVANE_LAKE_ADDRESS` (default `127.0.0.1:50051`).
    """
    # A flow's own id is the same in every attempt of it, so that an attempt knows the writes of the one before.
    run_id = flow_run.get_id() or str(uuid.uuid4())
    forward = BACKFILL not in flow_run.get_tags()
    with (
        Ingestion(
            lake_address(), tenant, reader, run_id, merge=merge_incremental, moves_checkpoint=forward
        ) as ingestion,
        reporting(ingestion) as report,
        contained(),
    ):
        while (slice := ingestion.next_slice()) is not None:
            report.add(write_incremental(ingestion, slice))
        summary = ingestion.summary()
        deferred = reader.deferred if isinstance(reader, Deferring) else None
        if deferred is not None:
            summary.metadata["deferred"] = {
                "dataset": deferred.dataset,
                "retry_after": deferred.retry_after,
                "reason": deferred.reason,
                "message": str(deferred),
            }
        report.ended(summary)
        return summary


def parse_day(name: str, value: str | date | None) -> date | None:
    """A day of a flow's parameters; ConfigurationError naming the parameter when it is not one."""
    if value is None or isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ConfigurationError(
            f"{name} {value[:40]!r} is not a day; write it as YYYY-MM-DD", reason="BAD_DATE"
        ) from None
