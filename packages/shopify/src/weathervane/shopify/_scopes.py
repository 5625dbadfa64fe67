"""What a token may read, and what that leaves out."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from weathervane.shopify._client import Shop
from weathervane.source import CredentialsError, Dataset

__all__ = ["check_scope", "day_bounds", "readable"]

log = logging.getLogger(__name__)


def check_scope(shop: Shop, scope: str) -> None:
    """Raises CredentialsError when the token lacks a scope without which nothing can be read.

    An app version released without scopes gives a token that is valid and sees nothing.
    """
    if scope not in shop.scopes:
        granted = ", ".join(sorted(shop.scopes)) or "none at all"
        raise CredentialsError(
            f"the app lacks the scope {scope} on {shop.domain} (granted: {granted}); add it and reinstall the app",
            reason="MISSING_SCOPE",
        )


def readable(dataset: Dataset, shop: Shop, scopes: Mapping[str, str]) -> Dataset:
    """The dataset without the columns whose scope is missing: they are not asked for, and NULL."""
    names = [column.name for column in dataset.columns]
    missing = {name: scope for name, scope in scopes.items() if name in names and scope not in shop.scopes}
    if missing:
        told = ", ".join(f"{name} ({scope})" for name, scope in missing.items())
        log.warning("%s: %s: NULL for want of a scope: %s", shop.domain, dataset.name, told)
    return dataset.without(*missing)


def day_bounds(day: date | None, shop: Shop) -> tuple[datetime | None, datetime | None]:
    """The first and the last second of a day in the shop's time zone, in UTC."""
    if day is None:
        return None, None
    first = datetime.combine(day, time(), shop.timezone)
    after = datetime.combine(day + timedelta(days=1), time(), shop.timezone)
    return first.astimezone(UTC), after.astimezone(UTC) - timedelta(seconds=1)
