"""Google Ads keeps the promises that every source keeps."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from weathervane.google_ads._source import GOOGLE_ADS
from weathervane.google_ads.sandbox import RunningGoogleAds, running_google_ads
from weathervane.source import Dataset
from weathervane.source.sandbox import Fault as SandboxFault
from weathervane.source.testing import CHECKS, Check, Fault, declared_paths, staged

from .bench import LEVELS, lately

SECRET, REFRESH = "canary-secret-5e1f0", "1//canary-refresh-77ab"

_projects = itertools.count(1)


class PretendGoogleAds:
    """Google Ads as the conformance suite sees it."""

    definition = GOOGLE_ADS
    secrets = (SECRET, REFRESH, "ya29.")

    @contextmanager
    def running(self) -> Iterator[Accounts]:
        """Two client accounts with sixteen days of figures."""
        project = f"{next(_projects):012d}-conformance.apps.googleusercontent.com"
        with running_google_ads(
            clients=2, days=16, now=lately(), client_id=project, client_secret=SECRET, refresh_token=REFRESH
        ) as running:
            yield Accounts(running)


class Accounts:
    """Accounts that are being served."""

    def __init__(self, running: RunningGoogleAds) -> None:
        self._running = running
        self._vendor = running.vendor

    def environment(self, tenant: str) -> Mapping[str, str]:
        """An OAuth user, and the sandbox's address."""
        prefix = f"WEATHERVANE_GOOGLE_ADS__{tenant.upper()}__"
        return {
            f"{prefix}CLIENT_ID": self._vendor.options.client_id,
            f"{prefix}CLIENT_SECRET": SECRET,
            f"{prefix}REFRESH_TOKEN": REFRESH,
            f"{prefix}API_URL": self._running.url,
            f"{prefix}TOKEN_URL": self._running.token_url,
        }

    def truth(self, dataset: str, tenant: str) -> list[Mapping[str, Any]]:
        """All daily figures of the level."""
        return [{"tenant_id": tenant, **row} for row in self._vendor.table(dataset).rows]

    def change(self) -> None:
        """An ad's day is corrected, and the account's next day begins."""
        account = next(one for one in self._vendor.world.accounts.values() if one.node.children)
        ad = account.node.at("ad_group_ad")[0]
        day = account.moment(self._vendor.clock.now()).today - timedelta(days=1)
        metrics = {"metrics.clicks": 3, "metrics.impressions": 90, "metrics.cost_micros": 1_230_000}
        self._vendor.change(
            "set_metrics",
            customer=account.id,
            level="ad_group_ad",
            key=ad.key,
            date=str(day),
            metrics=metrics,
        )
        self._vendor.advance(10 * 3600)

    def spoil(self) -> Mapping[str, int]:
        """A campaign's value of conversions becomes what no column can hold; the account's sum with it."""
        account = next(one for one in self._vendor.world.accounts.values() if one.node.children)
        campaign = account.node.at("campaign")[-1]
        day = account.moment(self._vendor.clock.now()).today - timedelta(days=2)
        metrics = {"metrics.clicks": 3, "metrics.conversions_value": "NaN"}
        self._vendor.change(
            "set_metrics",
            customer=account.id,
            level="campaign",
            key=campaign.key,
            date=str(day),
            metrics=metrics,
        )
        return {"google_ads": 1, "google_ads_customers": 1}

    def unfit(self, **args: Any) -> SandboxFault:
        """A value that nobody declared."""
        return self._vendor.faults.add("unfit", None, **args)

    def on_the_wire(self, dataset: Dataset) -> Mapping[str, str]:
        """As declared."""
        return declared_paths(dataset)

    def break_down(self, fault: Fault) -> None:
        """In Google's own ways."""
        faults = self._vendor.faults
        if fault is Fault.THROTTLED:
            faults.add(
                "error", code="quotaError.RESOURCE_TEMPORARILY_EXHAUSTED", match={"resource": "campaign"}
            )
        elif fault is Fault.REFUSED:
            faults.add("token_error", None)
            faults.add("error", None, code="authenticationError.OAUTH_TOKEN_REVOKED")
        else:
            faults.add("missing_rows", None, match={"resource": list(LEVELS.values())})

    def mend(self) -> None:
        """All is well again."""
        self._vendor.faults.clear()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_source_keeps_the_promise(check: Check, prefect: None, tmp_path: Path) -> None:
    """See `weathervane.source.testing._checks` for what each one says."""
    with staged(PretendGoogleAds(), tmp_path / "lake") as stage:
        check(stage)
