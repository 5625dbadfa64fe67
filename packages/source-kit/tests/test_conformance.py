"""The conformance suite: an honest source passes, and each kind of dishonest one is found out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prefect import flow

from weathervane.source._definition import FlowDefinition
from weathervane.source._errors import ContractError
from weathervane.source._run.slices import Slice
from weathervane.source._run.summary import IngestionSummary
from weathervane.source.testing import CHECKS, Check, Fault, staged

from .pretend_flows import PRETEND, PretendSandbox, PretendSource, ingest_pretend_things


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_an_honest_source_passes(check: Check, prefect: None, tmp_path: Path) -> None:
    """The pretend source keeps every promise."""
    with staged(PretendSource(), tmp_path / "lake") as stage:
        check(stage)


class Lost(PretendSandbox):
    """A sandbox whose truth has a thing that no read will ever give: a source that loses rows."""

    def truth(self, dataset: str, tenant: str) -> list[Any]:
        """One more than there is."""
        rows = super().truth(dataset, tenant)
        return [*rows, {**rows[0], "thing_id": "lost"}]


class Unnoticed(PretendSandbox):
    """A sandbox whose incomplete answers go unnoticed."""

    def break_down(self, fault: Fault) -> None:
        """Nothing that the source would see."""


class Talking(PretendSandbox):
    """A source that logs its token."""

    def environment(self, tenant: str) -> Any:
        """Tells while it gives."""
        import logging

        logging.getLogger("weathervane.pretend").debug("connecting with %s", super().environment(tenant))
        return super().environment(tenant)


class Strict(PretendSandbox):
    """A source that one unfit value ends."""

    def unfit(self, **args: Any) -> Any:
        """Whatever it is."""
        self.vendor.on_read = _end
        return super().unfit(**args)

    def mend(self) -> None:
        """Reads again."""
        super().mend()
        self.vendor.on_read = lambda slice: None


def _end(slice: Slice) -> None:
    raise ContractError("a value is not as documented", reason="UNEXPECTED_JSON")


class Dropping(PretendSandbox):
    """A source that leaves out what does not fit, and says nothing."""

    def unfit(self, **args: Any) -> Any:
        """Nothing of it comes to the reader."""
        fault = super().unfit(**args)
        self.vendor.unfit.clear()
        fault.args["spoilt"] = {"one": 0}
        return fault


BREACHES: list[tuple[str, type[PretendSandbox], str]] = [
    ("a_first_run_loads_all_that_the_vendor_has", Lost, "pretend_things lacks 1 rows"),
    ("a_read_that_is_not_whole_commits_nothing", Unnoticed, "DID NOT RAISE"),
    ("refused_credentials_are_said_in_one_line", Unnoticed, "DID NOT RAISE"),
    ("an_unfit_value_of_any_column_costs_its_row_alone", Strict, r"things\.value as .* fails the whole run"),
    ("an_unfit_value_of_any_column_costs_its_row_alone", Dropping, "made unfit, and 0 were set aside"),
    ("rows_that_hardly_fit_are_no_load", Dropping, "were not set aside"),
    ("a_first_run_loads_all_that_the_vendor_has", Talking, "a secret is told: .*<secret>"),
]


@pytest.mark.parametrize(("name", "sandbox", "found"), BREACHES)
def test_a_breach_is_found(
    name: str, sandbox: type[PretendSandbox], found: str, prefect: None, tmp_path: Path
) -> None:
    """The suite fails for a source that breaks the promise, and says what it saw."""

    class Breaching(PretendSource):
        @contextmanager
        def running(self) -> Iterator[PretendSandbox]:
            with super().running() as honest:
                yield sandbox(honest.vendor)

    (check,) = (check for check in CHECKS if check.__name__ == name)
    failed: Any = (AssertionError, pytest.fail.Exception)
    with staged(Breaching(), tmp_path / "lake") as stage, pytest.raises(failed, match=found):
        check(stage)


@flow(name="ingest_pretend_things", retries=3, retry_delay_seconds=60)
def twice(tenant_id: str, start_date: Any = None, end_date: Any = None) -> IngestionSummary:
    """Counts what it brings twice."""
    summary = ingest_pretend_things(tenant_id)
    return replace(summary, row_count=2 * summary.row_count)


@flow(name="another_name", retries=0)
def misnamed(tenant_id: str) -> IngestionSummary:
    """Is not what the schedule expects."""
    raise NotImplementedError


@pytest.mark.parametrize(
    ("name", "dishonest"),
    [("a_flow_is_what_the_schedule_expects", misnamed), ("a_first_run_loads_all_that_the_vendor_has", twice)],
)
def test_a_dishonest_flow_is_found(
    name: str, dishonest: Callable[..., IngestionSummary], prefect: None, tmp_path: Path
) -> None:
    """A flow that is not what it should be, or counts what it did not do, fails the suite."""

    class Dishonest(PretendSource):
        definition = replace(
            PRETEND, flows=(FlowDefinition("ingest_pretend_things", dishonest, PRETEND.flows[0].datasets),)
        )

    (check,) = (check for check in CHECKS if check.__name__ == name)
    with staged(Dishonest(), tmp_path / "lake") as stage, pytest.raises(AssertionError):
        check(stage)
