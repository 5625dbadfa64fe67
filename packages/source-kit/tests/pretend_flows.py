"""The pretend source as a whole: credentials, a check, a Prefect flow and a sandbox for the conformance suite."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any, ClassVar

from prefect import flow
from pydantic import SecretStr

from weathervane.source._credentials import SourceCredentials
from weathervane.source._definition import (
    Days,
    Estimate,
    Finding,
    FlowDefinition,
    Forecast,
    Severity,
    SourceDefinition,
)
from weathervane.source._errors import CredentialsError, ThrottledError
from weathervane.source._run.days import parse_days
from weathervane.source._run.flow_body import run_for_tenant, run_name
from weathervane.source._run.slices import Slice
from weathervane.source._run.summary import IngestionSummary
from weathervane.source._run.tasks import ingest
from weathervane.source._table.dataset import Dataset
from weathervane.source.sandbox._faults import Fault as SandboxFault
from weathervane.source.testing import Fault, declared_paths

from .pretend_source import CANARY, PARTS, THINGS, ListReader, ListVendor

VENDORS: dict[str, ListVendor] = {}
"""The vendors that run, by the number under which a tenant's credentials find them."""


class PretendCredentials(SourceCredentials):
    """What a tenant of the pretend vendor has."""

    source: ClassVar[str] = "pretend"
    vendor: str
    token: SecretStr

    def connect(self) -> ListVendor:
        """The vendor, if it takes the token."""
        vendor = VENDORS[self.vendor]
        if vendor.token != self.token.get_secret_value():
            raise CredentialsError("the vendor refuses the token", reason="TOKEN_REFUSED")
        return vendor


@flow(name="ingest_pretend_things", flow_run_name=run_name, retries=3, retry_delay_seconds=60)
def ingest_pretend_things(
    tenant_id: str, start_date: date | None = None, end_date: date | None = None
) -> IngestionSummary:
    """Brings things and their parts."""

    def work(tenant: str, credentials: PretendCredentials) -> IngestionSummary:
        start, end = parse_days(start_date, end_date)
        return ingest(tenant, ListReader(credentials.connect(), tenant=tenant, start=start, end=end))

    return run_for_tenant(tenant_id, PretendCredentials, work)


def check(tenant: str) -> list[Finding]:
    """The vendor is there and takes the token."""
    PretendCredentials.load(tenant).connect()
    return [Finding(Severity.WARNING, "PRETENDED", "nothing of this is real")]


def estimate(tenant: str, windows: Sequence[Days], parameters: Mapping[str, str]) -> Forecast:
    """A request and a minute a day."""
    PretendCredentials.load(tenant).connect()
    each = (Estimate(1, window.count, 60.0 * window.count) for window in windows)
    return Forecast(tuple(each), ("a day takes a minute",))


PRETEND = SourceDefinition(
    name="pretend",
    package="weathervane-source-kit",
    api_version="1",
    api_version_ends=date(2030, 1, 1),
    flows=(FlowDefinition("ingest_pretend_things", ingest_pretend_things, (THINGS, PARTS), estimate),),
    credentials=PretendCredentials,
    check=check,
)

_numbers = itertools.count()


class PretendSandbox:
    """The pretend vendor under the conformance suite."""

    def __init__(self, vendor: ListVendor) -> None:
        self.vendor = vendor
        self._number = str(next(_numbers))

    def environment(self, tenant: str) -> Mapping[str, str]:
        """Where the vendor is, and its token."""
        VENDORS[self._number] = self.vendor
        prefix = f"WEATHERVANE_PRETEND__{tenant.upper()}__"
        return {f"{prefix}VENDOR": self._number, f"{prefix}TOKEN": CANARY}

    def truth(self, dataset: str, tenant: str) -> list[Mapping[str, Any]]:
        """What the vendor has."""
        values, parts = self.vendor.truth()
        if dataset == THINGS.name:
            return [{"tenant_id": tenant, "thing_id": name, "value": value} for name, value in values.items()]
        return [{"tenant_id": tenant, "thing_id": name, "part_id": part} for name, part in parts]

    def change(self) -> None:
        """One thing loses a part, one is new."""
        self.vendor.put("v", 2, parts=("a",))
        self.vendor.put("new")

    def spoil(self) -> Mapping[str, int]:
        """One thing's value is no number, and one that fits is read with it."""
        self.vendor.size = 9
        self.vendor.put("fits")
        self.vendor.put("odd", "not a number")
        return {THINGS.name: 1}

    def unfit(self, **args: Any) -> SandboxFault:
        """On its way to the reader; five things are one page then, so that one of them is not the most of it."""
        self.vendor.size = 9
        self.vendor.unfit.append(SandboxFault("unfit", args=args))
        return self.vendor.unfit[-1]

    def on_the_wire(self, dataset: Dataset) -> Mapping[str, str]:
        """As declared."""
        return declared_paths(dataset)

    def break_down(self, fault: Fault) -> None:
        """As told."""
        if fault is Fault.REFUSED:
            self.vendor.token = "another"
        elif fault is Fault.INCOMPLETE:
            self.vendor.hidden = 1
        else:
            self.vendor.on_read = self._throttle

    def mend(self) -> None:
        """All is well again."""
        self.vendor.token, self.vendor.hidden, self.vendor.unfit = CANARY, 0, []

    def _throttle(self, slice: Slice) -> None:
        self.vendor.on_read = lambda slice: None
        raise ThrottledError("too many calls", reason="THROTTLED")


class PretendSource:
    """The pretend source under the conformance suite."""

    definition = PRETEND
    secrets = (CANARY,)

    @contextmanager
    def running(self) -> Iterator[PretendSandbox]:
        """Five things of two parts."""
        vendor = ListVendor()
        for name in "vwxyz":
            vendor.put(name)
        yield PretendSandbox(vendor)
