"""The four Prefect tasks, on batches: never one for a row (measured: 31 ms a task run, against 2 µs of work).

Retries ask the error: one that no retry can mend fails at once.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext
from prefect.runtime import flow_run, task_run

from weathervane.flow import mendable
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
from weathervane.source._errors import SourceError, contained
from weathervane.source._progress import tell
from weathervane.source._run.days import parse_day, parse_days
from weathervane.source._run.engine import Ingestion
from weathervane.source._run.report import RunReport, reporting
from weathervane.source._run.set_aside import max_set_aside
from weathervane.source._run.slices import Deferring, Reader, SliceResult
from weathervane.source._run.summary import IngestionSummary
from weathervane.source._run.uploads import patched_rows
from weathervane.source._table.dataset import Dataset

__all__ = [
    "BACKFILL",
    "build_key",
    "ingest",
    "merge_incremental",
    "parse_day",
    "parse_days",
    "write_incremental",
    "write_records",
]


_ONE_BY_ONE = 8
"""A run's first task runs are a slice each, which is easy to follow. Each later one takes twice as many as the one
before: a task run costs, and Prefect keeps it. So 14 of them are enough for 134 slices, and 20 for 8,198.
"""
_RETRIES, _RETRY_SECONDS = 3, 30
BACKFILL = "backfill"
"""The tag of a run that fills in history: it moves no checkpoint."""


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
    retries=_RETRIES,
    retry_delay_seconds=_RETRY_SECONDS,
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


@contextmanager
def retries_told(ingestion: Ingestion) -> Iterator[None]:
    """Says of an error that the task is tried again after it, when, and what is then read."""
    try:
        yield
    except (SourceError, LakeError) as error:
        attempt = task_run.run_count or 0
        if error.retriable and 0 < attempt <= _RETRIES:
            again = f"attempt {attempt + 1} of {_RETRIES + 1}"
            tell(
                f"{error.message}; the slice is read again in {_RETRY_SECONDS} s, {again}",
                tenant=ingestion.tenant,
            )
        raise


def _slices_name() -> str:
    parameters = task_run.get_parameters()
    ingestion: Ingestion = parameters["ingestion"]
    up_to: int = parameters["up_to"]
    slice = ingestion.next_slice()
    more = f" and up to {up_to - 1:,} more" if up_to > 1 else ""
    return f"{ingestion.first} · {slice.name}{more}" if slice else f"{ingestion.first} · nothing more"


@task(
    task_run_name=_slices_name,
    retries=_RETRIES,
    retry_delay_seconds=_RETRY_SECONDS,
    retry_condition_fn=mendable,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def write_incremental(ingestion: Ingestion, report: RunReport, up_to: int = 1) -> list[SliceResult]:
    """Reads the next slices from the vendor and writes them to the lake, each in one stream and commit per dataset.

    Tried again, it goes on with the slice that failed.

    Args:
        ingestion: The run, which knows what comes next.
        report: Is told of each slice once it is committed.
        up_to: So many slices, or fewer when the run is complete before.
    """
    done: list[SliceResult] = []
    with retries_told(ingestion), contained():
        while len(done) < up_to and (slice := ingestion.next_slice()) is not None:
            done.append(ingestion.write(slice))
            report.add(done[-1])
    return done


def ingest(tenant: str, reader: Reader) -> IngestionSummary:
    """The body of a flow: every slice of the reader, then the summary. Outside of a flow run (`flow.fn(...)`) it does
    the same, without Prefect's task runs.

    The lake writer's address is `WEATHERVANE_LAKE_ADDRESS` (default `127.0.0.1:50051`); of a slice's rows at most the
    share `WEATHERVANE_MAX_SET_ASIDE` (default 0.5) may be set aside.
    """
    # A flow's own id is the same in every attempt of it, so that an attempt knows the writes of the one before.
    run_id = flow_run.get_id() or str(uuid.uuid4())
    in_flow = FlowRunContext.get() is not None
    forward = BACKFILL not in flow_run.get_tags()
    with (
        Ingestion(
            lake_address(),
            tenant,
            reader,
            run_id,
            merge=merge_incremental if in_flow else patched_rows,
            moves_checkpoint=forward,
            max_set_aside=max_set_aside(),
        ) as ingestion,
        reporting(ingestion) as report,
        contained(),
    ):
        for number in itertools.count():
            if ingestion.next_slice() is None:
                break
            write = write_incremental if in_flow else write_incremental.fn
            write(ingestion, report, 2 ** max(0, number - _ONE_BY_ONE + 1))
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
