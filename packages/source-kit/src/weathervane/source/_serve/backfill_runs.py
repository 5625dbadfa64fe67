"""A backfill's runs in Prefect. Each window has a key, by which the same command finds its runs again.

Nothing else remembers a backfill: where it stands is what its runs are.
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import DeploymentResponse

from weathervane.flow import candidates, every, meant
from weathervane.source._definition import Days
from weathervane.source._errors import ConfigurationError
from weathervane.source._run.tasks import BACKFILL

__all__ = ["Attempt", "BackfillRuns", "Request", "Standing", "find_deployment"]

_RESUMED_WITHIN = timedelta(seconds=90)
"""A crashed run is started again after 30 s, by an automation that `weathervane-deploy` registers."""


class Standing(enum.Enum):
    """Where a window stands."""

    OPEN = "to do"
    """Nobody began it."""
    GOING = "going on"
    """Its run waits, works, or is put off until the vendor allows."""
    LOADED = "loaded"
    """Read whole: `Loaded`, or `Verified empty`."""
    FAILED = "failed"
    """Its run failed, crashed for good, was cancelled or deleted."""


@dataclass(frozen=True)
class Request:
    """What is filled in. An equal request is the same backfill."""

    source: str
    flow: str
    tenant: str
    parameters: Mapping[str, str]
    """The flow's others."""
    name: str = ""
    """Tells apart backfills of the same days."""

    def key(self, window: Days) -> str:
        """Of a window's runs; the number of the attempt follows."""
        rest = hashlib.sha256(json.dumps([self.name, sorted(self.parameters.items())]).encode()).hexdigest()[
            :12
        ]
        return f"{BACKFILL}:{self.source}:{self.flow}:{self.tenant}:{window.first}:{window.last}:{rest}:"

    @property
    def tags(self) -> list[str]:
        """Of every run, beside those of its deployment."""
        return [BACKFILL, f"tenant:{self.tenant}"]

    def run_name(self, window: Days) -> str:
        """A run's name until it begins, when the flow names it alike."""
        what = " ".join([self.flow.removeprefix("ingest_"), *self.parameters.values()])
        return f"{self.tenant} · {what} · {BACKFILL} {window}"


@dataclass(frozen=True)
class Attempt:
    """A window's latest run."""

    number: int
    run: FlowRun | None
    """None: it was deleted."""

    @property
    def standing(self) -> Standing:
        """Where the window stands by this run."""
        state = self.run.state if self.run is not None else None
        if state is None or state.type in (StateType.FAILED, StateType.CANCELLED):
            return Standing.FAILED
        if state.type is StateType.CRASHED:
            lately = datetime.now(UTC) - state.timestamp < _RESUMED_WITHIN
            return Standing.GOING if lately else Standing.FAILED
        return Standing.LOADED if state.type is StateType.COMPLETED else Standing.GOING

    @property
    def state(self) -> str:
        """Its state in one line: the name, and what it says."""
        if self.run is None or self.run.state is None:
            return "deleted"
        state = self.run.state
        due = state.state_details.scheduled_time
        until = f" until {due:%Y-%m-%d %H:%M} UTC" if state.name == "Deferred" and due is not None else ""
        told = " ".join((state.message or "").split())
        return f"{state.name}{until}" + (f": {told}" if told else "")


class BackfillRuns:
    """The runs of one request.

    Args:
        api: The server.
        deployment: Whose runs are made.
        request: What is filled in.
    """

    def __init__(self, api: SyncPrefectClient, deployment: DeploymentResponse, request: Request) -> None:
        self._api = api
        self._deployment = deployment
        self._request = request

    def latest(self, windows: Iterable[Days]) -> dict[Days, Attempt]:
        """By window, the newest of its runs; windows that nobody began are not in it."""
        keys = {self._request.key(window): window for window in windows}
        found: dict[Days, Attempt] = {}
        for run in self._all():
            # `rpartition` leaves the colon that ends a key.
            base, _, number = (run.idempotency_key or "").rpartition(":")
            window = keys.get(f"{base}:")
            if window is not None and number.isdecimal():
                known = found.get(window)
                if known is None or known.number < int(number):
                    found[window] = Attempt(int(number), run)
        return found

    def start(self, window: Days, number: int) -> Attempt:
        """Makes a window's run, or finds it: who else does the same at this moment makes no second one."""
        request = self._request
        days = {"start_date": window.first.isoformat(), "end_date": window.last.isoformat()}
        run = self._api.create_flow_run_from_deployment(
            self._deployment.id,
            parameters={**request.parameters, "tenant_id": request.tenant, **days},
            name=request.run_name(window),
            tags=request.tags,
            idempotency_key=f"{request.key(window)}{number}",
        )
        return Attempt(number, run)

    def again(self, attempts: Mapping[Days, Attempt]) -> dict[Days, Attempt]:
        """The same attempts as they are now."""
        ids: list[UUID] = [one.run.id for one in attempts.values() if one.run is not None]
        runs = {
            run.id: run
            for run in every(
                self._api.read_flow_runs, flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=ids))
            )
        }
        return {
            window: Attempt(one.number, runs.get(one.run.id) if one.run is not None else None)
            for window, one in attempts.items()
        }

    def _all(self) -> Iterable[FlowRun]:
        # By the flow and not by the deployment, which may have been deleted and made anew since.
        chosen = FlowRunFilter(tags=FlowRunFilterTags(all_=self._request.tags))
        of_flow = FlowFilter(name=FlowFilterName(any_=[self._request.flow]))
        return every(self._api.read_flow_runs, flow_filter=of_flow, flow_run_filter=chosen)


def find_deployment(api: SyncPrefectClient, source: str, flow: str, name: str = "") -> DeploymentResponse:
    """The deployment of a flow.

    Args:
        api: The server.
        source: The source's name.
        flow: The flow's name.
        name: The deployment's; without one, that of the source's package is taken.

    Raises:
        ConfigurationError: There is none, or more than one could be meant.
    """
    found = api.read_deployments(**candidates(flow))
    if not found:
        raise ConfigurationError(
            f"the Prefect server has no deployment of {flow}: register it with `weathervane-deploy`",
            reason="NO_DEPLOYMENT",
        )
    names = ", ".join(sorted(one.name for one in found))
    chosen = [one for one in found if one.name == name] if name else meant(found, source, flow)
    if not chosen:
        raise ConfigurationError(
            f"{flow} has no deployment {name[:80]!r}; it has {names}", reason="NO_DEPLOYMENT"
        )
    if len(chosen) > 1:
        raise ConfigurationError(
            f"{flow} has several deployments ({names}): name one with --deployment",
            reason="SEVERAL_DEPLOYMENTS",
        )
    return chosen[0]
