"""What is told of a run that Prefect keeps, and when its end is: late events are waited for, but not for ever."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prefect.client.schemas.objects import FlowRun, State, StateDetails, StateType
from prefect.events.schemas.events import ReceivedEvent, Resource

from weathervane.source._run.report import COMMITTED, ENDED
from weathervane.source._run.summary import TableSummary, summary_of
from weathervane.source._serve.events import Patience, WatchedRun
from weathervane.source._serve.runs import RunState

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
LINE = "5 new and 0 updated rows in 3 slices; 5 in the table; checkpoint here"
TABLE = TableSummary(
    path="file:///lake/acme/things",
    table_version=1,
    total_rows=5,
    checkpoint="here",
    rows_received=5,
    rows_inserted=5,
)
SUMMARY = summary_of("pretend", {"things": TABLE})
ROW = {
    "slice": "all",
    "dataset": "things",
    **TABLE.counts(),
    "table_version": 1,
    "checkpoint": "here",
    "repeat": False,
}


def watched() -> WatchedRun:
    """Of a run of `acme`, of which nothing is known."""
    return WatchedRun(
        FlowRun(flow_id=uuid.uuid4(), parameters={"tenant_id": "acme"}), "ingest_things", Patience()
    )


def state(kind: str, second: int, name: str | None = None, message: str = "", **details: Any) -> State[Any]:
    """A state that was entered some seconds after noon."""
    entered: Any = NOON + timedelta(seconds=second)
    if kind == "SCHEDULED":
        details.setdefault("scheduled_time", entered)  # or Prefect takes the test's own time
    return State(
        id=uuid.uuid4(),
        type=StateType(kind),
        name=name or kind.capitalize(),
        timestamp=entered,
        message=message,
        state_details=StateDetails(**details),
    )


def event(name: str, second: int, payload: dict[str, Any]) -> ReceivedEvent:
    """An event of the run, some seconds after noon."""
    occurred: Any = NOON + timedelta(seconds=second)
    resource = Resource({"prefect.resource.id": "prefect.flow-run.one"})
    return ReceivedEvent(event=name, occurred=occurred, resource=resource, payload=payload, received=occurred)


ENDING = {"state": "loaded", "message": LINE, "summary": asdict(SUMMARY)}
RAN = [state("SCHEDULED", 0), state("PENDING", 1), state("RUNNING", 2)]
LOADED = state("COMPLETED", 9, "Loaded", LINE)


def test_an_end_waits_for_its_events() -> None:
    """The state comes first; the slices that belong before it, and the result, come seconds later."""
    one = watched()
    assert [told.state for told in one.add([*RAN, LOADED], [], 0)] == [
        RunState.PENDING,
        RunState.PENDING,
        RunState.RUNNING,
    ]
    assert one.add([*RAN, LOADED], [event(COMMITTED, 5, ROW)], 59)[0].receipt == ROW
    assert not one.over
    slice, last = one.add([*RAN, LOADED], [event(COMMITTED, 6, ROW), event(ENDED, 7, ENDING)], 59)
    assert slice.message == "acme/things: all: 5 new, 0 updated, 0 unchanged, version 1"
    assert (last.state, last.message, last.summary, last.time) == (
        RunState.LOADED,
        LINE,
        SUMMARY,
        LOADED.timestamp,
    )
    assert one.over


def test_an_end_that_says_how_many_rows_were_set_aside_is_an_end() -> None:
    """The number follows the state's name, and the receipt's line has it too."""
    one = watched()
    aside = state("COMPLETED", 9, "Loaded, 3 set aside", LINE)
    one.add([*RAN, aside], [], 0)
    row = {**ROW, "rows_quarantined": 3, "values_quarantined": 2}
    slice, last = one.add([*RAN, aside], [event(COMMITTED, 6, row), event(ENDED, 7, ENDING)], 1)
    assert "0 unchanged, 3 set aside, 2 single values set aside, version 1" in slice.message
    assert (last.state, last.message, last.summary) == (RunState.LOADED, LINE, SUMMARY)


def test_an_end_whose_events_are_lost_is_told_all_the_same() -> None:
    """Without the result, which only the event has."""
    one = watched()
    one.add([*RAN, LOADED], [], 0)
    assert one.add([*RAN, LOADED], [], 59) == []
    (last,) = one.add([*RAN, LOADED], [], 60)
    assert (last.state, last.message, last.summary, one.over) == (RunState.LOADED, LINE, None, True)


def test_the_end_of_an_attempt_is_not_the_end_of_the_run() -> None:
    """Each attempt tells its own end, and only the last one's counts; a summary of a later version is understood."""
    first = event(ENDED, 4, {"state": "failed", "message": "the vendor is down"})
    again = [state("SCHEDULED", 5, "AwaitingRetry"), state("RUNNING", 6, "Retrying")]
    one = watched()
    one.add([*RAN, again[0]], [first], 0)
    assert [told.state for told in one.add([*RAN, *again, LOADED], [], 1)] == [RunState.RUNNING]
    last = event(ENDED, 8, ENDING | {"summary": asdict(SUMMARY) | {"more": 1}})
    assert one.add([*RAN, *again, LOADED], [last], 2)[-1].summary == SUMMARY


def test_what_is_put_off_is_an_end_until_it_is_due() -> None:
    """Then it waits for a worker as any other; whoever asks again is not sent away."""
    for hours, over in ((1, True), (-1, False)):
        due = datetime.now(UTC) + timedelta(hours=hours)
        put_off = state("SCHEDULED", 9, "Deferred", "quota used up", scheduled_time=due)
        one = watched()
        ending = event(ENDED, 8, {"state": "deferred", "message": "quota used up"})
        last = one.add([*RAN, put_off], [ending], 0)[-1]
        assert last.state is RunState.DEFERRED
        assert last.message == f"put off until {due:%Y-%m-%d %H:%M:%S} UTC: quota used up"
        assert one.over is over


def test_a_crash_is_an_end_when_nobody_resumes_it() -> None:
    """Told at once; resumed within two minutes, it was none."""
    crashed = state("CRASHED", 9)
    one = watched()
    assert one.add([*RAN, crashed], [], 0)[-1].state is RunState.PENDING
    assert one.add([*RAN, crashed], [], 119) == []
    resumed = state("SCHEDULED", 200, "Resuming")
    assert one.add([*RAN, crashed, resumed], [], 200)[-1].message == "ingest_things of acme: Resuming"
    again = state("CRASHED", 300)
    one.add([*RAN, crashed, resumed, again], [], 300)
    assert not one.over
    (last,) = one.add([*RAN, crashed, resumed, again], [], 420)
    assert (last.state, one.over) == (RunState.FAILED, True)
    never_ran = watched()
    assert never_ran.add([*RAN[:2], crashed], [], 0)[-1].state is RunState.FAILED
    assert never_ran.over
    killed = state("CRASHED", 9, message="Process exited with status code: -9. Process was killed.")
    started_again = watched()
    started_again.add([*RAN[:2], killed], [], 0)
    assert not started_again.over


@pytest.mark.parametrize(
    ("entered", "became", "told"),
    [
        (state("SCHEDULED", 9, "Late"), RunState.PENDING, "ingest_things of acme: Late"),
        (
            state("SCHEDULED", 9, "AwaitingRetry", scheduled_time=NOON + timedelta(seconds=69)),
            RunState.PENDING,
            f"ingest_things of acme: AwaitingRetry until {NOON:%Y-%m-%d} 12:01:09 UTC",
        ),
        (state("CANCELLING", 9), RunState.RUNNING, "ingest_things of acme: Cancelling"),
        (state("CANCELLED", 9), RunState.CANCELLED, "ingest_things of acme: Cancelled"),
        (
            state("FAILED", 9, "Given up", "it was resumed 3 times"),
            RunState.FAILED,
            "ingest_things of acme: it was resumed 3 times",
        ),
        (
            state("COMPLETED", 9, "Verified empty", "0 new and 0 updated rows"),
            RunState.VERIFIED_EMPTY,
            "0 new and 0 updated rows",
        ),
        (
            state("FAILED", 9, "Incomplete", "half of it [reason=COUNT_DIFFERS]; next: read it again"),
            RunState.INCOMPLETE,
            "half of it [reason=COUNT_DIFFERS]; next: read it again",
        ),
        (
            state("FAILED", 9, message="refused [tenant=acme reason=TOKEN_REFUSED]; next: renew it"),
            RunState.FAILED,
            "refused [tenant=acme reason=TOKEN_REFUSED]; next: renew it",
        ),
        (
            state("FAILED", 9, message="Flow run encountered an exception: KeyError: 'token canary'"),
            RunState.FAILED,
            "ingest_things of acme failed; its log in Prefect says why",
        ),
        (
            state("COMPLETED", 9),
            RunState.FAILED,
            "ingest_things of acme was set to Completed, which is no end that it gives itself",
        ),
    ],
)
def test_a_state_is_told_in_words_that_hold_no_secret(
    entered: State[Any], became: RunState, told: str
) -> None:
    """Our own line where the state has one; never an error's text that nobody has looked at."""
    one = watched()
    one.add([*RAN, entered], [], 0)
    one = watched() if not entered.is_final() else one
    last = one.add([*RAN, entered], [], 100)[-1]
    assert (last.state, last.message) == (became, told)
