"""What each list takes: its filters, sorts, includes and page sizes, for the legacy and the omni model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from weathervane.klaviyo.sandbox._filters import BOOLEAN, COMPARE, TEXT, TIME, Fields
from weathervane.klaviyo.sandbox._revisions import BETAS, LEGACY, is_omni

__all__ = [
    "BETA_INCLUDE",
    "Listing",
    "addressed",
    "kind_of",
    "listing_of",
    "one_includes",
    "related_includes",
    "relations",
]


@dataclass(frozen=True)
class Listing:
    """One list endpoint of one revision."""

    kind: str
    fields: Fields
    sorts: tuple[str, ...]
    includes: tuple[str, ...]
    default_size: int | None
    """None: there is no page[size]."""
    required: tuple[str, ...] = ()
    """Fields that the filter must name."""
    fixed_size: int = 100
    """Records a page where there is no page[size]."""


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
_METRICS = Listing(
    "metric",
    {"integration.name": (TEXT, ("equals",)), "integration.category": (TEXT, ("equals",))},
    (),
    (),
    None,
    fixed_size=200,
)

BETA_INCLUDE = "campaign-variations"
"""What the beta's list of messages took besides."""
_NO_TAGS = ("campaign-audiences", "campaign-messages")
"""What the betas include of a campaign, by Klaviyo's own OpenAPI document of 2026-07-15.pre: they name a campaign's
tags and give them at their own address, and do not include them."""
_ONE_INCLUDES: Mapping[str, tuple[str, ...]] = {
    "campaign": ("campaign-audiences", "campaign-messages", "tags"),
    "campaign-message": ("campaign", "campaign-variations"),
    "campaign-variation": ("campaign-message",),
    "campaign-audience": ("campaign", "campaign-messages"),
}
_LEGACY_ONE_INCLUDES: Mapping[str, tuple[str, ...]] = {
    "campaign": ("campaign-messages", "tags"),
    "campaign-message": ("campaign",),
}
_RELATIONS: Mapping[str, tuple[str, ...]] = {
    "campaign": ("campaign-audiences", "campaign-messages", "tags"),
    "campaign-message": ("campaign", "campaign-audience", "campaign-variations"),
    "campaign-variation": ("campaign-message",),
    "campaign-audience": ("campaign", "campaign-messages"),
}
_UNNAMED: Mapping[str, tuple[str, ...]] = {"campaign-message": ("tags",)}
"""Relationships that have addresses of their own, and that the records do not name."""


def kind_of(relationship: str) -> str:
    """The type of a relationship's records: `campaign-messages` -> `campaign-message`."""
    return relationship.removesuffix("s")


def one_includes(kind: str, revision: str) -> tuple[str, ...]:
    """What a single record takes as includes."""
    if kind == "campaign" and revision in BETAS:
        return _NO_TAGS
    return (_ONE_INCLUDES if is_omni(revision) else _LEGACY_ONE_INCLUDES).get(kind, ())


def relations(kind: str, *, omni: bool) -> tuple[str, ...]:
    """The relationships that a record names."""
    return (_RELATIONS if omni else _LEGACY_ONE_INCLUDES).get(kind, ())


def addressed(kind: str, *, omni: bool) -> tuple[str, ...]:
    """The relationships that can be asked for by an address of their own."""
    return relations(kind, omni=omni) + (_UNNAMED.get(kind, ()) if omni else ())


def related_includes(kind: str, relationship: str) -> tuple[str, ...]:
    """What the list of a relationship's records takes as includes."""
    return ("campaign",) if (kind, relationship) == ("campaign", "campaign-messages") else ()


def listing_of(name: str, revision: str) -> Listing | None:
    """The list endpoint of a revision; None when that revision does not have it."""
    if name == "metrics":
        return _METRICS
    if is_omni(revision):
        campaigns = replace(_OMNI_CAMPAIGNS, includes=_NO_TAGS) if revision in BETAS else _OMNI_CAMPAIGNS
        return {"campaigns": campaigns, "campaign-messages": _OMNI_MESSAGES}.get(name)
    if name != "campaigns":
        return None
    if revision >= LEGACY:
        return replace(_LEGACY_CAMPAIGNS, default_size=100)
    if revision < _FIRST_ID_FILTER:
        fields = {name: takes for name, takes in _LEGACY_CAMPAIGNS.fields.items() if name != "id"}
        return replace(_LEGACY_CAMPAIGNS, fields=fields)
    return _LEGACY_CAMPAIGNS
