"""What each list takes: its filters, sorts, includes and page sizes, for the legacy and the omni model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from weathervane.klaviyo.sandbox.filters import BOOLEAN, COMPARE, TEXT, TIME, Fields
from weathervane.klaviyo.sandbox.revisions import LEGACY, is_omni

__all__ = ["BETA_INCLUDE", "CHILD_INCLUDES", "ONE_INCLUDES", "Listing", "listing_of"]


@dataclass(frozen=True)
class Listing:
    """One list endpoint of one revision."""

    kind: str
    fields: Fields
    sorts: tuple[str, ...]
    includes: tuple[str, ...]
    default_size: int | None
    """None: this revision has no page[size], and 100 a page."""
    required: tuple[str, ...] = ()
    """Fields that the filter must name."""


_OMNI_CAMPAIGNS = Listing(
    "campaign",
    {
        "id": (TEXT, ("any",)),
        "name": (TEXT, ("contains",)),
        "archived": (BOOLEAN, ("equals",)),
        "builder": (TEXT, ("equals",)),
        "created_at": (TIME, COMPARE),
        "updated_at": (TIME, COMPARE),
    },
    ("created_at", "id", "name", "updated_at"),
    ("campaign-audiences", "campaign-messages", "tags"),
    100,
)
_OMNI_MESSAGES = Listing(
    "campaign-message",
    {
        "id": (TEXT, ("any", "equals")),
        "campaign_id": (TEXT, ("equals",)),
        "name": (TEXT, ("contains",)),
        "status": (TEXT, ("equals",)),
        "created": (TIME, COMPARE),
        "updated": (TIME, COMPARE),
    },
    ("created", "id", "name", "status", "updated"),
    ("campaign",),
    20,
)
_LEGACY_CAMPAIGNS = Listing(
    "campaign",
    {
        "id": (TEXT, ("any",)),
        "messages.channel": (TEXT, ("equals",)),
        "name": (TEXT, ("contains",)),
        "status": (TEXT, ("any", "equals")),
        "archived": (BOOLEAN, ("equals",)),
        "created_at": (TIME, COMPARE),
        "scheduled_at": (TIME, COMPARE),
        "updated_at": (TIME, COMPARE),
    },
    ("created_at", "id", "name", "scheduled_at", "updated_at"),
    ("campaign-messages", "tags"),
    None,
    ("messages.channel",),
)
_FIRST_ID_FILTER = "2025-10-15"
_METRICS = Listing("metric", {}, (), (), None)

BETA_INCLUDE = "campaign-variations"
"""What the beta's list of messages took besides."""
ONE_INCLUDES: Mapping[str, tuple[str, ...]] = {
    "campaign": ("campaign-audiences", "campaign-messages", "tags"),
    "campaign-message": ("campaign", "campaign-variations"),
    "campaign-variation": ("campaign-message",),
    "campaign-audience": ("campaign",),
}
"""What a single record takes as includes (omni)."""
CHILD_INCLUDES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("campaign", "campaign-messages"): (),
    ("campaign", "campaign-audiences"): (),
    ("campaign", "tags"): (),
    ("campaign-message", "campaign-variations"): (),
}
"""The lists that hang below a record."""


def listing_of(name: str, revision: str) -> Listing | None:
    """The list endpoint of a revision; None when that revision does not have it."""
    if name == "metrics":
        return _METRICS
    if is_omni(revision):
        return {"campaigns": _OMNI_CAMPAIGNS, "campaign-messages": _OMNI_MESSAGES}.get(name)
    if name != "campaigns":
        return None
    if revision >= LEGACY:
        return replace(_LEGACY_CAMPAIGNS, default_size=100)
    if revision < _FIRST_ID_FILTER:
        fields = {name: takes for name, takes in _LEGACY_CAMPAIGNS.fields.items() if name != "id"}
        return replace(_LEGACY_CAMPAIGNS, fields=fields)
    return _LEGACY_CAMPAIGNS
