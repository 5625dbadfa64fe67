"""Klaviyo's own SDK reads the pretend account: 25.0.0 the omni model, 24.0.0 the legacy one.

Two versions of one package cannot be installed side by side. 25.0.0 is a test dependency; 24.0.0 is looked for in the
folder that KLAVIYO_API_24 names (`uv pip install --target FOLDER klaviyo-api==24.0.0`). Each is run in a process of its
own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from .conftest import EMAIL, legacy_pages

_BEGIN = """
import json, sys
folder = sys.argv[2]
if folder:
    sys.path.insert(0, folder)
import klaviyo_api
api = klaviyo_api.KlaviyoAPI("pk_sandbox", max_delay=1, max_retries=1, test_host=sys.argv[1])
def each(ask, **given):
    found, cursor = [], None
    while True:
        page = ask(page_cursor=cursor, **given)
        found += page.data
        link = page.links.next
        if not link:
            return found
        cursor = link.split("page%5Bcursor%5D=")[1].split("&")[0]
"""
_OMNI = """
campaigns = each(api.Campaigns.get_campaigns, include=["campaign-audiences", "campaign-messages", "tags"],
                 filter="equals(archived,false),less-than(updated_at,2026-10-31T00:00:00Z)", sort="-updated_at",
                 page_size=7)
messages = each(api.Campaigns.get_campaign_messages, include=["campaign"], page_size=9)
variations = [v for m in messages for v in api.Campaigns.get_variations_for_campaign_message(m.id).data]
one = api.Campaigns.get_campaign(campaigns[0].id).data
metrics = api.Metrics.get_metrics().data
audiences = api.Campaigns.get_campaign_audiences_for_campaign(one.id).data
estimated = api.Campaigns.get_campaign_recipient_estimation(one.id).data.attributes.estimated_recipient_count
assert estimated > 0
singles = [api.Campaigns.get_campaign_message(messages[0].id), api.Campaigns.get_campaign_variation(variations[0].id),
           api.Campaigns.get_campaign_audience(audiences[0].id), api.Metrics.get_metric("RESQ6t")]
tags = [tag.id for c in campaigns for tag in api.Campaigns.get_tags_for_campaign(c.id).data]
report = api.Reporting.query_campaign_values({"data": {"type": "campaign-values-report", "attributes": {
    "statistics": ["recipients", "conversion_value"], "conversion_metric_id": "RESQ6t",
    "timeframe": {"start": "2026-07-01T00:00:00", "end": "2026-09-30T23:00:00"}}}})
c, (m, v, a) = api.Campaigns, [one.data.id for one in singles[:3]]
above = c.get_campaign_for_campaign_message(m).data.id
ids = {
    "campaign": [above, c.get_campaign_id_for_campaign_message(m).data.id],
    "message": [m, c.get_message_for_campaign_variation(v).data.id, c.get_message_id_for_campaign_variation(v).data.id],
    "messages": [c.get_messages_for_campaign(above).data, c.get_message_ids_for_campaign(above).data],
    "audience": [c.get_audience_for_campaign_message(m).data.id, c.get_audience_id_for_campaign_message(m).data.id],
    "audiences": [c.get_campaign_audiences_for_campaign(above).data, c.get_audience_ids_for_campaign(above).data],
    "campaign of an audience": [one.id, c.get_campaign_for_campaign_audience(a).data.id,
                                c.get_campaign_id_for_campaign_audience(a).data.id],
    "messages of an audience": [c.get_messages_for_campaign(one.id).data,
                                c.get_campaign_messages_for_campaign_audience(a).data,
                                c.get_message_ids_for_campaign_audience(a).data],
    "variations": [c.get_variations_for_campaign_message(m).data, c.get_variation_ids_for_campaign_message(m).data],
    "tags": [c.get_tags_for_campaign(above).data, c.get_tag_ids_for_campaign(above).data,
             c.get_tags_for_campaign_message(m).data, c.get_tag_ids_for_campaign_message(m).data],
    "account": [api.Accounts.get_account("ACME01").data.id, "ACME01"],
    "shop": [x.data[0].id for x in [api.Metrics.get_metrics(filter='equals(integration.name,"Shopify")')]] + ["RESQ6t"],
}
ids = {name: [x if isinstance(x, str) else sorted(y.id for y in x) for x in many] for name, many in ids.items()}
try:
    api.Campaigns.get_campaigns(filter="equals(archived,'x')")
    refused = "nothing"
except Exception as error:
    refused = type(error).__name__
print(json.dumps({
    "campaigns": [c.id for c in campaigns], "names": [c.attributes.definition.name for c in campaigns],
    "times": [m.attributes.definition.send_options.send_times for m in messages],
    "statuses": sorted({m.attributes.definition.status for m in messages}), "messages": len(messages),
    "ids": ids, "singles": [one.data.id for one in singles],
    "wanted": [messages[0].id, variations[0].id, audiences[0].id, "RESQ6t"], "tags": tags,
    "variations": [v.id for v in variations], "one": one.id, "account": api.Accounts.get_accounts().data[0].id,
    "metrics": [m.id for m in metrics], "results": len(report.data.attributes.results), "refused": refused}))
"""
_LEGACY = """
campaigns = each(api.Campaigns.get_campaigns, filter="equals(messages.channel,'email')", include=["campaign-messages"])
messages = api.Campaigns.get_messages_for_campaign(campaigns[0].id).data
assert api.Campaigns.get_campaign(campaigns[0].id).data.id == campaigns[0].id
assert api.Campaigns.get_campaign_message(messages[0].id).data.id == messages[0].id
print(json.dumps({
    "campaigns": [c.id for c in campaigns], "names": [c.attributes.name for c in campaigns],
    "statuses": sorted({c.attributes.status for c in campaigns}), "messages": [m.id for m in messages]}))
"""


@pytest.fixture
def exported(acme, start, tmp_path):
    """An account of all that the legacy lists of the seeded one hold."""
    shop = {"object": "integration", "id": "0eMvjm", "name": "Shopify", "category": "eCommerce"}
    metric = {"type": "metric", "id": "RESQ6t", "attributes": {"name": "Placed Order", "integration": shop}}
    path = tmp_path / "export.jsonl"
    path.write_text("\n".join(json.dumps(one) for one in [*legacy_pages(acme), metric]))
    return start(records=(path,))


def test_the_official_sdk_25_reads_the_omni_model(acme):
    """Lists with includes and cursors, single records, metrics, the account and a report parse (fact 22)."""
    found = _run(_OMNI, acme)
    world = acme.account.world
    live = [one for one in world.all("campaign") if not one["attributes"]["definition"]["archived"]]
    live = [one for one in live if one["attributes"]["updated_at"] < "2026-10-31"]
    live.sort(key=lambda one: (one["attributes"]["updated_at"], one["id"]), reverse=True)
    assert found["campaigns"] == [one["id"] for one in live]
    assert found["names"] == [one["attributes"]["definition"]["name"] for one in live]
    assert found["messages"] == len(world.all("campaign-message"))
    assert sorted(found["variations"]) == sorted(world.records["campaign-variation"])
    assert (found["one"], found["account"]) == (live[0]["id"], "ACME01")
    assert "RESQ6t" in found["metrics"]
    assert found["singles"] == found["wanted"]
    (times,) = [one for one in found["times"] if one]
    assert len(times) == 2
    assert set(times) <= set(found["variations"])
    for name, ids in found["ids"].items():
        assert ids == ids[:1] * len(ids), name
    assert found["tags"]
    assert set(found["tags"]) <= set(world.records["tag"])
    assert found["results"] == len(acme.report().json()["data"]["attributes"]["results"]) > 0
    assert found["refused"] == "BadRequestException"


def test_the_official_sdk_25_reads_an_account_of_legacy_records(exported):
    """What was made of a legacy export parses as any omni account does."""
    found = _run(_OMNI, exported)
    assert len(found["campaigns"]) > 20
    assert found["messages"] == len(found["variations"]) > len(found["campaigns"])
    assert set(found["statuses"]) == {"cancelled", "draft", "scheduled", "sent"}
    assert found["results"] > 0


@pytest.mark.skipif(not os.environ.get("KLAVIYO_API_24"), reason="KLAVIYO_API_24 names no folder")
def test_the_official_sdk_24_reads_an_account_of_legacy_records(exported):
    """In their own shape."""
    listed = exported.ids("campaigns", revision="2026-07-15", filter=EMAIL)
    assert _run(_LEGACY, exported, os.environ["KLAVIYO_API_24"])["campaigns"] == listed


@pytest.mark.skipif(not os.environ.get("KLAVIYO_API_24"), reason="KLAVIYO_API_24 names no folder")
def test_the_official_sdk_24_reads_the_legacy_model(acme):
    """The flat page and its messages parse (fact 22)."""
    found = _run(_LEGACY, acme, os.environ["KLAVIYO_API_24"])
    listed = acme.data("campaigns", revision="2026-07-15", filter="equals(messages.channel,'email')")
    assert found["campaigns"] == [one["id"] for one in listed]
    assert found["names"] == [one["attributes"]["name"] for one in listed]
    assert found["messages"]


def _run(script, client, folder=""):
    if not folder:
        pytest.importorskip("klaviyo_api", reason="klaviyo-api is not installed")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _BEGIN + script, client.running.url, folder],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)
