"""A pretend Klaviyo: one process is one account that obeys the rules of the campaigns API, legacy and 2026-10-15.

Run it with `python -m weathervane.klaviyo.sandbox`, or in a test with `running_klaviyo()`. It needs the `sandbox`
extra. No client code imports it.
"""

from weathervane.klaviyo.sandbox._account import FAULTS, PretendAccount
from weathervane.klaviyo.sandbox._options import DEFAULT_SCOPES, AccountOptions
from weathervane.klaviyo.sandbox._records import RecordsError
from weathervane.klaviyo.sandbox._revisions import LEGACY, OMNI, REVISIONS
from weathervane.klaviyo.sandbox._running import RunningKlaviyo, running_klaviyo

__all__ = [
    "DEFAULT_SCOPES",
    "FAULTS",
    "LEGACY",
    "OMNI",
    "REVISIONS",
    "AccountOptions",
    "PretendAccount",
    "RecordsError",
    "RunningKlaviyo",
    "running_klaviyo",
]
