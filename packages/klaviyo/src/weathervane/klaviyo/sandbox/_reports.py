"""Campaign values reports: one aggregate per group over a whole window, by date of sending."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from weathervane.klaviyo.sandbox._filters import Condition, Fields, parse_filter
from weathervane.klaviyo.sandbox._groupings import GROUPS, Part, grouped, parts_of
from weathervane.klaviyo.sandbox._problems import RefusalError, invalid
from weathervane.klaviyo.sandbox._queries import REPORT_CURSOR, Query, closed, link, opened
from weathervane.klaviyo.sandbox._timeframes import window_of
from weathervane.klaviyo.sandbox._values import REPORT_CHANNELS, STATISTICS, sent_of, told
from weathervane.klaviyo.sandbox._world import World

__all__ = ["report"]

_SCALAR, _LIST = ("string", ("equals", "contains-any")), ("string", ("contains-any", "contains-all"))
_FILTERS: Fields = {
    **dict.fromkeys(("send_channel", "campaign_id", "campaign_message_id", "campaign_message_name"), _SCALAR),
    **dict.fromkeys(("variation", "variation_name", "text_message_format"), _SCALAR),
    **dict.fromkeys(("tag_id", "tag_name"), _LIST),
}
_DEFAULT_GROUPS = ("campaign_id", "campaign_message_id", "send_channel")


def report(
    world: World, body: bytes, query: Query, timezone: str, now: datetime, url: str, size: int
) -> dict[str, Any]:
    """Answers a report.

    Args:
        world: the records.
        body: what is asked for.
        query: which page of it.
        timezone: the account's.
        now: the account's present.
        url: the endpoint's own address, for links.
        size: groups a page; 0 = all on one.

    Raises:
        RefusalError: 400 for a body or a cursor that is no good, 404 for an unknown conversion metric.
    """
    query.only(REPORT_CURSOR, "fields[campaign-values-report]")
    wanted = query.fields.get("campaign-values-report", ("results",))
    if set(wanted) != {"results"}:
        raise invalid("fields[campaign-values-report]", "A campaign-values-report has one field: results")
    asked = _asked(body)
    statistics = _words(asked, "statistics", STATISTICS)
    groups = _words(asked, "group_by", GROUPS) if "group_by" in asked else list(_DEFAULT_GROUPS)
    if not {"campaign_id", "campaign_message_id"} <= set(groups):
        raise _bad("group_by", "group_by must contain campaign_id and campaign_message_id")
    metric = asked.get("conversion_metric_id")
    if not isinstance(metric, str) or not metric:
        raise _bad("conversion_metric_id", "conversion_metric_id is a required field")
    if world.find("metric", metric) is None:
        raise RefusalError(
            404, f"A metric with id {metric} does not exist.", {"pointer": _at("conversion_metric_id")}
        )
    first, last = window_of(asked.get("timeframe"), ZoneInfo(timezone), now)
    conditions = _conditions(asked.get("filter"), now)
    sent = [one for one in sent_of(world) if first <= one[3] <= last and one[3] <= now]
    parts = [part for one in sent for part in parts_of(world, one, now)]
    kept = [part for part in parts if all(_fits(one, part) for one in conditions)]
    results = [
        (rank, {"groupings": groupings, "statistics": {name: told(counts)[name] for name in statistics}})
        for rank, groupings, counts in grouped(kept, groups)
    ]
    mark = query.mark(json.dumps(asked, sort_keys=True))
    if query.cursor:
        place = opened(query.cursor, REPORT_CURSOR)
        if place["of"] != mark or place["after"] is None:
            raise invalid(REPORT_CURSOR, "The cursor is of another query.")
        results = [(rank, shown) for rank, shown in results if rank > place["after"]]
    following = None
    if size and len(results) > size:
        results = results[:size]
        state = {"of": mark, "after": results[-1][0], "page": query.page + 1}
        following = link(url, query, closed(state), REPORT_CURSOR)
    return _document(
        [shown for _, shown in results], link(url, query, query.cursor, REPORT_CURSOR), following
    )


def _document(results: list[dict[str, Any]], own: str, following: str | None) -> dict[str, Any]:
    ids = dict.fromkeys(one["groupings"]["campaign_id"] for one in results)
    return {
        "data": {
            "type": "campaign-values-report",
            "attributes": {"results": results},
            "relationships": {"campaigns": {"data": [{"type": "campaign", "id": one} for one in ids]}},
            "links": {"self": own},
        },
        "links": {"self": own, "next": following, "prev": None},
    }


def _asked(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)["data"]
        attributes = data["attributes"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise RefusalError(
            400, "The payload is not a campaign-values-report.", {"pointer": "/data"}
        ) from None
    if data.get("type") != "campaign-values-report" or not isinstance(attributes, dict):
        raise RefusalError(400, "The payload is not a campaign-values-report.", {"pointer": "/data/type"})
    unknown = sorted(
        set(attributes) - {"statistics", "timeframe", "conversion_metric_id", "group_by", "filter"}
    )
    if unknown:
        raise _bad(unknown[0], f"'{unknown[0]}' is not a valid field for this resource.")
    return attributes


def _words(asked: Mapping[str, Any], name: str, known: Any) -> list[str]:
    words = asked.get(name)
    if not isinstance(words, list) or not words:
        raise _bad(name, f"{name} is a required field")
    for word in words:
        if word not in known:
            raise _bad(name, f"'{word}' is not a valid choice for {name}")
    return words


def _conditions(text: Any, now: datetime) -> list[Condition]:
    if text is None:
        return []
    try:
        found = parse_filter(str(text), _FILTERS, now)
    except RefusalError as refusal:
        raise _bad("filter", refusal.detail) from None
    if len({one.field for one in found}) < len(found):
        raise _bad("filter", "Only one filter per attribute is allowed.")
    for one in found:
        values = one.value if isinstance(one.value, list) else [one.value]
        if len(values) > 100:
            raise _bad("filter", "A filter takes at most 100 items.")
        if one.field == "send_channel" and not set(values) <= set(REPORT_CHANNELS.values()):
            raise _bad("filter", f"send_channel is one of {', '.join(REPORT_CHANNELS.values())}")
    return found


def _fits(condition: Condition, part: Part) -> bool:
    found, wanted = part.of(condition.field), condition.value
    if condition.operator == "equals":
        return wanted in found
    if condition.operator == "contains-all":
        return set(wanted) <= set(found)
    return not set(wanted).isdisjoint(found)


def _at(name: str) -> str:
    return f"/data/attributes/{name}"


def _bad(name: str, detail: str) -> RefusalError:
    return RefusalError(400, detail, {"pointer": _at(name)})
