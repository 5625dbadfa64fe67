"""What must hold of a table after any fault."""

from __future__ import annotations

from typing import Any

from .operations import COUNTS, Operation, State


def seen(answer: dict[str, Any], when: str) -> State:
    """What a reader saw."""
    state = answer[when]
    rows = tuple(tuple(row) for row in state["rows"])
    return State(rows, state["checkpoint"], tuple(state["quarantined"]))


def old_and_new(operation: Operation) -> tuple[State, State]:
    """The table before and after the operation."""
    checkpoint = "base-1" if operation.before else None
    old = State(tuple(sorted(operation.before, key=lambda row: str(list(row)))), checkpoint)
    after = tuple(sorted(operation.after, key=lambda row: str(list(row))))
    return old, State(after, "the-write", tuple(operation.quarantined))


def narrow(state: State, operation: Operation) -> State:
    """The state without columns that were added and hold nothing yet, and without what was set aside already."""
    width = len(operation.before[0]) if operation.before else len(operation.schema)
    bare = all(value is None for row in state.rows for value in row[width:])
    rows = tuple(row[:width] for row in state.rows) if bare else state.rows
    return State(rows, state.checkpoint)


def check(answer: dict[str, Any], operation: Operation) -> bool:
    """Checks everything that must hold after any fault; tells whether the write had reached the table."""
    assert "unreadable" not in answer, f"the table cannot be read: {answer}"
    old, new = old_and_new(operation)
    found = seen(answer, "state")
    assert found == new or narrow(found, operation) == old, "neither the old nor the new state"
    # What was set aside is there before the rows are, and never in part.
    assert found.quarantined in ((), tuple(operation.quarantined))
    committed = found == new
    retry, again = answer["retry"].get("receipt"), answer["again"].get("receipt")
    assert retry, f"the retry failed: {answer['retry']}"
    assert retry["repeat"] is committed, "a retry is a repeat exactly when the write is in the table"
    assert again == {**retry, "repeat": True}, "the second retry gets the first receipt"
    assert {name: retry[f"rows_{name}"] for name in COUNTS} == operation.counts
    parts = ("inserted", "updated", "unchanged", "collapsed", "quarantined")
    assert retry["rows_received"] == sum(retry[f"rows_{name}"] for name in parts)
    assert retry["rows_received"] == len(operation.rows) + len(operation.quarantined)
    assert retry["total_rows"] == len(operation.after)
    assert seen(answer, "end") == new, "after the retry the table holds the write exactly once"
    assert "receipt" in answer["next"], f"the next write failed: {answer['next']}"
    return bool(committed)
