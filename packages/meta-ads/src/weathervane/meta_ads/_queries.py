"""What Meta is asked for: insights of some days and objects, and the objects themselves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from weathervane.meta_ads._settings import WINDOWS

__all__ = ["SPEND", "STATUSES", "Extent", "insights_query", "objects_query"]

_COMMON = ("ACTIVE", "ARCHIVED", "DELETED", "IN_PROCESS", "PAUSED", "WITH_ISSUES")
STATUSES = {
    "campaign": _COMMON,
    "adset": (*_COMMON, "CAMPAIGN_PAUSED"),
    "ad": (
        *_COMMON,
        "ADSET_PAUSED",
        "CAMPAIGN_PAUSED",
        "DISAPPROVED",
        "PENDING_BILLING_INFO",
        "PENDING_REVIEW",
        "PREAPPROVED",
    ),
}
"""Every effective status of a level's objects (facebook-business 26.0.3). All are asked for: without, Meta leaves out
deleted objects, whose spend and late conversions count all the same."""
SPEND = ["account_id", "impressions", "spend"]
"""The fields of a read that only wants to know what was spent, and on how many impressions: no actions, no windows."""


@dataclass(frozen=True)
class Extent:
    """Some days of some objects of an account."""

    since: date
    until: date
    """Inclusive."""
    kind: str = ""
    ids: tuple[str, ...] = ()
    """Only what belongs to these objects of this kind (`campaign`); empty for all."""

    @property
    def days(self) -> int:
        """How many days."""
        return (self.until - self.since).days + 1

    def __str__(self) -> str:
        only = f" of {len(self.ids)} {self.kind}s" if self.ids else ""
        return f"{self.since} .. {self.until}{only}"


def insights_query(
    extent: Extent, level: str, fields: list[str], breakdowns: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The parameters of a read of insights: every day and every object of its own, whatever its status."""
    # Any other conditions than these would hide rows; breakdowns of actions would multiply them. The account's own
    # rows need none: they are of every object, deleted ones too.
    conditions = [_condition(f"{level}.effective_status", STATUSES[level])] if level != "account" else []
    if extent.ids:
        conditions.append(_condition(f"{extent.kind}.id", extent.ids))
    params: dict[str, Any] = {
        "level": level,
        "fields": ",".join(fields),
        "time_range": {"since": extent.since.isoformat(), "until": extent.until.isoformat()},
        # Without it there is one row for the whole range.
        "time_increment": 1,
    }
    if fields != SPEND:
        params["action_attribution_windows"] = list(WINDOWS)
    if breakdowns:
        params["breakdowns"] = list(breakdowns)
    if conditions:
        params["filtering"] = conditions
    return params


def objects_query(kind: str) -> dict[str, Any]:
    """The parameters of a list of campaigns, ad sets or ads: their ids, whatever their status."""
    return {"fields": "id", "filtering": [_condition(f"{kind}.effective_status", STATUSES[kind])]}


def _condition(field: str, values: tuple[str, ...]) -> dict[str, Any]:
    return {"field": field, "operator": "IN", "value": list(values)}
