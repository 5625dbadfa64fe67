"""What we count of a report's answers, beside what Google says of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec

from weathervane.google_ads._queries import TOTALS, Report, json_path
from weathervane.google_ads._refusals import readable
from weathervane.lake import ControlTotal
from weathervane.source import IncompleteError, SourceError, parse_vendor_day, split_array, split_records

__all__ = ["Chunk", "Tally", "chunks_of", "is_busy", "whole"]

_WHOLE = re.compile(r"-?\d{1,19}", re.ASCII)
_DATE, _CHANNEL = ("segments", "date"), ("campaign", "advertisingChannelType")
_TOTALS = {name: tuple(json_path(field).split(".")) for name, field in TOTALS.items()}
_ODD = object()
"""Stands for a value that is there and cannot be read."""


class Chunk(msgspec.Struct, rename="camel"):
    """A part of searchStream's array, beside its rows."""

    summary_row: Any = None
    """The sums of the metrics, of nothing else."""


def chunks_of(body: bytes) -> Iterator[tuple[list[bytes], Chunk]]:
    """An answer's chunks, one after the other: the rows as sent, and what stands beside them.

    Taken apart one by one, so that only the answer itself is in memory whole.

    Raises:
        UnavailableError: It is no JSON.
        ContractError: It has another shape.
    """
    for part in split_array(body, "the answer"):
        yield split_records(part, "results", Chunk, missing_ok=True)


def is_busy(row: Mapping[str, Any]) -> bool:
    """Whether any campaign must have been behind a row; late conversions alone need none. What is odd is some."""
    return any(whole(row, path) != 0 for path in _TOTALS.values())


def _at(row: Any, path: tuple[str, ...]) -> Any:
    for member in path:
        if row is None:
            return None
        if not isinstance(row, dict):
            return _ODD
        row = row.get(member)
    return row


def whole(row: Any, path: tuple[str, ...]) -> int | None:
    """A figure, 0 when it was not sent; None: it cannot be read."""
    value = _at(row, path)
    if value is None:
        return 0
    if isinstance(value, str):
        return int(value) if _WHOLE.fullmatch(value) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _day(row: Any) -> date | None:
    try:
        return parse_vendor_day(_at(row, _DATE), "segments.date")
    except SourceError:
        return None


class Tally:
    """One report's count: what the lake is to hold of it, after equal rows were taken for one.

    A row that does not fit its table is counted like the others as far as it can be read. A figure that cannot be read
    is not compared with Google's sum of it; the row that has it is set aside, which tells of it.

    Args:
        report: What is counted.
        first: First day that was asked for.
        last: Last one.
    """

    def __init__(self, report: Report, first: date, last: date) -> None:
        self._report = report
        self._first, self._last = first, last
        self._paths = {name: _TOTALS[name] for name in report.totals}
        columns = (report.dataset.column(name) for name in report.dataset.unique_keys)
        self._key = [(column.members, column.absent) for column in columns if column.path]
        self._ours = dict.fromkeys(report.totals, 0)
        self._theirs = dict.fromkeys(report.totals, 0)
        self._unreadable: set[str] = set()
        self._unsaid: set[str] = set()
        # Of the answer at hand: no day is in two answers, and the day is a part of every key.
        self._seen: set[int] = set()
        self._received = self._summed = False
        self.days: dict[date, bool] = {}
        """Every day that has rows, and whether the account was shown, clicked or charged on it."""
        self.undated = False
        """Whether a row was of a day that cannot be read, or was not asked for."""
        self.channels: set[str] = set()
        """The channel types of the campaigns that were shown, clicked or charged, where they are selected."""

    @property
    def busy(self) -> set[date]:
        """The days on which the account was shown, clicked or charged."""
        return {day for day, busy in self.days.items() if busy}

    def add(self, records: Sequence[bytes], chunk: Chunk) -> None:
        """Count a chunk of an answer; rows that will be set aside count as well, since they were received."""
        for sent in records:
            self._add(readable(sent, dict[str, Any]))
        summary = chunk.summary_row
        if isinstance(summary, dict):
            for name, path in self._paths.items():
                told = whole(summary, path)
                if told is None:
                    self._unsaid.add(name)
                self._theirs[name] += told or 0
        self._received |= bool(records)
        self._summed |= isinstance(summary, dict)

    def _add(self, row: dict[str, Any] | None) -> None:
        # What is no object at all has nothing that could be counted.
        figures = {name: whole(row if row is not None else _ODD, path) for name, path in self._paths.items()}
        self._unreadable |= {name for name, figure in figures.items() if figure is None}
        day, busy = _day(row), any(figures.values())
        if day is None or not self._first <= day <= self._last:
            self.undated = True
        else:
            self.days[day] = busy or self.days.get(day, False)
        if busy and isinstance(channel := _at(row, _CHANNEL), str):
            self.channels.add(channel)
        key = [absent if (part := _at(row, path)) is None else part for path, absent in self._key]
        if None not in key:
            # The lake takes equal rows for one, and refuses different ones of the same key.
            seen = hash((*(part if isinstance(part, str) else repr(part) for part in key), *figures.values()))
            if seen in self._seen:
                return
            self._seen.add(seen)
        for name, figure in figures.items():
            self._ours[name] += figure or 0

    def end(self) -> bool:
        """End an answer.

        Returns:
            Whether it had rows. When it had none, nothing tells it from an answer that was lost: a summary row of
            nothing neither.

        Raises:
            IncompleteError: There were rows and no summary row.
        """
        received, summed = self._received, self._summed
        self._received = self._summed = False
        self._seen.clear()
        if received and not summed:
            raise IncompleteError(
                "rows came without the summary row that ends an answer", reason="NO_SUMMARY_ROW"
            )
        return received

    def totals(self, active: Collection[date]) -> tuple[ControlTotal, ...]:
        """Both figures of each control total.

        Args:
            active: The days on which the account was shown, clicked or charged, as far as anything that was read tells.

        Raises:
            IncompleteError: One of them has no rows, in a report that must have some of every such day; or a sum of
                Google's cannot be read.
        """
        if self._report.complete and not self.undated and (missing := set(active) - self.days.keys()):
            raise IncompleteError(
                f"{self._report.resource}: no rows of {min(missing)}, on which the account had figures",
                reason="DAYS_MISSING",
            )
        return tuple(ControlTotal(name, str(theirs), str(ours)) for name, theirs, ours in self._compared())

    def verify(self) -> None:
        """Hold our sums to Google's, where no lake will do so.

        Raises:
            IncompleteError: They differ, or one of Google's cannot be read.
        """
        for name, theirs, ours in self._compared():
            if theirs != ours:
                raise IncompleteError(
                    f"{self._report.resource}: Google says {theirs} {name}, and we read {ours}",
                    reason="CONTROL_TOTAL",
                )

    def _compared(self) -> list[tuple[str, int, int]]:
        if unsaid := self._unsaid - self._unreadable:
            raise IncompleteError(
                f"{self._report.resource}: Google's own sum of {min(unsaid)} cannot be read",
                reason="CONTROL_TOTAL",
            )
        return [
            (name, self._theirs[name], ours)
            for name, ours in self._ours.items()
            if name not in self._unreadable
        ]
