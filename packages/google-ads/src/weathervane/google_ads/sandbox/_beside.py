"""Which resources, metrics and segments stand beside which FROM resource.

It follows Google's field reference (developers.google.com/google-ads/api/fields): each resource's page names its
"attributed resources", whose fields do not segment metrics, and its "segmenting resources", whose fields do. Most of
them follow from the resource's own fields, as a link is a field with the other one's name (`campaign.campaign_budget`)
and brings what is above the other one; those that do not are in tables here.
"""

from __future__ import annotations

from functools import lru_cache

from weathervane.google_ads.sandbox._fields import CORE_DATES, field, is_resource, names

__all__ = ["LEVELS", "beside", "figures"]

LEVELS = ("customer", "campaign", "ad_group", "ad_group_ad")
"""The resources with metrics of their own, coarse to fine: each row knows the resources above it."""

_ABOVE = {
    "ad_group_ad": "ad_group",
    "ad_group_criterion": "ad_group",
    "ad_group": "campaign",
    "asset_group": "campaign",
    "campaign_criterion": "campaign",
}
_STRATEGIES = frozenset({"accessible_bidding_strategy", "bidding_strategy"})
_AD_GROUP_CRITERIA = (
    "ad_group_audience_view",
    "age_range_view",
    "display_keyword_view",
    "gender_view",
    "hotel_group_view",
    "income_range_view",
    "keyword_view",
    "managed_placement_view",
    "parental_status_view",
    "product_group_view",
    "topic_view",
    "webpage_view",
)
"""Views of one kind of criterion each: they have no fields, so the criterion's are selected beside them."""
_CAMPAIGN_CRITERIA = ("ad_schedule_view", "campaign_audience_view", "location_view")
_MORE: dict[str, frozenset[str]] = {
    **{name: frozenset({"ad_group_criterion"}) for name in _AD_GROUP_CRITERIA},
    **{name: frozenset({"campaign_criterion"}) for name in _CAMPAIGN_CRITERIA},
    "ad_group": _STRATEGIES,
    "age_range_view": _STRATEGIES | {"ad_group_criterion"},
    "keyword_view": _STRATEGIES | {"ad_group_criterion"},
    "parental_status_view": _STRATEGIES | {"ad_group_criterion"},
    # A segmenting one: a search term has a row for each ad.
    "search_term_view": frozenset({"ad_group_ad"}),
}
_CUSTOMERS_OWN = frozenset({"conversion_action", "customer", "customer_client"})
"""They are above campaigns, so no campaign's fields stand beside them."""

_NO_FIGURES: frozenset[str] = frozenset()
_FIGURES = {
    "customer_client": _NO_FIGURES,
    "conversion_action": CORE_DATES
    | {
        "metrics.all_conversions",
        "metrics.all_conversions_value",
        "metrics.conversion_last_conversion_date",
        "metrics.conversion_last_received_request_date_time",
    },
}


@lru_cache(maxsize=2_000)
def beside(resource: str, version: str) -> frozenset[str]:
    """The resources whose fields may be selected FROM a resource, itself among them."""
    known = {resource, "customer", *_MORE.get(resource, ())}
    prefix = f"{resource}."
    links = {
        name.removeprefix(prefix)
        for name in names(version)
        # A message is a part of the resource, also where it is named as another resource is: `ad_group_ad.ad`.
        if name.startswith(prefix) and (known_as := field(name, version)) and known_as.kind != "MESSAGE"
    }
    known |= {link for link in links if is_resource(link, version)}
    if resource not in _CUSTOMERS_OWN and resource not in LEVELS:
        # Of the reports that are not listed here most are about ad groups; too much is taken rather than refused.
        known |= {"campaign", "ad_group"}
    while above := {_ABOVE[one] for one in known if one in _ABOVE} - known:
        known |= above
    return frozenset(one for one in known if field(f"{one}.resource_name", version))


def figures(resource: str) -> frozenset[str] | None:
    """The metrics and segments that go with a resource; None when it takes all."""
    return _FIGURES.get(resource)
