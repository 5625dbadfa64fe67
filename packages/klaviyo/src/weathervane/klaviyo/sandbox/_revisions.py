"""Which revisions there are and for how long each is served.

Klaviyo publishes one a quarter, stable for a year and deprecated for another (its versioning policy). The legacy ones
that are served here share one shape; until 2024-10-15 messages were flat, and those revisions ended in October 2026.
"""

from __future__ import annotations

from datetime import date

from weathervane.klaviyo.sandbox._problems import RefusalError, invalid

__all__ = ["BETAS", "LEGACY", "OMNI", "RETIRED", "REVISIONS", "admit", "is_omni"]

OMNI = "2026-10-15"
"""The first revision of the campaign / message / variation model."""
LEGACY = "2026-07-15"
"""The last one of the flat model."""
REVISIONS = (
    "2025-01-15",
    "2025-04-15",
    "2025-07-15",
    "2025-10-15",
    "2026-01-15",
    "2026-04-15",
    LEGACY,
    OMNI,
)
"""What is served; all but the last are legacy."""
BETAS = ("2026-04-15.pre", "2026-07-15.pre")
"""The betas that had the omni model, with variations in the list of messages."""
RETIRED = (
    "2022-10-17",
    "2023-01-24",
    "2023-02-22",
    "2023-06-15",
    "2023-07-15",
    "2023-08-15",
    "2023-09-15",
    "2023-10-15",
    "2023-12-15",
    "2024-02-15",
    "2024-05-15",
    "2024-06-15",
    "2024-07-15",
    "2024-10-15",
)
"""What was served once."""
YEARS = 2


def is_omni(revision: str) -> bool:
    """Whether a revision has the omni model."""
    return revision >= OMNI or revision in BETAS


def admit(revision: str, today: date) -> None:
    """Lets a served revision pass; one that is older than the account's clock is too.

    Args:
        revision: what the header says; empty when there is none.
        today: the account's day, in UTC.

    Raises:
        RefusalError: 400 without a revision or with one that never existed, 410 for one that has ended.
    """
    if revision in (*REVISIONS, *BETAS):
        released = date.fromisoformat(revision.removesuffix(".pre"))
        if today < released.replace(year=released.year + YEARS):
            return
    elif revision not in RETIRED:
        # Stricter than life, on purpose: Klaviyo's policy wants a valid one, and does not say what it does without.
        told = f"{revision!r} is not a valid revision; the latest one is {OMNI}."
        raise invalid("revision", told if revision else f"A revision header is required, such as {OMNI}.")
    raise RefusalError(410, f"The revision {revision} is retired.", {"parameter": "revision"})
