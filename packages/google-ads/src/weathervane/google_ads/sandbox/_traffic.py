"""The figures of an ad: what each day ends at, and how it got there.

A day is not final when it is over. Conversions are booked on the day of the click and arrive for weeks, clicks that
were found invalid are taken back, and now and then all of a day was invalid. So a figure is a function of the seed,
the day, and how old the day is: whoever asks later sees more, or less, and whoever asks twice at one time the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

__all__ = ["ADDITIVE", "COUNTS", "Fact", "Traffic", "days_between", "share_arrived"]

COUNTS = frozenset(
    f"metrics.{name}"
    for name in ("impressions", "clicks", "interactions", "cost_micros", "view_through_conversions")
)
ADDITIVE = COUNTS | {
    f"metrics.{name}"
    for name in ("conversions", "conversions_value", "all_conversions", "all_conversions_value")
}
"""The metrics that the pretend vendor counts; ratios follow from them."""

CREDIT_AGE = 3
"""Days until clicks that were invalid are taken back."""
VOID_AGE = 5
"""Days until a day that was wholly invalid is emptied."""


@dataclass(frozen=True)
class Fact:
    """Figures of one day and one combination of segments."""

    segments: Mapping[str, str | int]
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class _Final:
    """What a day ends at, and what will happen to it on the way."""

    segments: Mapping[str, str]
    metrics: Mapping[str, float]
    credit_micros: int
    voided: bool


def share_arrived(age: int, window: int) -> float:
    """The share of a day's conversions that is there `age` days later: most at once, the last after `window`."""
    return 1.0 if age >= window else 0.35 + 0.65 * (1 - (1 - age / window) ** 2)


@dataclass
class Traffic:
    """The daily figures of one ad, or of a campaign without ads.

    Attributes:
        seed: text that makes the figures this ad's own.
        begins: its first day.
        ends: its last day, or None.
        impressions: how many on an ordinary day and device.
        cpc_micros: what a click costs, in micros of the currency.
        unit_micros: the smallest amount, in micros: 10,000 for cents, 1,000,000 for yen.
        order_value: what a conversion is worth, in currency units.
        networks: where it is shown.
    """

    seed: str
    begins: date
    ends: date | None
    impressions: int
    cpc_micros: int
    unit_micros: int
    order_value: float
    networks: tuple[str, ...] = ("SEARCH",)
    _finals: dict[date, tuple[_Final, ...]] = field(default_factory=dict, repr=False)

    def facts(self, day: date, *, today: date, share_of_today: float, window: int) -> list[Fact]:
        """What the figures of a day are at a moment of `today`."""
        age = (today - day).days
        if age < 0 or day < self.begins or (self.ends is not None and day > self.ends):
            return []
        if day not in self._finals:
            self._finals[day] = tuple(self._final(day))
        return [
            Fact(final.segments, self._now(final, age, share_of_today, window))
            for final in self._finals[day]
            if not (final.voided and age >= VOID_AGE)
        ]

    def _final(self, day: date) -> list[_Final]:
        rng = Random(f"{self.seed} {day.isoformat()}")
        voided = rng.random() < 0.02
        found = []
        for network in self.networks:
            for device, weight in (("MOBILE", 0.6), ("DESKTOP", 0.4)):
                week = 0.8 if day.weekday() >= 5 else 1.0
                impressions = int(self.impressions * weight * week * rng.uniform(0.5, 1.5))
                clicks = int(impressions * rng.uniform(0.02, 0.09))
                cost = (
                    int(clicks * self.cpc_micros * rng.uniform(0.7, 1.3))
                    // self.unit_micros
                    * self.unit_micros
                )
                # Data-driven attribution splits a conversion among clicks.
                conversions = round(clicks * rng.uniform(0.0, 0.12), 6)
                value = round(conversions * self.order_value * rng.uniform(0.6, 1.6), 2)
                credited = cost >= 20 * self.unit_micros and rng.random() < 0.3
                found.append(
                    _Final(
                        {"segments.device": device, "segments.ad_network_type": network},
                        {
                            "metrics.impressions": impressions,
                            "metrics.clicks": clicks,
                            "metrics.interactions": clicks,
                            "metrics.cost_micros": cost,
                            "metrics.conversions": conversions,
                            "metrics.conversions_value": value,
                            "metrics.all_conversions": round(conversions * 1.25, 6),
                            "metrics.all_conversions_value": round(value * 1.25, 2),
                            "metrics.view_through_conversions": int(impressions * rng.uniform(0, 0.002)),
                        },
                        cost // 50 // self.unit_micros * self.unit_micros if credited else 0,
                        voided,
                    )
                )
        return found

    def _now(self, final: _Final, age: int, share_of_today: float, window: int) -> dict[str, float]:
        day_share = share_of_today if age == 0 else 1.0
        arrived = share_arrived(age, window) * day_share
        figures: dict[str, float] = {}
        for name, value in final.metrics.items():
            if name not in COUNTS:
                figures[name] = round(value * arrived, 6)
            elif name == "metrics.cost_micros":
                cost = int(value * day_share) // self.unit_micros * self.unit_micros
                figures[name] = cost - (final.credit_micros if age >= CREDIT_AGE else 0)
            else:
                figures[name] = int(value * day_share)
        return figures


def days_between(first: date, last: date) -> list[date]:
    """Every day from the first to the last."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]
