"""Filling in a tenant's history: windows of days, each a run of the flow's deployment; the command `backfill`.

A run of it is tagged `backfill` and moves no checkpoint (`weathervane.source.tasks.BACKFILL`), so that windows can be
read side by side and in any order, a broken-off backfill claims nothing, and a schedule goes on from where it was.
"""

from weathervane.source.backfilling.command import backfill
from weathervane.source.backfilling.driving import drive
from weathervane.source.backfilling.plan import Plan
from weathervane.source.backfilling.runs import Attempt, BackfillRuns, Request, Standing
from weathervane.source.backfilling.windows import cut

__all__ = ["Attempt", "BackfillRuns", "Plan", "Request", "Standing", "backfill", "cut", "drive"]
