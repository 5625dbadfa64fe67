"""What a run did, as a flow returns it, as Prefect is told it, and in a person's words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, NotRequired, TypedDict, cast

from weathervane.lake import Counts, WriteResult

__all__ = [
    "IngestionSummary",
    "PutOff",
    "SummaryMetadata",
    "TableSummary",
    "aside",
    "aside_by_table",
    "counts_in",
    "receipt_line",
    "receipt_row",
    "summary_from",
    "summary_of",
]


@dataclass(frozen=True, kw_only=True)
class TableSummary(Counts):
    """What a run did to one table; the counts are those of all its slices."""

    path: str
    """Where it is, as a URL or path that a Delta reader opens."""
    table_version: int
    total_rows: int
    checkpoint: str | None
    first_misfit: str | None = None
    """Which column did not fit first, and why; None when all did, or when an earlier attempt set it aside."""


class PutOff(TypedDict):
    """What a run left for later, as the vendor wants a pause."""

    dataset: str | None
    retry_after: float
    """Seconds."""
    reason: str
    message: str


class SummaryMetadata(TypedDict):
    """What `IngestionSummary.metadata` holds. The first four are the first table's."""

    new_rows: int
    updated_rows: int
    total_rows: int
    checkpoint: str | None
    state: str
    """`loaded`; `verified_empty` when the vendor said that there was nothing; `skipped`, `dispatched`."""
    slices: int
    set_aside_rows: int
    """Of all tables."""
    set_aside_values: int
    datasets: dict[str, TableSummary]
    deferred: NotRequired[PutOff]
    skipped_accounts: NotRequired[list[dict[str, Any]]]
    """Of a tenant's, those that are closed or suspended, each with its reason."""
    runs: NotRequired[dict[str, str]]
    """Of a dispatch: the runs' ids by tenant."""


@dataclass(frozen=True)
class IngestionSummary:
    """What a flow returns. `row_count` = new + updated rows of the flow's first dataset."""

    path: str
    """Where the first dataset's table is, as a URL or path that a Delta reader opens."""
    row_count: int
    source: str
    metadata: SummaryMetadata


def summary_of(
    source: str, tables: Mapping[str, TableSummary], *, slices: int = 0, state: str = ""
) -> IngestionSummary:
    """The summary of these tables, the first one first; without any, of a run that read nothing itself.

    `state` is what the tables say, unless one is given.
    """
    first = next(iter(tables.values()), None) or TableSummary(
        path="", table_version=-1, total_rows=0, checkpoint=None
    )
    every = Counts.sum(tables.values())
    return IngestionSummary(
        path=first.path,
        row_count=first.rows_inserted + first.rows_updated,
        source=source,
        metadata={
            "new_rows": first.rows_inserted,
            "updated_rows": first.rows_updated,
            "total_rows": first.total_rows,
            "checkpoint": first.checkpoint,
            "state": state or ("loaded" if every.rows_received else "verified_empty"),
            "slices": slices,
            "set_aside_rows": every.rows_quarantined,
            "set_aside_values": every.values_quarantined,
            "datasets": dict(tables),
        },
    )


def summary_from(told: Mapping[str, Any]) -> IngestionSummary:
    """The summary that a run told as `dataclasses.asdict`. Its worker may have a later version, with more to tell."""
    known = {field.name for field in fields(TableSummary)}
    tables = {
        dataset: TableSummary(**{name: value for name, value in table.items() if name in known})
        for dataset, table in told["metadata"]["datasets"].items()
    }
    metadata = cast(SummaryMetadata, {**told["metadata"], "datasets": tables})
    return IngestionSummary(told["path"], told["row_count"], told["source"], metadata)


def receipt_row(slice: str, receipt: WriteResult) -> dict[str, Any]:
    """A slice's receipt of one table, as a run's event and its table of receipts have it."""
    return {
        "slice": slice,
        "dataset": receipt.table.dataset,
        **receipt.counts(),
        "table_version": receipt.table_version,
        "checkpoint": receipt.checkpoint or "",
        "repeat": receipt.repeat,
    }


def receipt_line(tenant: str, row: Mapping[str, Any]) -> str:
    """A `receipt_row` in a person's words."""
    counts = counts_in(row)
    removed = f"{counts.rows_deleted:,} removed, " if counts.rows_deleted else ""
    told = aside(counts.rows_quarantined, counts.values_quarantined)
    return (
        f"{tenant}/{row['dataset']}: {row['slice']}: {counts.rows_inserted:,} new, {counts.rows_updated:,} updated,"
        f" {counts.rows_unchanged:,} unchanged, {removed}{told + ', ' if told else ''}version {row['table_version']}"
    )


def counts_in(row: Mapping[str, Any]) -> Counts:
    """The counts of a `receipt_row`. The worker that told it may have an earlier version, with fewer of them."""
    return Counts(**{name: row.get(name, 0) for name in Counts.words()})


def aside(rows: int, values: int = 0) -> str:
    """What was set aside, to follow other numbers after a comma; empty when there is nothing to tell."""
    told = [f"{rows:,} set aside"] if rows else []
    if values:
        told.append(f"{values:,} single values set aside")
    return ", ".join(told)


def aside_by_table(tables: Mapping[str, TableSummary]) -> str:
    """What a run set aside, by dataset, and where to look; empty when it took everything."""
    return "; ".join(_asides(tables))


def _asides(tables: Mapping[str, TableSummary]) -> Iterable[str]:
    for dataset, table in tables.items():
        if words := aside(table.rows_quarantined, table.values_quarantined):
            why = table.first_misfit or "an earlier attempt says why"
            yield f"{dataset} {words}: {why} (see {dataset}_quarantine)"
