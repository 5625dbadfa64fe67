"""A machine dies in the middle of a run, and another one takes over; meanwhile a schedule fires by its cron."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.schedules import CronSchedule
from vendors import VENDORS, Pretend

from weathervane.lake import TableRef

from .running import Deployed, Hold, control_of, deployed, patiently

GOOGLE = "ingest_google_ads/google-ads-ingestion"


@dataclass
class Survivor:
    """What is there when the first machine is gone."""

    deployed: Deployed
    vendor: Pretend
    run: UUID
    """What the first machine was running."""
    rows: int
    """What that had brought into the lake."""


@pytest.fixture(scope="module")
def survivor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Survivor]:
    """Kills a worker and its run in the run's middle, as a machine's end does, and starts another worker."""
    home = tmp_path_factory.mktemp("killed")
    # As short as Prefect's shortest heartbeat, 30 s, allows.
    silence = timedelta(seconds=75)
    with deployed(home, [one for one in VENDORS if one.source == "google_ads"], silence=silence) as (
        stage,
        (google,),
    ):
        environment = stage.worker | google.environment
        worker = stage.stack.worker("first", environment)
        with Hold(control_of(google, "GOOGLE_ADS", "acme"), skip=3, resource="campaign") as hold:
            run = stage.run(GOOGLE, "acme")
            hold.await_caught()
            pid = stage.await_run(run, lambda found: bool(found.infrastructure_pid)).infrastructure_pid
            for process in (worker, int(str(pid))):
                # Each is a session of its own, with whatever it started.
                os.killpg(process, signal.SIGKILL)
        rows = stage.lake.describe(TableRef("acme", "google_ads")).total_rows
        stage.stack.worker("second", environment)
        yield Survivor(stage, google, run, rows)


def test_a_schedule_fires_by_its_cron(survivor: Survivor) -> None:
    """Nobody makes a run here but Prefect's scheduler: the run of a full minute comes, a worker takes it, and it does
    its work. With sqlalchemy 2.1, Prefect 3.8.8 looks healthy and never schedules anything.
    """
    stage = survivor.deployed
    deployment = stage.deployment(GOOGLE)
    each_minute = CronSchedule(cron="* * * * *", timezone="UTC")
    given = {"tenant_id": "umi_japan"}
    (schedule,) = stage.api.create_deployment_schedules(
        deployment, [(each_minute, True)], parameters=given, slug="each-minute"
    )
    for attempt in patiently():
        with attempt:
            began = [
                run
                for run in stage.runs(deployment_id={"any_": [deployment]})
                if run.parameters == given and run.state_type is not StateType.SCHEDULED
            ]
            assert began, "no run of the schedule has begun"
    stage.api.delete_deployment_schedule(deployment, schedule.id)
    run = stage.await_end(began[0].id)
    assert run.state_name == "Loaded", run.state
    assert run.auto_scheduled
    assert run.expected_start_time is not None
    assert (run.expected_start_time.second, run.expected_start_time.microsecond) == (0, 0)
    assert stage.differences([survivor.vendor], "umi_japan/") == []


def test_a_dead_machines_run_is_noticed_and_resumed(survivor: Survivor) -> None:
    """The same run is marked crashed for its silence, is started again by another worker, and ends with every row in
    the lake once.
    """
    stage = survivor.deployed
    assert survivor.rows > 0, "nothing was in the lake yet: this was not the middle"
    run = stage.await_run(survivor.run, lambda found: found.state_name in ("Loaded", "Failed"))
    assert run.state_name == "Loaded", run.state
    names = stage.states(run.id)
    # A machine that is busy enough to be silent for so long gets a run resumed once more.
    assert [name for name in names if name in ("Crashed", "Resuming")][:2] == ["Crashed", "Resuming"]
    assert run.run_count >= 2
    # It compares the number of rows too: none is there twice.
    assert stage.differences([survivor.vendor], "acme/") == []
    assert stage.lake.describe(TableRef("acme", "google_ads")).total_rows > survivor.rows
