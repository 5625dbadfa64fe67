"""The body of every ingestion flow: for which tenants it runs, whether it has to, and in which state it ends.

::

    run_for_tenant(tenant_id, Credentials, work)
      "*"        dispatch    one run per configured tenant, each its own          Completed "Dispatched"
                             an earlier run of a tenant goes on                   Completed "Dispatched, 1 left out"
                             and did so at the dispatch before                    Failed "Tenants left out"
      overtaken  skip        a later scheduled run that is due covers the same    Completed "Skipped"
      a tenant   work        rows were read / the vendor said that there are none Completed "Loaded" / "Verified empty"
                             and some of them did not fit                         Completed "Loaded, 3 set aside"
                             the vendor wants a pause longer than we sleep        Scheduled "Deferred"
                             and no deployment is there to wake the run           Failed, or Completed "Deferred"
                             what was read was not whole, after all retries       Failed "Incomplete"
                             a person must act: no retries                        Failed
      cancelled  stop        its machine died before it could stop                Cancelled

Before that, every run of a deployment looks for dead ones (`weathervane.flow`).

Outside of a flow run (`flow.fn(...)`) there are no states: the summary is returned and errors are raised.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext
from prefect.runtime import flow_run as runtime
from prefect.states import Cancelled, Completed, Failed

from weathervane.flow import (
    EVERY_TENANT,
    check_deaths,
    defer,
    dispatch,
    end_before,
    ended_again,
    failed,
    finish_dispatch_of,
    is_cancelled,
    no_more_retries,
    overtaken_by,
    states_of,
    tend,
    who,
)
from weathervane.lake import LakeError, StaleCheckpointError
from weathervane.source._credentials import SourceCredentials
from weathervane.source._errors import (
    ConfigurationError,
    DeferredError,
    IncompleteError,
    InternalError,
    SourceError,
    contained,
)
from weathervane.source._prefect import prefect_asked
from weathervane.source._progress import reach_lake, tell
from weathervane.source._run.report_unread import failures_shown, report_dispatch, report_skipped
from weathervane.source._run.report_words import deferred_line, state_words, summary_line
from weathervane.source._run.summary import IngestionSummary, summary_of
from weathervane.source._run.tasks import BACKFILL

__all__ = ["EVERY_TENANT", "run_for_tenant", "run_name"]

log = logging.getLogger(__name__)

_Credentials = TypeVar("_Credentials", bound=SourceCredentials)


def run_for_tenant(
    tenant_id: str,
    credentials: type[_Credentials],
    work: Callable[[str, _Credentials], IngestionSummary],
) -> IngestionSummary:
    """Runs `work` for a tenant, or starts a run for each. Return what it returns from the flow.

    Args:
        tenant_id: A tenant, or `EVERY_TENANT`.
        credentials: What the source needs of a tenant.
        work: Reads one tenant with its credentials.

    Raises:
        SourceError, LakeError: What ended the work, naming the tenant. One that no retry can mend has used up the
            flow's retries.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return _named(tenant_id, lambda: _begun(tenant_id, credentials, work))
    with prefect_asked(), get_client(sync_client=True) as api:
        # Its count of attempts and its policy are newer on the server than in this process.
        run = api.read_flow_run(context.flow_run.id)
        if run.deployment_id is not None:
            _look_around(api, run, credentials)
        if (newer := overtaken_by(api, run)) is not None:
            message = f"{newer.name} is due since {newer.expected_start_time:%Y-%m-%d %H:%M} UTC and covers this run"
            report_skipped(tenant_id, message, newer.id)
            return _ends(Completed(name="Skipped", message=message, data=_read_nothing("skipped")))
        try:
            if run.run_count > 1:
                states = states_of(api, run)
                if is_cancelled(states):
                    return _ends(Cancelled(message="cancelled before its machine died"))
                if (end := end_before(states)) is not None:
                    return _ends(ended_again(api, run, end, _read_nothing("skipped")))
                with prefect_asked():
                    check_deaths(states)
            if tenant_id == EVERY_TENANT:
                tenants = _configured(credentials)
                if run.deployment_id is None:
                    return _ends(_one_after_the_other(run, tenants))
                return _dispatch(api, run, tenants)
            with failures_shown(tenant_id), contained():
                summary = _named(tenant_id, lambda: _begun(tenant_id, credentials, work))
        except DeferredError as error:
            _defer(api, run, error.retry_after, str(error))
            return _ends(failed(api, run, error))
        except IncompleteError as error:
            if run.run_count > (run.empirical_policy.retries or 0):
                return _ends(failed(api, run, error, name="Incomplete"))
            _tell_of_next(tenant_id, run, error)
            raise
        except (SourceError, LakeError) as error:
            if error.reason == "LAKE_NOT_THERE" and run.deployment_id is None:
                # A person waits, who mends an address sooner than a retry does.
                return _ends(failed(api, run, error))
            # What a flow's retry does, beginning anew, mends a stale checkpoint, and perhaps what nobody foresaw.
            if error.retriable or isinstance(error, StaleCheckpointError | InternalError):
                _tell_of_next(tenant_id, run, error)
                raise
            return _ends(failed(api, run, error))
        if (deferred := summary.metadata.get("deferred")) is not None:
            _defer(api, run, deferred["retry_after"], deferred_line(summary))
            # A run of no deployment: what is left is for the next one.
            message = f"{summary_line(summary)}; {deferred['message']}"
            return _ends(Completed(name="Deferred", message=message, data=summary))
        return _ends(
            Completed(name=state_words(summary).capitalize(), message=summary_line(summary), data=summary)
        )


def run_name() -> str:
    """A run's name as people know it: tenant, flow and window. Give it to `@flow(flow_run_name=run_name)`."""
    given = dict(runtime.get_parameters())
    tenant, start, end = (given.pop(name, None) for name in ("tenant_id", "start_date", "end_date"))
    what = runtime.get_flow_name() or ""
    due = runtime.get_scheduled_start_time()
    until = end or (f"{due:%Y-%m-%d %H:%M}" if due is not None else "now")
    rest = [str(value) for value in given.values() if value is not None]
    window = f"{start} to {until}" if start else f"up to {until}"
    if BACKFILL in runtime.get_tags():
        window = f"{BACKFILL} {window}"
    return " · ".join([who(str(tenant)), " ".join([what.removeprefix("ingest_"), *rest]), window])


def _begun(
    tenant: str,
    credentials: type[_Credentials],
    work: Callable[[str, _Credentials], IngestionSummary],
) -> IngestionSummary:
    found = credentials.load(tenant)
    reach_lake()
    return work(tenant, found)


def _tell_of_next(tenant: str, run: FlowRun, error: SourceError | LakeError) -> None:
    """Says that the run begins again, when, and for the how manieth time; nothing when no retry is left."""
    policy = run.empirical_policy
    if run.run_count > (policy.retries or 0):
        return
    delay = policy.retry_delay if isinstance(policy.retry_delay, int) else 0
    again = f"attempt {run.run_count + 1} of {(policy.retries or 0) + 1}"
    tell(f"{error.message}; the run begins again in {delay} s, {again}", tenant=tenant)


def _named(tenant: str, work: Callable[[], IngestionSummary]) -> IngestionSummary:
    if tenant == EVERY_TENANT:
        raise ConfigurationError(
            "every tenant's runs are runs of a flow; outside of one name a tenant", reason="NO_TENANT"
        )
    try:
        return work()
    except SourceError as error:
        raise error.with_context(tenant=tenant) from error.__cause__


def _ends(state: State[Any]) -> IngestionSummary:
    # Prefect takes a returned state as the run's own, and gives the caller the data in it.
    return cast(IngestionSummary, state)


def _look_around(api: SyncPrefectClient, run: FlowRun, credentials: type[SourceCredentials]) -> None:
    """What died and nobody noticed, of this deployment. Whatever comes of it, this run has its own work to do."""
    assert run.deployment_id is not None
    try:
        with prefect_asked():
            for found in tend(api, run.deployment_id, of=run):
                log.warning("a dead run: %s", found.line())
            if (other := finish_dispatch_of(api, run, lambda: _configured(credentials))) is not None:
                log.warning("%s died; what was left of it is done", other.name)
    except SourceError as error:
        log.warning("could not look for dead runs: %s", error)


def _configured(credentials: type[SourceCredentials]) -> list[str]:
    if not (tenants := credentials.configured_tenants()):
        raise ConfigurationError("no tenant has credentials for this source", reason="NO_TENANTS")
    return tenants


def _dispatch(api: SyncPrefectClient, run: FlowRun, tenants: Sequence[str]) -> IngestionSummary:
    done = dispatch(api, run, tenants)
    report_dispatch(done.runs, done.left_out)
    state = done.state(_read_nothing("dispatched", done.runs))
    if state.is_failed():
        no_more_retries(api, run)
    return _ends(state)


def _defer(api: SyncPrefectClient, run: FlowRun, seconds: float, why: str) -> None:
    """Puts a deployment's run off. A run of no deployment has no one to wake it."""
    if run.deployment_id is not None:
        defer(api, run, seconds, why)


def _read_nothing(state: str, runs: Mapping[str, str] | None = None) -> IngestionSummary:
    """The summary of a run that read nothing itself; of a dispatch, with the runs' ids by tenant."""
    summary = summary_of("", {}, state=state)
    if runs is not None:
        summary.metadata["runs"] = dict(runs)
    return summary


def _one_after_the_other(run: FlowRun, tenants: Iterable[str]) -> State[IngestionSummary]:
    """Without a deployment there is no worker to start runs: they are this run's own."""
    context = FlowRunContext.get()
    assert context is not None
    flow: Any = context.flow
    states: dict[str, State[Any]] = {
        tenant: flow(**{**run.parameters, "tenant_id": tenant}, return_state=True) for tenant in tenants
    }
    failed = {tenant: state for tenant, state in states.items() if not state.is_completed()}
    if failed:
        each = "; ".join(f"{tenant}: {state.message}" for tenant, state in failed.items())
        return Failed(message=f"{len(failed)} of {len(states)} tenants failed: {each}")
    message = f"{len(states)} tenants: {', '.join(states)}"
    return Completed(
        name="Dispatched", message=message, data=_read_nothing("dispatched", dict.fromkeys(states, ""))
    )
