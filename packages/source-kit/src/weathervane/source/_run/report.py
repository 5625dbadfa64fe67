"""What a run shows of itself in Prefect, while it goes on and at its end: artifacts for people, events for programs.

| artifact, `key` = the first dataset and the tenant, `shopify-orders--acme` | what |
| --- | --- |
| `<key>--progress` | a bar, moved after each slice |
| `<key>--slices` | a table of the receipts, one row a slice and dataset |
| `<key>` | a summary: counts, checkpoints before and after, where the tables are, how it ended |

| event, on the resource `prefect.flow-run.<id>` | payload |
| --- | --- |
| `weathervane.slice.committed` | the receipt, as one row of the table |
| `weathervane.run.ended` | of each attempt: `state`, `message`, and `summary` when it ended well |

They hold names, counts, bounds and checkpoints; never rows, never a secret. A UI that cannot be reached costs the run
nothing but a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.context import FlowRunContext
from prefect.events import emit_event
from prefect.runtime import flow_run as runtime

from weathervane.flow import ProgressBar, artifact_key, code, guarded, links, said
from weathervane.lake import Counts
from weathervane.source._run.engine import Ingestion
from weathervane.source._run.report_words import (
    became,
    deferred_line,
    shown,
    state_words,
    summary_line,
)
from weathervane.source._run.slices import SliceResult
from weathervane.source._run.summary import IngestionSummary, aside_by_table, receipt_row

__all__ = ["COMMITTED", "ENDED", "SHOWN", "RunReport", "reporting"]

COMMITTED = "weathervane.slice.committed"
ENDED = "weathervane.run.ended"

_MAX_ROWS = 500
"""Rows of the table of receipts, the last ones: an artifact is one value in Prefect's database. The log has all."""
SHOWN = "weathervane_shown"
"""Marks an error that a run's own report tells of."""


@contextmanager
def reporting(ingestion: Ingestion) -> Iterator[RunReport]:
    """Reports the run of an ingestion to Prefect, however it ends. Outside of a flow run it does nothing."""
    report = RunReport(ingestion)
    report.begin()
    try:
        yield report
    except BaseException as error:
        report.end(error)
        vars(error)[SHOWN] = True
        raise
    report.end(None)


class RunReport:
    """One run's artifacts and events."""

    def __init__(self, ingestion: Ingestion) -> None:
        self._ingestion = ingestion
        self._on = FlowRunContext.get() is not None
        first = ingestion.first
        self._key = artifact_key(first.dataset, first.tenant)
        self._title = str(first)
        self._before = dict(ingestion.checkpoints)
        self._rows: list[dict[str, Any]] = []
        self._slices = 0
        self._bar: ProgressBar | None = None
        self._summary: IngestionSummary | None = None

    def begin(self) -> None:
        """Shows an empty bar."""
        if self._on:
            self._bar = ProgressBar(self._key, self._title)

    def add(self, result: SliceResult) -> None:
        """A slice was committed."""
        self._slices += 1
        rows = [receipt_row(result.slice.name, receipt) for receipt in result.receipts.values()]
        self._rows = [*self._rows, *rows][-_MAX_ROWS:]

        def tell() -> None:
            run = f"prefect.flow-run.{runtime.get_id()}"
            for row in rows:
                table = f"weathervane.table.{self._ingestion.tenant}.{row['dataset']}"
                emit_event(
                    COMMITTED,
                    resource={"prefect.resource.id": run, "prefect.resource.name": runtime.get_name() or ""},
                    related=[{"prefect.resource.id": table, "prefect.resource.role": "table"}],
                    payload=row,
                )

        self._try(tell)
        if self._bar is not None:
            self._bar.move(result.done or 0.0, self._where(result.slice.name))

    def ended(self, summary: IngestionSummary) -> None:
        """The run has read everything."""
        self._summary = summary

    def end(self, error: BaseException | None) -> None:
        """Leaves the table and the summary, and tells that the run has ended."""
        if self._summary is not None:
            deferred = self._summary.metadata.get("deferred")
            state = "deferred" if deferred else self._summary.metadata["state"]
            title = state if deferred else state_words(self._summary)
            message = deferred_line(self._summary) if deferred else summary_line(self._summary)
        else:
            state, message = became(error), said(error)
            title = state

        if self._bar is not None and state in ("loaded", "verified_empty"):
            self._bar.move(1.0, self._where("complete"), last=True)

        def show() -> None:
            words = Counts.words()
            rows = [
                {
                    words.get(name, name): shown(value) if name == "checkpoint" else value
                    for name, value in row.items()
                }
                for row in self._rows
            ]
            create_table_artifact(rows, f"{self._key}--slices", f"{self._title}: receipts by slice")
            create_markdown_artifact(self._markdown(title, message), self._key, f"{self._title}: {title}")
            payload: dict[str, Any] = {"state": state, "message": message}
            if self._summary is not None:
                payload["summary"] = asdict(self._summary)
            emit_event(
                ENDED,
                resource={
                    "prefect.resource.id": f"prefect.flow-run.{runtime.get_id()}",
                    "prefect.resource.name": runtime.get_name() or "",
                },
                payload=payload,
            )

        self._try(show)

    def _where(self, what: str) -> str:
        return f"{self._slices:,} slices, last {what}"

    def _markdown(self, state: str, message: str) -> str:
        lines = [f"# {self._title}: {state}", "", code(message), ""]
        words = Counts.words()
        lines += ["| " + " | ".join(["dataset", *words.values(), "rows", "version"]) + " |"]
        lines += ["| --- " + "| ---: " * (len(words) + 2) + "|"]
        tables = self._summary.metadata["datasets"] if self._summary is not None else {}
        for dataset, table in tables.items():
            numbers = [*table.counts().values(), table.total_rows, table.table_version]
            lines.append(f"| {dataset} | {' | '.join(f'{number:,}' for number in numbers)} |")
        lines += ["", "| dataset | checkpoint before | checkpoint after |", "| --- | --- | --- |"]
        for dataset, after in self._ingestion.checkpoints.items():
            lines.append(f"| {dataset} | {code(shown(self._before[dataset]))} | {code(shown(after))} |")
        lines += ["", *(f"- table {code(table.path)}" for table in tables.values())]
        if told := aside_by_table(tables):
            lines.append(f"- did not fit: {told}")
        lines += links()
        lines.append(f"- artifacts `{self._key}--slices`, `{self._key}--progress`")
        return "\n".join(lines)

    def _try(self, show: Callable[[], None]) -> None:
        if self._on:
            guarded(self._title, show)
