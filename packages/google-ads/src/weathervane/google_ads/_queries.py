"""Reports: a GAQL query and the table that it fills, declared in one place so that they cannot drift apart."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from weathervane.source import Column, ContractError, Convert, Dataset, JsonKind, parse_amount

__all__ = ["MONEY", "TOTALS", "WITH_ADS", "Field", "Report", "json_path", "report"]

log = logging.getLogger(__name__)

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


def json_path(gaql: str) -> str:
    """Where a field stands in a row: `metrics.cost_micros` -> `metrics.costMicros`."""
    parts = []
    for part in gaql.split("."):
        first, *rest = part.split("_")
        parts.append(first + "".join(word.capitalize() for word in rest))
    return ".".join(parts)


def _micros(sent: pa.Array) -> pa.Array:
    """Micros as text -> currency units: `12340000` -> 12.340000."""
    whole = sent.cast(pa.int64()).cast(pa.decimal128(19, 0))
    millionth = pa.scalar("0.000001").cast(pa.decimal128(7, 6))
    return pc.multiply(whole, millionth).cast(MONEY)


def _average_micros(sent: pa.Array) -> pa.Array:
    """An average in micros, a double -> text in currency units, to be rounded: `301234.56789` -> `0.30123456789`."""
    return pa.array([None if text is None else _shifted(text) for text in sent.to_pylist()], pa.string())


def _shifted(text: str) -> str:
    try:
        return str(parse_amount(text, "an average").scaleb(-6))
    except ContractError:
        return text  # which is no amount either


_ROW_FOR = ("metrics.", "segments.", "customer.currency_code")
"""What a row is worth nothing without; of the others a value that does not fit is set aside by itself."""


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
        return json_path(self.gaql)

    def as_column(self, *, key: bool = False) -> Column:
        """The column; an int64 is a string in proto3 JSON, an int32 and a double are numbers.

        Args:
            key: Whether it is a part of the table's key. A segment that Google leaves out of a row is a value there: an
                empty text, or the number -1.
        """
        convert: Convert | None = None
        kind: JsonKind | None = "string" if self.type == pa.int64() else None
        absent: str | int | None = None
        # Google computes its averages, values and shares with floats; its amounts are whole micros.
        double = pa.types.is_decimal(self.type) and not self.gaql.endswith("_micros")
        if self.micros:
            convert = _average_micros if double else _micros
        if double:
            kind = "scalar"
        if key and self.gaql.startswith("segments."):
            absent = "" if self.type == pa.string() else -1 if pa.types.is_integer(self.type) else None
        return Column(
            self.column,
            self.type,
            self.path,
            json=kind,
            convert=convert,
            doc=self.doc,
            absent=absent,
            approximate=double,
            on_misfit="row" if key or self.gaql.startswith(_ROW_FOR) else "value",
        )


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
    unique_keys = ("tenant_id", "customer_id", *keys, "date", *segments)
    _warn_of_shared_keys(name, resource, {one.gaql for one in every if one.column in unique_keys})
    selected = tuple(dict.fromkeys(one.gaql for one in every))
    columns = [one.as_column(key=one.column in unique_keys) for one in every]
    dataset = Dataset(
        name,
        (Column("tenant_id", pa.string(), doc="The tenant (brand)."), *columns),
        unique_keys,
        cluster_by="date",
        description=description,
    )
    return Report(dataset, resource, selected, complete, frozenset(channels))


_SPLIT = {
    "geographic_view": ("country_criterion_id", "location_type"),
    "user_location_view": ("country_criterion_id", "targeting_location"),
}
"""Views whose rows are split by attributes of theirs, be they selected or not: resource -> attributes. By the resource
names that the API's reference gives them, e.g. `geographicViews/{country_criterion_id}~{location_type}`."""


def _warn_of_shared_keys(name: str, resource: str, keyed: Collection[str]) -> None:
    missing = [each for each in _SPLIT.get(resource, ()) if f"{resource}.{each}" not in keyed]
    if missing:
        log.warning(
            "report %s: rows of %s are split by %s as well, which is not in the key: different rows of one key fail"
            " their slice (CONFLICTING_ROWS); select it, and name its column among the keys",
            name,
            resource,
            " and ".join(missing),
        )
