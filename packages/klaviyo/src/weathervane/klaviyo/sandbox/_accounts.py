"""The account itself, as a list of one and as a single record."""

from __future__ import annotations

from typing import Any

from weathervane.klaviyo.sandbox._fieldsets import check_fields, sparse
from weathervane.klaviyo.sandbox._options import AccountOptions
from weathervane.klaviyo.sandbox._problems import RefusalError
from weathervane.klaviyo.sandbox._queries import Query

__all__ = ["account_document"]


def account_document(
    options: AccountOptions, parts: list[str], query: Query, base: str, url: str
) -> dict[str, Any]:
    """Answers `accounts` and `accounts/{id}`.

    Raises:
        RefusalError: 404 for another account, 400 for a parameter that is no good.
    """
    if len(parts) > 3:
        raise RefusalError(404, f"The path /{'/'.join(parts)} could not be found.")
    query.only("fields")
    check_fields(query, "account", (), omni=True)
    one = sparse(_account(options, base), query)
    if len(parts) == 2:
        return {"data": [one], "links": {"self": url, "next": None, "prev": None}}
    if parts[2] != options.account:
        raise RefusalError(404, f"An account with id {parts[2]} does not exist.")
    return {"data": one, "links": {"self": url}}


def _account(options: AccountOptions, base: str) -> dict[str, Any]:
    address = dict.fromkeys(("address1", "address2", "city", "region", "country", "zip"), "")
    contact = {
        "default_sender_name": "Acme",
        "default_sender_email": "hi@acme.example",
        "website_url": "https://acme.example",
        "organization_name": "Acme",
        "street_address": address,
    }
    attributes = {
        "test_account": False,
        "contact_information": contact,
        "industry": "Retail",
        "timezone": options.timezone,
        "preferred_currency": options.currency,
        "public_api_key": options.account,
        "locale": "en-US",
    }
    link = f"{base}/api/accounts/{options.account}"
    return {"type": "account", "id": options.account, "attributes": attributes, "links": {"self": link}}
