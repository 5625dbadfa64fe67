"""A compaction that is killed, or whose disk fails, at any file operation changes nothing for readers and writers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .checks import check
from .operations import OPERATIONS
from .test_crash import CHANGES, FAULTS, faults

Run = Callable[..., dict[str, Any]]
NewLake = Callable[[], Path]

DISKS = {"kill": {"action": "kill", "kinds": CHANGES}, "tear": {"action": "tear", "kinds": "w"}, **FAULTS}


@pytest.mark.parametrize(
    ("name", "disk"),
    [("upsert", "kill"), ("append", "kill"), ("upsert", "tear"), ("upsert", "eio"), ("append", "full")],
)
def test_a_compaction_that_fails_anywhere_loses_and_doubles_nothing(
    run_case: Run, new_lake: NewLake, name: str, disk: str
) -> None:
    """The rows are those of before; the next write, its repeat and the one after it find the table as it should be."""
    compacted = []
    for answer in faults(run_case, new_lake, name, upkeep=True, **DISKS[disk]):
        assert check(answer, OPERATIONS[name]) is False
        if "killed" not in answer:
            first = answer["first"]
            assert "receipt" in first or first["error"] == "UNAVAILABLE", first
            if first.get("reason") == "STORAGE_FAILED":
                assert answer["orphans"] == 0, "what was written for nothing keeps a full disk full"
            compacted.append("receipt" in first)
    assert disk in ("kill", "tear") or False in compacted, "no fault was felt"
