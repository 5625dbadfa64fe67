"""Reports: a GAQL query and the table that it fills, declared in one place so that they cannot drift apart."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from weathervane.source.dataset import Column, Convert, Dataset

__all__ = ["MONEY", "TOTALS", "WITH_ADS", "Field", "Report", "report"]

MONEY = pa.decimal128(20, 6)
"""Amounts in the account's currency; Google's micros are exact in it, also those of currencies without cents."""

TOTALS = {
    "cost_micros": "metrics.cost_micros",
    "impressions": "metrics.impressions",
    "clicks": "metrics.clicks",
}
"""Control totals: what Google sums up in the summary row, and we over the rows. Name -> GAQL field."""

WITH_ADS = frozenset({"DEMAND_GEN", "DISPLAY", "HOTEL", "MULTI_CHANNEL", "SEARCH", "SHOPPING", "VIDEO"})
"""Channel types whose campaigns are made of ad groups with ads. Performance Max is not; smart, local, local services
and travel campaigns, and those that this version of the API does not know, may not show theirs."""


def _micros(sent: pa.Array) -> pa.Array:
    """Micros as text -> currency units: `12340000` -> 12.340000."""
    whole = sent.cast(pa.int64()).cast(pa.decimal128(19, 0))
    millionth = pa.scalar("0.000001").cast(pa.decimal128(7, 6))
    return pc.multiply(whole, millionth).cast(MONEY)


@dataclass(frozen=True)
class Field:
    """One selected field and its column."""

    gaql: str
    """As GAQL writes it: `metrics.cost_micros`. Rows come in camelCase: `metrics.costMicros`."""
    column: str
    type: pa.DataType
    doc: str = ""
    micros: bool = False
    """The value is in micros, and the column (`MONEY`) in currency units."""

    @property
    def path(self) -> str:
        """Where the value stands in a row."""
        parts = []
        for part in self.gaql.split("."):
            first, *rest = part.split("_")
            parts.append(first + "".join(word.capitalize() for word in rest))
        return ".".join(parts)

    def as_column(self) -> Column:
        """The column; an int64 is a string in proto3 JSON, an int32 and a double are numbers."""
        convert: Convert | None = _micros if self.micros else None
        kind = "string" if self.type == pa.int64() and not self.micros else None
        return Column(self.column, self.type, self.path, json=kind, convert=convert, doc=self.doc)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Report:
    """A query and its table; make it by `report`."""

    dataset: Dataset
    resource: str
    """The FROM resource."""
    fields: tuple[str, ...]
    """What is selected, in GAQL."""
    complete: bool = False
    """Every day with any activity has a row: true of accounts and campaigns, not of ads (Performance Max has none)."""
    channels: frozenset[str] = frozenset()
    """Channel types whose campaigns' figures have rows here, such as `WITH_ADS`: an answer without rows and without a
    summary row is believed only of days on which none of them had figures."""

    @property
    def totals(self) -> tuple[str, ...]:
        """The control totals that it can be held to."""
        return tuple(name for name, field in TOTALS.items() if field in self.fields)

    def query(self, first: date, last: date) -> str:
        """The GAQL for some days, both included."""
        return (
            f"SELECT {', '.join(self.fields)} FROM {self.resource}"
            f" WHERE segments.date BETWEEN '{first.isoformat()}' AND '{last.isoformat()}'"
        )


_EVERY = (
    Field("customer.id", "customer_id", pa.string(), "The account, ten digits."),
    Field("segments.date", "date", pa.date32(), "The day in the account's time zone."),
    Field("customer.descriptive_name", "customer_name", pa.string()),
    Field("customer.currency_code", "currency", pa.string(), "Of all amounts of the row."),
    Field("customer.time_zone", "time_zone", pa.string(), "Where the day begins and ends."),
)


def report(
    name: str,
    resource: str,
    fields: Sequence[Field],
    *,
    keys: Sequence[str] = (),
    complete: bool = False,
    channels: Collection[str] = (),
    description: str = "",
) -> Report:
    """Declare a daily report: one row for each entity, day and combination of the selected segments.

    The account, the day, the currency and the time zone are selected always. The key is the account, the `keys`, the
    day and every selected segment, since each of them multiplies the rows.

    Args:
        name: The dataset's name in the lake.
        resource: The FROM resource, e.g. `campaign`.
        fields: What is selected beside them, at least one metric.
        keys: The columns of `fields` that name an entity within an account, e.g. `("ad_group_id", "ad_id")`.
        complete: See `Report.complete`.
        channels: See `Report.channels`. Without either, an answer of nothing at all is believed.
        description: One sentence about the table.

    Raises:
        ValueError: A key is no column, a column stands there twice, or there is no metric.
    """
    every = (*_EVERY, *fields)
    if not any(one.gaql.startswith("metrics.") for one in fields):
        raise ValueError(f"report {name!r} selects no metric, so it has no days")
    segments = [one.column for one in fields if one.gaql.startswith("segments.")]
    selected = tuple(dict.fromkeys(one.gaql for one in every))
    dataset = Dataset(
        name,
        (Column("tenant_id", pa.string(), doc="The tenant (brand)."), *(one.as_column() for one in every)),
        ("tenant_id", "customer_id", *keys, "date", *segments),
        cursor="date",
        cluster_by="date",
        control_totals=tuple(total for total, field in TOTALS.items() if field in selected),
        description=description,
    )
    return Report(dataset, resource, selected, complete, frozenset(channels))
