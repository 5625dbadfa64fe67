"""The numbers of an ad on a day, as a function of the day, the ad and the moment they are looked at.

What Meta restates, it restates here (docs, insights attribution): impressions, clicks and spend are final one day
after the day; conversions by click grow for 1, 7 and 28 days, by view for one; then a day is frozen. A few days turn
out to be invalid traffic after three days and vanish, and a few show late conversions without any delivery.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from weathervane.meta_ads.sandbox._fields import (
    ADDITIVE,
    BREAKDOWNS,
    HIDES_OFFSITE,
    HIDES_PEOPLE,
    LISTS,
    REGIONS,
    UNSEEN,
    ZERO_DECIMALS,
)
from weathervane.meta_ads.sandbox._world import Account, Thing, World

__all__ = ["Numbers", "ad_rows", "added", "split"]

Numbers = dict[str, Any]
"""Scalars by name; each list of `LISTS` as {entry key: {window: number}}, "value" being the default reading."""

_LINK, _LANDING, _ENGAGED, _CART, _PIXEL, _OMNI = (
    (("action_type", name),)
    for name in (
        "link_click",
        "landing_page_view",
        "post_engagement",
        "omni_add_to_cart",
        "offsite_conversion.fb_pixel_purchase",
        "omni_purchase",
    )
)
_OFFSITE = {_CART, _PIXEL, _OMNI}
_CONTACT = (("action_type", "contact_total"),)
_OUTBOUND = (("action_type", "outbound_click"),)


def ad_rows(world: World, account: Account, day: date, now: datetime) -> Iterator[tuple[Thing, Numbers]]:
    """Every ad with something to show on a day."""
    local = now.astimezone(account.zone)
    age = (local.date() - day).days
    if age < 0:
        return
    part = (local.hour * 60 + local.minute) / 1440 if age == 0 else 1.0
    for ad in world.ads(account.id, now):
        patch = world.patches.get((ad.id, day), ...)
        if patch is None:
            continue
        numbers = _numbers(ad, account, day, age, part) if patch is ... or patch.get("_add") else {}
        if patch is not ...:
            numbers = {**numbers, **{name: value for name, value in patch.items() if name != "_add"}}
        if numbers:
            yield ad, numbers


def _numbers(ad: Thing, account: Account, day: date, age: int, part: float) -> Numbers:
    ended = ad.ended()
    first, last = (moment and moment.astimezone(account.zone).date() for moment in (ad.created, ended))
    if not ad.delivers or (first is not None and day < first):
        return {}
    seed = hashlib.blake2b(f"{ad.id} {day}".encode(), digest_size=24).digest()
    u = [part / 65536 for part in struct.unpack(">12H", seed)]
    stopped = last is not None and day > last
    # Late conversions of people who saw it before: they come for 28 days after an ad has ended.
    late = stopped and last is not None and day <= last + timedelta(days=28) and u[9] < 0.3
    if stopped and not late:
        return {}
    if 0.05 <= u[9] < 0.1 or (u[9] < 0.02 and age >= 3):
        return {}  # no delivery at all, or found to be invalid traffic
    silent = late or 0.02 <= u[9] < 0.05
    if silent and age < 2:
        return {}
    impressions = 0 if silent else int((300 + 6000 * u[0]) * part)
    clicks = int(impressions * (0.01 + 0.03 * u[1]))
    links = int(clicks * (0.6 + 0.3 * u[2]))
    minor = 0 if account.currency in ZERO_DECIMALS else 2
    # 7.00 per thousand, or 1,050 in a currency without cents.
    price = (500 + 400 * u[3]) * (1.5 if minor == 0 else 1.0)
    spend = Decimal(int(impressions * price / 1000)).scaleb(-minor)
    numbers: Numbers = {
        "impressions": impressions,
        "clicks": clicks,
        "inline_link_clicks": links,
        "reach": int(impressions * (0.6 + 0.35 * u[4])),
        "spend": spend,
        "actions": {},
        "action_values": {},
        "conversions": {},
        "conversion_values": {},
        "outbound_clicks": {_OUTBOUND: {"value": max(0, links - 1)}},
    }
    actions = numbers["actions"]
    actions[_LINK] = {"value": links, "1d_click": links, "7d_click": links, "28d_click": links}
    landed = int(links * (0.5 + 0.4 * u[5]))
    actions[_LANDING] = {"value": landed, "1d_click": landed, "7d_click": landed, "28d_click": landed}
    actions[_ENGAGED] = {"value": clicks + links}
    base = 400 * u[6] if silent else clicks
    for entry, rate in ((_CART, 0.12), (_OMNI, 0.04)):
        counts = _conversions(base * rate, u[7], age, part)
        actions[entry] = counts
        if entry == _OMNI:
            actions[_PIXEL] = dict(counts)
            basket = int((3000 + 9000 * u[8]) * (1.5 if minor == 0 else 1))
            values = {window: Decimal(n * basket).scaleb(-minor) for window, n in counts.items()}
            numbers["action_values"] = {_OMNI: values, _PIXEL: dict(values)}
    if ad.at("campaign") is not None and u[10] < 0.3:
        numbers["conversions"] = {_CONTACT: _conversions(base * 0.02, u[11], age, part)}
    return numbers


def _conversions(base: float, u: float, age: int, part: float) -> dict[str, int]:
    final = {
        "1d_click": int(base * (0.5 + 0.5 * u)),
        "7d_click": int(base * (1.0 + 0.8 * u)),
        "28d_click": int(base * (1.2 + u)),
        "1d_view": int(base * 0.3 * (1 - u)),
        "1d_ev": int(base * 0.1 * u),
    }
    settles = {"1d_click": 2, "7d_click": 7, "28d_click": 28, "1d_view": 2, "1d_ev": 2}
    # Half is there on the day; the rest comes evenly until the window has closed.
    shown = {
        window: int(n * part * (0.5 + 0.5 * min(1.0, age / settles[window]))) for window, n in final.items()
    }
    # Windows nest: nothing within one day is missing within seven.
    shown["7d_click"] = max(shown["7d_click"], shown["1d_click"])
    shown["28d_click"] = max(shown["28d_click"], shown["7d_click"])
    return {"value": shown["7d_click"] + shown["1d_view"], **shown}


def added(rows: Iterable[Numbers]) -> Numbers:
    """One row of several."""
    total: Numbers = {}
    for row in rows:
        for name in ADDITIVE:
            if name in row:
                total[name] = total.get(name, 0) + row[name]
        for name in LISTS:
            into = total.setdefault(name, {})
            for entry, windows in row.get(name, {}).items():
                sums = into.setdefault(entry, {})
                for window, number in windows.items():
                    sums[window] = sums.get(window, 0) + number
    return total


def split(row: Numbers, breakdowns: Iterable[str], currency: str) -> Iterator[tuple[dict[str, str], Numbers]]:
    """A row's parts by breakdown: (values, numbers). They add up to the row, to the last cent."""
    parts: list[tuple[dict[str, str], Numbers]] = [({}, row)]
    asked = [*breakdowns]
    # A region is one of a country, whether or not that is asked for: without, one name may come twice.
    for name in ["country", *(one for one in asked if one != "country")] if "region" in asked else asked:
        parts = [
            ({**values, name: value}, part)
            for values, numbers in parts
            for value, part in _shares(numbers, _weights(name, values), currency, name)
        ]
    for values, numbers in parts:
        if numbers.get("impressions") or any(numbers.get(name) for name in LISTS):
            yield {name: values[name] for name in asked}, numbers


def _weights(name: str, values: Mapping[str, str]) -> tuple[tuple[str, float], ...]:
    if name in UNSEEN:
        return ()
    return REGIONS[values["country"]] if name == "region" else BREAKDOWNS[name]


def _shares(
    row: Numbers, weights: tuple[tuple[str, float], ...], currency: str, breakdown: str
) -> Iterator[tuple[str, Numbers]]:
    hides, people_hidden = breakdown in HIDES_OFFSITE, breakdown in HIDES_PEOPLE
    before = 0.0
    minor = 0 if currency in ZERO_DECIMALS else 2
    for n, (value, weight) in enumerate(weights):
        after = 1.0 if n == len(weights) - 1 else before + weight

        def share(number: Any, lower: float = before, upper: float = after) -> Any:
            if isinstance(number, Decimal):
                units = int(number.scaleb(minor))
                return Decimal(int(units * upper) - int(units * lower)).scaleb(-minor)
            return int(number * upper) - int(number * lower)

        part: Numbers = {name: share(row[name]) for name in ADDITIVE if name in row}
        if people_hidden:
            part.pop("reach", None)
        for name in LISTS:
            part[name] = _entries(row.get(name, {}), share, hides=hides)
        yield value, part
        before = after


def _entries(entries: Mapping[Any, Any], share: Any, *, hides: bool) -> dict[Any, Any]:
    found = {}
    for entry, windows in entries.items():
        if hides and entry in _OFFSITE:
            continue
        parts = {window: share(number) for window, number in windows.items()}
        if any(parts.values()):
            found[entry] = parts
    return found
