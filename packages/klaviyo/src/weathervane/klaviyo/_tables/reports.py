"""Campaign values reports: the table, the calendar quarters that are asked for, and the request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from weathervane.klaviyo._tables.campaigns import CHANNELS, tenant_columns
from weathervane.source import Column, Dataset

__all__ = ["FIGURES", "REPORTS", "Quarter", "quarters_of", "report_request"]

_TEXT = pa.string()
_COUNTS = {
    "recipients": "Whom it was sent to.",
    "delivered": "",
    "bounced": "",
    "failed": "",
    "opens": "",
    "opens_unique": "",
    "clicks": "",
    "clicks_unique": "",
    "conversions": "Events of the conversion metric.",
    "conversion_uniques": "People with such an event.",
    "unsubscribes": "",
    "unsubscribe_uniques": "",
    "spam_complaints": "",
}
_AMOUNTS = {
    "conversion_value": "In the account's currency.",
    "text_message_spend": "In the account's currency.",
}

FIGURES = (*_COUNTS, *_AMOUNTS)
"""The statistics that are asked for."""


def _channel(texts: pa.Array) -> pa.Array:
    """The same word as in klaviyo_campaign_variations."""
    for vendor, ours in CHANNELS.items():
        texts = pc.if_else(pc.equal(texts, vendor), pa.scalar(ours), texts)
    return texts


REPORTS = Dataset(
    name="klaviyo_campaign_reports",
    description="What each message brought, by the quarter in which it was sent; quarters may be added up. Only counts"
    " and amounts: a rate is a quotient of two of them and must not be added or averaged. A quarter is by one"
    " conversion metric. While a tenant changes to another one, some quarters are still by the old: conversions and"
    " conversion_value are then to be added up within conversion_metric_id.",
    unique_keys=("tenant_id", "conversion_metric_id", "period_start", "campaign_id", "message_id", "channel"),
    cluster_by="period_start",
    columns=(
        *tenant_columns(),
        Column(
            "conversion_metric_id",
            _TEXT,
            doc="What counts as a conversion: of conversions, conversion_uniques and conversion_value alone. Another"
            " metric's rows replace those of the same quarter, so no message is counted by two at once.",
        ),
        Column("period_start", pa.date32(), doc="First day of the quarter, in the account's time zone."),
        Column("period_end", pa.date32(), nullable=False, doc="Its last day."),
        Column("campaign_id", _TEXT, "groupings.campaign_id"),
        Column("message_id", _TEXT, "groupings.campaign_message_id"),
        Column("channel", _TEXT, "groupings.send_channel", convert=_channel),
        *(
            # Klaviyo sends floats, sums of floats among them: 1000.0, 812.4999999999999.
            Column(name, pa.int64(), f"statistics.{name}", json="number", approximate=True, doc=doc)
            for name, doc in _COUNTS.items()
        ),
        *(
            Column(name, pa.decimal128(20, 6), f"statistics.{name}", json="number", approximate=True, doc=doc)
            for name, doc in _AMOUNTS.items()
        ),
        Column("currency", _TEXT, doc="The account's."),
    ),
)


@dataclass(frozen=True, order=True)
class Quarter:
    """A calendar quarter in the account's time zone.

    Quarters, because a report is one aggregate over its whole window: windows must not overlap, or a message would
    count twice; they must stay the same from run to run, to be overwritten; and Klaviyo takes a year at most.
    """

    first: date

    @classmethod
    def of(cls, day: date) -> Quarter:
        """The quarter of a day."""
        return cls(date(day.year, 3 * ((day.month - 1) // 3) + 1, 1))

    @property
    def next(self) -> Quarter:
        """The quarter that follows."""
        return Quarter.of(self.first + timedelta(days=95))

    @property
    def last(self) -> date:
        """Its last day."""
        return self.next.first - timedelta(days=1)

    def __str__(self) -> str:
        return f"{self.first.year}-Q{self.first.month // 3 + 1}"


def quarters_of(sent: Iterable[datetime], zone: ZoneInfo) -> list[Quarter]:
    """The quarters in which something was sent, in order."""
    return sorted({Quarter.of(one.astimezone(zone).date()) for one in sent})


def report_request(quarter: Quarter, metric: str, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    """The one request for all campaigns and channels of a quarter.

    Args:
        quarter: The window.
        metric: The conversion metric's id.
        now: The present; a window does not end after it.
        zone: The account's time zone, in which Klaviyo reads the window; an offset would be ignored.
    """
    end = datetime.combine(quarter.last, time(23))
    here = now.astimezone(zone).replace(tzinfo=None, minute=0, second=0, microsecond=0)
    start = datetime.combine(quarter.first, time())
    return {
        "data": {
            "type": "campaign-values-report",
            "attributes": {
                "statistics": [*FIGURES],
                # Both ends belong to it; the end reaches to :59:59 of its hour.
                "timeframe": {"start": start.isoformat(), "end": max(start, min(end, here)).isoformat()},
                "conversion_metric_id": metric,
                "group_by": ["campaign_id", "campaign_message_id", "send_channel"],
            },
        }
    }
