"""Numbers become rows as the API sends them: strings, zeros left out, only the fields that were asked for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from weathervane.meta_ads.sandbox._engine import Numbers
from weathervane.meta_ads.sandbox._fields import ADDITIVE, DEFAULT_FIELDS, LEVELS, LISTS
from weathervane.meta_ads.sandbox._world import Account, Thing

__all__ = ["numbers_of", "order_of", "rendered", "text"]

_OMNI = (("action_type", "omni_purchase"),)


def text(number: Any) -> str:
    """A number as the API writes it: no exponent, no padding (`133.9`, `1050`)."""
    if isinstance(number, Decimal):
        return f"{number.normalize():f}"
    return str(number)


def rendered(
    account: Account,
    thing: Thing | None,
    since: date,
    until: date,
    numbers: Numbers,
    *,
    fields: Iterable[str] | None,
    windows: Iterable[str],
    values: dict[str, str],
) -> dict[str, Any]:
    """One row."""
    named = _names(account, thing)
    if fields is None:
        fields = (*(name for name in named if name.endswith("_id")), *DEFAULT_FIELDS)
    row: dict[str, Any] = {}
    for field in fields:
        # Meta: `objective_results` comes under the key `results`.
        value = named.get(field) if field in named else _metric(field, numbers, windows)
        if value is not None:
            row["results" if field == "objective_results" else field] = value
    return {**row, **values, "date_start": since.isoformat(), "date_stop": until.isoformat()}


def _names(account: Account, thing: Thing | None) -> dict[str, Any]:
    named: dict[str, Any] = {
        "account_id": account.id,
        "account_name": account.name,
        "account_currency": account.currency,
    }
    for level in LEVELS[1:]:
        one = thing.at(level) if thing is not None else None
        if one is not None:
            named |= {f"{level}_id": one.id, f"{level}_name": one.name}
            if level == "campaign":
                named |= {key: one.extra[key] for key in ("objective", "buying_type") if key in one.extra}
            if level == "adset":
                named["optimization_goal"] = one.extra.get("optimization_goal")
                named["attribution_setting"] = "7d_click_1d_view"
    return named


def _metric(field: str, numbers: Numbers, windows: Iterable[str]) -> Any:
    if field in ("impressions", "spend"):
        return text(numbers.get(field, 0))
    if field in ADDITIVE:
        return text(numbers[field]) if numbers.get(field) else None
    if field in LISTS:
        return _list(numbers.get(field, {}), windows)
    impressions, reach = numbers.get("impressions", 0), numbers.get("reach", 0)
    clicks, spend = numbers.get("clicks", 0), Decimal(numbers.get("spend", 0))
    if field == "frequency" and reach:
        return text(round(Decimal(impressions) / reach, 6))
    if field == "ctr" and impressions:
        return text(round(Decimal(100 * clicks) / impressions, 6))
    if field == "cpc" and clicks:
        return text(round(spend / clicks, 6))
    if field == "cpm" and impressions:
        return text(round(1000 * spend / impressions, 6))
    if field == "purchase_roas" and spend:
        value = numbers.get("action_values", {}).get(_OMNI, {}).get("value")
        return (
            [{"action_type": "omni_purchase", "value": text(round(Decimal(value) / spend, 6))}]
            if value
            else None
        )
    return None


def _list(entries: dict[Any, dict[str, Any]], windows: Iterable[str]) -> list[dict[str, str]] | None:
    rows = []
    for entry, numbers in sorted(entries.items()):
        shown = {name: text(numbers[name]) for name in ("value", *windows) if numbers.get(name)}
        if shown:
            rows.append({**dict(entry), **shown})
    return rows or None


def numbers_of(raw: dict[str, Any]) -> Numbers:
    """The numbers of a row as the API sends it, so that coarser rows can be made of it."""
    numbers: Numbers = {name: Decimal(str(raw[name])) for name in ADDITIVE if raw.get(name) not in (None, "")}
    for name in LISTS:
        entries: dict[Any, dict[str, Any]] = {}
        for entry in raw.get(name) or ():
            windows = {key: Decimal(str(value)) for key, value in entry.items() if _is_window(key)}
            entries[tuple(sorted((k, v) for k, v in entry.items() if not _is_window(k)))] = windows
        numbers[name] = entries
    return numbers


def order_of(value: Any, entry: str) -> tuple[Decimal, str]:
    """What a row is sorted by: a number, or a text; of a list of actions, that of one type. Nothing counts as zero."""
    if isinstance(value, list):
        value = next((one.get("value") for one in value if one.get("action_type") == entry), None)
    try:
        return Decimal(str(value or 0)), ""
    except InvalidOperation:
        return Decimal(0), str(value)


def _is_window(key: str) -> bool:
    return (
        key in ("value", "dda", "incrementality", "default") or key[:1].isdigit() or key.startswith("skan_")
    )
