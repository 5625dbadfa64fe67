"""Meta Ads keeps the promises that every source keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from weathervane.meta_ads._source import META_ADS
from weathervane.meta_ads.sandbox import AccountOptions, RunningMeta, running_meta
from weathervane.source import Dataset
from weathervane.source.sandbox import Fault as SandboxFault
from weathervane.source.testing import CHECKS, Check, Fault, declared_paths, staged

TOKEN, SECRET = "EAAcanary4e1d7", "secret-canary-77a1"
ACCOUNTS = (
    AccountOptions("101", "EUR", "Europe/Paris", "Acme"),
    AccountOptions("102", "JPY", "Asia/Tokyo", "Umi"),
)


class PretendMetaAds:
    """Meta as the conformance suite sees it."""

    definition = META_ADS
    secrets = (TOKEN, SECRET)

    @contextmanager
    def running(self) -> Iterator[World]:
        """Two accounts with eight ads each, in an app that wants its proof."""
        options: dict[str, Any] = {
            "accounts": ACCOUNTS,
            "campaigns": 2,
            "adsets": 2,
            "ads": 2,
            "history_days": 20,
        }
        with running_meta(
            **options, run_polls=0, access_token=TOKEN, app_secret=SECRET, require_proof=True
        ) as running:
            yield World(running)


class World:
    """A world that is being served."""

    def __init__(self, running: RunningMeta) -> None:
        self._running = running
        self._meta = running.meta

    def environment(self, tenant: str) -> Mapping[str, str]:
        """A token and the app, and the sandbox's address."""
        prefix = f"WEATHERVANE_META_ADS__{tenant.upper()}"
        return {
            f"{prefix}__ACCESS_TOKEN": TOKEN,
            f"{prefix}__APP_ID": "1234567890",
            f"{prefix}__APP_SECRET": SECRET,
            f"{prefix}__API_URL": self._running.url,
        }

    def truth(self, dataset: str, tenant: str) -> list[Mapping[str, Any]]:
        """What the accounts' rows hold."""
        return [{"tenant_id": tenant, **row} for row in self._meta.table(dataset).rows]

    def change(self) -> None:
        """A day later, an ad's spend of the day before is another one."""
        row = next(iter(self._meta.truth("insights_ad")))
        self._meta.advance(86_400)
        self._meta.change("add_spend", ad_id=row["ad_id"], day="2026-10-31", amount="1")

    def spoil(self) -> Mapping[str, int]:
        """Two rows have impressions that are no number."""
        rows = list(self._meta.truth("insights_adset"))
        for row in (rows[0], rows[-1]):
            spoilt = {"impressions": "a great many"}
            self._meta.change("spoil", level="adset", id=row["adset_id"], day=row["date_start"], set=spoilt)
        return {"meta_ads": 2}

    def unfit(self, **args: Any) -> SandboxFault:
        """A value that nobody declared."""
        return self._meta.faults.add("unfit", None, **args)

    def on_the_wire(self, dataset: Dataset) -> Mapping[str, str]:
        """As declared, but for what is put together from lists of actions."""
        if dataset.explode is not None:
            return {}
        return {name: path for name, path in declared_paths(dataset).items() if not path.startswith("_")}

    def break_down(self, fault: Fault) -> None:
        """In Meta's own ways."""
        if fault is Fault.THROTTLED:
            self._meta.faults.add("account_limit", match={"kind": ["insights", "report"]}, reset=1)
        elif fault is Fault.REFUSED:
            self._meta.faults.add("token_expired", None)
        else:
            self._meta.faults.add("missing_rows", None, match={"level": "adset"})

    def mend(self) -> None:
        """All is well again."""
        self._meta.faults.clear()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_source_keeps_the_promise(check: Check, prefect: None, tmp_path: Path) -> None:
    """See `weathervane.source.testing._checks` for what each one says."""
    with staged(PretendMetaAds(), tmp_path / "lake") as stage:
        check(stage)
