"""The stage of a check: a running vendor, an empty lake, and a source whose flows find both."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import stamina
from prefect.logging.handlers import PrefectConsoleHandler

from weathervane.lake import LakeClient, NotFoundError, TableRef
from weathervane.lake.testing import running_lake
from weathervane.source._definition import FlowDefinition
from weathervane.source._run.summary import IngestionSummary
from weathervane.source._table.dataset import Dataset
from weathervane.source.testing._vendor import PretendSource, RunningVendor

__all__ = ["Stage", "staged"]


@dataclass
class Stage:
    """What a check works with."""

    source: PretendSource
    vendor: RunningVendor
    lake: LakeClient
    log: list[str] = field(default_factory=list)
    """Every line that this process logged, tracebacks too."""

    def enter(self, tenant: str) -> str:
        """Gives a tenant its credentials, and returns its name."""
        os.environ.update(self.vendor.environment(tenant))
        return tenant

    def run(self, flow: FlowDefinition, tenant: str, *, retries: int = 0, **dates: Any) -> IngestionSummary:
        """One run of a flow, by itself without the flow's own retries: those begin anew, as the next call does."""
        declared: Any = flow.flow
        summary: IngestionSummary = declared.with_options(retries=retries, retry_delay_seconds=0)(
            tenant_id=tenant, **dates
        )
        return summary

    def run_all(self, tenant: str) -> dict[str, IngestionSummary]:
        """One run of each flow, by name."""
        return {flow.name: self.run(flow, tenant) for flow in self.source.definition.flows}

    def state(self, tenant: str) -> dict[str, tuple[str | None, int, int]]:
        """By dataset: the checkpoint, the number of data files and their bytes. Tables that are not there are not
        in it.
        """
        found = {}
        for dataset in self.source.definition.datasets:
            try:
                table = self.lake.describe(TableRef(tenant, dataset.name))
            except NotFoundError:
                continue
            found[dataset.name] = (table.checkpoint, table.file_count, table.size_bytes)
        return found

    def rows(self, dataset: Dataset, tenant: str) -> dict[tuple[Any, ...], Mapping[str, Any]]:
        """A tenant's table by key; fails when a key is there twice."""
        rows = self.lake.read(TableRef(tenant, dataset.name)).read_all().to_pylist()
        return _by_key(dataset, rows, f"{tenant}'s {dataset.name}")

    def assert_true(self, tenant: str, datasets: Sequence[Dataset] | None = None) -> None:
        """The tenant's tables (all when not said which) hold what the vendor has: no row more, none less, and the
        vendor's values.
        """
        for dataset in datasets or self.source.definition.datasets:
            stored = self.rows(dataset, tenant)
            truth = _by_key(
                dataset, list(self.vendor.truth(dataset.name, tenant)), f"the truth of {dataset.name}"
            )
            assert truth, f"the sandbox has no rows of {dataset.name}, so this proves nothing"
            missing, strange = sorted(set(truth) - set(stored)), sorted(set(stored) - set(truth))
            assert not missing, f"{dataset.name} lacks {len(missing)} rows, e.g. {missing[0]}"
            assert not strange, (
                f"{dataset.name} has {len(strange)} rows that are not the vendor's, e.g. {strange[0]}"
            )
            for key, row in truth.items():
                found = {name: stored[key][name] for name in row}
                assert found == dict(row), f"{dataset.name} {key} differs"

    def assert_secret(self, *texts: str) -> None:
        """Nothing that was logged, and none of these texts, holds a secret."""
        for text in (*self.log, *texts):
            for secret in self.source.secrets:
                assert secret not in text, f"a secret is told: {text.replace(secret, '<secret>')}"


@contextmanager
def staged(source: PretendSource, folder: Path) -> Iterator[Stage]:
    """A stage with one tenant, `acme`; the lake is in `folder`. Retries do not wait, their number is the real one."""
    from weathervane.source._run import tasks

    before = dict(os.environ)
    writing: Any = tasks.write_incremental
    delay = writing.retry_delay_seconds
    with source.running() as vendor, running_lake(folder) as lake, _recorded() as log:
        stage = Stage(source, vendor, lake, log)
        os.environ["WEATHERVANE_LAKE_ADDRESS"] = lake.target
        stage.enter("acme")
        writing.retry_delay_seconds = 0
        stamina.set_testing(True, attempts=100, cap=True)
        try:
            yield stage
        finally:
            stamina.set_testing(False)
            writing.retry_delay_seconds = delay
            os.environ.clear()
            os.environ.update(before)


def _by_key(
    dataset: Dataset, rows: list[Mapping[str, Any]], what: str
) -> dict[tuple[Any, ...], Mapping[str, Any]]:
    found = {tuple(row[name] for name in dataset.unique_keys): row for row in rows}
    assert len(found) == len(rows), f"{what}: {len(rows) - len(found)} rows are there twice"
    return found


@contextmanager
def _recorded() -> Iterator[list[str]]:
    lines: list[str] = []

    class Recorder(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    recorder = Recorder(logging.DEBUG)
    recorder.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    # Prefect's loggers do not propagate to the root.
    loggers = [logging.getLogger(name) for name in ("", "prefect", "weathervane")]
    # Its console colours every word of thousands of lines: most of a check's time, for nobody.
    consoles = [
        one for logger in loggers for one in logger.handlers if isinstance(one, PrefectConsoleHandler)
    ]
    both: list[logging.Logger | logging.Handler] = [*loggers, *consoles]
    levels = [(one, one.level) for one in both]
    for console in consoles:
        console.setLevel(logging.ERROR)
    for logger in loggers:
        logger.addHandler(recorder)
        logger.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        for logger in loggers:
            logger.removeHandler(recorder)
        for one, level in levels:
            one.setLevel(level)
