"""Asynchronous report runs: created by POST, polled, then read like any list of insights."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from weathervane.meta_ads.sandbox._errors import GraphError
from weathervane.meta_ads.sandbox._options import MetaOptions
from weathervane.meta_ads.sandbox._query import Query
from weathervane.source.sandbox import Faults

__all__ = ["Run", "Runs"]

_LIFE = timedelta(days=30)


@dataclass(eq=False)
class Run:
    """One report run. It moves on with every look at it."""

    id: str
    query: Query
    params: dict[str, str]
    created: datetime
    looks: int
    """How many looks until it is complete."""
    end: str = "Job Completed"
    error: tuple[int, int | None, str] | None = None
    stuck: bool = False
    status: str = "Job Not Started"
    looked: bool = False
    """Whether anyone saw it so."""
    percent: int = 0
    as_of: datetime | None = None
    """The moment whose numbers it holds; None until it is complete."""

    def look(self, now: datetime) -> None:
        """One step of Not Started -> Started -> Running -> its end; 100 percent comes one look before Completed."""
        if self.status in ("Job Completed", "Job Failed", "Job Skipped"):
            return
        if self.looks > 0:
            self.looks -= 1
            if self.looked:
                steps = {"Job Not Started": ("Job Started", 0), "Job Started": ("Job Running", 42)}
                self.status, self.percent = steps.get(self.status, ("Job Running", 80))
            self.looked = True
            if self.looks == 0 and not self.stuck:
                self.status, self.percent = "Job Running", 100
            self.looks += self.stuck
            return
        self.status, self.percent, self.as_of = self.end, 100, now

    def node(self) -> dict[str, Any]:
        """What a poll shows."""
        since, until = self.query.periods[0][0], self.query.periods[-1][1]
        node: dict[str, Any] = {
            "id": self.id,
            "account_id": self.query.account.id,
            "time_ref": int(self.created.timestamp()),
            "time_completed": int(self.as_of.timestamp()) if self.as_of else 0,
            "async_status": self.status,
            "async_percent_completion": self.percent,
            "date_start": since.isoformat(),
            "date_stop": until.isoformat(),
            "is_running": self.status in ("Job Started", "Job Running"),
        }
        if self.status == "Job Failed" and self.error is not None:
            code, subcode, message = self.error
            node |= {"error_code": code, "error_message": message, "error_user_title": "Report Failed"}
            node["error_user_msg"] = "Der Bericht konnte nicht erstellt werden."
            if subcode is not None:
                node["error_subcode"] = subcode
        return node


class Runs:
    """The report runs of an app. Thread-safe."""

    def __init__(self, options: MetaOptions, faults: Faults) -> None:
        self._options, self._faults = options, faults
        self._lock = threading.Lock()
        self._runs: dict[str, Run] = {}
        self._next = 6023920149050

    def create(
        self, query: Query, params: dict[str, str], now: datetime, entities: int, facts: dict[str, Any]
    ) -> Run:
        """Starts a run."""
        with self._lock:
            self._next += 13
            run = Run(str(self._next), query, params, now, self._options.run_polls)
            if (slow := self._faults.take("async_slow", **facts)) is not None:
                run.looks = int(slow.args.get("polls", 20))
            if (failed := self._faults.take("async_failed", **facts)) is not None:
                run.end = "Job Failed"
                run.error = (
                    int(failed.args.get("code", -2)),
                    failed.args.get("subcode", 2490547),
                    str(failed.args.get("message", "The report failed")),
                )
            if self._faults.take("async_skipped", **facts) is not None:
                run.end = "Job Skipped"
            if self._faults.take("async_stuck", **facts) is not None:
                run.stuck, run.looks = True, max(1, run.looks)
            if entities * query.days > self._options.max_run_rows:
                run.end, run.error = "Job Failed", (-3, 1504045, "The report is too large")
            self._runs[run.id] = run
            return run

    def find(self, run_id: str, now: datetime) -> Run | None:
        """A run by its id; runs are forgotten after 30 days."""
        with self._lock:
            run = self._runs.get(run_id)
            if run is not None and now - run.created > _LIFE:
                raise GraphError(
                    100, f"(#100) Unsupported get request. Object with ID '{run_id}' has expired"
                )
            return run

    def look(self, run: Run, now: datetime) -> dict[str, Any]:
        """A poll."""
        with self._lock:
            run.look(now)
            return run.node()
