"""What a backfill will do, as a table for whoever has to say yes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from weathervane.source._definition import Days, Estimate
from weathervane.source._serve.backfill_runs import Attempt, Request, Standing

__all__ = ["Plan", "as_time"]

_START_SECONDS = 15.0
"""From a run's making to its first line. Measured with a process worker: 8 to 20 s."""


@dataclass(frozen=True)
class Plan:
    """A backfill before it starts."""

    request: Request
    windows: Sequence[Days]
    """In the order in which they begin."""
    attempts: Mapping[Days, Attempt]
    """What earlier, broken-off backfills of the same request left."""
    estimates: Mapping[Days, Estimate]
    """Of windows that are not loaded yet; empty when nobody can say."""
    concurrency: int
    notes: Sequence[str] = ()

    def standing(self, window: Days) -> Standing:
        """Where a window stands."""
        found = self.attempts.get(window)
        return found.standing if found is not None else Standing.OPEN

    @property
    def left(self) -> list[Days]:
        """The windows that are not loaded yet."""
        return [window for window in self.windows if self.standing(window) is not Standing.LOADED]

    @property
    def seconds(self) -> float:
        """How long what is left will take."""
        each = [self.estimates[window].seconds + _START_SECONDS for window in self.left]
        return max(sum(each) / self.concurrency, max(each, default=0.0))

    def lines(self) -> list[str]:
        """The table, its sums and what the figures stand on."""
        request, days = self.request, sum(window.count for window in self.windows)
        rest = "".join(f", {name}={value}" for name, value in sorted(request.parameters.items()))
        lines = [
            f"backfill of {request.tenant} by {request.flow}{rest}: {days:,} days in {len(self.windows):,} windows,"
            f" newest first, {self.concurrency} at a time",
            "",
            _row("window", "days", "slices", "requests", "about", "stands"),
        ]
        lines += [self._line(window) for window in self.windows]
        lines += ["", self._sums(), *(f"note: {note}" for note in self.notes)]
        if not self.estimates and self.left:
            lines.append("note: slices, requests and time are not known beforehand")
        return lines

    def _line(self, window: Days) -> str:
        standing, found = self.standing(window), self.estimates.get(window)
        told = f"{self.attempts[window].state[:60]}, again" if standing is Standing.FAILED else standing.value
        figures = (
            ("", "", "")
            if standing is Standing.LOADED
            else ("unknown", "unknown", "unknown")
            if found is None
            else (f"{found.slices:,}", f"{found.requests:,}", as_time(found.seconds))
        )
        return _row(str(window), f"{window.count:,}", *figures, told)

    def _sums(self) -> str:
        left, estimates = self.left, self.estimates.values()
        told = f"loaded already: {len(self.windows) - len(left):,} windows; left: {len(left):,} windows"
        if not self.estimates:
            return told
        return (
            f"{told}, {sum(one.slices for one in estimates):,} slices,"
            f" {sum(one.requests for one in estimates):,} requests, about {as_time(self.seconds)}"
        )


def as_time(seconds: float) -> str:
    """`40 s`, `12 min`, `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _row(window: str, days: str, slices: str, requests: str, time: str, stands: str) -> str:
    return f"{window:24}  {days:>5}  {slices:>8}  {requests:>9}  {time:>11}  {stands}".rstrip()
