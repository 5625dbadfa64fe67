"""What a source gives to the conformance suite: itself, and its vendor as a sandbox that can be told to misbehave."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from weathervane.source._definition import SourceDefinition
from weathervane.source._table.dataset import Dataset

if TYPE_CHECKING:
    from weathervane.source.sandbox import Fault as SandboxFault

__all__ = ["Fault", "PretendSource", "RunningVendor"]


class Fault(enum.Enum):
    """The ways in which every vendor fails."""

    THROTTLED = "throttled"
    """One call is told to come back, in the vendor's own way; the next one is answered."""
    REFUSED = "refused"
    """The tenant's credentials are refused, until mended."""
    INCOMPLETE = "incomplete"
    """Each page of rows lacks some, in the most innocent way that the vendor has, until mended."""


class RunningVendor(Protocol):
    """A sandbox that is being served. It lives until the test ends; each of its tenants sees the same data."""

    def environment(self, tenant: str) -> Mapping[str, str]:
        """The variables by which the source finds this sandbox for a tenant."""
        ...

    def truth(self, dataset: str, tenant: str) -> Collection[Mapping[str, Any]]:
        """Every row that a tenant's table must hold now: the unique key, and the columns that are worth comparing,
        with values as `pyarrow.Table.to_pylist` gives them.
        """
        ...

    def change(self) -> None:
        """Changes a record that each flow reads, and adds one where it can; later than all that was read before."""
        ...

    def spoil(self) -> Mapping[str, int]:
        """Makes records of one kind not fit their columns; dataset -> how many rows are to be set aside."""
        ...

    def unfit(self, **args: Any) -> SandboxFault:
        """Arms the sandbox's fault `unfit` with these arguments, until mended."""
        ...

    def on_the_wire(self, dataset: Dataset) -> Mapping[str, str]:
        """Where the values of a table's columns stand in the vendor's records, for those that stand there by
        themselves: column -> path. `declared_paths`, where the source reads the vendor's records as they are.
        """
        ...

    def break_down(self, fault: Fault) -> None:
        """From now on the vendor has this fault."""
        ...

    def mend(self) -> None:
        """It has none any more."""
        ...


class PretendSource(Protocol):
    """A source under test, with its sandbox."""

    @property
    def definition(self) -> SourceDefinition:
        """The source."""
        ...

    @property
    def secrets(self) -> Collection[str]:
        """What `environment` has that nothing may ever show: tokens, client secrets."""
        ...

    def running(self) -> AbstractContextManager[RunningVendor]:
        """Serves a small sandbox: some dozens of records, so that a check takes a second."""
        ...
