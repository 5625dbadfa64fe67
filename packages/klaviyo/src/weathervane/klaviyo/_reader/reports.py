"""Reading reports: which quarters, one call each, and what to do when the day's quota ends."""

from __future__ import annotations

import logging
from collections.abc import Generator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from weathervane.klaviyo._client import Account, KlaviyoClient, address
from weathervane.klaviyo._tables.reports import FIGURES, REPORTS, Quarter, quarters_of, report_request
from weathervane.klaviyo._verdict import NotFoundError
from weathervane.lake import ColumnRange
from weathervane.source import (
    ConfigurationError,
    DeferredError,
    IncompleteError,
    Misfit,
    Page,
    Piece,
    Slice,
    SliceEnd,
    format_checkpoint,
    normalise,
    paginate,
    split_records,
)

__all__ = ["ReportsReader"]

log = logging.getLogger(__name__)

Times = dict[str, datetime]
_PATH = "campaign-values-reports"


class _Links(msgspec.Struct):
    next: str | None = None


class _Following(msgspec.Struct):
    links: _Links | None = None


class ReportsReader:
    """Reads one report for each quarter that may have grown.

    Args:
        client: The account's API.
        account: The account.
        days: First and last day of the run, if it was given some.
        now: When the run began.
    """

    def __init__(
        self, client: KlaviyoClient, account: Account, days: tuple[date | None, date | None], now: datetime
    ) -> None:
        self._client = client
        self._account = account
        self._days = days
        self._now = now
        self._metric = client.credentials.conversion_metric_id or ""
        self._quarters: list[Quarter] | None = None
        self._never_empty: set[Quarter] = set()
        self._records: Sequence[bytes] = ()
        self._empty: list[Quarter] = []
        self.deferred: DeferredError | None = None
        """Set when a quota was used up: the rest of the reports is left to a later run."""

    def next_slice(
        self,
        sent: Sequence[datetime],
        present: Sequence[datetime],
        held: Mapping[str, set[date]],
        before: Times,
    ) -> Slice | None:
        """Fetches the next report and gives the slice for it; None when there is none left.

        It is fetched before there is a slice: the end of a quota is no failed slice.

        Args:
            sent: When messages were sent, also those that were deleted since, or stopped on the way.
            present: When messages were sent that the account has, and whose sending is over: to somebody, for
                otherwise they were cancelled.
            held: By conversion metric: the first days of the quarters of which the lake holds rows.
            before: The checkpoint's times.

        Raises:
            ConfigurationError: There is no conversion metric, or not in this account.
            IncompleteError: All reports were read but those that were empty and cannot be.
        """
        if self._quarters is None:
            self._quarters = self._choose(sent, held, before)
            self._never_empty = set(quarters_of(present, self._account.timezone))
        while self._quarters:
            quarter = self._quarters.pop(0)
            try:
                request = report_request(quarter, self._metric, self._now, self._account.timezone)
                self._records = self._fetched(request, quarter)
            except DeferredError as error:
                log.warning("reports from %s on are left to a later run: %s", quarter, error)
                self.deferred = error.with_context(tenant=self._client.tenant, dataset=REPORTS.name)
                return None
            if self._records or quarter not in self._never_empty:
                break
            # The quarter's rows would all be removed on the word of one empty list. Loud, but the others come first.
            log.error("the report of %s is empty, and messages were sent in it", quarter)
            self._empty.append(quarter)
        else:
            if self._empty:
                raise IncompleteError(
                    f"the report of {self._empty[0]} is empty, and the account has messages that were sent in it; all"
                    " other reports were read",
                    reason="REPORT_EMPTY",
                )
            return None
        day = quarter.first.isoformat()
        # The whole quarter, whatever metric its rows count by: beside another one's, all that does not depend on the
        # metric would be there twice.
        window = (ColumnRange("period_start", day, day),)
        bounds = {"quarter": quarter, "before": before}
        return Slice(f"report {quarter} of {self._metric}", bounds, {REPORTS.name: window})

    def _fetched(self, request: Mapping[str, Any], quarter: Quarter) -> list[bytes]:
        """All groups of a report; each further page is asked for with the same request, and counts as a report."""

        def fetch(link: str | None) -> Page[bytes, str]:
            body = self._client.post(link or _PATH, request)
            records, following = split_records(body, "data.attributes.results", _Following)
            after = following.links.next if following.links else None
            return Page(records, None if after is None else self._client.ours(after))

        return [one for page in paginate(fetch, what=f"the report of {quarter}") for one in page.items]

    def read(self, slice: Slice, constants: Mapping[str, Any]) -> Generator[Piece, None, SliceEnd]:
        """The rows of the report that was fetched."""
        quarter: Quarter = slice.bounds["quarter"]
        records = self._records
        period = {"period_start": quarter.first, "period_end": quarter.last}
        more = {"conversion_metric_id": self._metric, "currency": self._account.currency}
        yield Piece(
            REPORTS.name,
            normalise(REPORTS, records, constants={**constants, **period, **more}, unfit=_incomplete),
        )
        before: Times = dict(slice.bounds["before"])
        if not any(self._days) and not self._empty:
            # Chosen days and empty reports leave gaps, which the next whole run must not take for done.
            first = datetime.combine(quarter.first, time(), UTC)
            before[self._progress] = max(first, before.get(self._progress, first))
        return SliceEnd(format_checkpoint(before) if before else None)

    @property
    def _progress(self) -> str:
        """The checkpoint's name for the newest quarter that was reported; another metric begins anew."""
        return f"reported {self._metric}"

    def _choose(
        self, sent: Sequence[datetime], held: Mapping[str, set[date]], before: Times
    ) -> list[Quarter]:
        """The quarters to ask for, oldest first, so that one date says how far the first run came.

        A quarter of which the lake has another metric's rows is one of them, until it has this one's in their place.
        """
        if not self._metric:
            raise ConfigurationError(
                "reports need conversion_metric_id: the id of the metric to count as conversions, usually that of"
                " Placed Order",
                reason="NO_CONVERSION_METRIC",
            )
        zone = self._account.timezone
        others = {Quarter.of(day) for metric, days in held.items() if metric != self._metric for day in days}
        quarters = sorted({*quarters_of(sent, zone), *others})
        start, end = self._days
        if quarters and (start or end):
            first, last = Quarter.of(start or quarters[0].first), Quarter.of(end or quarters[-1].first)
            quarters = [one for one in quarters if first <= one <= last]
        elif quarters and (reported := before.get(self._progress)) is not None:
            # By the newest sending and not by our clock: what comes in, comes in for something that was sent.
            newest = max(sent).astimezone(zone).date() if sent else reported.date()
            since = Quarter.of(newest - self._client.settings.report_look_back)
            asked = min(since, Quarter.of(reported.date()))
            quarters = [one for one in quarters if one >= asked or one in others]
        if quarters:
            self._check_metric()
        return quarters

    def _check_metric(self) -> None:
        # A wrong id would cost one of the day's 225 reports to find out.
        try:
            self._client.one(address("metrics", self._metric))
        except NotFoundError:
            raise ConfigurationError(
                f"the account has no metric {self._metric[:40]}; give the id of its own Placed Order",
                reason="NO_SUCH_METRIC",
            ) from None


def _incomplete(rows: pa.RecordBatch) -> dict[int, Misfit]:
    """Rows without a single figure: taken for none, they would wipe out what an earlier answer said."""
    empty = [name for name in FIGURES if rows.column(name).null_count]
    if len(empty) < len(FIGURES):
        return {}
    nothing = pc.is_null(rows.column(FIGURES[0]))
    for name in FIGURES[1:]:
        nothing = pc.and_(nothing, pc.is_null(rows.column(name)))
    lacking = Misfit("recipients", None, "none of the figures that were asked for is there")
    return dict.fromkeys(pc.indices_nonzero(nothing).to_pylist(), lacking)
