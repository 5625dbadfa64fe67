"""A write that is killed, or whose disk fails, at any file operation is wholly in its table or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .checks import check
from .operations import OPERATIONS

Run = Callable[..., dict[str, Any]]
NewLake = Callable[[], Path]

NAMES = [name for name in OPERATIONS if name != "create_plain"]
each_operation = pytest.mark.parametrize("name", NAMES)
# Every operation that changes a file. Killing between two syncs changes nothing that a process can see, so
# the first one after the commit stands for all: the moment between the commit and its receipt.
CHANGES = "cwtrlum"
ENOUGH = 200


def faults(run_case: Run, new_lake: NewLake, name: str, **fault: Any) -> Iterator[dict[str, Any]]:
    """Runs the operation with the fault at its first file operation, its second, … until none is left."""
    for at in range(1, ENOUGH):
        answer = run_case(new_lake(), name, at=at, **fault)
        if "killed" not in answer and answer["counted"] < at:
            assert at > 3, "hardly any file operation was seen: is the library loaded?"
            return
        yield answer
    pytest.fail(f"{name} still finds file operations to fail after {ENOUGH}")


@each_operation
def test_a_killed_write_is_whole_or_absent(run_case: Run, new_lake: NewLake, name: str) -> None:
    """Killed with -9 before any file operation: old or new state, and the retry ends exactly-once."""
    outcomes = [
        check(answer, OPERATIONS[name])
        for answer in faults(run_case, new_lake, name, action="kill", kinds=CHANGES)
    ]
    assert outcomes[0] is False
    assert outcomes[-1] is True, "no kill between the commit and its receipt"
    assert outcomes == sorted(outcomes), "once in the table, always in the table"


@each_operation
def test_a_write_killed_between_commit_and_receipt_is_in_the_table(
    run_case: Run, new_lake: NewLake, name: str
) -> None:
    """The commit is there and not yet synced when the writer dies: the retry is told so."""
    lake = new_lake()
    version = len(list((lake / str(OPERATIONS[name].table) / "_delta_log").glob("*.json"))) or 1
    version += name == "add_column"
    part = f"{OPERATIONS[name].table}/_delta_log/{version:020d}.json"
    answer = run_case(lake, name, action="kill", kinds="s", part=part, at=1)
    assert answer["killed"]
    assert check(answer, OPERATIONS[name]) is True


@each_operation
def test_a_torn_write_is_absent(run_case: Run, new_lake: NewLake, name: str) -> None:
    """Half of a file's bytes and then kill -9: nothing of it is believed."""
    for answer in faults(run_case, new_lake, name, action="tear", kinds="w"):
        check(answer, OPERATIONS[name])


FAULTS = {
    "eio": {"action": "eio", "kinds": CHANGES},
    "eio-read-sync": {"action": "eio", "kinds": "os"},
    "full": {"action": "full", "kinds": "cwlmr"},
    "short": {"action": "short", "kinds": "w"},
}


@pytest.mark.parametrize(
    ("name", "fault"),
    # What all operations read and sync alike is failed for two of them: it is most of the work.
    [
        *((name, fault) for name in NAMES for fault in ("eio", "full", "short")),
        *((name, "eio-read-sync") for name in ("create_plain", "upsert")),
    ],
)
def test_a_failing_disk_is_said_and_survived(run_case: Run, new_lake: NewLake, name: str, fault: str) -> None:
    """An I/O error, a full disk or a short write: a receipt that is true, or a failure that is.

    The server lives on, and the same write then succeeds.
    """
    outcomes = []
    for answer in faults(run_case, new_lake, name, **FAULTS[fault]):
        first = answer["first"]
        committed = check(answer, OPERATIONS[name])
        if "receipt" in first:
            assert committed, "a receipt, and nothing in the table"
            assert answer["retry"]["receipt"] == {**first["receipt"], "repeat": True}
        else:
            assert first["error"] == "UNAVAILABLE", first
            assert first["reason"] in ("STORAGE_FAILED", "OUTCOME_UNKNOWN"), first
            if first["reason"] == "STORAGE_FAILED":
                assert not committed, f"it is in the table, and the answer was: {first['message']}"
                assert "nothing was committed" in first["message"]
        outcomes.append(first.get("reason", "RECEIPT"))
        if not committed:
            assert answer["orphans"] == 0, "what was written for nothing keeps a full disk full"
    if fault == "short":
        assert set(outcomes) == {"RECEIPT"}, "a short write is no failure: the rest is written after it"
    else:
        assert "STORAGE_FAILED" in outcomes
