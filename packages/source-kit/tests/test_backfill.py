"""A year's history in windows: what the plan says, that it is kept to, and that the same command goes on."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow
from prefect.states import Cancelled, Crashed, Pending
from typer.testing import CliRunner, Result

from weathervane.lake import LakeClient, TableRef
from weathervane.source._definition import Days, SourceDefinition
from weathervane.source._errors import ConfigurationError, DeferredError, IncompleteError
from weathervane.source._run import tasks
from weathervane.source._run.slices import Slice
from weathervane.source._serve import backfill_runs as runs
from weathervane.source._serve import cli
from weathervane.source._serve.backfill import backfill, cut
from weathervane.source._serve.cli import source_app

from .pretend_flows import PRETEND, PretendSandbox, ingest_pretend_things
from .pretend_source import CANARY, THINGS, ListVendor, lake_truth

FLOW = "ingest_pretend_things"
FIRST, LAST = date(2025, 1, 1), date(2025, 12, 31)
AT_ONCE = ingest_pretend_things.with_options(retries=0)
NEWEST, OLDEST = Days(date(2025, 10, 28), LAST), Days(FIRST, date(2025, 4, 10))


@pytest.fixture
def api(prefect: None) -> Any:
    """A client of the session's server."""
    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def deployment(api: SyncPrefectClient) -> UUID:
    """The flow's deployment."""
    return api.create_deployment(
        flow_id=api.create_flow(ingest_pretend_things), name="pretend", tags=["weathervane"]
    )


@pytest.fixture
def tenant(vendor: ListVendor, lake: LakeClient, deployment: UUID, monkeypatch: pytest.MonkeyPatch) -> str:
    """A tenant of the test's own, whose vendor has a thing for every 25th day of 2025."""
    name = f"t{uuid4().hex}"
    for variable, value in PretendSandbox(vendor).environment(name).items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(tasks.write_incremental, "retries", 0)
    vendor.year(FIRST, step=25)
    return name


def runs_of(api: SyncPrefectClient, tenant: str) -> list[FlowRun]:
    """A tenant's backfill runs, the first made first."""
    tagged = FlowRunFilterTags(all_=["backfill", f"tenant:{tenant}"])
    found = api.read_flow_runs(
        flow_run_filter=FlowRunFilter(tags=tagged), sort=FlowRunSort.EXPECTED_START_TIME_ASC
    )
    return [run for run in found if run.state_type is not None]


class Worker:
    """Runs what is due, one run whenever the command pauses to look again; `turns` says how often."""

    def __init__(self, api: SyncPrefectClient, tenant: str) -> None:
        self.api, self.tenant = api, tenant
        self.unfinished: list[int] = []
        self.before: Callable[[FlowRun], None] = lambda run: None

    def __call__(self) -> None:
        """One turn."""
        going = [run for run in runs_of(self.api, self.tenant) if run.state and not run.state.is_final()]
        self.unfinished.append(len(going))
        due = [run for run in going if run.state_name != "Deferred"]
        assert due, "the command waits for nothing"
        self.before(due[0])
        self.run(due[0])

    def run(self, run: FlowRun) -> None:
        """Runs one as a worker does."""
        self.api.set_flow_run_state(run.id, Pending(), force=True)
        # What ends a process that frees its slot.
        with suppress(Pause):
            run_flow(AT_ONCE, flow_run=self.api.read_flow_run(run.id), return_type="state")


@pytest.fixture
def worker(api: SyncPrefectClient, tenant: str) -> Worker:
    """The tenant's worker."""
    return Worker(api, tenant)


def fill(worker: Worker, *, definition: SourceDefinition = PRETEND, **options: Any) -> tuple[bool, list[str]]:
    """The command's work without its terminal: four windows, two at a time."""
    told: list[str] = []
    given: dict[str, Any] = {
        "start": str(FIRST),
        "end": str(LAST),
        "every": 100,
        "concurrency": 2,
        "parameters": {},
        "agree": lambda: True,
        "pause": worker,
    }
    whole = backfill(definition, FLOW, worker.tenant, tell=told.append, **given | options)
    return whole, told


def refuse(window: Days, vendor: ListVendor, error: Exception) -> None:
    """Makes the vendor fail for whoever reads from a window's first day on."""

    def fail(slice: Slice) -> None:
        if slice.bounds["after"].date() == window.first - timedelta(days=1):
            raise error

    vendor.on_read = fail


def test_a_year_is_windows_of_days_newest_first() -> None:
    """Counted from the first day on, so that a later end leaves the others as they are."""
    windows = cut(FIRST, LAST, 31)
    assert len(windows) == 12
    assert (windows[0], windows[-1]) == (Days(date(2025, 12, 8), LAST), Days(FIRST, date(2025, 1, 31)))
    assert sum(window.count for window in windows) == 365
    for later, earlier in itertools.pairwise(windows):
        assert later.first == earlier.last + timedelta(days=1)
    assert cut(FIRST, LAST + timedelta(days=20), 31)[-11:] == windows[1:]


def test_a_year_is_planned_and_read(
    api: SyncPrefectClient, worker: Worker, tenant: str, vendor: ListVendor, lake: LakeClient
) -> None:
    """The plan's figures, never more than two unfinished, names that a person knows, and the lake is the vendor's."""
    whole, told = fill(worker)
    assert whole
    assert told[0] == (f"backfill of {tenant} by {FLOW}: 365 days in 4 windows, newest first, 2 at a time")
    assert told[3].split() == [
        "2025-10-28",
        "to",
        "2025-12-31",
        "65",
        "1",
        "65",
        "1",
        "h",
        "5",
        "min",
        "to",
        "do",
    ]
    # Half of 365 minutes and of 15 seconds for each start.
    assert "loaded already: 0 windows; left: 4 windows, 4 slices, 365 requests, about 3 h 3 min" in told
    assert "note: a day takes a minute" in told
    assert worker.unfinished == [2, 2, 2, 1]
    made = runs_of(api, tenant)
    assert [run.parameters["start_date"] for run in made] == [
        "2025-10-28",
        "2025-07-20",
        "2025-04-11",
        "2025-01-01",
    ]
    assert made[0].name == f"{tenant} · pretend_things · backfill 2025-10-28 to 2025-12-31"
    assert {"weathervane", "backfill"} <= set(made[0].tags)
    assert [line for line in told if line.startswith("2025-10-28 to 2025-12-31: Loaded: 3 new")]
    assert "4 of 4 windows are loaded; checkpoints are where they were" in told
    assert lake_truth(lake, tenant) == vendor.truth()
    assert lake.checkpoint(TableRef(tenant, THINGS.name)).value is None


def test_the_same_command_goes_on_with_a_broken_off_backfill(
    api: SyncPrefectClient, worker: Worker, tenant: str, vendor: ListVendor, lake: LakeClient
) -> None:
    """Stopped in the middle: what is loaded is left alone, what goes on is followed, and the rest is begun."""

    def stop(run: FlowRun) -> None:
        if len(worker.unfinished) == 2:
            raise KeyboardInterrupt

    worker.before = stop
    with pytest.raises(KeyboardInterrupt):
        fill(worker)
    before = runs_of(api, tenant)
    assert len(before) == 3  # one loaded, two that wait for a worker
    worker.before = lambda run: None
    whole, told = fill(worker)
    assert whole
    stands = [line.split()[-2:] for line in told[3:7]]
    assert [words[-1] for words in stands] == ["loaded", "on", "on", "do"]
    assert any(line.startswith("loaded already: 1 windows; left: 3 windows, 3 slices, 300 ") for line in told)
    after = runs_of(api, tenant)
    assert len(after) == 4
    assert {run.id for run in before} < {run.id for run in after}
    assert all(run.run_count == 1 for run in after)
    assert lake_truth(lake, tenant) == vendor.truth()
    whole, told = fill(worker)
    assert whole
    assert told[-1].startswith("nothing is left to do")
    assert len(runs_of(api, tenant)) == 4
    fill(worker, name="once more", end=str(OLDEST.last))
    assert len(runs_of(api, tenant)) == 5


def test_a_window_that_fails_stops_no_other_and_is_begun_anew(
    api: SyncPrefectClient, worker: Worker, tenant: str, vendor: ListVendor, lake: LakeClient
) -> None:
    """The summary says which and why; the same command begins only that one, by a run of its own."""
    refuse(NEWEST, vendor, IncompleteError("half of it", reason="COUNT_DIFFERS"))
    whole, told = fill(worker)
    assert not whole
    assert "3 of 4 windows are loaded; checkpoints are where they were" in told
    assert told[-1].startswith("1 failed: 2025-10-28 to 2025-12-31. Mend")
    assert [line for line in told if line.startswith("2025-10-28 to 2025-12-31  Incomplete: half of it")]
    vendor.on_read = lambda slice: None
    whole, told = fill(worker)
    assert whole
    assert told[3].endswith(" again")
    assert [run.parameters["start_date"] for run in runs_of(api, tenant)][-1] == "2025-10-28"
    assert len(runs_of(api, tenant)) == 5
    assert lake_truth(lake, tenant) == vendor.truth()


def test_a_run_that_ended_otherwise_is_begun_anew(
    api: SyncPrefectClient, worker: Worker, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled or deleted at once; a crashed one is followed for a while, for the server starts it again."""

    def stop(run: FlowRun) -> None:
        raise KeyboardInterrupt

    worker.before = stop
    with pytest.raises(KeyboardInterrupt):
        fill(worker, concurrency=1)
    (run,) = runs_of(api, tenant)

    def stands() -> str:
        return fill(worker, agree=lambda: False)[1][3].split("  ")[-1]

    assert stands() == "going on"
    api.set_flow_run_state(run.id, Crashed(), force=True)
    assert stands() == "going on"
    monkeypatch.setattr(runs, "_RESUMED_WITHIN", timedelta(0))
    assert stands() == "Crashed, again"
    api.set_flow_run_state(run.id, Cancelled(), force=True)
    assert stands() == "Cancelled, again"


def test_a_window_that_is_put_off_is_told_and_keeps_its_place(
    api: SyncPrefectClient, worker: Worker, tenant: str, vendor: ListVendor, lake: LakeClient
) -> None:
    """The others go on, one at a time; the command says until when it waits."""
    refuse(NEWEST, vendor, DeferredError("quota used up", reason="THROTTLED", retry_after=7200))

    def turn() -> None:
        waiting = [run for run in runs_of(api, tenant) if run.state and not run.state.is_final()]
        if [run.state_name for run in waiting] == ["Deferred"]:
            vendor.on_read = lambda slice: None
            worker.run(waiting[0])
        else:
            worker()

    whole, told = fill(worker, pause=turn)
    assert whole
    assert worker.unfinished == [2, 2, 2, 2]
    (line,) = [one for one in told if "Deferred" in one]
    assert re.match(
        r"2025-10-28 to 2025-12-31: Deferred until \d{4}-\d\d-\d\d \d\d:\d\d UTC: quota used up", line
    )
    assert lake_truth(lake, tenant) == vendor.truth()


def test_a_flow_that_is_not_cut_is_one_run_and_says_why(worker: Worker, tenant: str) -> None:
    """Whatever the window; and without an estimate the plan says that nobody knows."""
    whole = replace(PRETEND.flows[0], estimate=None, undivided="each run reads everything")
    done, told = fill(worker, definition=replace(PRETEND, flows=(whole,)))
    assert done
    assert "note: one run and not in windows: each run reads everything" in told
    assert "note: slices, requests and time are not known beforehand" in told
    assert "1 of 1 windows are loaded; checkpoints are where they were" in told


def command(*arguments: str) -> Result:
    """The command of the pretend source."""
    return CliRunner().invoke(source_app("pretend", lambda: PRETEND), ["backfill", *arguments])


def test_the_command_asks_nobody_in_a_script(
    worker: Worker, tenant: str, api: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan alone with --dry-run, nothing without --yes, all with it; the exit code tells of a failed window."""
    monkeypatch.setenv("PREFECT_LOGGING_LEVEL", "CRITICAL")
    days = [FLOW, tenant, "--start", "2025-01-01", "--end", "2025-02-28"]
    planned = command(*days, "--dry-run")
    assert (planned.exit_code, planned.stderr) == (0, "")
    assert planned.stdout.startswith(f"backfill of {tenant} by {FLOW}: 59 days in 2 windows")
    asked = command(*days)
    assert asked.exit_code == 2
    assert asked.stderr.startswith("error: nobody is here to agree to the plan: give --yes")
    assert runs_of(api, tenant) == []
    monkeypatch.setattr(cli, "_look", worker)
    done = command(*days, "--yes")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "2 of 2 windows are loaded" in done.stdout
    assert CANARY not in done.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--start", "tomorrow", "--end", "2025-02-28"], "start_date 'tomorrow' is not a day"),
        (
            ["--start", "2025-03-01", "--end", "2025-02-28"],
            "start_date 2025-03-01 is after end_date 2025-02-28",
        ),
        (["--start", "2025-03-01", "--end", "2999-01-01"], "end_date 2999-01-01 has not begun anywhere yet"),
        (
            ["--start", "2001-01-01", "--end", "2025-01-01", "--every", "1"],
            "2001-01-01 to .* is 8,767 windows",
        ),
        (["--start", "2025-01-01", "--end", ""], "a backfill needs its first and its last day"),
        (
            ["--start", "2025-01-01", "--end", "2025-01-02", "--parameter", "x"],
            "the parameter 'x' is not of the",
        ),
        (
            ["--start", "2025-01-01", "--end", "2025-01-02", "--parameter", "x=1"],
            f"{FLOW} has no parameter 'x'",
        ),
        (
            ["--start", "2025-01-01", "--end", "2025-01-02", "--deployment", "other"],
            f"{FLOW} has no deployment 'other'; it has pretend",
        ),
    ],
)
def test_what_cannot_be_is_one_clear_line(arguments: list[str], told: str, tenant: str) -> None:
    """Before anything is started."""
    result = command(FLOW, tenant, *arguments, "--yes")
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert re.match(f"error: {told}", line)


def test_of_several_deployments_one_is_named(
    worker: Worker, api: SyncPrefectClient, deployment: UUID
) -> None:
    """As long as the package's own prefect.yaml names none of them."""
    other = api.create_deployment(
        flow_id=api.create_flow(ingest_pretend_things), name="hourly", tags=["weathervane"]
    )
    with pytest.raises(ConfigurationError, match=r"\(hourly, pretend\): name one with --deployment"):
        fill(worker)
    assert fill(worker, deployment="hourly")[0]
    assert {run.deployment_id for run in runs_of(api, worker.tenant)} == {other}


def test_without_a_deployment_the_command_says_what_makes_one(
    worker: Worker, api: SyncPrefectClient, deployment: UUID
) -> None:
    """And without credentials, whose."""
    with pytest.raises(ConfigurationError, match=r"no usable pretend credentials.*NOBODY"):
        backfill(
            PRETEND, FLOW, "nobody", start="2025-01-01", end="2025-01-31", every=31, concurrency=1, parameters={},
            agree=lambda: True, pause=worker, tell=lambda line: None,
        )  # fmt: skip
    api._client.delete(f"/deployments/{deployment}")
    with pytest.raises(
        ConfigurationError, match=r"no deployment of ingest_pretend_things: .*`weathervane-deploy`"
    ):
        fill(worker)
