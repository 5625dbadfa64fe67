"""What was read is held against what the account spent: to the cent, as the lake has it afterwards."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest

from weathervane.lake import LakeError, TableRef, WriteMode, WriteSpec
from weathervane.meta_ads import datasets_for
from weathervane.source import IncompleteError, listening

from .bench import row

OWN = {key: one for key, one in row().items() if key not in ("campaign_id", "adset_id", "ad_id")}
"""The account's own row of that day."""


def test_equal_rows_are_one_and_different_rows_of_one_key_fail_the_slice(recorded):
    """What was read is counted as the lake has it: a row that comes twice is spent once."""
    account = {**OWN, "spend": "10.00"}
    bench = recorded(account, row(spend="10.00"), row(spend="10.0"))
    assert bench.run(level="ad").row_count == 1
    bench = recorded(account, row(spend="4.00"), row(spend="6.00"))
    with pytest.raises(
        IncompleteError, match=r'rows of 2026-10-20, ad_id "120210478963240123", that differ'
    ) as caught:
        bench.run(level="ad")
    assert caught.value.reason == "CONFLICTING_ROWS"
    assert bench.rows("meta_ads_ad") == []


def test_rows_of_one_key_that_differ_in_anything_fail_the_slice(recorded):
    """Also where they say that the same was spent, and nothing of either lands."""
    bench = recorded(OWN, row(clicks="5"), row(clicks="6"))
    with pytest.raises(IncompleteError) as caught:
        bench.run(level="ad")
    assert caught.value.reason == "CONFLICTING_ROWS"
    assert bench.rows("meta_ads_ad") == []


def test_a_region_is_told_by_its_country_too(recorded, begin):
    """Limburg is in Belgium and in the Netherlands: two rows, and both are spent."""
    regions = [("BE", "10.00"), ("NL", "20.00")]
    rows = [row(country=country, region="Limburg", spend=spend) for country, spend in regions]
    bench = recorded(row(spend="30.00"), *rows)
    bench.run(level="ad", breakdown="region")
    found = {(one["country"], one["region"], one["spend"]) for one in bench.rows("meta_ads_ad_by_region")}
    assert found == {("BE", "Limburg", 10), ("NL", "Limburg", 20)}
    bench = begin()
    bench.run(level="ad", breakdown="region", start=date(2026, 10, 25), end=date(2026, 10, 26))
    unknown = {one["country"] for one in bench.rows("meta_ads_ad_by_region") if one["region"] == "Unknown"}
    assert len(unknown) > 1


def test_a_table_of_regions_without_countries_is_refused_with_what_to_do(begin):
    """Its keys are fixed, and one of them stood for two regions: it has to be read anew, as another table."""
    bench = begin()
    insights, _ = datasets_for("adset", "region")
    key = tuple(one for one in insights.unique_keys if one != "country")
    old = pa.schema([field for field in insights.schema if field.name != "country"])
    spec = WriteSpec(
        TableRef(bench.tenant, insights.name), "old", WriteMode.UPSERT, old, key, cluster_by="date"
    )
    bench.lake.write(spec, [])
    with pytest.raises(LakeError, match=r"country.*move the table away") as caught:
        bench.run(breakdown="region")
    assert not caught.value.retriable
    assert bench.rows(insights.name) == []


AGES = ("18-24", "25-34", "35-44")


@pytest.mark.parametrize(
    ("spent", "parts", "lands"),
    [
        ("10.00", ("3.33", "3.33", "3.33"), True),
        ("0.02", ("0.01", "0.01", "0.01"), True),
        ("1000", ("300", "300", "391"), True),
        ("1000", ("300", "300", "389"), False),
        ("10.00", ("3.33", "3.33"), False),
        ("10.00", ("5", "5", "5"), False),
    ],
)
def test_a_breakdown_may_be_a_little_off_its_account_and_no_more(recorded, caplog, spent, parts, lands):
    """Meta estimates it: a percent of the day, or a cent for each row. A row that is missing is more than that."""
    rows = [row(age=age, spend=part) for age, part in zip(AGES, parts, strict=False)]
    bench = recorded(row(spend=spent), *rows)
    if not lands:
        with pytest.raises(IncompleteError, match=r"spent .* on 2026-10-20, and the ad rows"):
            bench.run(level="ad", breakdown="age")
        assert bench.rows("meta_ads_ad_by_age") == []
        return
    bench.run(level="ad", breakdown="age")
    assert len(bench.rows("meta_ads_ad_by_age")) == len(parts)
    added, spent = (f"{one.normalize():f}" for one in (sum(map(Decimal, parts)), Decimal(spent)))
    assert f"breaks down by age, and its rows add up to {added} of {spent} on 2026-10-20" in caplog.text


@pytest.mark.parametrize("level", ["campaign", "adset", "ad"])
def test_a_level_may_not_be_a_cent_off(recorded, level):
    """Nobody estimates it."""
    bench = recorded({**OWN, "spend": "10.00"}, row(spend="9.99"))
    with pytest.raises(IncompleteError, match="spent 10"):
        bench.run(level=level)


class Spending:
    """A reader in whose slices a cent is spent once their first rows were read: so many times."""

    def __init__(self, inner, bench, day, times):
        self._inner, self._bench, self._day, self._times = inner, bench, day, times
        rows = bench.meta.truth("insights_ad")
        self._ad = next(one["ad_id"] for one in rows if one["date_start"] == day)

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def read(self, slice):
        """A slice."""
        pieces = self._inner.read(slice)
        yield next(pieces)
        if self._times:
            self._times -= 1
            self._bench.meta.change("add_spend", ad_id=self._ad, day=self._day, amount="0.01")
        return (yield from pieces)


@pytest.mark.parametrize("day", ["2026-11-01", "2026-10-31", "2026-10-20", "2026-10-05"])
@pytest.mark.parametrize("times", [1, 2])
def test_what_is_spent_while_it_is_read_is_read_afresh(bench, day, times):
    """On any day that may still change: the run goes on, and the lake has the cent. Today is read again tomorrow."""
    bench.run()
    news = []
    with listening(news.append):
        bench.run(wrap=lambda inner: Spending(inner, bench, day, times))
    if day != "2026-11-01":
        bench.holds_the_truth()
        afresh = [one.message for one in news if one.message.endswith("it is read afresh")]
        assert len(afresh) == times
        assert f"on {day}" in afresh[0]
    bench.run()
    bench.holds_the_truth()


@pytest.mark.parametrize(("day", "times"), [("2026-10-30", 3), ("2026-09-25", 1)])
def test_what_moves_on_and_on_or_is_frozen_fails_the_slice(bench, day, times):
    """A day is frozen after 28 days: what differs there was not read right."""
    if times == 3:
        bench.run()
    with pytest.raises(IncompleteError, match=f"on {day}") as caught:
        bench.run(wrap=lambda inner: Spending(inner, bench, day, times))
    assert caught.value.reason == ("MOVED_WHILE_READ" if times == 3 else "SPEND_DIFFERS")
