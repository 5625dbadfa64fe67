"""The words of a run's reports in Prefect: states and lines, none of which holds a row or a secret."""

from __future__ import annotations

from weathervane.source._errors import DeferredError, IncompleteError
from weathervane.source._run.summary import IngestionSummary, aside, aside_by_table

__all__ = [
    "became",
    "deferred_line",
    "shown",
    "state_words",
    "summary_line",
]

_MAX_CHECKPOINT = 200


def summary_line(summary: IngestionSummary) -> str:
    """A run that ended well, in one line."""
    counts = summary.metadata
    told = aside_by_table(counts["datasets"])
    removed = sum(table.rows_deleted for table in counts["datasets"].values())
    gone = f" {removed:,} rows removed;" if removed else ""
    return (
        f"{counts['new_rows']:,} new and {counts['updated_rows']:,} updated rows in {counts['slices']:,} slices;{gone}"
        f" {told + '; ' if told else ''}{counts['total_rows']:,} in the table;"
        f" checkpoint {shown(counts['checkpoint'])}"
    )


def deferred_line(summary: IngestionSummary) -> str:
    """What a run left for later, and what it did not take of the rest."""
    parts = [summary.metadata["deferred"]["message"], aside_by_table(summary.metadata["datasets"])]
    return "; ".join(filter(None, parts))


def state_words(summary: IngestionSummary) -> str:
    """How a run ended well, e.g. `loaded, 3 set aside`."""
    told = aside(summary.metadata["set_aside_rows"], summary.metadata["set_aside_values"])
    return ", ".join(filter(None, [summary.metadata["state"].replace("_", " "), told]))


def shown(checkpoint: str | None) -> str | None:
    """A checkpoint for people: that of many accounts is cut."""
    if checkpoint is None or len(checkpoint) <= _MAX_CHECKPOINT:
        return checkpoint
    return f"{checkpoint[:_MAX_CHECKPOINT]}… ({len(checkpoint):,} characters)"


def became(error: BaseException | None) -> str:
    """In which state an error leaves a run."""
    if isinstance(error, IncompleteError):
        return "incomplete"
    if isinstance(error, DeferredError):
        return "deferred"
    return "failed" if isinstance(error, Exception) else "interrupted"
