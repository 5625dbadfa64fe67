"""Campaigns, their messages and what those say: the tables, one shape whatever revision was read."""

from __future__ import annotations

import pyarrow as pa

from weathervane.source import Column, Dataset

__all__ = ["CAMPAIGNS", "CHANNELS", "MESSAGES", "TIME", "VARIATIONS", "channel_word", "tenant_columns"]

TIME = pa.timestamp("us", "UTC")
_TEXT = pa.string()
_TEXTS = pa.list_(_TEXT)

CHANNELS = {"mobile_push": "push", "push-notification": "push"}
"""Klaviyo's three words for one channel, by place: variation, legacy filter, report."""


def channel_word(word: object) -> object:
    """The one word of a channel: email, sms, push, whatsapp; any other as sent."""
    return CHANNELS.get(word, word) if isinstance(word, str) else word


def tenant_columns() -> tuple[Column, ...]:
    """The columns that say whose row it is."""
    return (
        Column("tenant_id", _TEXT, doc="The tenant (brand)."),
        Column("account_id", _TEXT, doc="Klaviyo's public id of the account."),
    )


_DELETED = (
    "When a run found that Klaviyo no longer has it; Klaviyo itself leaves no trace. NULL while it exists."
)

CAMPAIGNS = Dataset(
    name="klaviyo_campaigns",
    description="One row per campaign, archived ones too; a deleted one stays, with the time it was missed.",
    unique_keys=("tenant_id", "campaign_id"),
    version_column="updated_at",
    cluster_by="campaign_id",
    columns=(
        *tenant_columns(),
        Column("campaign_id", _TEXT, "id"),
        Column("name", _TEXT, "name", on_misfit="value"),
        Column(
            "status",
            _TEXT,
            "status",
            doc="draft, scheduled, sending, sent or cancelled; an open list. Derived: that of the message with most"
            " still before it (2026-10-15 gives campaigns none), or the legacy status in these words.",
        ),
        Column(
            "legacy_status",
            _TEXT,
            "legacy_status",
            on_misfit="value",
            doc="As sent by 2026-07-15; NULL otherwise.",
        ),
        Column("archived", pa.bool_(), "archived", nullable=False),
        Column(
            "channels", _TEXTS, "channels", doc="email, sms, push, whatsapp; sorted; of all its variations."
        ),
        Column("builder", _TEXT, "builder", on_misfit="value", doc="canvas or wizard; NULL in legacy."),
        Column(
            "send_strategy",
            _TEXT,
            "send_strategy",
            doc="static, throttled, ...; in the revision's own words.",
            on_misfit="value",
        ),
        Column(
            "send_time",
            TIME,
            "send_time",
            doc="The earliest of its messages; the recipients' wall clock where theirs is (send_time_is_local).",
            on_misfit="value",
        ),
        Column("scheduled_at", TIME, "scheduled_at", on_misfit="value", doc="Legacy only."),
        Column("created_at", TIME, "created_at", on_misfit="value"),
        Column("updated_at", TIME, "updated_at", nullable=False, doc="Moved by people and by sending."),
        Column(
            "included_audiences",
            _TEXTS,
            "included",
            on_misfit="value",
            doc="Ids of lists and segments, as sent.",
        ),
        Column("excluded_audiences", _TEXTS, "excluded", on_misfit="value"),
        Column("message_ids", _TEXTS, "message_ids"),
        Column("attributes", _TEXT, "attributes", json="raw", doc="JSON: all that Klaviyo says of it."),
        Column("deleted_at", TIME, "deleted_at", doc=_DELETED),
    ),
)

MESSAGES = Dataset(
    name="klaviyo_campaign_messages",
    description="One row per message of a campaign; a deleted one stays, with the time it was missed.",
    unique_keys=("tenant_id", "message_id"),
    version_column="updated_at",
    cluster_by="message_id",
    columns=(
        *tenant_columns(),
        Column("message_id", _TEXT, "id"),
        Column("campaign_id", _TEXT, "campaign_id"),
        Column("name", _TEXT, "name", on_misfit="value"),
        Column("status", _TEXT, "status", doc="As the campaign's; in legacy it is the campaign's."),
        Column("channels", _TEXTS, "channels", doc="Of its variations; sorted."),
        Column(
            "send_time",
            TIME,
            "send_time",
            doc="The earliest of its variations, where a test gives each its own. See send_time_is_local.",
        ),
        Column(
            "send_time_is_local",
            pa.bool_(),
            "send_time_is_local",
            doc="True: send_time is each recipient's own wall clock, written as if it were UTC, so the message goes out"
            " from 14 hours before it to 12 hours after it.",
            on_misfit="value",
        ),
        Column("send_strategy", _TEXT, "send_strategy", on_misfit="value"),
        Column("created_at", TIME, "created_at", on_misfit="value"),
        Column("updated_at", TIME, "updated_at"),
        Column("attributes", _TEXT, "attributes", json="raw", doc="JSON: all that Klaviyo says of it."),
        Column("deleted_at", TIME, "deleted_at", doc=_DELETED),
    ),
)

VARIATIONS = Dataset(
    name="klaviyo_campaign_variations",
    description="What a message says, one row per variation (A/B, channel); legacy messages have one, of their own id.",
    unique_keys=("tenant_id", "message_id", "variation_id"),
    cluster_by="message_id",
    replace_members=("message_id",),
    columns=(
        *tenant_columns(),
        Column("message_id", _TEXT, "message_id"),
        Column("variation_id", _TEXT, "id"),
        Column("campaign_id", _TEXT, "campaign_id"),
        Column("name", _TEXT, "name", on_misfit="value"),
        Column("channel", _TEXT, "channel", doc="email, sms, push, whatsapp; an open list."),
        Column("subject", _TEXT, "content.subject", on_misfit="value"),
        Column("preview_text", _TEXT, "content.preview_text", on_misfit="value"),
        Column("from_email", _TEXT, "content.from_email", on_misfit="value"),
        Column("from_label", _TEXT, "content.from_label", on_misfit="value"),
        Column("title", _TEXT, "content.title", on_misfit="value"),
        Column("body", _TEXT, "content.body", on_misfit="value"),
        Column("template_id", _TEXT, "content.template_id", on_misfit="value"),
        Column("created_at", TIME, "created_at", on_misfit="value"),
        Column("updated_at", TIME, "updated_at", on_misfit="value"),
        Column(
            "details",
            _TEXT,
            "details",
            json="raw",
            doc="JSON: all that Klaviyo says of the channel's content.",
        ),
    ),
)
