"""The tables: daily insights at a level, and beside each the same days' actions by type and window.

The flow's own level is `adset`, and its tables are `meta_ads` and `meta_ads_actions`. A level has a natural key of its
own and a table's key is fixed, so every other level has tables of its own: `meta_ads_ad`, `meta_ads_ad_actions`. A
breakdown adds its columns to the key, and `_by_<breakdown>` to the name.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Literal

import pyarrow as pa

from weathervane.meta_ads._rows import CHOSEN, LISTS, PICKED, ROWS
from weathervane.meta_ads._settings import LEVELS, WINDOWS
from weathervane.source import Column, ConfigurationError, Dataset

__all__ = ["ACTIONS", "BREAKDOWNS", "INSIGHTS", "datasets_for", "fields_of"]

MONEY = pa.decimal128(20, 6)
"""Major units of the account's currency."""
FIGURE = pa.decimal128(38, 16)
"""Counts may be fractions under modelled attribution; values come with as many decimals as Meta computed, and are
rounded."""
_TEXT, _COUNT = pa.string(), pa.int64()

BREAKDOWNS: Mapping[str, tuple[str, ...]] = {
    "age": ("age",),
    "gender": ("gender",),
    "age_gender": ("age", "gender"),
    "country": ("country",),
    "region": ("country", "region"),
    "platform": ("publisher_platform",),
    "placement": ("publisher_platform", "platform_position"),
    "placement_device": ("publisher_platform", "platform_position", "impression_device"),
    "device": ("device_platform",),
    "hour": ("hourly_stats_aggregated_by_advertiser_time_zone",),
}
"""Name -> Meta's breakdowns: of those combinations that Meta publishes, the ones that users ask for. With `hour` and
`region` Meta shows no conversions off Meta, and with `hour` no reach. A region is told by its name only, which two
countries can share, so `region` is asked for with `country`."""

_NAMES = {
    "campaign": "Campaign",
    "adset": "Ad set",
    "ad": "Ad",
}


def _identity(level: str, *, climb: str = "") -> tuple[Column, ...]:
    above = LEVELS[1 : LEVELS.index(level) + 1]
    return (
        Column("tenant_id", _TEXT, doc="The tenant (brand)."),
        Column("account_id", _TEXT, f"{climb}account_id", doc="The ad account's number, without `act_`."),
        Column("date", pa.date32(), f"{climb}date_start", doc="A day in the account's time zone."),
        *(
            Column(f"{one}_id", _TEXT, f"{climb}{one}_id", nullable=False, doc=f"{_NAMES[one]}; beyond 2^53.")
            for one in above
        ),
    )


def _key(level: str) -> tuple[str, ...]:
    # Parents are no part of it: an ad's id is its name, and a key column that is null at a level loses rows.
    return (
        ("tenant_id", "account_id", "date")
        if level == "account"
        else ("tenant_id", "account_id", f"{level}_id", "date")
    )


def _said(name: str, doc: str = "") -> Column:
    """What only describes: a value that does not fit is set aside by itself."""
    return Column(name, _TEXT, name, on_misfit="value", doc=doc)


def _figure(name: str, path: str, doc: str, *, on_misfit: Literal["row", "value"] = "row") -> Column:
    """A figure that Meta computes: rounded, and where it is one of many of its row, set aside by itself."""
    return Column(name, FIGURE, path, json="scalar", approximate=True, on_misfit=on_misfit, doc=doc)


def _figures() -> tuple[Column, ...]:
    columns: list[Column] = []
    for name, (source, action_type) in CHOSEN.items():
        doc = f"`{action_type}` of `{source}`"
        columns.append(_figure(name, f"{PICKED}.{name}.value", f"{doc}, default reading.", on_misfit="value"))
        if name in ("purchases", "purchase_value"):
            columns += [
                _figure(
                    f"{name}_{window}", f"{PICKED}.{name}.{window}", f"{doc}, {window}.", on_misfit="value"
                )
                for window in WINDOWS
            ]
    return tuple(columns)


def _insights(level: str) -> Dataset:
    above = LEVELS[1 : LEVELS.index(level) + 1]
    extra: tuple[Column, ...] = ()
    if level != "account":
        extra += (_said("objective", "The campaign's."),)
    if level in ("adset", "ad"):
        told = "The windows that `default` figures of this row follow, e.g. `7d_click_1d_view`."
        extra += (_said("attribution_setting", told),)
    return Dataset(
        name="meta_ads" if level == "adset" else f"meta_ads_{level}",
        description=f"One row per {level} and day on which Meta shows anything; days without are absent.",
        unique_keys=_key(level),
        cluster_by="date",
        columns=(
            *_identity(level),
            _said("account_name"),
            _said("account_currency", "Of every amount."),
            Column("account_timezone", _TEXT, doc="IANA name; in which the days begin."),
            *(_said(f"{one}_name", "As it is called now.") for one in above),
            *extra,
            Column("impressions", _COUNT, "impressions", json="scalar"),
            Column("reach", _COUNT, "reach", json="scalar", doc="De-duplicated: not to be added up."),
            _figure("frequency", "frequency", "Impressions by reach: not to be added up.", on_misfit="value"),
            Column(
                "clicks", _COUNT, "clicks", json="scalar", doc="All clicks, also those that lead nowhere."
            ),
            Column(
                "link_clicks", _COUNT, "inline_link_clicks", json="scalar", doc="Meta's `inline_link_clicks`."
            ),
            Column(
                "spend",
                MONEY,
                "spend",
                json="scalar",
                approximate=True,
                doc="In major units of the account's currency.",
            ),
            *_figures(),
        ),
    )


def _actions(level: str) -> Dataset:
    name = _insights(level).name
    return Dataset(
        name=f"{name}_actions",
        description=f"One row per row of {name}, action type and attribution window. Types and windows overlap.",
        unique_keys=(*_key(level), "action_type", "attribution_window"),
        cluster_by="date",
        explode=ROWS,
        columns=(
            *_identity(level, climb="^."),
            Column("action_type", _TEXT, "action_type", doc="E.g. `omni_purchase`."),
            Column(
                "attribution_window", _TEXT, "attribution_window", doc="`default`, `7d_click`, `1d_view`, ..."
            ),
            *(_figure(column, column, f"Of `{source}`.") for column, source in LISTS.items()),
        ),
    )


INSIGHTS = _insights("adset")
ACTIONS = _actions("adset")


@cache
def datasets_for(level: str, breakdown: str | None = None) -> tuple[Dataset, Dataset]:
    """The tables of a level: insights, and their actions.

    Raises:
        ConfigurationError: There is no such level or breakdown.
    """
    if level not in LEVELS:
        raise ConfigurationError(f"level {level[:40]!r} is none of {', '.join(LEVELS)}", reason="BAD_LEVEL")
    insights, actions = _insights(level), _actions(level)
    if breakdown is None:
        return insights, actions
    if breakdown not in BREAKDOWNS:
        told = f"breakdown {breakdown[:40]!r} is none of {', '.join(BREAKDOWNS)}"
        raise ConfigurationError(told, reason="BAD_BREAKDOWN")
    return (
        _broken_down(insights, f"{insights.name}_by_{breakdown}", BREAKDOWNS[breakdown], ""),
        _broken_down(actions, f"{insights.name}_by_{breakdown}_actions", BREAKDOWNS[breakdown], "^."),
    )


def _broken_down(dataset: Dataset, name: str, breakdowns: tuple[str, ...], climb: str) -> Dataset:
    short = {one: "hour" if one.startswith("hourly") else one for one in breakdowns}
    columns = [Column(short[one], _TEXT, f"{climb}{one}", doc=f"Breakdown `{one}`.") for one in breakdowns]
    wider = dataset.with_columns(*columns, unique_keys=(*dataset.unique_keys, *short.values()))
    return Dataset(
        name,
        wider.columns,
        wider.unique_keys,
        cluster_by=wider.cluster_by,
        explode=wider.explode,
        description=wider.description,
    )


def fields_of(insights: Dataset, breakdown: str | None) -> list[str]:
    """What is asked of Meta: what the columns are read from, and the lists; breakdowns come by themselves."""
    extra = BREAKDOWNS[breakdown] if breakdown else ()
    plain = {column.members[0] for column in insights.selected} - {PICKED, "date_start", *extra}
    return sorted({*plain, *LISTS.values(), *(source for source, _ in CHOSEN.values())})
