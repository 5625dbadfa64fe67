"""Figures as functions of the clock: whoever asks later sees another past, whoever asks again at once the same."""

from __future__ import annotations

from datetime import timedelta

DAY = 86_400
QUERY = (
    "SELECT ad_group_ad.ad.id, ad_group.id, segments.date, segments.device, metrics.impressions, metrics.clicks,"
    " metrics.cost_micros, metrics.conversions, metrics.all_conversions FROM ad_group_ad WHERE segments.date BETWEEN"
)


def figures(client, first, last):
    """The rows of some days by ad, day and device."""
    client.http.headers["Authorization"] = f"Bearer {client.token()}"
    return {
        (
            row["adGroup"]["id"],
            row["adGroupAd"]["ad"]["id"],
            row["segments"]["date"],
            row["segments"]["device"],
        ): row["metrics"]
        for row in client.stream(f"{QUERY} '{first}' AND '{last}'")
    }


def test_conversions_of_a_day_grow_until_the_window_is_over(start):
    """More from day to day up to the action's window, and then no more."""
    client = start(days=4, conversion_window=14)
    day = client.vendor.clock.now().date() - timedelta(days=1)
    seen = []
    for _ in range(5):
        seen.append(sum(one["conversions"] for one in figures(client, day, day).values()))
        client.vendor.advance(5 * DAY)
    assert seen[0] < seen[1] < seen[2]
    assert seen[3] == seen[4]


def test_some_clicks_are_taken_back_after_three_days(start):
    """Cost falls a little, never below what remains, and stays there."""
    client = start(days=30)
    day = client.vendor.clock.now().date() - timedelta(days=2)
    early = figures(client, day, day)
    client.vendor.advance(DAY)
    later = figures(client, day, day)
    changed = [name for name in early if later[name]["costMicros"] != early[name]["costMicros"]]
    assert changed
    assert all(0 < int(later[name]["costMicros"]) < int(early[name]["costMicros"]) for name in changed)
    client.vendor.advance(DAY)
    last = figures(client, day, day)
    assert [one["costMicros"] for one in last.values()] == [one["costMicros"] for one in later.values()]


def test_a_day_that_was_wholly_invalid_disappears(start):
    """All zero, so no row at all: five days later it is as if it had never been."""
    client = start(days=60, clients=2)
    today = client.vendor.clock.now().date()
    first, last = today - timedelta(days=4), today - timedelta(days=1)
    gone = set()
    for _ in range(12):
        early = figures(client, first, last)
        client.vendor.advance(5 * DAY)
        gone |= early.keys() - figures(client, first, last).keys()
        first, last = first + timedelta(days=5), last + timedelta(days=5)
    assert gone


def test_today_grows_by_the_hour_and_tomorrow_is_empty(start):
    """In the account's own time zone."""
    client = start(days=3, timezone="Asia/Tokyo")
    today = (
        client.vendor.clock.now().astimezone(client.vendor.world.accounts[client.customer].timezone).date()
    )
    early = sum(int(one["clicks"]) for one in figures(client, today, today).values())
    client.vendor.advance(6 * 3600)
    assert sum(int(one["clicks"]) for one in figures(client, today, today).values()) > early
    tomorrow = today + timedelta(days=1)
    assert figures(client, tomorrow, tomorrow) == {}


def test_the_same_seed_is_the_same_vendor(start):
    """Two processes with one seed and one clock answer the same, to the last digit."""
    one, other = start(seed=3), start(seed=3)
    today = one.vendor.clock.now().date()
    span = (today - timedelta(days=8), today)
    assert figures(one, *span) == figures(other, *span) != figures(start(seed=4), *span)


def test_the_truth_is_what_the_api_answers(start):
    """Summed by hand from the ads' own figures, level by level."""
    client = start(clients=3)
    fields = "metrics.clicks, metrics.cost_micros, metrics.conversions"
    world = client.vendor.world
    for level, ident in (
        ("customer", "customer.id"),
        ("campaign", "campaign.id"),
        ("ad_group", "ad_group.id"),
    ):
        truth = {
            (
                row["customer"]["id"],
                row["segments"]["date"],
                row.get("adGroup", row.get("campaign", {})).get("id"),
            ): row
            for row in client.vendor.truth(level)
        }
        found = {}
        for root in world.accessible:
            for number, _ in world.below(root):
                account = world.accounts[number]
                if account.manager or account.status != "ENABLED":
                    continue
                rows = client.stream(
                    f"SELECT customer.id, {ident}, segments.date, {fields} FROM {level}"
                    " WHERE segments.date BETWEEN '2026-10-01' AND '2026-11-30'",
                    customer=number,
                    login=root,
                )
                for row in rows:
                    entity = row.get("adGroup", row.get("campaign", {})).get("id")
                    found[row["customer"]["id"], row["segments"]["date"], entity] = row["metrics"]
        assert truth.keys() == found.keys()
        for name, metrics in found.items():
            assert {key: truth[name]["metrics"][key] for key in metrics} == metrics
