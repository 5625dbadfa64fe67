"""Which accounts a tenant has: every enabled client under the managers that its user reaches, each once."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from weathervane.google_ads._client import GoogleAdsClient
from weathervane.google_ads._verdict import PER_ACCOUNT, AccountNotEnabledError, RefusedError
from weathervane.source import (
    ConfigurationError,
    ContractError,
    CredentialsError,
    IncompleteError,
    SourceError,
    decode,
    parse_zone,
)

__all__ = ["Accounts", "Customer", "Skipped", "find_accounts"]

log = logging.getLogger(__name__)

_TREE = (
    "SELECT customer_client.id, customer_client.level, customer_client.manager, customer_client.status,"
    " customer_client.time_zone, customer_client.currency_code, customer_client.descriptive_name FROM customer_client"
)


@dataclass(frozen=True)
class Customer:
    """An account that has figures, and the way to it."""

    id: str
    name: str
    currency: str
    timezone: ZoneInfo
    """Its days begin and end here."""
    login: str | None
    """The manager through which it is reached; None for direct access."""


@dataclass(frozen=True)
class Skipped:
    """An account that is not read, and why."""

    id: str
    name: str
    reason: str
    """Its status (CANCELED, SUSPENDED, CLOSED), CUSTOMER_NOT_ENABLED, or MANAGER."""


@dataclass(frozen=True)
class Accounts:
    """What was found."""

    customers: tuple[Customer, ...]
    skipped: tuple[Skipped, ...]
    denied: Mapping[str, SourceError]
    """Roots that may not even be listed, though the user is said to reach them, accounts whose row cannot be read or
    whose time zone is not known here, and configured accounts that are not reached. With configured accounts: only what
    concerns these."""


class _Client(msgspec.Struct, rename="camel"):
    id: str
    manager: bool | None = False
    status: str | None = ""
    time_zone: str | None = "UTC"
    currency_code: Any = ""
    descriptive_name: Any = ""
    """These two only describe, and cost no account."""


class _Row(msgspec.Struct, rename="camel"):
    customer_client: _Client


class _Named(msgspec.Struct, rename="camel"):
    id: str | int


class _NamedRow(msgspec.Struct, rename="camel"):
    customer_client: _Named


def find_accounts(client: GoogleAdsClient) -> Accounts:
    """The accounts of the tenant's credentials.

    Managers have no figures and are not in it. An account below two managers is there once.

    Raises:
        ConfigurationError: No account is enabled, or there are too many.
        SourceError: Google cannot be asked, did not list an account of which it was asked, or lets none be read.
    """
    credentials = client.credentials
    roots = [credentials.login_customer_id] if credentials.login_customer_id else client.accessible()
    found: dict[str, Customer | Skipped] = {}
    managers: dict[str, str | None] = {}
    denied: dict[str, SourceError] = {}
    for root in roots:
        _expand(client, root, credentials.login_customer_id, found, managers, denied)
    if credentials.customers:
        found, denied = _chosen(client, found, managers, denied)
    customers = tuple(one for one in found.values() if isinstance(one, Customer))
    skipped = tuple(one for one in found.values() if isinstance(one, Skipped))
    for one in skipped:
        log.warning("%s: account %s (%s) is not read: %s", client.tenant, one.id, one.name, one.reason)
    if not customers and denied:
        raise next(iter(denied.values()))
    if not customers:
        told = f"none of the {len(found)} accounts that are reached is an enabled client"
        raise ConfigurationError(told, reason="NO_CUSTOMERS")
    if len(customers) > client.settings.max_customers:
        raise ConfigurationError(
            f"{len(customers)} accounts are more than one tenant can have ({client.settings.max_customers}); split"
            " them among tenants by customer_ids",
            reason="TOO_MANY_CUSTOMERS",
        )
    return Accounts(customers, skipped, denied)


def _expand(
    client: GoogleAdsClient,
    root: str,
    login: str | None,
    found: dict[str, Customer | Skipped],
    managers: dict[str, str | None],
    denied: dict[str, SourceError],
) -> None:
    """Adds a root and all below it."""
    for one in _tree(client, root, login, found, denied):
        # What is below a root is reached through it; the root itself is reached directly.
        way = login or (root if one.id != root else None)
        name = one.descriptive_name if isinstance(one.descriptive_name, str) else ""
        if one.manager:
            managers.setdefault(one.id, way)
        elif one.status != "ENABLED":
            found.setdefault(one.id, Skipped(one.id, name, one.status or "UNKNOWN"))
        elif one.id not in found or way is None:
            try:
                zone = parse_zone(one.time_zone or "UTC", f"account {one.id}: its time zone")
            except ContractError as error:
                # Its days are not known, those of the others are.
                denied[one.id] = error
            else:
                currency = one.currency_code if isinstance(one.currency_code, str) else ""
                found[one.id] = Customer(one.id, name, currency, zone, way)


def _tree(
    client: GoogleAdsClient,
    root: str,
    login: str | None,
    found: dict[str, Customer | Skipped],
    denied: dict[str, SourceError],
) -> list[_Client]:
    """An account and all below it; none when it may not be listed, which is then noted in `found` or `denied`.

    So is one whose row cannot be read, by its number if that can.

    Raises:
        IncompleteError: Google does not even list the account itself, so others are missing too.
    """
    try:
        rows = client.rows(root, _TREE, msgspec.Raw, login=login)
    except AccountNotEnabledError as error:
        found.setdefault(root, Skipped(root, "", error.reason))
        return []
    except RefusedError as error:
        if error.reason not in PER_ACCOUNT:
            raise
        denied[root] = error
        return []
    clients: list[_Client] = []
    odd: dict[str | None, SourceError] = {}
    for row in rows:
        try:
            clients.append(_read(row))
        except ContractError as error:
            number = _number(row)
            odd[number] = ContractError(
                f"its row of customer_client below {root} cannot be read ({error.message}); look at the account in"
                " Google Ads, or leave it out by naming the others in customer_ids",
                reason=error.reason,
            )
    denied |= {number or f"an account below {root}": error for number, error in odd.items()}
    # One whose number cannot be read may be the account itself.
    if not any(one.id == root for one in clients) and not odd.keys() & {root, None}:
        raise IncompleteError(
            f"customer_client of {root}: {len(clients)} accounts, and {root} itself is not among them",
            reason="ROWS_MISSING",
        )
    return clients


def _read(row: msgspec.Raw) -> _Client:
    found = decode(row, _Row, "it").customer_client
    if not re.fullmatch(r"[0-9]{1,19}", found.id):
        raise ContractError("its id is not a number", reason="UNEXPECTED_JSON")
    return found


def _number(row: msgspec.Raw) -> str | None:
    """The account's number of a row that cannot be read otherwise; None when that cannot be read either."""
    try:
        number = str(decode(row, _NamedRow, "it").customer_client.id)
    except ContractError:
        return None
    return number if re.fullmatch(r"[0-9]{1,19}", number) else None


def _chosen(
    client: GoogleAdsClient,
    found: dict[str, Customer | Skipped],
    managers: dict[str, str | None],
    denied: dict[str, SourceError],
) -> tuple[dict[str, Customer | Skipped], dict[str, SourceError]]:
    """The configured ones among all that are reached, and why the others of them cannot be read.

    A root that nobody configured is another's affair: that it is denied counts only when a configured account was
    found nowhere else, since it may be below that root.
    """
    chosen: dict[str, Customer | Skipped] = {}
    failed: dict[str, SourceError] = {}
    missing: dict[str, SourceError] = {}
    for number in client.credentials.customers:
        if number in found:
            chosen[number] = found[number]
        elif number in managers:
            below = {one.id for one in _tree(client, number, managers[number], chosen, failed)}
            chosen |= {one: account for one, account in found.items() if one in below}
            failed |= {one: error for one, error in denied.items() if one in below}
        elif number in denied:
            failed[number] = denied[number]
        else:
            missing[number] = CredentialsError(
                f"the configured account {number} is not among those that the user reaches",
                reason="CUSTOMER_NOT_REACHED",
            )
    # The roots first: they are the likelier cause.
    return chosen, {**failed, **(denied if missing else {}), **missing}
