"""The reports that every tenant gets: the same figures by account, campaign, ad group and ad, day by day.

Levels do not add up to each other: Performance Max has no ad groups and no ads, so only campaigns and accounts hold all
of the spend.
"""

from __future__ import annotations

import pyarrow as pa

from weathervane.google_ads._queries import MONEY, WITH_ADS, Field, report

__all__ = ["ADS", "AD_GROUPS", "CAMPAIGNS", "CHANNELS", "CUSTOMERS", "METRICS", "REPORTS"]

_TEXT, _WHOLE, _NUMBER = pa.string(), pa.int64(), pa.float64()

METRICS = (
    Field("metrics.impressions", "impressions", _WHOLE),
    Field("metrics.clicks", "clicks", _WHOLE),
    Field("metrics.interactions", "interactions", _WHOLE),
    Field(
        "metrics.cost_micros",
        "cost_micros",
        _WHOLE,
        "Spend in millionths of the currency unit, also for JPY.",
    ),
    Field("metrics.cost_micros", "spend", MONEY, "`cost_micros` in currency units.", micros=True),
    Field(
        "metrics.conversions",
        "conversions",
        _NUMBER,
        "Fractional: attribution splits a conversion among clicks.",
    ),
    Field(
        "metrics.conversions_value", "conversions_value", _NUMBER, "In currency units, a double at Google."
    ),
    Field("metrics.all_conversions", "all_conversions", _NUMBER, "Also of actions outside of `conversions`."),
    Field("metrics.all_conversions_value", "all_conversions_value", _NUMBER),
    Field("metrics.view_through_conversions", "view_through_conversions", _WHOLE),
)
"""The figures of every level. Conversions are booked on the day of the click, so past days go on growing."""

_CAMPAIGN = (
    Field("campaign.id", "campaign_id", _TEXT),
    Field("campaign.name", "campaign_name", _TEXT, "As it is now; not a key."),
)
_AD_GROUP = (
    Field("ad_group.id", "ad_group_id", _TEXT),
    Field("ad_group.name", "ad_group_name", _TEXT, "As it is now; not a key."),
)

CAMPAIGNS = report(
    "google_ads",
    "campaign",
    (
        *_CAMPAIGN,
        Field("campaign.status", "campaign_status", _TEXT, "As it is now, not as it was on the day."),
        Field("campaign.advertising_channel_type", "channel_type", _TEXT),
        Field("campaign.advertising_channel_sub_type", "channel_sub_type", _TEXT),
        *METRICS,
    ),
    keys=("campaign_id",),
    complete=True,
    description="One row per campaign and day: all of the spend, removed campaigns and Performance Max included.",
)
CUSTOMERS = report(
    "google_ads_customers",
    "customer",
    METRICS,
    complete=True,
    description="One row per account and day: what the campaigns must add up to.",
)
AD_GROUPS = report(
    "google_ads_ad_groups",
    "ad_group",
    (
        *_CAMPAIGN,
        *_AD_GROUP,
        Field("ad_group.status", "ad_group_status", _TEXT, "As it is now."),
        Field("ad_group.type", "ad_group_type", _TEXT),
        *METRICS,
    ),
    keys=("ad_group_id",),
    channels=WITH_ADS,
    description="One row per ad group and day; without the spend of campaigns that have no ad groups.",
)
ADS = report(
    "google_ads_ads",
    "ad_group_ad",
    (
        Field("campaign.id", "campaign_id", _TEXT),
        Field("ad_group.id", "ad_group_id", _TEXT, "Part of the key: one ad may stand in several ad groups."),
        Field("ad_group_ad.ad.id", "ad_id", _TEXT),
        Field("ad_group_ad.ad.name", "ad_name", _TEXT),
        Field("ad_group_ad.ad.type", "ad_type", _TEXT),
        Field("ad_group_ad.status", "ad_status", _TEXT, "As it is now."),
        *METRICS,
    ),
    keys=("ad_group_id", "ad_id"),
    channels=WITH_ADS,
    description="One row per ad in an ad group and day; without the spend of campaigns that have no ads.",
)

REPORTS = (CAMPAIGNS, CUSTOMERS, AD_GROUPS, ADS)
"""The one that carries the run's position first."""

CHANNELS = report(
    "google_ads_channels",
    "campaign",
    (
        Field("campaign.id", "campaign_id", _TEXT),
        Field("campaign.advertising_channel_type", "channel_type", _TEXT),
        *METRICS[:2],
        METRICS[3],
    ),
    keys=("campaign_id",),
    complete=True,
    description="Fills no table: asked when another report is answered with nothing at all.",
)
