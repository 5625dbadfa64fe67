"""Quotas: what one account's throttle, or a whole Cloud project's, means for everybody whom it binds."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx

from weathervane.google_ads._verdict import QuotaError
from weathervane.source import PauseGate, Retry, Verdict, shared

__all__ = ["QuotaPace"]

CUSTOMER = "weathervane.google_ads.customer"
"""Request extension: the account that is asked."""


class QuotaPace:
    """Gates before every call: the project's, which all tenants of its OAuth clients share, and the account's.

    Args:
        project: the Cloud project.
        max_wait: seconds that are slept in place; for more the call is not made, and DeferredError raised.
        clock, sleep: the time.
    """

    def __init__(
        self,
        project: str,
        *,
        max_wait: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        def gate(key: tuple[str, ...], what: str) -> PauseGate:
            return shared(key, lambda: PauseGate(what, key=key, max_wait=max_wait, clock=clock, sleep=sleep))

        self._project = gate(("google_ads", project), "the Cloud project")
        self._gate = gate
        self._name = project

    def before(self, request: httpx.Request) -> None:
        """Wait until both gates are open."""
        self._project.before(request)
        if CUSTOMER in request.extensions:
            self._customer(request.extensions[CUSTOMER]).before(request)

    def _customer(self, number: str) -> PauseGate:
        return self._gate(("google_ads", self._name, number), f"account {number}")

    def after(self, response: httpx.Response, verdict: Verdict) -> None:
        """Close the gate that a throttle names."""
        if (
            not isinstance(verdict, Retry)
            or not isinstance(verdict.error, QuotaError)
            or verdict.after is None
        ):
            return
        refusal = verdict.error.refusal
        customer = response.request.extensions.get(CUSTOMER)
        if refusal is not None and refusal.scope == "ACCOUNT" and customer:
            self._customer(customer).pause(verdict.after)
        else:
            # A throttle that does not say for whom may be for all.
            self._project.pause(verdict.after)
