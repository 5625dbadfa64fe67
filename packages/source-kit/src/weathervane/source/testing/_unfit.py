"""What a source must bear: any value of any column that is not what was declared, in a row, in many and in all.

The runs are made without Prefect, whose part in it other checks show: there is one for each column.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from weathervane.lake import NotFoundError, TableRef
from weathervane.source._definition import FlowDefinition
from weathervane.source._errors import ContractError, IncompleteError
from weathervane.source._run.set_aside import MAX_SET_ASIDE
from weathervane.source._run.summary import IngestionSummary, TableSummary
from weathervane.source._table.cast import cast_column
from weathervane.source._table.column import Column
from weathervane.source._table.dataset import Dataset
from weathervane.source._table.quarantine import VALUE_ASIDE
from weathervane.source.testing._stage import Stage

if TYPE_CHECKING:
    from weathervane.source.sandbox import Fault

__all__ = [
    "an_unfit_value_of_any_column_costs_its_row_alone",
    "declared_paths",
    "rows_that_hardly_fit_are_no_load",
]

_ANOTHER_KIND = {"unfit": True}
_UNFIT_TEXT = "no value of ours"
_RUNS = 6
"""For the columns of one table: a sandbox with a handful of rows would take one for each."""


def an_unfit_value_of_any_column_costs_its_row_alone(stage: Stage) -> None:
    """Of another JSON kind, or no value of its type: the run loads, that row is set aside and counted, or the value
    alone where the column says so (`on_misfit`), and every other row is there. What names or orders rows may fail the
    run instead, as a contract that was broken.
    """
    os.environ[MAX_SET_ASIDE] = "0.9"
    for flow in stage.source.definition.flows:
        whole = _run(stage, flow, stage.enter(f"whole_{flow.name}"[:63]))
        spots = [
            [
                (dataset, column)
                for column in dataset.selected
                if column.name in stage.vendor.on_the_wire(dataset)
            ]
            for dataset in flow.datasets
        ]
        tried = sum(
            _tried(stage, flow, [spot for spot in one if _places(*spot) is places], whole)
            for one in spots
            for places in (True, False)
        )
        assert 2 * tried > sum(map(len, spots)), f"the sandbox shows too few records of {flow.name} to spoil"


def rows_that_hardly_fit_are_no_load(stage: Stage) -> None:
    """A share of a table's rows may be set aside, and is told. When none fits, the run is incomplete, says so by name,
    and moves nothing; but for a table beside the first one, of a few rows in a slice.
    """
    os.environ[MAX_SET_ASIDE] = "0.9"
    for number, flow in enumerate(stage.source.definition.flows):
        whole = _run(stage, flow, stage.enter(f"share_{number}"))
        tried = 0
        for dataset in flow.datasets:
            column = _measure(stage, dataset)
            if column is None:
                continue
            fault = stage.vendor.unfit(**_aim(stage, dataset, column), every=3, enough=3)
            counts = _counts(_run(stage, flow, stage.enter(f"some_{dataset.name}"[:63])), dataset)
            stage.vendor.mend()
            if not fault.args.get("spoilt"):
                continue
            tried += 1
            assert counts.rows_quarantined, (
                f"{dataset.name}: rows with an unfit {column.name} were not set aside"
            )
            assert counts.total_rows == _rows_of(whole, dataset) - counts.rows_quarantined
            nothing = stage.enter(f"none_{dataset.name}"[:63])
            stage.vendor.unfit(**_aim(stage, dataset, column))
            error = _error_of(stage, flow, nothing)
            stage.vendor.mend()
            if error is None and dataset.name != flow.datasets[0].name:
                # Too few of them in each slice to keep the first table from the lake.
                told = stage.lake.read(TableRef(nothing, f"{dataset.name}_quarantine")).read_all().num_rows
                assert told, f"no row of {dataset.name} fits, and nothing is told of it"
                continue
            assert isinstance(error, IncompleteError), (
                f"no row of {dataset.name} fits, and the run ends with {error!r}"
            )
            assert (error.reason, error.dataset) == ("TOO_MANY_SET_ASIDE", dataset.name)
            assert not _stored(stage, dataset, nothing), f"{dataset.name} was written though no row fits"
        assert tried, f"the sandbox shows no records of {flow.name} to spoil"


_Spot = tuple[Dataset, Column]


def _tried(stage: Stage, flow: FlowDefinition, spots: Sequence[_Spot], whole: IngestionSummary) -> int:
    """Spoils the columns of one table, each in rows of its own, in as many runs as there are rows for; how many."""
    left = list(spots)
    # Of half of the rows: a slice of few would not bear more.
    for _ in range(_RUNS):
        spoilt = _spoilt(stage, flow, left, whole, every=2) if left else []
        left = [one for one in left if one not in spoilt]
        if not spoilt:
            break
    if left and len(left) == len(spots):
        spoilt = _spoilt(stage, flow, left[:1], whole)
        left = [one for one in left if one not in spoilt]
    return len(spots) - len(left)


def _spoilt(
    stage: Stage, flow: FlowDefinition, spots: Sequence[_Spot], whole: IngestionSummary, *, every: int = 1
) -> list[_Spot]:
    """Spoils some rows for each column, each row for one; which columns there were records for."""
    tenant = stage.enter(f"{spots[0][1].name}_{len(spots)}_{spots[0][0].name}"[:63])
    faults: dict[int, Fault] = {}
    taken: dict[str, set[str]] = {}
    for number, (dataset, column) in enumerate(spots):
        aim = _aim(stage, dataset, column)
        # One value each where many columns share few rows, now of another kind and now of its own.
        few = len(spots) > 1 and _rows_of(whole, dataset) < 5 * len(spots)
        values = [aim["values"][number % len(aim["values"])]] if few else aim["values"]
        faults[number] = stage.vendor.unfit(
            **{**aim, "values": values},
            count=len(values),
            every=every,
            enough=2 * len(values) + 1,
            taken=taken.setdefault(dataset.name, set()),
        )
    error: BaseException | None = None
    try:
        summary = _run(stage, flow, tenant)
    except Exception as caught:
        error = caught
    finally:
        stage.vendor.mend()
    spoilt = [spot for number, spot in enumerate(spots) if faults[number].args.get("spoilt")]
    if error is not None:
        if len(spots) > 1:
            # One of them, or how many they are: find out which.
            half = len(spots) // 2
            parts = (spots[:half], spots[half:])
            return [one for part in parts for one in _spoilt(stage, flow, part, whole, every=every)]
        dataset, column = spots[0]
        what = f"{dataset.name}.{column.name} as {json.dumps(_aim(stage, dataset, column)['values'])}"
        assert _places(dataset, column), f"{what} in one row fails the whole run: {error}"
        assert isinstance(error, ContractError | IncompleteError), f"{what} is no broken contract: {error!r}"
        return spoilt
    for number, (dataset, column) in enumerate(spots):
        if found := faults[number].args.get("spoilt"):
            _check(stage, tenant, dataset, column, len(found))
    for dataset in flow.datasets:
        counts = _counts(summary, dataset)
        assert counts.total_rows == _rows_of(whole, dataset) - counts.rows_quarantined, (
            f"of {dataset.name} more rows are missing than were set aside"
        )
    return spoilt


def _check(stage: Stage, tenant: str, dataset: Dataset, column: Column, rows: int) -> None:
    """The quarantine has an entry of each, as the column says."""
    what = f"{dataset.name}.{column.name} in {rows} rows"
    try:
        entries = stage.lake.read(TableRef(tenant, f"{dataset.name}_quarantine")).read_all().to_pylist()
    except NotFoundError:
        entries = []
    blamed = [one for one in entries if one["column_name"] in _readers(dataset, column)]
    assert len(blamed) >= rows, (
        f"{what} was made unfit, and {len(blamed)} were set aside for it:"
        f" {[(one['row_key'], one['column_name'], one['value']) for one in entries if one not in blamed][:5]}"
    )
    alone = [one["reason"].startswith(VALUE_ASIDE) for one in blamed]
    assert all(alone) if column.on_misfit == "value" else not any(alone), f"{what}: {blamed[0]['reason']}"


def _places(dataset: Dataset, column: Column) -> bool:
    return column.name in {*dataset.unique_keys, dataset.version_column, dataset.cluster_by}


def _measure(stage: Stage, dataset: Dataset) -> Column | None:
    """A column that sets its row aside, and neither names nor orders rows."""
    known = stage.vendor.on_the_wire(dataset)
    found = [
        c for c in dataset.selected if c.name in known and c.on_misfit == "row" and not _places(dataset, c)
    ]
    # A number is in every record; a text may be left out of many.
    numbers = [c for c in found if pa.types.is_decimal(c.type) or pa.types.is_integer(c.type)]
    return next(iter(numbers or found), None)


def _readers(dataset: Dataset, column: Column) -> set[str]:
    """The columns that read this value, or one within it."""
    here = column.members
    return {c.name for c in dataset.selected if c.climb == column.climb and c.members[: len(here)] == here}


def _aim(stage: Stage, dataset: Dataset, column: Column) -> dict[str, Any]:
    wire = stage.vendor.on_the_wire(dataset)
    return {
        "keys": sorted({wire[name] for name in dataset.unique_keys if name in wire}),
        "members": sorted(set(wire.values())),
        "path": wire[column.name],
        "values": list(_values(column)),
        "others": [
            sorted(set(stage.vendor.on_the_wire(one).values()))
            for one in stage.source.definition.datasets
            if one.name != dataset.name
        ],
    }


def declared_paths(dataset: Dataset) -> Mapping[str, str]:
    """`RunningVendor.on_the_wire` of a source that reads what the vendor sends as it is."""
    # What stands above a list is another table's too; what is kept as JSON takes any.
    return {c.name: c.path for c in dataset.selected if not c.climb and c.json_kind != "raw"}


def _values(column: Column) -> Iterator[Any]:
    """Of another JSON kind, and of the same kind what no conversion takes."""
    yield _ANOTHER_KIND
    if column.json_kind in ("string", "scalar"):
        text = pa.array([_UNFIT_TEXT])
        if cast_column(text, column)[0].null_count:
            yield _UNFIT_TEXT
    elif column.json_kind == "number" and not pa.types.is_floating(column.type):
        yield 1.5e60
    else:
        yield _UNFIT_TEXT


def _run(stage: Stage, flow: FlowDefinition, tenant: str) -> IngestionSummary:
    declared: Any = flow.flow
    summary: IngestionSummary = declared.fn(tenant_id=tenant)
    return summary


def _error_of(stage: Stage, flow: FlowDefinition, tenant: str) -> Exception | None:
    try:
        _run(stage, flow, tenant)
    except Exception as error:
        return error
    return None


def _counts(summary: IngestionSummary, dataset: Dataset) -> TableSummary:
    return summary.metadata["datasets"][dataset.name]


def _rows_of(summary: IngestionSummary, dataset: Dataset) -> int:
    return _counts(summary, dataset).total_rows


def _stored(stage: Stage, dataset: Dataset, tenant: str) -> int:
    try:
        return stage.lake.describe(TableRef(tenant, dataset.name)).total_rows
    except NotFoundError:
        return 0
