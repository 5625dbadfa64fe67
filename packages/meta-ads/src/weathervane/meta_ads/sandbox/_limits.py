"""The limits of an app: scores that rise with calls and fall with time, and the headers that tell of them.

They run in real time, not by the pretend vendor's clock: a client that waits, waits really.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable
from typing import Any

from weathervane.meta_ads.sandbox._errors import GraphError
from weathervane.meta_ads.sandbox._options import MetaOptions

__all__ = ["Limits"]

_READ, _WRITE = 1.0, 3.0
_APP_CALLS = {"development_access": 12_000.0, "standard_access": 300_000.0}
_HOUR = 3600.0


class _Score:
    """Points that leak away evenly, and a block once they reach the top."""

    def __init__(self, top: float, seconds: float, block: float) -> None:
        self.top, self._seconds, self._block = top, seconds, block
        self._level, self._at, self._until = 0.0, 0.0, 0.0

    def take(self, points: float, now: float) -> float | None:
        """Adds a call; returns the seconds of the block that it meets, or None when it may go."""
        if now < self._until:
            return self._until - now
        self._level = max(0.0, self._level - (now - self._at) * self.top / self._seconds)
        self._at = now
        if self._level + points > self.top:
            self._until = now + self._block
            return self._block
        self._level += points
        return None

    def percent(self, now: float) -> float:
        """How full it is."""
        if now < self._until:
            return 100.0
        left = max(0.0, self._level - (now - self._at) * self.top / self._seconds)
        return round(100 * left / self.top, 2)

    def regains(self, now: float) -> float:
        """Seconds until the block ends."""
        return max(0.0, self._until - now)


class Limits:
    """All limits of one app. Thread-safe.

    Args:
        options: The tier, or the three tops themselves.
        ads: Active ads of an account, which raise its hour's calls.
        monotonic: Real time in seconds.
    """

    def __init__(
        self,
        options: MetaOptions,
        ads: Callable[[str], int],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options, self._ads, self._now = options, ads, monotonic
        development = options.tier == "development_access"
        self._score_top = options.score_max or (60.0 if development else 9_000.0)
        self._block = 300.0 if development else 60.0
        self._hour_base = options.hour_calls or (600.0 if development else 190_000.0)
        self._lock = threading.Lock()
        self._app = _Score(options.app_calls or _APP_CALLS[options.tier], _HOUR, 300.0)
        self._scores: dict[str, _Score] = {}
        self._hours: dict[str, _Score] = {}

    def check(self, account: str | None, *, writes: bool, insights: bool) -> None:
        """Counts one call.

        Raises:
            GraphError: It is one too many: 4 for the app, 17 for the account's score, 80000 or 80004 for its hour.
        """
        with self._lock:
            now = self._now()
            if self._app.take(1.0, now) is not None:
                subcode = 1504022 if insights else None
                raise GraphError(
                    4,
                    "(#4) Application request limit reached",
                    subcode=subcode,
                    status=403,
                    transient=True,
                    regain=5,
                )
            if account is None:
                return
            wait = self._score(account).take(_WRITE if writes else _READ, now)
            if wait is not None:
                raise GraphError(
                    17,
                    "(#17) User request limit reached",
                    subcode=2446079,
                    transient=True,
                    title="Ad Account Has Too Many API Calls",
                    regain=math.ceil(wait / 60),
                )
            if self._hour(account).take(1.0, now) is not None:
                code = 80000 if insights else 80004
                message = f"(#{code}) There have been too many calls from this ad-account."
                raise GraphError(code, message, subcode=2446079, transient=True, regain=5)

    def headers(self, account: str | None, error: GraphError | None, *, insights: bool) -> dict[str, str]:
        """The usage headers of an answer."""
        regain = error.regain if error is not None and error.regain is not None else None
        with self._lock:
            now, tier = self._now(), self._options.tier
            app = self._app.percent(now)
            if error is not None and error.code == 4:
                app = 100.0
            usage = math.ceil(app)
            headers = {"x-app-usage": _json({"call_count": usage, "total_cputime": 0, "total_time": usage})}
            if account is None:
                return headers
            score, hour = self._score(account), self._hour(account)
            used, calls = score.percent(now), hour.percent(now)
            if regain is not None and error is not None and error.code != 4:
                used = calls = 100.0
            minutes = (
                regain if regain is not None else math.ceil(max(score.regains(now), hour.regains(now)) / 60)
            )
            kind = "ads_insights" if insights else "ads_management"
            entry = {
                "type": kind,
                "call_count": math.ceil(calls),
                "total_cputime": 0,
                "total_time": 0,
                "estimated_time_to_regain_access": minutes,
                "ads_api_access_tier": tier,
            }
            headers["x-business-use-case-usage"] = _json({account: [entry]})
            headers["x-ad-account-usage"] = _json(
                {
                    "acc_id_util_pct": used,
                    "reset_time_duration": math.ceil(score.regains(now)),
                    "ads_api_access_tier": tier,
                }
            )
            if insights:
                headers["x-fb-ads-insights-throttle"] = _json(
                    {"app_id_util_pct": app, "acc_id_util_pct": used, "ads_api_access_tier": tier}
                )
            return headers

    def _score(self, account: str) -> _Score:
        return self._scores.setdefault(account, _Score(self._score_top, 300.0, self._block))

    def _hour(self, account: str) -> _Score:
        if account not in self._hours:
            self._hours[account] = _Score(self._hour_base + 400.0 * self._ads(account), _HOUR, 300.0)
        return self._hours[account]


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
