"""What the lake's tables must hold, worked out of the accounts' daily rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from weathervane.meta_ads.sandbox._fields import LEVELS
from weathervane.source.sandbox import TableTruth

__all__ = ["TABLES", "level_of", "table_truth"]

Row = Mapping[str, Any]

_INSIGHTS = {level: "meta_ads" if level == "adset" else f"meta_ads_{level}" for level in LEVELS}
TABLES = tuple(name for one in _INSIGHTS.values() for name in (one, f"{one}_actions"))
"""Of each level: its daily rows, and the actions in them."""

_LISTS = {
    "actions": "actions",
    "action_value": "action_values",
    "conversions": "conversions",
    "conversion_value": "conversion_values",
}
"""Columns of the actions' table -> the rows' lists."""
_WINDOWS = {
    "value": "default",
    **{window: window for window in ("1d_click", "7d_click", "28d_click", "1d_view")},
}
"""Members of a list's entry -> the table's word for the attribution window."""


def level_of(table: str) -> str:
    """The level of which a table holds the daily rows or their actions."""
    return next(level for level, name in _INSIGHTS.items() if name == table.removesuffix("_actions"))


def table_truth(table: str, daily: Iterable[Row]) -> TableTruth:
    """What a table must hold when these are all daily rows of its level, in the API's shape, with every window."""
    level = level_of(table)
    keys = ("account_id", *([f"{level}_id"] if level != "account" else []), "date")
    if table.endswith("_actions"):
        rows = [found for row in daily for found in _actions(level, row)]
        return TableTruth((*keys, "action_type", "attribution_window"), rows)
    return TableTruth(keys, [{**_names(level, row), **_figures(row)} for row in daily])


def _names(level: str, row: Row) -> dict[str, Any]:
    found = {"account_id": row["account_id"], "date": date.fromisoformat(row["date_start"])}
    if level != "account":
        found[f"{level}_id"] = row[f"{level}_id"]
    return found


def _figures(row: Row) -> dict[str, Any]:
    return {
        "account_currency": row["account_currency"],
        "spend": Decimal(row["spend"]),
        "impressions": _whole(row.get("impressions")),
        "reach": _whole(row.get("reach")),
        "clicks": _whole(row.get("clicks")),
        "link_clicks": _whole(row.get("inline_link_clicks")),
        "purchases_7d_click": _purchases(row, "actions", "7d_click"),
        "purchase_value": _purchases(row, "action_values", "value"),
    }


def _purchases(row: Row, name: str, window: str) -> Decimal | None:
    found = [
        entry[window]
        for entry in row.get(name) or ()
        if entry["action_type"] == "omni_purchase" and window in entry
    ]
    return Decimal(found[0]) if found else None


def _actions(level: str, row: Row) -> Iterator[dict[str, Any]]:
    found: dict[tuple[str, str], dict[str, Decimal]] = {}
    for column, name in _LISTS.items():
        for entry in row.get(name) or ():
            for member, window in _WINDOWS.items():
                if member in entry:
                    figures = found.setdefault((entry["action_type"], window), {})
                    figures[column] = Decimal(entry[member])
    for (action, window), figures in found.items():
        yield {
            **_names(level, row),
            "action_type": action,
            "attribution_window": window,
            **{column: figures.get(column) for column in _LISTS},
        }


def _whole(text: str | None) -> int | None:
    return None if text is None else int(text)
