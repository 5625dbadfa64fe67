"""Brings the windows of a backfill to their end, some at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from weathervane.source.backfilling.runs import Attempt, BackfillRuns, Standing
from weathervane.source.definition import Days

__all__ = ["drive"]


def drive(
    runs: BackfillRuns,
    windows: Sequence[Days],
    *,
    concurrency: int,
    pause: Callable[[], None],
    tell: Callable[[Days, Attempt], None],
) -> dict[Days, Attempt]:
    """Starts a window whenever fewer than `concurrency` are unfinished, until all have ended.

    A window whose earlier run ended well is left alone, one that goes on is followed, one that failed is begun anew;
    once: a flow has retries of its own. A window that is put off for the vendor's sake keeps its place: others would be
    refused by the same quota.

    Args:
        runs: The runs, in Prefect.
        windows: In the order in which they begin.
        concurrency: Unfinished ones at a time.
        pause: Called between two looks.
        tell: Called whenever a window's run is in another state.

    Returns:
        How each window ended.
    """
    done = runs.latest(windows)
    going = {window: one for window, one in done.items() if one.standing is Standing.GOING}
    waiting = [window for window in windows if window not in done or done[window].standing is Standing.FAILED]
    told: dict[Days, str] = {}
    while waiting or going:
        going = runs.again(going) if going else {}
        while waiting and sum(one.standing is Standing.GOING for one in going.values()) < concurrency:
            window = waiting.pop(0)
            going[window] = runs.start(window, done[window].number + 1 if window in done else 1)
        for window, one in going.items():
            if told.get(window) != one.state:
                told[window] = one.state
                tell(window, one)
        done |= going
        going = {window: one for window, one in going.items() if one.standing is Standing.GOING}
        if going:
            pause()
    return done
