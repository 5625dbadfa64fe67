"""What a source is to those who serve, schedule or test it: its flows, their datasets, and how a tenant is checked.

Free of Prefect and gRPC; `service.py` serves it, `cli.py` gives it commands, `testing.py` holds it to its promises.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version

from weathervane.source._credentials import SourceCredentials
from weathervane.source._run.summary import IngestionSummary
from weathervane.source._table.dataset import Dataset

__all__ = [
    "Days",
    "Estimate",
    "Estimator",
    "Finding",
    "FlowDefinition",
    "Forecast",
    "Severity",
    "SourceDefinition",
]


class Severity(enum.Enum):
    """How much a finding matters."""

    INFO = "info"
    """Good to know."""
    WARNING = "warning"
    """Runs, but something is left out."""
    ERROR = "error"
    """Cannot run."""


@dataclass(frozen=True)
class Finding:
    """One thing that a check of a tenant found."""

    severity: Severity
    reason: str
    """UPPER_SNAKE_CASE, stable across releases (AIP-193), e.g. `MISSING_SCOPE`."""
    message: str
    """One line: what was found and what to do; never a secret."""


@dataclass(frozen=True)
class Days:
    """Whole days, as a flow is given them."""

    first: date
    last: date
    """Inclusive."""

    @property
    def count(self) -> int:
        """How many."""
        return (self.last - self.first).days + 1

    def __str__(self) -> str:
        return f"{self.first} to {self.last}"


@dataclass(frozen=True)
class Estimate:
    """What one run over some days will take, as far as that can be told beforehand."""

    slices: int
    requests: int
    """To the vendor, those for tokens left out."""
    seconds: float
    """As the source paces itself when the vendor throttles nothing."""


@dataclass(frozen=True)
class Forecast:
    """What several runs will take."""

    windows: tuple[Estimate, ...]
    """One for each that was asked for, in their order."""
    notes: tuple[str, ...] = ()
    """What the figures stand on and leave out, a line each; never a secret."""


Estimator = Callable[[str, Sequence[Days], Mapping[str, str]], Forecast]
"""Asks the vendor a few small questions about a tenant: `estimate(tenant, windows, the flow's other parameters)`. It
may raise the vendor's refusal as the SourceError it is."""


@dataclass(frozen=True)
class FlowDefinition:
    """One of a source's Prefect flows."""

    name: str
    """E.g. `ingest_shopify_orders`."""
    flow: Callable[..., IngestionSummary]
    """The flow; called as `flow(tenant_id=str, start_date=date | None, end_date=date | None)`."""
    datasets: tuple[Dataset, ...]
    """What it fills, the one that carries the run's checkpoint first."""
    estimate: Estimator | None = None
    """What a backfill will take; None when nobody can say."""
    undivided: str = ""
    """Why a backfill is one run, however many its days; empty for a flow that can be cut into windows of days."""


@dataclass(frozen=True)
class SourceDefinition:
    """A source.

    Raises:
        ValueError: Two flows have one name, a flow fills nothing, or two datasets of one name differ.
    """

    name: str
    """E.g. `shopify`."""
    package: str
    """Its distribution, e.g. `weathervane-shopify`."""
    api_version: str
    """The vendor API's version that it speaks."""
    api_version_ends: date
    """The day on which the vendor stops supporting that version."""
    flows: tuple[FlowDefinition, ...]
    credentials: type[SourceCredentials]
    """What a tenant must have before a run is worth starting."""
    check: Callable[[str], list[Finding]]
    """Asks the vendor about a tenant, reading no rows. A vendor's refusal may be raised as the SourceError it is."""

    def __post_init__(self) -> None:
        if len({flow.name for flow in self.flows}) < len(self.flows):
            raise ValueError(f"source {self.name!r}: two flows have one name")
        known: dict[str, Dataset] = {}
        for flow in self.flows:
            if not flow.datasets:
                raise ValueError(f"flow {flow.name!r} fills no dataset")
            for dataset in flow.datasets:
                if known.setdefault(dataset.name, dataset) != dataset:
                    raise ValueError(f"two datasets are named {dataset.name!r} and differ")

    @cached_property
    def datasets(self) -> tuple[Dataset, ...]:
        """The datasets of all flows, each once."""
        return tuple({dataset.name: dataset for flow in self.flows for dataset in flow.datasets}.values())

    @property
    def package_version(self) -> str:
        """The installed package's version; `0+unknown` when it runs from a checkout that nobody installed."""
        try:
            return version(self.package)
        except PackageNotFoundError:
            return "0+unknown"

    def flow(self, name: str) -> FlowDefinition | None:
        """The flow of this name, or None."""
        return next((flow for flow in self.flows if flow.name == name), None)
