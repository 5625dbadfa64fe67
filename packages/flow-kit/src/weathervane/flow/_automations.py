"""What the Prefect server does by itself about runs whose process, worker or machine died.

::

    a worker took a run     Pending, Submitting ─ silence ─> Scheduled "Resuming"
    a run goes on           heartbeat, Running, a retry ─ silence ─> Crashed
    a run crashed           Crashed ─ nothing else for 30 s ─> Scheduled "Resuming"
    a run never began       Crashed ─ nothing else for 2 min ─> Failed "Given up"
                            Resuming, for the fourth time ─> Failed "Given up"

It is the same run with the same id, so the lake recognises what it writes again. Only runs tagged `weathervane` are
covered; a deployment gives its tags to its runs. Without these, Prefect leaves a dead run Running for ever, and with it
its place in its deployment's limit.

A run that crashed before it ever ran is started again, three times, when a signal ended its process (a machine that
stops, memory that runs out; most of a short run's time is its start). Else it would crash again at once, and for ever
(an image that is not there, a package that does not import): it is given up, and the event `prefect.flow-run.Given up`
is for an automation that calls a person. One that ran is started again up to 19 times; a flow's body
gives up earlier. A run that has ended cannot be marked crashed: Prefect refuses that.

Automations hear events, and one that is lost is not said again: `weathervane.flow._dead_runs` sees states.
"""

from __future__ import annotations

from datetime import timedelta

from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

__all__ = ["GIVEN_UP", "MAX_STARTS", "PAUSE", "RESUMING", "SIGNALS", "SILENCE", "TAG", "automations"]

TAG = "weathervane"
"""The tag of every deployment of ours, and so of every run."""
RESUMING = "Resuming"
"""The name of the state in which a run waits to be started again."""
GIVEN_UP = "Given up"
"""The name of the Failed state of a run that is dead and not resumed any more: a person must look."""
MAX_STARTS = 3
"""So often a run that never began is started again."""
SIGNALS = [
    # Hangup, interrupt, kill, terminate: as a process's worker says them, and as a shell or a container does.
    *(
        f"*status code{colon} {code}.*"
        for colon in (":", "")
        for code in ("-[129]", "-15", "129", "13[07]", "143")
    ),
    "*aborted by a termination signal*",
    "*aborted by an interrupt signal*",
    "*cancelled by the runtime environment*",
]
"""What a Crashed state says when a signal ended the process, as patterns. Words of Prefect 3.8: of its worker, its
runner and its engine (`workers/base.py`, `runner/_flow_run_executor.py`, `states.py`)."""
SILENCE = timedelta(seconds=600)
"""Three of Prefect's heartbeats (PREFECT_FLOWS_HEARTBEAT_FREQUENCY, 180 s), and a minute to spare."""

PAUSE = timedelta(seconds=30)
"""Between a crash and the next start. A worker reports one death twice, three seconds apart (measured with 3.8.8): were
the run started again in between, the second report would crash its new process."""
_BEGUN = ["[1-9]", "1[0-9]"]
"""How often a run has begun, as patterns of the event's label."""


def automations(silence: timedelta = SILENCE, pause: timedelta = PAUSE) -> list[AutomationCore]:
    """The automations, as they shall be on the server.

    Args:
        silence: After how long without a sign a run is taken for dead: at least two heartbeats, and more than it takes
            from a worker's taking a run to its first line of code (pulling an image, say).
        pause: Between a crash and the next start: longer than a worker takes to report a death for the second time.

    Raises:
        ValueError: Less than 10 seconds, which Prefect does not take.
    """
    told = f"for {silence.total_seconds():.0f} seconds"

    ours = ResourceSpecification(
        {"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{TAG}"}
    )

    def runs(labels: dict[str, str | list[str]]) -> ResourceSpecification:
        return ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*", **labels})

    def quiet_after(*events: str, within: timedelta, **labels: str | list[str]) -> EventTrigger:
        return EventTrigger(
            posture=Posture.Proactive,
            match=runs(labels),
            match_related=ours,
            for_each={"prefect.resource.id"},
            # An event that is in both begins the time anew.
            after={f"prefect.flow-run.{event}" for event in events},
            # Not a list of states: those in which our flows end have names of their own.
            expect={"prefect.flow-run.*"},
            threshold=1,
            within=within,
        )

    def given_up(why: str) -> ChangeFlowRunState:
        return ChangeFlowRunState(
            state=StateType.FAILED,
            name=GIVEN_UP,
            message=f"{why}: look for the cause in the worker's log.",
            force=False,
        )

    return [
        AutomationCore(
            name="WeatherVane: mark dead runs crashed",
            description=f"A run that gave no sign {told}: its process, worker or machine is gone.",
            trigger=quiet_after("heartbeat", "Running", "AwaitingRetry", "Retrying", within=silence),
            actions=[
                ChangeFlowRunState(
                    state=StateType.CRASHED,
                    name="Crashed",
                    message=f"No heartbeat {told}: the run's process, worker or machine is gone.",
                    force=False,
                )
            ],
        ),
        AutomationCore(
            name="WeatherVane: start lost runs again",
            description=f"A run that a worker took and did not start {told}: the worker is gone.",
            trigger=quiet_after("Pending", "Submitting", "InfrastructurePending", within=silence),
            actions=[
                ChangeFlowRunState(
                    state=StateType.SCHEDULED,
                    name=RESUMING,
                    message=f"A worker took this run and did not start it {told}.",
                    force=False,
                )
            ],
        ),
        AutomationCore(
            name="WeatherVane: resume crashed runs",
            description="A run whose process died is started again: the same run, from the lake's checkpoint.",
            trigger=quiet_after("Crashed", within=pause, **{"prefect.run-count": _BEGUN}),
            actions=[
                ChangeFlowRunState(
                    state=StateType.SCHEDULED,
                    name=RESUMING,
                    message="The run's process died. The run goes on from the lake's checkpoint.",
                    force=False,
                )
            ],
        ),
        AutomationCore(
            name="WeatherVane: start runs again that were killed while they started",
            description="A run whose process a signal ended before it began is started again.",
            trigger=quiet_after(
                "Crashed", within=pause, **{"prefect.run-count": ["0"], "prefect.state-message": SIGNALS}
            ),
            actions=[
                ChangeFlowRunState(
                    state=StateType.SCHEDULED,
                    name=RESUMING,
                    message="A signal ended the run's process while it started.",
                    force=False,
                )
            ],
        ),
        AutomationCore(
            name="WeatherVane: give up runs that end while they start",
            description="A run whose process ended by itself before it began would do so again: a person must look.",
            # Longer than the automation above needs for what it takes.
            trigger=quiet_after("Crashed", within=4 * pause, **{"prefect.run-count": "0"}),
            actions=[given_up("The run's process ended by itself before it began")],
        ),
        AutomationCore(
            name="WeatherVane: give up runs that never begin",
            description=f"A run that was started again {MAX_STARTS} times and never began: a person must look.",
            trigger=EventTrigger(
                posture=Posture.Reactive,
                match=runs({"prefect.run-count": "0"}),
                match_related=ours,
                for_each={"prefect.resource.id"},
                expect={f"prefect.flow-run.{RESUMING}"},
                threshold=MAX_STARTS + 1,
                within=timedelta(days=1),
            ),
            actions=[given_up(f"The run was started again {MAX_STARTS} times and never began")],
        ),
    ]
