"""The accounts that a pretend Google Ads starts with when no files are given."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

from weathervane.google_ads.sandbox._options import GoogleAdsOptions
from weathervane.google_ads.sandbox._traffic import Traffic
from weathervane.google_ads.sandbox._world import Account, Node, World

__all__ = ["add_campaign", "conversion_action", "fill"]

_WHOLE_UNITS = frozenset({"JPY", "KRW", "CLP", "VND", "ISK", "UGX"})
"""Currencies without a smaller coin: their amounts are micros all the same, but whole units."""
_UNITS_OF_A_DOLLAR = {"JPY": 150, "KRW": 1_380, "INR": 85}


def fill(world: World, options: GoogleAdsOptions) -> None:
    """Two managers, their clients, and what hinders a careless reader: see the options."""
    rng = Random(f"{options.name} {options.seed}")
    numbers = sorted(str(rng.randrange(10**9, 10**10)) for _ in range(9))
    root, second, branch, shared, own, far, direct, cancelled, suspended = numbers
    title = options.name.replace("_", " ").replace("-", " ").title()

    def account(number: str, name: str, **more: object) -> Account:
        return world.add(
            number,
            {
                "customer.descriptive_name": f"{title} {name}",
                "customer.currency_code": options.currency,
                "customer.time_zone": options.timezone,
                **{f"customer.{key}": value for key, value in more.items()},
            },
        )

    account(root, "Manager", manager=True).clients = [own, shared, branch, cancelled]
    account(second, "Agency", manager=True).clients = [shared, suspended]
    account(branch, "Regions", manager=True)
    account(cancelled, "Closed Shop", status="CANCELED")
    account(suspended, "Suspended Shop", status="SUSPENDED")
    world.accessible = [root, second]
    enabled = [(own, "Store"), (shared, "Outlet"), (far, "North"), (direct, "Side Project")][
        : options.clients
    ]
    for number, name in enabled:
        _fill_client(account(number, name), options)
    if options.clients >= 3:
        world.accounts[branch].clients = [far]
    if options.clients >= 4:
        world.accessible.append(direct)
    if options.clients == 1:
        # An account that is shared, but has not yet an ad.
        account(shared, "Outlet", status="CLOSED")


def conversion_action(
    account: Account,
    number: int,
    name: str,
    days: int,
    category: str,
    *,
    status: str = "ENABLED",
    included: bool = True,
) -> None:
    """Give an account a conversion action whose conversions are credited for `days`.

    Only an `included` one counts in `metrics.conversions`.
    """
    account.actions.append(
        {
            "conversion_action.resource_name": f"customers/{account.id}/conversionActions/{number}",
            "conversion_action.id": number,
            "conversion_action.name": name,
            "conversion_action.status": status,
            "conversion_action.type": "WEBPAGE",
            "conversion_action.category": category,
            "conversion_action.include_in_conversions_metric": included,
            "conversion_action.click_through_lookback_window_days": days,
            "conversion_action.view_through_lookback_window_days": 1,
        }
    )


def _fill_client(account: Account, options: GoogleAdsOptions) -> None:
    rng = Random(f"{options.seed} {account.id}")
    local = options.now.astimezone(account.timezone).date()
    first = local - timedelta(days=options.days)
    days = options.conversion_window
    number = rng.randrange(10**8, 10**9)
    conversion_action(account, number, "Purchase", days, "PURCHASE")
    conversion_action(account, number + 1, "Newsletter", days, "SIGNUP", included=False)
    number = rng.randrange(10**8, 10**9)
    conversion_action(account, number, "Old lead form", 90, "SUBMIT_LEAD_FORM", status="REMOVED")
    add_campaign(account, rng, "Brand", begins=first, groups=2)
    add_campaign(account, rng, "Generic", begins=first + timedelta(days=options.days // 3), groups=2)
    ended = local - timedelta(days=options.days // 4)
    add_campaign(account, rng, "Summer sale", begins=first, ends=ended, groups=1, status="REMOVED")
    add_campaign(account, rng, "Everything", begins=first, groups=0)


def add_campaign(
    account: Account,
    rng: Random,
    name: str,
    *,
    begins: date,
    ends: date | None = None,
    groups: int = 1,
    status: str = "ENABLED",
) -> Node:
    """Add a campaign: with ad groups of two ads each, or with none (Performance Max)."""
    number = rng.randrange(20_000_000_000, 23_000_000_000)
    channel = "SEARCH" if groups else "PERFORMANCE_MAX"
    campaign = account.node.child(
        "campaign",
        str(number),
        {
            "campaign.resource_name": f"customers/{account.id}/campaigns/{number}",
            "campaign.id": number,
            "campaign.name": name,
            "campaign.status": status,
            "campaign.advertising_channel_type": channel,
            "campaign.advertising_channel_sub_type": "UNSPECIFIED",
        },
    )
    if not groups:
        campaign.traffic = _traffic(account, rng, campaign.key, begins, ends, ("MIXED",))
        return campaign
    same = rng.randrange(700_000_000_000, 799_000_000_000)
    for index in range(groups):
        group_number = rng.randrange(150_000_000_000, 169_000_000_000)
        group = campaign.child(
            "ad_group",
            str(group_number),
            {
                "ad_group.resource_name": f"customers/{account.id}/adGroups/{group_number}",
                "ad_group.id": group_number,
                "ad_group.name": f"{name} {index + 1}",
                "ad_group.status": "ENABLED",
                "ad_group.type": "SEARCH_STANDARD",
            },
        )
        # One ad stands in every group of the campaign: an ad's id alone names no row.
        for number in (same, rng.randrange(700_000_000_000, 799_000_000_000)):
            ad = group.child(
                "ad_group_ad",
                f"{group_number}~{number}",
                {
                    "ad_group_ad.resource_name": f"customers/{account.id}/adGroupAds/{group_number}~{number}",
                    "ad_group_ad.status": "ENABLED",
                    "ad_group_ad.ad.resource_name": f"customers/{account.id}/ads/{number}",
                    "ad_group_ad.ad.id": number,
                    "ad_group_ad.ad.type": "RESPONSIVE_SEARCH_AD",
                },
            )
            ad.traffic = _traffic(account, rng, ad.key, begins, ends, ("SEARCH",))
    return campaign


def _traffic(
    account: Account, rng: Random, key: str, begins: date, ends: date | None, networks: tuple[str, ...]
) -> Traffic:
    currency = str(account.node.values["customer.currency_code"])
    units = _UNITS_OF_A_DOLLAR.get(currency, 1)
    return Traffic(
        seed=f"{account.id} {key} {rng.random()}",
        begins=begins,
        ends=ends,
        impressions=rng.randrange(200, 2_000),
        cpc_micros=rng.randrange(200_000, 2_500_000) * units,
        unit_micros=1_000_000 if currency in _WHOLE_UNITS else 10_000,
        order_value=rng.uniform(20, 120) * units,
        networks=networks,
    )
