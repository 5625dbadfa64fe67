"""Tokens: exchanging a short-lived one for a long-lived one, app tokens, and asking what a token is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from weathervane.meta_ads.sandbox._errors import GraphError

if TYPE_CHECKING:
    from weathervane.meta_ads.sandbox._meta import PretendMeta

__all__ = ["SCOPES", "debug_token", "grant"]

SCOPES = ("ads_read", "read_insights")
"""What every token may do."""
_LONG = 60 * 86_400


def grant(meta: PretendMeta, params: Mapping[str, str]) -> dict[str, Any]:
    """`GET or POST /oauth/access_token`.

    Raises:
        GraphError: The app's credentials or the token are not right.
    """
    options = meta.options
    if params.get("client_id") != options.app_id or params.get("client_secret") != options.app_secret:
        raise GraphError(1, "Error validating client secret.")
    if params.get("grant_type") == "client_credentials":
        return {"access_token": meta.app_token, "token_type": "bearer"}
    if params.get("grant_type") != "fb_exchange_token":
        raise GraphError(100, "(#100) Invalid grant_type; use fb_exchange_token or client_credentials")
    held = params.get("fb_exchange_token", "")
    if held not in meta.tokens or meta.expired(held):
        # An expired token cannot be exchanged: a person must log in again.
        raise GraphError(190, "Error validating access token: Session has expired.", subcode=463)
    meta.exchanged += 1
    token = f"EAAlong{meta.exchanged:06}"
    meta.tokens[token] = set(meta.tokens[held])
    meta.expiries[token] = int(meta.now().timestamp()) + _LONG
    return {"access_token": token, "token_type": "bearer", "expires_in": _LONG}


def debug_token(meta: PretendMeta, params: Mapping[str, str]) -> dict[str, Any]:
    """`GET /debug_token`: what a token is; only the app itself may ask.

    Raises:
        GraphError: The asker is not the app.
    """
    options = meta.options
    if params.get("access_token") != meta.app_token:
        raise GraphError(190, "Invalid OAuth access token signature.", status=401)
    token = params.get("input_token", "")
    if token not in meta.tokens:
        problem = {"code": 190, "message": "Invalid OAuth access token."}
        return {"data": {"is_valid": False, "app_id": options.app_id, "scopes": [], "error": problem}}
    expires = meta.expiries.get(token, 0)
    ended = meta.expired(token)
    problem = {"code": 190, "message": "Error validating access token: Session has expired.", "subcode": 463}
    return {
        "data": {
            "app_id": options.app_id,
            "application": "Sandbox app",
            "user_id": "100011",
            "type": "USER" if expires else "SYSTEM_USER",
            "is_valid": not ended,
            **({"error": problem} if ended else {}),
            "expires_at": expires,
            "data_access_expires_at": 0,
            "scopes": list(SCOPES),
        }
    }
