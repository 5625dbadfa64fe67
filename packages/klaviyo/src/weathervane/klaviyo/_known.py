"""What the lake holds of an account's campaigns: whose content need not be read again, and what may have vanished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from weathervane.klaviyo._rows import Row, moment_of
from weathervane.klaviyo._tables.campaigns import CAMPAIGNS, MESSAGES, VARIATIONS
from weathervane.klaviyo._tables.reports import REPORTS
from weathervane.lake import LakeClient, NotFoundError, TableRef
from weathervane.source import ConfigurationError, Dataset

__all__ = ["Known"]

_FINAL = ("sent", "cancelled")


@dataclass
class Known:
    """The rows of earlier runs, as far as the next one needs them."""

    campaigns: set[str] = field(default_factory=set)
    """Those not marked as deleted."""
    messages: dict[str, Row] = field(default_factory=dict)
    channels: dict[str, set[str]] = field(default_factory=dict)
    """By message: the channels of its variations."""
    reported: dict[str, set[date]] = field(default_factory=dict)
    """By conversion metric: the first days of the quarters that have rows."""
    said: set[str] = field(default_factory=set)
    """Messages with variations of the omni model; a legacy one has its message's own id."""

    @classmethod
    def load(cls, lake: LakeClient, tenant: str, account_id: str) -> Known:
        """Reads it; empty when there are no tables yet.

        Raises:
            ConfigurationError: The rows are another account's, which would all be taken for deleted.
        """
        known = cls()
        for row in _rows(lake, tenant, CAMPAIGNS, ("campaign_id", "account_id", "deleted_at")):
            if row["deleted_at"] is None:
                if row["account_id"] != account_id:
                    raise ConfigurationError(
                        f"the key is of account {account_id}, and the tenant's campaigns are of {row['account_id']};"
                        " give another account a tenant of its own",
                        reason="WRONG_ACCOUNT",
                    )
                known.campaigns.add(row["campaign_id"])
        names = ("message_id", "campaign_id", "status", "send_time", "updated_at", "deleted_at")
        for row in _rows(lake, tenant, MESSAGES, names):
            known.messages[row["message_id"]] = row
        for row in _rows(lake, tenant, VARIATIONS, ("message_id", "variation_id", "channel")):
            known.channels.setdefault(row["message_id"], set()).add(row["channel"])
            if row["variation_id"] != row["message_id"]:
                known.said.add(row["message_id"])
        for row in _rows(lake, tenant, REPORTS, ("conversion_metric_id", "period_start")):
            known.reported.setdefault(row["conversion_metric_id"], set()).add(row["period_start"])
        return known

    def unchanged(self, message: Row) -> bool:
        """Whether a message still says what the lake holds.

        It does when it is final and was not touched. A draft's variations are always read: whether an edit of one
        moves its message's `updated` is not documented.
        """
        row = self.messages.get(message["id"])
        return (
            row is not None
            and row["deleted_at"] is None
            and message["id"] in self.said
            and message["status"] in _FINAL
            and row["status"] == message["status"]
            and row["updated_at"] == moment_of(message["updated_at"])
        )


def _rows(lake: LakeClient, tenant: str, dataset: Dataset, columns: Sequence[str]) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = (
            lake.read(TableRef(tenant, dataset.name), columns=columns).read_all().to_pylist()
        )
    except NotFoundError:
        return []
    return rows
