"""Meta's limits, read from the headers of every answer and kept for everybody whom they bind.

An app is limited as a whole: what one tenant meets pauses all tenants of that app. An ad account has limits of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from weathervane.meta_ads._settings import MetaAdsSettings
from weathervane.source import LONGEST_DELAY, Fail, PauseGate, Retry, SourceError, Verdict, decode

__all__ = ["ACCOUNT", "AppPace", "Usage", "regain_seconds", "usage_of"]

ACCOUNT = "weathervane.meta_ads.account"
"""Request extension: the ad account that a call is about."""


@dataclass(frozen=True)
class Usage:
    """How much of the limits is used, in percent, and for how many seconds Meta lets nobody in."""

    app: float
    account: float
    regain: float


def usage_of(response: httpx.Response) -> Usage:
    """What an answer's four usage headers say, the worst of each; zeros where they say nothing readable.

    Nobody is kept out for more than a day, whatever a header says.
    """
    app, account, regain = [0.0], [0.0], [0.0]
    throttle = _header(response, "x-fb-ads-insights-throttle")
    app.append(_number(throttle.get("app_id_util_pct")))
    account.append(_number(throttle.get("acc_id_util_pct")))
    app += [_number(value) for value in _header(response, "x-app-usage").values()]
    score = _header(response, "x-ad-account-usage")
    account.append(_number(score.get("acc_id_util_pct")))
    if _number(score.get("acc_id_util_pct")) >= 100:
        regain.append(_number(score.get("reset_time_duration")))
    for entry in _entries(_header(response, "x-business-use-case-usage")):
        account += [_number(entry.get(name)) for name in ("call_count", "total_cputime", "total_time")]
        regain.append(
            60 * _number(entry.get("estimated_time_to_regain_access"))
        )  # minutes, unlike all others
    return Usage(max(app), max(account), min(max(regain), LONGEST_DELAY))


def regain_seconds(response: httpx.Response) -> float | None:
    """Seconds until Meta lets the caller in again; None when it does not say."""
    return usage_of(response).regain or None


def _header(response: httpx.Response, name: str) -> Mapping[str, Any]:
    try:
        return decode(response.headers.get(name, "{}"), dict[str, Any], f"the header {name}")
    except SourceError:
        return {}


def _entries(usage: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for entries in usage.values():
        if isinstance(entries, list):
            yield from (entry for entry in entries if isinstance(entry, dict))


def _number(value: Any) -> float:
    """A percentage, minutes or seconds; zero when it is none."""
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return float(min(max(value, 0), LONGEST_DELAY)) if known else 0.0


class AppPace:
    """The gates of one app and of the ad accounts that are read through it. Safe for many threads.

    Args:
        settings: From how much on to slow down, and how long to wait at most.
        key: Names the app to other processes; None tells them nothing.
        clock: Seconds, for tests.
        sleep: Waits, for tests.
    """

    def __init__(
        self,
        settings: MetaAdsSettings,
        *,
        key: tuple[str, ...] | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings, self._key, self._clock, self._sleep = settings, key, clock, sleep
        self._lock = threading.Lock()
        self._app = self._gate("the Meta app")
        self._accounts: dict[str, PauseGate] = {}

    def before(self, request: httpx.Request) -> None:
        """Sleep until the app and the account are open. Raises DeferredError when that is too long to sleep."""
        self._app.before(request)
        if account := request.extensions.get(ACCOUNT):
            self._account(account).before(request)

    def after(self, response: httpx.Response, verdict: Verdict) -> None:
        """Pause whom the answer concerns: at the limit for as long as Meta says, near it for a while."""
        usage = usage_of(response)
        account = response.request.extensions.get(ACCOUNT)
        own = self._account(account) if account else self._app
        error: SourceError | None = verdict.error if isinstance(verdict, Retry | Fail) else None
        wait = getattr(error, "retry_after", None)
        if error is not None and wait is not None:
            (self._app if error.reason == "APP_LIMIT" else own).pause(wait)
            return
        if (pause := max(self._slow_down(usage.account), usage.regain)) > 0:
            own.pause(pause)
        if (pause := self._slow_down(usage.app)) > 0:
            self._app.pause(pause)

    def _slow_down(self, percent: float) -> float:
        return next((pause for water, pause in self._settings.high_water if percent >= water), 0.0)

    def _account(self, account: str) -> PauseGate:
        with self._lock:
            if account not in self._accounts:
                self._accounts[account] = self._gate(f"ad account {account}")
            return self._accounts[account]

    def _gate(self, what: str) -> PauseGate:
        key = None if self._key is None else (*self._key, what)
        return PauseGate(
            what, key=key, max_wait=self._settings.max_wait, clock=self._clock, sleep=self._sleep
        )
