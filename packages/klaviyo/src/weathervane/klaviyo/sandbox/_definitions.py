"""A legacy message's definition, which has a shape for each channel (Klaviyo's OpenAPI document of 2026-07-15)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["LEGACY_CHANNELS", "legacy_definition"]

LEGACY_CHANNELS: Mapping[str, str] = {
    "email": "email",
    "sms": "sms",
    "push": "mobile_push",
    "mobile_push": "mobile_push",
}
"""A variation's channel -> its name in the legacy filter; WhatsApp has none there."""

_CONTENT: Mapping[str, tuple[str, ...]] = {
    "email": (
        *("subject", "preview_text", "from_email", "from_label"),
        *("reply_to_email", "cc_email", "bcc_email"),
    ),
    "sms": ("body", "media_url"),
    "mobile_push": ("title", "body", "dynamic_image", "action_buttons"),
}
_RENDERING = {
    "shorten_links": True,
    "add_org_prefix": True,
    "add_info_link": True,
    "add_opt_out_language": False,
}


def legacy_definition(label: Any, details: Mapping[str, Any]) -> dict[str, Any]:
    """What a legacy message shows of a variation.

    Args:
        label: the message's name, which only an email shows.
        details: the variation's `definition.details`.
    """
    channel = LEGACY_CHANNELS.get(details.get("channel", ""), details.get("channel"))
    names = _CONTENT.get(str(channel), ("title", "body"))
    content = {name: details[name] for name in names if name in details}
    if channel == "sms":
        rendering = {name: details.get(name, usual) for name, usual in _RENDERING.items()}
        return {"channel": channel, "content": content, "render_options": rendering}
    if channel == "mobile_push":
        kind = details.get("push_type") or "standard"
        told = {"channel": channel, "notification_type": kind, "kv_pairs": details.get("kv_pairs")}
        return told if kind == "silent" else told | {"content": content, "options": _options(details)}
    return {"channel": channel, "label": label, "content": content}


def _options(details: Mapping[str, Any]) -> dict[str, Any]:
    links = {name: details[name] for name in ("ios_deep_link", "android_deep_link") if details.get(name)}
    return {
        "on_open": {"type": "deep_link", **links} if links else {"type": "open_app"},
        "badge": {"display": bool(details.get("badge"))},
        "play_sound": bool(details.get("sound")),
    }
