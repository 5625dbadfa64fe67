"""Klaviyo keeps the promises that every source keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from weathervane.klaviyo._source import KLAVIYO
from weathervane.klaviyo.sandbox import RunningKlaviyo, running_klaviyo
from weathervane.source import Dataset
from weathervane.source.sandbox import Fault as SandboxFault
from weathervane.source.testing import CHECKS, Check, Fault, declared_paths, staged

KEY = "pk_canary_7f31b"
METRIC = "RESQ6t"
PARIS = ZoneInfo("Europe/Paris")


ON_THE_WIRE = {
    "klaviyo_campaigns": {
        "name": "definition.name",
        "builder": "definition.builder",
        "archived": "definition.archived",
        "send_strategy": "definition.send_settings.send_strategy",
        "created_at": "created_at",
        "updated_at": "updated_at",
    },
    "klaviyo_campaign_messages": {
        "name": "definition.name",
        "status": "definition.status",
        "send_time": "definition.send_options.send_time",
        "send_strategy": "definition.send_options.send_strategy",
        "created_at": "created",
        "updated_at": "updated",
    },
    "klaviyo_campaign_variations": {
        "channel": "definition.details.channel",
        "template_id": "definition.details.template_id",
    },
}


class PretendKlaviyo:
    """Klaviyo as the conformance suite sees it."""

    definition = KLAVIYO
    secrets = (KEY,)

    @contextmanager
    def running(self) -> Iterator[Account]:
        """An account of twenty campaigns, in which nothing happens by itself."""
        # Generous quotas: they are counted in real time, and these tests are not about pace.
        with running_klaviyo(campaigns=20, life=False, api_key=KEY, quota_factor=1e6) as running:
            yield Account(running)


class Account:
    """An account that is being served."""

    def __init__(self, running: RunningKlaviyo) -> None:
        self._running = running
        self._account = running.account

    def environment(self, tenant: str) -> Mapping[str, str]:
        """The key, the metric that reports count, and the sandbox's address."""
        prefix = f"WEATHERVANE_KLAVIYO__{tenant.upper()}"
        return {
            f"{prefix}__API_KEY": KEY,
            f"{prefix}__CONVERSION_METRIC_ID": METRIC,
            f"{prefix}__API_URL": self._running.url,
        }

    def truth(self, dataset: str, tenant: str) -> list[Mapping[str, Any]]:
        """What the account holds; the reports count the metric that the tenant has chosen."""
        more = {"conversion_metric_id": METRIC} if dataset == "klaviyo_campaign_reports" else {}
        return [{"tenant_id": tenant, **more, **row} for row in self._account.table(dataset).rows]

    def change(self) -> None:
        """An hour later a draft is renamed, one is sent, and a new one is made."""
        self._account.advance(3600)
        first = sorted(self._account.world.records["campaign"])[0]
        self._account.change("touch", id=first)
        self._account.change("send", id=self._account.change("new_campaign")["id"])
        self._account.change("new_campaign", status="scheduled")

    def spoil(self) -> Mapping[str, int]:
        """Three campaigns say in words whether they are archived, so that neither list has them."""
        for one in sorted(self._account.world.records["campaign"])[:3]:
            self._account.change("update", id=one, set={"archived": "perhaps"})
        return {"klaviyo_campaigns": 3}

    def unfit(self, **args: Any) -> SandboxFault:
        """A value that nobody declared."""
        return self._account.faults.add("unfit", None, **args)

    def on_the_wire(self, dataset: Dataset) -> Mapping[str, str]:
        """Rows are put together from several resources; what of each stands in one of them as it is."""
        if dataset.name not in ON_THE_WIRE:
            return declared_paths(dataset)
        return {name: f"attributes.{path}" for name, path in ON_THE_WIRE[dataset.name].items()} | {
            dataset.unique_keys[-1]: "id"
        }

    def break_down(self, fault: Fault) -> None:
        """Klaviyo's own ways of it."""
        if fault is Fault.REFUSED:
            self._account.change("revoke_key")
        elif fault is Fault.THROTTLED:
            self._account.faults.add("throttled", match={"endpoint": "campaigns"})
        else:
            # A good answer, but for its data: the nearest that a vendor without counts comes to a page that lacks some.
            self._account.faults.add("no_data", None, match={"endpoint": "campaigns"})

    def mend(self) -> None:
        """All is well."""
        self._account.faults.clear()
        self._account.change("revoke_key", revoked=False)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_source_keeps_the_promise(check: Check, prefect: None, tmp_path: Path) -> None:
    """See `weathervane.source.testing._checks` for what each one says."""
    with staged(PretendKlaviyo(), tmp_path / "lake") as stage:
        check(stage)
