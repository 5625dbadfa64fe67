"""The query language: what is taken means what Google says, and what is refused has Google's code."""

from __future__ import annotations

import pytest

from weathervane.google_ads.sandbox._fields import field, names, parts

FIGURES = "metrics.impressions, metrics.cost_micros"
LAST = "segments.date DURING LAST_7_DAYS"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("campaign.id FROM campaign", "EXPECTED_SELECT"),
        ("SELECT campaign.id", "EXPECTED_FROM"),
        ("SELECT campaign.id FROM", "BAD_RESOURCE_TYPE_IN_FROM_CLAUSE"),
        ("SELECT * FROM campaign", "BAD_FIELD_NAME"),
        ("SELECT campaign.id FROM metrics", "BAD_RESOURCE_TYPE_IN_FROM_CLAUSE"),
        ("SELECT campaign.nme FROM campaign", "UNRECOGNIZED_FIELD"),
        ("SELECT metrics.costMicros FROM campaign", "UNRECOGNIZED_FIELD"),
        ("SELECT metrics.video_views FROM campaign", "UNRECOGNIZED_FIELD"),
        ("SELECT campaign.start_date FROM campaign", "UNRECOGNIZED_FIELD"),
        ("SELECT campaign.video_brand_safety_suitability FROM campaign", "UNRECOGNIZED_FIELD"),
        ("SELECT ad_group.id FROM campaign", "PROHIBITED_RESOURCE_TYPE_IN_SELECT_CLAUSE"),
        (
            "SELECT campaign.id FROM campaign WHERE ad_group.id = 1",
            "PROHIBITED_RESOURCE_TYPE_IN_WHERE_CLAUSE",
        ),
        ("SELECT segments.date, metrics.clicks FROM campaign", "EXPECTED_FILTERS_ON_DATE_RANGE"),
        (
            "SELECT segments.date, metrics.clicks FROM campaign WHERE segments.date >= '2026-11-01'",
            "EXPECTED_FILTERS_ON_DATE_RANGE",
        ),
        (
            f"SELECT metrics.clicks FROM campaign WHERE {LAST} AND segments.device = 'MOBILE'",
            "EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE",
        ),
        (
            f"SELECT segments.conversion_action, metrics.clicks FROM campaign WHERE {LAST}",
            "PROHIBITED_SEGMENT_WITH_METRIC_IN_SELECT_OR_WHERE_CLAUSE",
        ),
        ("SELECT metrics.clicks FROM customer_client", "PROHIBITED_METRIC_IN_SELECT_OR_WHERE_CLAUSE"),
        ("SELECT campaign.id FROM campaign WHERE campaign.status = 'OPEN'", "BAD_ENUM_CONSTANT"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id = 'x'", "BAD_NUMBER"),
        ("SELECT campaign.id FROM campaign WHERE campaign.status > 'PAUSED'", "OPERATOR_FIELD_MISMATCH"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id IN ()", "PROHIBITED_EMPTY_LIST_IN_CONDITION"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id = 1 OR campaign.id = 2", "EXPECTED_AND"),
        ("SELECT campaign.id FROM campaign WHERE campaign.name = 'x", "STRING_NOT_TERMINATED"),
        ("SELECT campaign.id FROM campaign WHERE campaign.name REGEXP_MATCH '['", "BAD_VALUE"),
        ("SELECT campaign.id FROM campaign WHERE campaign.name NOT REGEXP_MATCH '(?!a).*'", "BAD_VALUE"),
        (
            "SELECT campaign.id FROM campaign WHERE segments.date DURING THIS_YEAR",
            "INVALID_VALUE_WITH_DURING_OPERATOR",
        ),
        ("SELECT campaign.id FROM campaign WHERE segments.date = '11/01/2026'", "INVALID_DATE_FORMAT"),
        ("SELECT campaign.id FROM campaign WHERE segments.year = 0000", "BAD_NUMBER"),
        (
            "SELECT campaign.id FROM campaign WHERE segments.month = '2026-11-05'",
            "MISALIGNED_DATE_FOR_FILTER",
        ),
        (
            "SELECT campaign.id FROM campaign ORDER BY campaign.name",
            "EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE",
        ),
        ("SELECT campaign.id FROM campaign ORDER campaign.id", "EXPECTED_BY"),
        ("SELECT campaign.id FROM campaign LIMIT 0", "LIMIT_VALUE_TOO_LOW"),
        ("SELECT campaign.id FROM campaign LIMIT x", "BAD_LIMIT_VALUE"),
        ("SELECT campaign.id FROM campaign PARAMETERS drafts=true", "BAD_PARAMETER_NAME"),
        ("SELECT campaign.id FROM campaign GROUP BY campaign.id", "UNEXPECTED_INPUT"),
        ("SELECT campaign FROM campaign", "UNRECOGNIZED_FIELD"),
        (
            "SELECT campaign.manual_cpc FROM campaign ORDER BY campaign.manual_cpc",
            "PROHIBITED_FIELD_IN_ORDER_BY_CLAUSE",
        ),
        (
            "SELECT campaign.id FROM campaign WHERE campaign.manual_cpc = 1",
            "PROHIBITED_FIELD_IN_WHERE_CLAUSE",
        ),
        (
            "SELECT campaign.id FROM campaign WHERE segments.date BETWEEN '2026-11-02' AND '2026-11-01'",
            "DATE_RANGE_TOO_NARROW",
        ),
    ],
)
def test_what_is_no_query_is_refused_by_its_code(acme, query, code):
    """The enum says what is wrong."""
    assert acme.refused(query) == (400, f"queryError.{code}")


CHANGES = "SELECT change_event.change_date_time, change_event.changed_fields FROM change_event"
STATUS = "SELECT change_status.resource_type FROM change_status WHERE change_status.last_change_date_time"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("SELECT click_view.gclid FROM click_view", "clickViewError.EXPECTED_FILTER_ON_A_SINGLE_DAY"),
        (
            "SELECT click_view.gclid FROM click_view WHERE segments.date BETWEEN '2026-11-01' AND '2026-11-02'",
            "clickViewError.EXPECTED_FILTER_ON_A_SINGLE_DAY",
        ),
        (
            f"SELECT click_view.gclid FROM click_view WHERE {LAST}",
            "clickViewError.EXPECTED_FILTER_ON_A_SINGLE_DAY",
        ),
        (
            "SELECT click_view.gclid FROM click_view WHERE segments.date = '2026-08-01'",
            "clickViewError.DATE_TOO_OLD",
        ),
        (f"{CHANGES} LIMIT 5", "changeEventError.CHANGE_DATE_RANGE_INFINITE"),
        (
            f"{CHANGES} WHERE change_event.change_date_time > '2026-11-01' LIMIT 5",
            "changeEventError.CHANGE_DATE_RANGE_INFINITE",
        ),
        (
            f"{CHANGES} WHERE change_event.change_date_time BETWEEN '2026-11-09' AND '2026-11-08' LIMIT 5",
            "changeEventError.CHANGE_DATE_RANGE_NEGATIVE",
        ),
        (
            f"{CHANGES} WHERE change_event.change_date_time BETWEEN '2026-10-01' AND '2026-11-08' LIMIT 5",
            "changeEventError.START_DATE_TOO_OLD",
        ),
        (
            f"{CHANGES} WHERE change_event.change_date_time DURING LAST_14_DAYS",
            "changeEventError.LIMIT_NOT_SPECIFIED",
        ),
        (
            f"{STATUS} BETWEEN '2026-10-01' AND '2026-11-08' LIMIT 10001",
            "changeStatusError.INVALID_LIMIT_CLAUSE",
        ),
        (f"{STATUS} DURING YESTERYEAR LIMIT 5", "queryError.INVALID_VALUE_WITH_DURING_OPERATOR"),
    ],
)
def test_clicks_and_changes_are_asked_for_by_narrow_dates(acme, query, code):
    """One day of clicks, a finite time of changes, and no more than 10,000 of them."""
    assert acme.refused(query) == (400, code)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT click_view.gclid, metrics.clicks FROM click_view WHERE segments.date = '2026-11-20'",
        "SELECT click_view.gclid FROM click_view WHERE segments.date >= '2026-11-20' AND segments.date <= '2026-11-20'",
        f"{CHANGES} WHERE change_event.change_date_time DURING LAST_14_DAYS ORDER BY change_event.change_date_time"
        " LIMIT 10000",
        f"{STATUS} >= '2026-10-01 00:00:00' AND change_status.last_change_date_time <= '2026-11-08 23:59:59' LIMIT 9",
    ],
)
def test_clicks_and_changes_by_narrow_dates_are_answered(acme, query):
    """As Google's own examples ask; these accounts have none."""
    assert acme.stream(query) == []


def test_every_message_is_a_field(acme):
    """Google lists messages as fields of their own: one that has no parts can be asked for in no other way."""
    found: dict[str, list[str]] = {}
    for name in names("v26"):
        known = field(name, "v26")
        if known.kind == "MESSAGE" and not known.repeated and not parts(name, "v26"):
            found.setdefault(known.resource, []).append(name)
    assert {"campaign.manual_cpm", "campaign.manual_cpa"} < set(found["campaign"])
    assert sum(map(len, found.values())) > 90
    for resource, messages in found.items():
        if resource not in ("change_event", "segments", "metrics"):
            answer = acme.post("searchStream", {"query": f"SELECT {', '.join(messages)} FROM {resource}"})
            assert answer.status_code == 200, answer.text


def test_a_field_is_there_in_the_versions_that_have_it(acme):
    """`video_brand_safety_suitability` left campaign with v24."""
    acme.version = "v23"
    assert acme.stream("SELECT campaign.video_brand_safety_suitability FROM campaign")


@pytest.mark.parametrize(
    ("version", "code"), [("v23", "INVALID_DATE"), ("v26", "REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED")]
)
def test_days_are_kept_for_37_months(acme, version, code):
    """Older ones are an error and not an empty answer; whole months without the day's segment are kept longer."""
    acme.version = version
    daily = "SELECT segments.date, metrics.clicks FROM campaign WHERE segments.date BETWEEN"
    assert acme.stream(f"{daily} '2023-10-22' AND '2023-11-01'") == []
    assert acme.refused(f"{daily} '2023-10-21' AND '2023-11-01'") == (400, f"dateRangeError.{code}")
    monthly = "SELECT segments.month, metrics.clicks FROM campaign WHERE segments.date BETWEEN"
    assert acme.stream(f"{monthly} '2020-01-01' AND '2020-01-31'") == []
    assert acme.refused(f"{monthly} '2020-01-02' AND '2020-01-31'") == (400, f"dateRangeError.{code}")


@pytest.mark.parametrize(
    "condition",
    [
        "segments.month = '9999-12-01'",
        "segments.date > '9999-12-31'",
        "segments.date < '0001-01-01'",
        "segments.date >= '2026-11-01' AND segments.week <= '9999-12-27'",
    ],
)
def test_the_calendar_has_ends(acme, condition):
    """Dates at its ends are filters like others."""
    body = {"query": f"SELECT campaign.id FROM campaign WHERE {condition}"}
    assert acme.post("searchStream", body).status_code in (200, 400)


@pytest.mark.parametrize("period", ["month", "quarter", "year"])
def test_months_are_kept_for_11_years(acme, period):
    """What is older is an error too."""
    query = f"SELECT segments.{period}, metrics.clicks FROM campaign WHERE segments.date BETWEEN"
    assert acme.stream(f"{query} '2015-11-01' AND '2016-12-31'") == []
    refused = (400, "dateRangeError.REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED")
    assert acme.refused(f"{query} '2015-10-01' AND '2016-12-31'") == refused
    assert acme.refused(f"{query} '2010-01-01' AND '2010-12-31'") == refused


def test_last_days_exclude_today(acme):
    """LAST_7_DAYS ends yesterday."""
    days = {
        row["segments"]["date"]
        for row in acme.stream(f"SELECT segments.date, {FIGURES} FROM customer WHERE {LAST}")
    }
    assert (min(days), max(days)) == ("2026-11-15", "2026-11-21")


def test_a_date_that_is_not_selected_gives_totals(acme):
    """One row for each campaign, which is the sum of its days; without any segment zeros are shown too."""
    daily = acme.stream(f"SELECT campaign.id, segments.date, metrics.clicks FROM campaign WHERE {LAST}")
    total = acme.stream(f"SELECT campaign.id, metrics.clicks FROM campaign WHERE {LAST}")
    for row in total:
        mine = [one for one in daily if one["campaign"]["id"] == row["campaign"]["id"]]
        assert int(row["metrics"]["clicks"]) == sum(int(one["metrics"]["clicks"]) for one in mine)
    assert len({row["campaign"]["id"] for row in daily}) < len(total), (
        "a campaign that ended has a row of zeros"
    )


def test_every_segment_multiplies_the_rows(acme):
    """The sums stay."""
    plain = acme.stream(f"SELECT segments.date, metrics.clicks FROM customer WHERE {LAST}")
    split = acme.stream(
        f"SELECT segments.date, segments.device, segments.ad_network_type, metrics.clicks FROM customer WHERE {LAST}"
    )
    assert len(split) > 2 * len(plain)
    clicks = [sum(int(row["metrics"]["clicks"]) for row in rows) for rows in (plain, split)]
    assert clicks[0] == clicks[1]
    mobile = acme.stream(
        "SELECT segments.date, segments.device, metrics.clicks FROM customer"
        f" WHERE {LAST} AND segments.device = 'MOBILE'"
    )
    assert {row["segments"]["device"] for row in mobile} == {"MOBILE"}


def test_performance_max_has_no_ads(acme):
    """Campaigns add up to the account; ad groups and ads lack its spend."""

    def spend(resource: str) -> int:
        rows = acme.stream(f"SELECT metrics.cost_micros, segments.date FROM {resource} WHERE {LAST}")
        return sum(int(row["metrics"]["costMicros"]) for row in rows)

    assert spend("customer") == spend("campaign") > spend("ad_group") == spend("ad_group_ad") > 0


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("campaign.name = 'Brand'", {"Brand"}),
        ("campaign.name != 'Brand'", {"Generic", "Summer sale", "Everything"}),
        ("campaign.name IN ('Brand', 'Generic')", {"Brand", "Generic"}),
        ("campaign.name NOT IN ('Brand', 'Generic')", {"Summer sale", "Everything"}),
        ("campaign.name LIKE '%er%'", {"Generic", "Summer sale", "Everything"}),
        ("campaign.name NOT LIKE 'b%'", {"Generic", "Summer sale", "Everything"}),
        ("campaign.name REGEXP_MATCH '[BG].*'", {"Brand", "Generic"}),
        ("campaign.status = REMOVED", {"Summer sale"}),
        ("campaign.advertising_channel_type = 'PERFORMANCE_MAX'", {"Everything"}),
        ("campaign.id > 0 AND campaign.id <= 99999999999", {"Brand", "Generic", "Summer sale", "Everything"}),
        ('campaign.bidding_strategy IS NULL AND campaign.name = "Brand"', {"Brand"}),
        ("campaign.bidding_strategy IS NOT NULL", set()),
    ],
)
def test_conditions_filter(acme, condition, names):
    """Removed campaigns are there unless they are filtered out."""
    rows = acme.stream(f"SELECT campaign.name FROM campaign WHERE {condition}")
    assert {row["campaign"]["name"] for row in rows} == names


def test_order_limit_and_metric_conditions(acme):
    """Applied to the summed figures."""
    query = f"select campaign.name, metrics.clicks from campaign where {LAST} and metrics.clicks > 0"
    clicks = [
        int(row["metrics"]["clicks"]) for row in acme.stream(f"{query} ORDER BY metrics.clicks DESC LIMIT 2")
    ]
    every = sorted((int(row["metrics"]["clicks"]) for row in acme.stream(query)), reverse=True)
    assert clicks == every[:2]
    assert 0 not in every


def test_ratios_follow_from_the_sums(acme):
    """And are absent where they would be divided by zero."""
    fields = "metrics.ctr, metrics.clicks, metrics.impressions, metrics.average_cpc"
    rows = acme.stream(f"SELECT campaign.id, {fields} FROM campaign WHERE {LAST}")
    for metrics in (row["metrics"] for row in rows):
        if metrics["clicks"] == "0":
            assert "averageCpc" not in metrics
        else:
            assert metrics["ctr"] == pytest.approx(int(metrics["clicks"]) / int(metrics["impressions"]))
