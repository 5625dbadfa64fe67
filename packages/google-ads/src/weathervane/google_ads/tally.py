"""What we count of a report's answers, beside what Google says of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date

import msgspec

from weathervane.google_ads.reports import Report
from weathervane.lake import ControlTotal
from weathervane.source.errors import ContractError, IncompleteError
from weathervane.source.records import split_records

__all__ = ["Chunk", "Row", "Tally", "chunks_of"]


class Metrics(msgspec.Struct, rename="camel"):
    """Figures that Google sums up."""

    cost_micros: str | None = None
    impressions: str | None = None
    clicks: str | None = None

    @property
    def busy(self) -> bool:
        """Whether any campaign must have been behind it; late conversions alone need none."""
        return any(int(one or 0) for one in (self.cost_micros, self.impressions, self.clicks))


class Segments(msgspec.Struct):
    """The day of a row."""

    date: date


class Campaign(msgspec.Struct, rename="camel"):
    """The campaign of a row."""

    advertising_channel_type: str = ""


class Row(msgspec.Struct, rename="camel"):
    """What is counted of a row; a summary row has no day."""

    metrics: Metrics = msgspec.field(default_factory=Metrics)
    segments: Segments | None = None
    campaign: Campaign | None = None


class Chunk(msgspec.Struct, rename="camel"):
    """A part of searchStream's array."""

    results: list[Row] = []
    summary_row: Row | None = None


def chunks_of(body: bytes) -> Iterator[tuple[list[bytes], Chunk]]:
    """An answer's chunks, one after the other: the rows as sent, and what is counted of them.

    Taken apart one by one, so that only the answer itself is in memory whole.

    Raises:
        ContractError: It has another shape.
    """
    try:
        parts = msgspec.json.decode(body, type=list[msgspec.Raw])
    except msgspec.DecodeError as error:
        raise ContractError(f"the answer is no array: {error}", reason="UNEXPECTED_JSON") from None
    for part in parts:
        yield split_records(bytes(part), "results", Chunk, missing_ok=True)


class Tally:
    """One report's count."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._ours = dict.fromkeys(report.totals, 0)
        self._theirs = dict.fromkeys(report.totals, 0)
        self._received = self._summed = False
        self.days: dict[date, bool] = {}
        """Every day that has rows, and whether the account was shown, clicked or charged on it."""
        self.channels: set[str] = set()
        """The channel types of the campaigns that were shown, clicked or charged, where they are selected."""

    @property
    def busy(self) -> set[date]:
        """The days on which the account was shown, clicked or charged."""
        return {day for day, busy in self.days.items() if busy}

    def add(self, chunk: Chunk) -> None:
        """Count a chunk of an answer; rows that will be set aside count as well, since they were received."""
        for row in chunk.results:
            busy = row.metrics.busy
            if row.segments is not None:
                self.days[row.segments.date] = busy or self.days.get(row.segments.date, False)
            if busy and row.campaign is not None:
                self.channels.add(row.campaign.advertising_channel_type)
        for name in self._ours:
            self._ours[name] += sum(int(getattr(row.metrics, name) or 0) for row in chunk.results)
            if chunk.summary_row is not None:
                self._theirs[name] += int(getattr(chunk.summary_row.metrics, name) or 0)
        self._received |= bool(chunk.results)
        self._summed |= chunk.summary_row is not None

    def end(self) -> bool:
        """End an answer.

        Returns:
            Whether Google vouches for it: False when it had neither rows nor a summary row, so that nothing tells it
            from an answer that was lost.

        Raises:
            IncompleteError: There were rows and no summary row.
        """
        received, summed = self._received, self._summed
        self._received = self._summed = False
        if received and not summed:
            raise IncompleteError(
                "rows came without the summary row that ends an answer", reason="NO_SUMMARY_ROW"
            )
        return summed

    def totals(self, active: Collection[date]) -> tuple[ControlTotal, ...]:
        """Both figures of each control total.

        Args:
            active: The days on which the account was shown, clicked or charged, as far as anything that was read tells.

        Raises:
            IncompleteError: One of them has no rows, in a report that must have some of every such day.
        """
        if self._report.complete and (missing := set(active) - self.days.keys()):
            raise IncompleteError(
                f"{self._report.resource}: no rows of {min(missing)}, on which the account had figures",
                reason="DAYS_MISSING",
            )
        return tuple(
            ControlTotal(name, str(self._theirs[name]), str(ours)) for name, ours in self._ours.items()
        )

    def verify(self) -> None:
        """Hold our sums to Google's, where no lake will do so.

        Raises:
            IncompleteError: They differ.
        """
        for name, ours in self._ours.items():
            if self._theirs[name] != ours:
                raise IncompleteError(
                    f"{self._report.resource}: Google says {self._theirs[name]} {name}, and we read {ours}",
                    reason="CONTROL_TOTAL",
                )
